"""Unit vectors: row access, and the one dot product by which every cosine of this package is computed."""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from sequitur.graph_sort.instructions import eight_sums

Vectors = NDArray[np.float32] | NDArray[np.float16]
"""[n, d], rows of unit length (or zero, where nothing is known of a document); may be a memory map."""


def rows_as_float32(vectors: Vectors, rows: NDArray[np.int64] | slice) -> NDArray[np.float32]:
    """The given rows as a contiguous float32 array; only they are read and converted."""
    return np.ascontiguousarray(vectors[rows], dtype=np.float32)


@njit(cache=True, nogil=True)
def dot(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    """Dot product of two contiguous float32 vectors of one length, in float64, with the same bits on every machine.

    The product of two float32 is exact in float64, so fused multiply-add changes nothing, and the order
    of the additions is fixed: eight running sums, because one alone would wait for itself.
    """
    s0, s1, s2, s3, s4, s5, s6, s7 = eight_sums(a, b)
    total: float = ((s0 + s4) + (s2 + s6)) + ((s1 + s5) + (s3 + s7))
    for i in range(a.size - a.size % 8, a.size):
        total += np.float64(a[i]) * np.float64(b[i])
    return total
