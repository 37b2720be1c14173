"""Locality-sensitive hashing of MinHash signatures into candidate pairs.

A signature is cut into bands of rows; two documents meet where all rows of a band agree, which for similarity s
happens with probability 1 − (1 − s^rows)^bands, an S-curve (Leskovec, Rajaraman and Ullman, "Mining of Massive
Datasets", §3.4). Candidates are then to be verified by `shingles.jaccard`.
"""

import numpy as np
import numpy.typing as npt
from numba import njit

from sequitur.text_core.units.arrays import distinct_pairs, read_only
from sequitur.text_core.units.hashing import mix64

DETECTION_PROBABILITY = 0.99
WHOLE_BUCKET = 64  # documents; in a bucket up to this size all pairs are candidates
STRETCH = 32  # documents; a larger bucket is cut into stretches of so many


class UnreachableThresholdError(ValueError):
    """No banding of so few permutations finds pairs of so low a similarity."""


def choose_bands(threshold: float, permutations: int) -> tuple[int, int]:
    """The (bands, rows) with most rows that find a pair of Jaccard similarity `threshold` with probability ≥ 0.99.

    More rows mean fewer false candidates. `bands` is `permutations // rows`; a remainder stays unused. Raises
    ValueError unless 0 < threshold ≤ 1, UnreachableThresholdError when even one row a band misses too many.
    """
    if not 0 < threshold <= 1:
        raise ValueError(f"a Jaccard threshold lies in (0, 1], not {threshold}")
    for rows in range(permutations, 0, -1):
        bands = permutations // rows
        if 1 - (1 - threshold**rows) ** bands >= DETECTION_PROBABILITY:
            return bands, rows
    raise UnreachableThresholdError(
        f"{permutations} permutations cannot find pairs of similarity {threshold}: raise the threshold or use more"
    )


def band_keys(signatures: npt.NDArray[np.uint32], bands: int, rows: int) -> npt.NDArray[np.uint64]:
    """A key for each band of n signatures, uint32[n, ≥ bands · rows]: uint64[n, bands].

    Equal bands have equal keys, and the band's index is mixed in, so one bucket table serves all bands. Documents
    without words share every key: leave them out. Raises ValueError when the signatures are too short.
    """
    if bands < 1 or rows < 1 or bands * rows > signatures.shape[1]:
        raise ValueError(
            f"{bands} bands of {rows} rows do not fit signatures of {signatures.shape[1]} permutations: "
            "use choose_bands"
        )
    keys = np.empty((len(signatures), bands), dtype=np.uint64)
    _fill_band_keys(read_only(signatures, np.uint32), rows, keys)
    return keys


