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
