"""Rows of one key, against a dictionary."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sequitur.text_core.duplicates.equal_keys import key_table, others_and_leaders, rows_of

# Keys that differ in one of their words alone, at either end of it, among them.
KEYS = [bytes(16), *(bytes(1 if at == place else 0 for at in range(16)) for place in range(16)), b"\xff" * 16]
keys = st.lists(st.tuples(st.sampled_from(KEYS), st.booleans()), max_size=60)


def as_array(some: list[bytes]) -> np.ndarray:
    return np.array(some, dtype="V16")


@given(keys, st.booleans(), st.randoms())
def test_the_preferred_row_of_each_key_stands_in_the_table(some: list, by_rank: bool, random: object) -> None:
    rank = random.sample(range(len(some)), len(some))  # type: ignore[attr-defined]
    best: dict[bytes, int] = {}
    for row, (key, chosen) in enumerate(some):
        if chosen and (key not in best or (by_rank and rank[row] < rank[best[key]])):
            best[key] = row
    values, chosen = as_array([key for key, _ in some]), np.array([chosen for _, chosen in some], dtype=bool)
    table = key_table(values, chosen, np.array(rank, np.int64) if by_rank else None)
    assert rows_of(table, as_array(KEYS)).tolist() == [best.get(key, -1) for key in KEYS]
    others, leaders = others_and_leaders(table, chosen)
    expected = [(row, best[key]) for row, (key, chosen) in enumerate(some) if chosen and best[key] != row]
    assert list(zip(others.tolist(), leaders.tolist(), strict=True)) == expected


@pytest.mark.parametrize("count", [1000, 5000])
def test_many_keys(count: int) -> None:
    rng = np.random.default_rng(count)
    values = rng.integers(0, 256, (count, 16), dtype=np.uint8).view("V16")[:, 0]
    values[rng.integers(0, count, count // 4)] = values[rng.integers(0, count, count // 4)]
    values.flags.writeable = False
    everyone = np.ones(count, dtype=bool)
    table = key_table(values, everyone)
    first: dict[bytes, int] = {}
    expected = [first.setdefault(key.tobytes(), row) for row, key in enumerate(values)]
    assert rows_of(table, values).tolist() == expected
    assert table.others == count - len(first)
    assert table.slots.nbytes <= 12 * count + 8
