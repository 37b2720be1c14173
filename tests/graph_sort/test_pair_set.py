"""A set of pairs against Python's. Run: python -m pytest tests/graph_sort/test_pair_set.py"""

import numpy as np
import pytest

from sequitur.graph_sort.pair_set import PairSet


def edges(rng, n, count):
    return np.sort(rng.integers(0, n, (count, 2)), axis=1)


@pytest.mark.parametrize("n", [3, 100, 2**31 - 1])
def test_what_was_put_in_is_there(n):
    made = []

    def used(size, dtype):
        made.append(size)
        return np.full(size, 7, dtype)

    rng, kept, known = np.random.default_rng(n), PairSet(n, 10**9, used), set()
    for count in (0, 1, 5, 3000, 20_000):
        asked = np.concatenate([edges(rng, n, count), np.array(sorted(known)[:1000], np.int64).reshape(-1, 2)])
        assert kept.holds(asked).tolist() == [tuple(pair) in known for pair in asked.tolist()]
        kept.add(asked)
        known |= {tuple(pair) for pair in asked.tolist()}
        assert kept.holds(asked).all()
    assert len(made) > 1 or n == 3
    assert max(made) >= 2 * len(known)


def test_no_more_than_the_most_are_kept():
    kept = PairSet(1000, 50)
    asked = np.stack([np.arange(100), np.arange(100) + 1], axis=1)
    kept.add(asked)
    kept.add(asked)
    assert kept.holds(asked).tolist() == [True] * 50 + [False] * 50
