"""Locality-sensitive hashing of MinHash signatures into candidate pairs.

A signature is cut into bands of rows; two documents meet where all rows of a band agree, which for similarity s
happens with probability 1 − (1 − s^rows)^bands, an S-curve (Leskovec, Rajaraman and Ullman, "Mining of Massive
Datasets", §3.4). Candidates are then to be verified by `shingles.jaccard`.
"""

import numpy as np
import numpy.typing as npt
from numba import njit

from text_core.arrays import read_only
from text_core.hashing import mix64

DETECTION_PROBABILITY = 0.99
WHOLE_BUCKET = 64  # documents; in a bucket up to this size all pairs are candidates
PREDECESSORS = 32  # in a larger one, those before a document that it is paired with, besides the first


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

    Pairs are distinct and ascending, whatever the order of the records; a repeated record counts once. A bucket
    of up to 64 rows gives all its pairs. In a larger one each row, in ascending order, is paired with the 32
    before it and with the bucket's first: at most 33 pairs a row keep a boilerplate bucket linear and connected.
    Costs two sorts.
    """
    keys, rows = np.asarray(keys, np.uint64), np.asarray(rows, np.int64)
    order = np.lexsort((rows, keys))
    keys, rows = keys[order], rows[order]
    fresh = np.ones(len(keys), dtype=np.bool_)
    fresh[1:] = (keys[1:] != keys[:-1]) | (rows[1:] != rows[:-1])
    keys, rows = keys[fresh], rows[fresh]

    begins = np.ones(len(keys), dtype=np.bool_)
    begins[1:] = keys[1:] != keys[:-1]
    bucket = np.cumsum(begins) - 1
    first = np.flatnonzero(begins)[bucket]  # where each record's bucket begins
    record = np.arange(len(keys), dtype=np.int64)
    large = np.bincount(bucket)[bucket] > WHOLE_BUCKET
    partners = np.where(large, np.minimum(record - first, PREDECESSORS + 1), record - first)

    later = np.repeat(record, partners)
    back = np.arange(len(later), dtype=np.int64) - np.repeat(np.cumsum(partners) - partners, partners)
    earlier = np.where(large[later] & (back == PREDECESSORS), first[later], later - 1 - back)
    a, b = rows[earlier], rows[later]

    order = np.lexsort((b, a))
    pairs = np.stack((a[order], b[order]), axis=1)
    fresh = np.ones(len(pairs), dtype=np.bool_)
    fresh[1:] = (pairs[1:] != pairs[:-1]).any(axis=1)
    return pairs[fresh]


@njit(cache=True, nogil=True)
def _fill_band_keys(signatures: npt.NDArray[np.uint32], rows: int, keys: npt.NDArray[np.uint64]) -> None:
    for document in range(len(keys)):
        for band in range(keys.shape[1]):
            value = np.uint64(band)
            for place in range(band * rows, (band + 1) * rows):
                value = mix64(value ^ np.uint64(signatures[document, place])) + np.uint64(1)
            keys[document, band] = value
