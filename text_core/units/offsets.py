"""Compressed sparse rows: where each row begins."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def offsets_of(counts: NDArray[np.integer] | NDArray[np.bool_] | Sequence[int]) -> NDArray[np.int64]:
    """Where each of n rows of these lengths begins when they lie end to end, and where the last ends: int64 [n + 1]."""
    offsets = np.zeros(len(counts) + 1, np.int64)
    np.cumsum(counts, dtype=np.int64, out=offsets[1:])
    return offsets
