"""Compressed sparse rows: where each row begins."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def offsets_of(counts: NDArray[np.integer] | NDArray[np.bool_] | Sequence[int]) -> NDArray[np.int64]:
    """Where each of n rows of these lengths begins when they lie end to end, and where the last ends: int64 [n + 1]."""
    offsets = np.zeros(len(counts) + 1, np.int64)
    np.cumsum(counts, dtype=np.int64, out=offsets[1:])
    return offsets


def places_of(begins: NDArray[np.int64], counts: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Some rows [n] of an array, which have `counts` elements from `begins` on, end to end: where each begins there,
    int64 [n + 1], and where in the array its elements are, int64."""
    offsets = offsets_of(counts)
    return offsets, np.repeat(begins - offsets[:-1], counts) + np.arange(offsets[-1])
