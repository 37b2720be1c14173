"""Documents in pieces of powers of two, of which each is a row by itself."""

import numpy as np
from numba import njit
from numpy.typing import NDArray

SMALLEST_BUCKET = 32  # tokens; what is left of a document is padded to this


def bucket_lengths(context_length: int) -> NDArray[np.int64]:
    """The powers of two from SMALLEST_BUCKET to the context length, or the largest below both alone: int64."""
    largest = context_length.bit_length() - 1
    smallest = min(SMALLEST_BUCKET.bit_length() - 1, largest)
    return np.int64(1) << np.arange(smallest, largest + 1, dtype=np.int64)


@njit(cache=True, nogil=True)
def decompose(
    lengths: NDArray[np.int64], permutation: NDArray[np.int64], largest: int, smallest: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Document, start and length of the pieces of `buckets`; `largest` and `smallest` are powers of two."""
    count = 0
    for document in permutation:
        left, size = lengths[document], largest
        while left > 0:
            while size > left and size > smallest:
                size //= 2
            count += 1
            left -= min(size, left)
    pieces = np.empty((3, count), np.int64)
    count = 0
    for document in permutation:
        start, size = 0, largest
        while start < lengths[document]:
            left = lengths[document] - start
            while size > left and size > smallest:
                size //= 2
            pieces[0, count] = document
            pieces[1, count] = start
            pieces[2, count] = min(size, left)
            count += 1
            start += min(size, left)
    return pieces[0], pieces[1], pieces[2]
