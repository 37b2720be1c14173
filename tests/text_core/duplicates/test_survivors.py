"""The member that stays is the most preferred one, by hand."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sequitur.text_core.duplicates.survivors import groups_of_equals, preferred


@given(st.lists(st.integers(0, 5), max_size=30), st.randoms())
def test_the_preferred_member_of_each_group(groups: list[int], rng: object) -> None:
    count = len(groups)
    rank = np.array(rng.sample(range(count), count), dtype=np.int64)  # type: ignore[attr-defined]
    best = [min((row for row in range(count) if groups[row] == mine), key=lambda row: rank[row]) for mine in groups]
    labels = np.array([groups.index(mine) for mine in groups], dtype=np.int64)
    assert preferred(labels, rank).tolist() == best

    keys = np.array([bytes([group] * 16) for group in groups], dtype="V16")
    others, survivors = groups_of_equals(keys, np.ones(count, dtype=bool), rank)
    expected = [(row, best[row]) for row in range(count) if best[row] != row]
    assert list(zip(others.tolist(), survivors.tolist(), strict=True)) == expected
