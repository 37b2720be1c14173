"""Each shuffle is a permutation, a function of its key alone, and an epoch's key is the one that it always was."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sequitur.shards.shuffles import epoch_key, shuffled


def test_the_key_of_an_epoch_is_pinned() -> None:
    """States that were saved rely on it."""
    assert epoch_key("f" * 64, 5, 2) == 15341534267326067145


@pytest.mark.parametrize("shuffle", ["global", "block", "none"])
@given(n=st.integers(1, 200), key=st.integers(0, 2**64 - 1), block=st.integers(1, 50))
def test_a_shuffle_has_every_row_once(shuffle: str, n: int, key: int, block: int) -> None:
    positions = np.arange(n)
    rows = shuffled(positions, n, key, shuffle, block if shuffle == "block" else None)

    assert sorted(rows.tolist()) == positions.tolist()
    some = np.arange(n)[::3]
    assert np.array_equal(shuffled(some, n, key, shuffle, block if shuffle == "block" else None), rows[::3])
