"""The permutation is one for every n, inverts, scatters, and stays what manifests have recorded."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sequitur.shards.permutation import invert, permute


def test_bijection_for_small_n() -> None:
    for n in range(1, 301):
        image = permute(np.arange(n), n, seed=n)
        np.testing.assert_array_equal(np.sort(image), np.arange(n))
        np.testing.assert_array_equal(invert(image, n, seed=n), np.arange(n))


@settings(max_examples=50, deadline=None)
@given(st.data(), st.integers(1, 2**63), st.integers(0, 2**64 - 1))
def test_inverts_for_large_n(data: st.DataObject, n: int, seed: int) -> None:
    index = data.draw(st.integers(0, n - 1))
    image = permute(index, n, seed)
    assert 0 <= image < n
    assert invert(image, n, seed) == index


def test_one_index_equals_many() -> None:
    many = permute(np.arange(100).reshape(10, 10), 100, seed=3)
    assert many.dtype == np.int64
    assert many.shape == (10, 10)
    assert [permute(i, 100, seed=3) for i in range(100)] == many.ravel().tolist()


def test_golden_order() -> None:
    """Rows lie in this order in every dataset whose manifest says feistel-v1: never edit these numbers."""
    assert permute(np.arange(10), 10, seed=1234).tolist() == [7, 3, 9, 1, 8, 4, 5, 2, 0, 6]
    assert permute(np.arange(3), 10**12, seed=0).tolist() == [150781349124, 961263862945, 641701381880]
    assert permute(2**63 - 1, 2**63, seed=2**64 - 1) == 3552054267010068454


def test_all_orders_of_four_are_equally_likely() -> None:
    counts = Counter(tuple(permute(np.arange(4), 4, seed).tolist()) for seed in range(2400))
    assert len(counts) == 24
    chi_square = sum((count - 100) ** 2 / 100 for count in counts.values())
    assert chi_square < 49.7  # 23 degrees of freedom, p = 0.001


def test_positions_and_neighbours_scatter() -> None:
    n = 100_000
    image = permute(np.arange(n), n, seed=5)
    assert abs(np.corrcoef(np.arange(n), image)[0, 1]) < 0.015  # standard error 0.003
    counts = np.histogram2d(np.arange(n), image, bins=10)[0]
    assert ((counts - n / 100) ** 2 / (n / 100)).sum() < 131  # 81 degrees of freedom, p = 0.0004
    assert (np.abs(np.diff(image)) == 1).sum() < 15  # 2 expected
    assert (image == permute(np.arange(n), n, seed=6)).sum() < 10  # 1 expected


@pytest.mark.parametrize(
    ("index", "n", "seed"),
    [(0, 0, 1), (5, 5, 1), (-1, 5, 1), (0, 2**63 + 1, 1), (0, 5, -1), (0, 5, 2**64), (0.5, 5, 1)],
)
def test_out_of_range(index: float, n: int, seed: int) -> None:
    with pytest.raises(ValueError, match="must be"):
        permute(index, n, seed)
