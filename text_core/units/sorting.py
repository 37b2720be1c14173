"""Sorting of values that somebody may have chosen.

numba sorts by a quicksort whose pivots anybody can foretell: in an order made for that, values take the square of their
number. Shuffled before, by numbers that nobody knows, they cannot be.
"""

import secrets

import numpy as np
import numpy.typing as npt
from numba import njit

from sequitur.text_core.units.hashing import mix64

FEW = 1024  # values that are sorted as they stand: their square is little
FEW_HASHES = 32  # that are sorted as they stand, without buckets
MOST_BUCKET_BITS = 12  # of buckets that hashes are laid into: more leave the first cache
SMALL_BUCKET = 16  # hashes that are put in order by insertion
_LOW_BITS, _HALF = np.uint64(0xFFFFFFFF), np.uint64(32)


def drawn() -> np.uint64:
    """What `sort` shuffles by. No result depends on it."""
    return np.uint64(secrets.randbits(64))


@njit(cache=True, nogil=True)
def sort(values: npt.NDArray[np.generic], drawn: np.uint64) -> None:
    """Sort in place, as `values.sort()` does."""
    if len(values) > FEW:
        for i in range(len(values) - 1, 0, -1):
            j = ((mix64(drawn + np.uint64(i)) & _LOW_BITS) * np.uint64(i + 1)) >> _HALF
            values[i], values[j] = values[j], values[i]
    values.sort()


@njit(cache=True, nogil=True)
def sort_hashes(hashes: npt.NDArray[np.uint64], drawn: np.uint64) -> None:
    """`sort` of hashes, which lie evenly among 64-bit numbers: several times as fast where they do, as fast where they
    do not. Memory: 8 bytes a hash."""
    if len(hashes) <= FEW_HASHES:
        hashes.sort()
        return
    bits = 5
    while bits < MOST_BUCKET_BITS and 1 << bits < len(hashes):
        bits += 1
    shift = np.uint64(64 - bits)
    ends = np.zeros(1 << bits, np.int64)
    for value in hashes:
        ends[value >> shift] += 1
    total = 0
    for bucket in range(len(ends)):
        size = ends[bucket]
        ends[bucket] = total
        total += size
    laid = np.empty_like(hashes)
    for value in hashes:
        laid[ends[value >> shift]] = value
        ends[value >> shift] += 1
    for bucket in range(len(ends)):
        begin = ends[bucket - 1] if bucket else 0
        if ends[bucket] - begin > SMALL_BUCKET:
            sort(laid[begin : ends[bucket]], drawn)
    for i in range(len(laid)):  # by insertion, within a small bucket
        value, place = laid[i], i
        while place > 0 and hashes[place - 1] > value:
            hashes[place] = hashes[place - 1]
            place -= 1
        hashes[place] = value
