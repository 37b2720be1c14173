import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from sequitur.shards.exports.blocks import blocks


@settings(deadline=None)
@given(st.lists(st.integers(0, 9), max_size=8), st.integers(1, 7))
def test_rows_are_regrouped_in_order_into_equal_blocks(counts: list[int], size: int) -> None:
    rows = np.arange(sum(counts) * 2, dtype=np.uint32).reshape(-1, 2)
    parts = np.split(rows, np.cumsum(counts)[:-1]) if counts else []

    regrouped = list(blocks(parts, size))

    assert [len(block) for block in regrouped[:-1]] == [size] * (len(regrouped) - 1)
    assert all(0 < len(block) <= size for block in regrouped)
    assert np.array_equal(np.concatenate([rows[:0], *regrouped]), rows)