def candidate_pairs(keys: npt.NDArray[np.uint64], rows: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """The pairs of rows that share a key, from m records (key, row) in any order: int64[p, 2], a < b.

    Pairs are distinct and ascending, whatever the order of the records; a repeated record counts once. A bucket of up
    to 64 rows gives all its pairs. A larger one is a star of stars: it is cut into stretches of 32 rows, each of which
    gives all its pairs, and the lowest rows of the stretches form the next bucket. Even keys order a bucket by salt, a
    hash of key and row, so that rows which share several buckets meet different others in each; odd keys by row, so
    that neighbours meet. A boilerplate bucket costs at most 16.5 pairs a row and stays connected. Costs a few sorts.
    """
    keys, rows = _distinct(np.asarray(keys, np.uint64), np.asarray(rows, np.int64))
    found = [np.empty((0, 2), dtype=np.int64)]
    level = 0
    while len(keys):
        begins = np.append(True, keys[1:] != keys[:-1])
        bucket = np.cumsum(begins) - 1
        large = np.bincount(bucket)[bucket] > WHOLE_BUCKET
        salted = large & (keys % np.uint64(2) == 0)
        order = np.lexsort((np.where(salted, salts(keys, rows, level), 0), bucket))  # stable: the others stay by row
        keys, rows, large = keys[order], rows[order], large[order]
        place = np.arange(len(keys), dtype=np.int64) - np.flatnonzero(begins)[bucket]
        place = np.where(large, place % STRETCH, place)
        found.append(_all_pairs(place, rows))
        leaders = np.minimum.reduceat(rows, np.flatnonzero(place == 0))
        heads = np.flatnonzero((place == 0) & large)
        keys, rows = keys[heads], leaders[(np.cumsum(place == 0) - 1)[heads]]
        keys, rows = _distinct(keys, rows)
        level += 1
    return distinct_pairs(np.concatenate(found))


def pairs_across(keys: npt.NDArray[np.uint64], rows: npt.NDArray[np.int64], first_other: int) -> npt.NDArray[np.int64]:
    """As `candidate_pairs`, but only pairs of a row below `first_other` with one from it on: int64[p, 2].

    In a bucket with more than 64 others each row gets 64 of them, successive from a place that its salt chooses.
    """
    keys, rows = _distinct(np.asarray(keys, np.uint64), np.asarray(rows, np.int64))
    other = rows >= first_other
    own_keys, own_rows = keys[~other], rows[~other]
    other_keys, other_rows = keys[other], rows[other]
    first = np.searchsorted(other_keys, own_keys)
    size = np.searchsorted(other_keys, own_keys, side="right") - first
    partners = np.minimum(size, WHOLE_BUCKET)
    start = (salts(own_keys, own_rows, 0) % np.maximum(size, 1).astype(np.uint64)).astype(np.int64)
    step = np.arange(partners.sum(), dtype=np.int64) - np.repeat(np.cumsum(partners) - partners, partners)
    chosen = np.repeat(first, partners) + (np.repeat(start, partners) + step) % np.repeat(size, partners)
    return distinct_pairs(np.column_stack((np.repeat(own_rows, partners), other_rows[chosen])))


def salts(keys: npt.NDArray[np.uint64], rows: npt.NDArray[np.int64], level: int) -> npt.NDArray[np.uint64]:
    """A hash of each of m records (key, row), uint64[m], other at each level: what divides a bucket."""
    result = np.empty(len(keys), dtype=np.uint64)
    _fill_salts(read_only(keys, np.uint64), read_only(rows, np.int64), np.uint64(level), result)
    return result


def _distinct(
    keys: npt.NDArray[np.uint64], rows: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.int64]]:
    """Records in ascending order of key and row, each once."""
    order = np.lexsort((rows, keys))
    keys, rows = keys[order], rows[order]
    fresh = np.ones(len(keys), dtype=np.bool_)
    fresh[1:] = (keys[1:] != keys[:-1]) | (rows[1:] != rows[:-1])
    return keys[fresh], rows[fresh]


def _all_pairs(place: npt.NDArray[np.int64], rows: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Each row with those before it in its stretch, by its place there: int64[p, 2], a < b."""
    later = np.repeat(np.arange(len(rows), dtype=np.int64), place)
    back = np.arange(len(later), dtype=np.int64) - np.repeat(np.cumsum(place) - place, place)
    pairs = np.column_stack((rows[later - 1 - back], rows[later]))
    pairs.sort(axis=1)
    return pairs


@njit(cache=True, nogil=True)
def _fill_band_keys(signatures: npt.NDArray[np.uint32], rows: int, keys: npt.NDArray[np.uint64]) -> None:
    for document in range(len(keys)):
        for band in range(keys.shape[1]):
            value = np.uint64(band)
            for place in range(band * rows, (band + 1) * rows):
                value = mix64(value ^ np.uint64(signatures[document, place])) + np.uint64(1)
            keys[document, band] = value


@njit(cache=True, nogil=True)
def _fill_salts(
    keys: npt.NDArray[np.uint64], rows: npt.NDArray[np.int64], level: np.uint64, result: npt.NDArray[np.uint64]
) -> None:
    for i in range(len(keys)):
        result[i] = mix64(mix64(keys[i] + level) ^ np.uint64(rows[i]))
