"""One form of array for every kernel argument."""

from typing import Any

import numpy as np
import numpy.typing as npt


def read_only(array: npt.ArrayLike, dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    """The same values as a contiguous, read-only array of `dtype`; copied only where the dtype or layout differs.

    numba compiles a kernel once for writable and once more for read-only arrays, and arrays over Arrow buffers
    are read-only. Passing every input through here keeps each kernel at one specialisation.
    """
    view = np.ascontiguousarray(array, dtype=dtype).view()
    view.flags.writeable = False
    return view


def distinct_pairs(pairs: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Pairs int64[p, 2] in ascending order, each once. Costs a sort."""
    pairs = pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]
    fresh = np.ones(len(pairs), dtype=np.bool_)
    fresh[1:] = (pairs[1:] != pairs[:-1]).any(axis=1)
    return pairs[fresh]
