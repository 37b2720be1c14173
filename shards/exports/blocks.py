"""Rows regrouped into the files of an export, which hold equally many."""

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray


def blocks(parts: Iterable[NDArray[np.uint32]], size: int) -> Iterator[NDArray[np.uint32]]:
    """The rows of `parts` (uint32, (n, width) each) in blocks of `size` rows, the last of fewer; copies, of which one
    is held at a time."""
    held: list[NDArray[np.uint32]] = []
    count = 0
    for part in parts:
        rest = part
        while len(rest):
            taken, rest = rest[: size - count], rest[size - count :]
            held.append(taken.copy())  # not a view: the shard behind it may be unmapped meanwhile
            count += len(taken)
            if count == size:
                yield np.concatenate(held)
                held, count = [], 0
    if held:
        yield np.concatenate(held)
