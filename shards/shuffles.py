"""Orders of the rows of an epoch, each a function of its key alone (`elastic-v1`, `sampler`)."""

import hashlib
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from sequitur.shards.permutation import invert, permute

Shuffle: TypeAlias = Literal["global", "block", "none"]

_ALGORITHM = "elastic-v1"
_U64 = (1 << 64) - 1


def epoch_key(fingerprint: str, seed: int, epoch: int) -> int:
    """The key of an epoch of a dataset of this fingerprint."""
    text = f"{_ALGORITHM}\n{fingerprint}\n{seed}\n{epoch}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little")


def shuffled(
    positions: NDArray[np.int64], n: int, key: int, shuffle: Shuffle, block_size: int | None
) -> NDArray[np.int64]:
    """The rows at these positions among n, each 0 … n − 1; `block_size` goes with the shuffle "block"."""
    if shuffle == "none":
        return positions
    if block_size is None:
        return permute(positions, n, key)
    return block_order(positions, n, block_size, key)


def block_order(positions: NDArray[np.int64], n: int, size: int, key: int) -> NDArray[np.int64]:
    """The rows of blocks of `size` that are shuffled, and within each its rows."""
    blocks = -(-n // size)
    missing = blocks * size - n  # rows that the last block is short of
    short = invert(blocks - 1, blocks, key)  # where in the order of blocks it comes
    even = positions + missing * (positions >= (short + 1) * size - missing)
    slots, inside = np.divmod(even, size)
    block = permute(slots, blocks, key)
    rows = np.empty_like(positions)
    for number in np.unique(block).tolist():
        where = np.flatnonzero(block == number)
        length = size - missing if number == blocks - 1 else size
        rows[where] = number * size + permute(inside[where], length, (key + 1 + number) & _U64)
    return rows
