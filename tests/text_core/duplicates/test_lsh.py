from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sequitur.text_core.duplicates.components import connected_components
from sequitur.text_core.duplicates.lsh import (
    UnreachableThresholdError,
    band_keys,
    candidate_pairs,
    choose_bands,
    pairs_across,
)


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


def mixed(value: int) -> int:
    """MurmurHash3's fmix64 on Python integers."""
    for multiplier in (0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53):
        value = (value ^ value >> 33) * multiplier % 2**64
    return value ^ value >> 33


def pairs_of_bucket(key: int, bucket: list[int], level: int = 0) -> set[tuple[int, int]]:
    if len(bucket) <= 64:
        return set(combinations(sorted(bucket), 2))
    bucket = sorted(bucket, key=lambda row: row if key % 2 else mixed(mixed(key + level) ^ row))
    stretches = [bucket[start : start + 32] for start in range(0, len(bucket), 32)]
    below = pairs_of_bucket(key, [min(stretch) for stretch in stretches], level + 1)
    return below.union(*(combinations(sorted(stretch), 2) for stretch in stretches))


def pairs_by_hand(records: list[tuple[int, int]]) -> list[list[int]]:
    pairs: set[tuple[int, int]] = set()
    for key in {key for key, _ in records}:
        pairs |= pairs_of_bucket(key, list({row for k, row in records if k == key}))
    return [list(pair) for pair in sorted(pairs)]


def as_arrays(records: list[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
    keys = np.array([key for key, _ in records], dtype=np.uint64)
    return keys, np.array([row for _, row in records], dtype=np.int64)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 9)), max_size=40), st.randoms())
def test_small_buckets_give_all_pairs_in_any_order_of_records(records, random):
    expected = pairs_by_hand(records)
    random.shuffle(records)
    result = candidate_pairs(*as_arrays(records))
    assert result.shape == (len(expected), 2)
    assert result.tolist() == expected


@pytest.mark.parametrize("key", [2**63, 2**63 + 1])
@pytest.mark.parametrize("size", [63, 64, 65, 96, 97, 200, 5000])
def test_large_buckets_are_stars_of_stars(key, size):
    records = [(key, 3 * row) for row in range(size)] + [(5, 0), (5, 3), (6, 1)]
    expected = pairs_by_hand(records)
    keys, rows = as_arrays(records)
    order = np.random.default_rng(size).permutation(len(rows))
    assert candidate_pairs(keys[order], rows[order]).tolist() == expected
    assert len(expected) <= max(16.5, (min(size, 64) - 1) / 2) * size + 2
    assert not connected_components(np.array(expected) // 3, size).any()


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 9)), max_size=40), st.integers(0, 10))
def test_pairs_across_are_those_of_rows_on_both_sides(records, first_other):
    expected = [pair for pair in pairs_by_hand(records) if pair[0] < first_other <= pair[1]]
    assert pairs_across(*as_arrays(records), first_other).tolist() == expected


def test_pairs_across_large_buckets_are_bounded():
    records = [(key, row) for key in (1, 2) for row in range(1100)]
    one = pairs_across(*as_arrays(records[:1100]), 100)
    assert np.bincount(one[:, 0]).tolist() == [64] * 100
    assert one[:, 1].min() >= 100
    assert len(pairs_across(*as_arrays(records), 100)) > 1.8 * len(one)  # by another key, with others
