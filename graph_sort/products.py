"""Matrices of cosines whose bits do not depend on the library, the threads or the blocks that compute them.

Components are rounded to whole multiples of 2⁻²⁰. Then every product, and for unit vectors every partial sum, is a
whole multiple of 2⁻⁴⁰ below 2¹³, which float64 holds exactly: in whatever order a matrix product adds, nothing is
rounded.
The rounding to multiples moves a cosine of d = 1024 dimensions by about 10⁻⁶, far less than float16 vectors do.
"""

import numpy as np
from numpy.typing import NDArray

from sequitur.graph_sort.vectors import Vectors

STEPS = 2.0**20


def rounded(vectors: Vectors, rows: NDArray[np.int64] | slice = slice(None)) -> NDArray[np.float64]:
    """The given rows [r, d] as float64, each component the nearest multiple of 2⁻²⁰. Memory: 8·r·d bytes."""
    whole = vectors[rows].astype(np.float64)
    whole *= STEPS
    np.rint(whole, out=whole)
    whole /= STEPS
    return whole


def cosines(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """All dot products [a, b] of `rounded` unit (or zero) vectors [a, d] and [b, d], exact."""
    product: NDArray[np.float64] = a @ b.T
    return product
