from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from text_core.lsh import UnreachableThresholdError, band_keys, candidate_pairs, choose_bands


def detection(similarity: float, bands: int, rows: int) -> float:
    return 1 - (1 - similarity**rows) ** bands


@pytest.mark.parametrize(("threshold", "permutations"), [(0.8, 128), (0.7, 128), (0.5, 256), (0.9, 16), (1.0, 64)])
def test_bands_find_the_threshold_and_more_rows_would_not(threshold, permutations):
    bands, rows = choose_bands(threshold, permutations)
    assert bands * rows <= permutations
    assert detection(threshold, bands, rows) >= 0.99
    for more in range(rows + 1, permutations + 1):
        assert detection(threshold, permutations // more, more) < 0.99


def test_thresholds_out_of_reach():
    with pytest.raises(UnreachableThresholdError, match="use more"):
        choose_bands(0.02, 128)
    for threshold in (0, 1.1, float("nan")):
        with pytest.raises(ValueError, match="lies in"):
            choose_bands(threshold, 128)


def test_keys_agree_where_bands_do_and_only_there():
    random = np.random.default_rng(0)
    signatures = random.integers(0, 2**32, (200, 20), dtype=np.uint32)
    signatures[100:, 5:10] = signatures[:100, 5:10]  # the second of four bands
    keys = band_keys(signatures, bands=4, rows=5)
    assert (keys.dtype, keys.shape) == (np.uint64, (200, 4))
    assert (keys[:100, 1] == keys[100:, 1]).all()
    assert len(np.unique(keys)) == 700


def test_equal_bands_at_different_places_have_different_keys():
    assert len(np.unique(band_keys(np.zeros((1, 128), dtype=np.uint32), bands=32, rows=4))) == 32


def test_bands_must_fit():
    with pytest.raises(ValueError, match="do not fit"):
        band_keys(np.zeros((1, 8), dtype=np.uint32), bands=3, rows=3)


def pairs_by_hand(records: list[tuple[int, int]]) -> list[list[int]]:
    pairs = set()
    for key in {key for key, _ in records}:
        bucket = sorted({row for k, row in records if k == key})
        for i, j in combinations(range(len(bucket)), 2):
            if len(bucket) <= 64 or i == 0 or j - i <= 32:
                pairs.add((bucket[i], bucket[j]))
    return [list(pair) for pair in sorted(pairs)]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 9)), max_size=40), st.randoms())
def test_small_buckets_give_all_pairs_in_any_order_of_records(records, random):
    expected = pairs_by_hand(records)
    random.shuffle(records)
    keys, rows = np.array(records, dtype=np.int64).reshape(-1, 2).T
    result = candidate_pairs(keys.astype(np.uint64), rows)
    assert result.shape == (len(expected), 2)
    assert result.tolist() == expected


@pytest.mark.parametrize("size", [33, 34, 64, 65, 66, 97, 200])
def test_large_buckets_are_bounded_and_connected(size):
    records = [(2**63 + 1, 3 * row) for row in range(size)] + [(5, 0), (5, 3), (6, 1)]
    keys = np.array([key for key, _ in records], dtype=np.uint64)
    rows = np.array([row for _, row in records], dtype=np.int64)
    order = np.random.default_rng(size).permutation(len(rows))
    assert candidate_pairs(keys[order], rows[order]).tolist() == pairs_by_hand(records)
