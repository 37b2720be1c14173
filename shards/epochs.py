"""Epochs of a training split: its rows are those of one packing of the documents after the other.

Contexts are numbered on from epoch to epoch, and so are the rows: epoch e has the contexts `bounds[e]` …
`bounds[e + 1] − 1`, which lie in as many rows one after the other, by default in the permutation of seed
`order.seed + e`. A dataset of one packing is one epoch.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sequitur.shards.manifest import EpochEntry, RowOrder
from sequitur.shards.offsets import offsets_of
from sequitur.shards.permutation import invert, permute

TRAIN = "train"  # the only split that may have several
_U64 = (1 << 64) - 1


def bounds(order: RowOrder, split: str, contexts: int) -> NDArray[np.int64]:
    """int64 [epochs + 1]: where the contexts of each epoch begin, of `contexts` that the split had when packed. Those
    of an extension follow on those before it, and so do their rows."""
    sizes = [epoch.contexts for epoch in order.epochs] if split == TRAIN and order.epochs else [contexts]
    begins: NDArray[np.int64] = offsets_of(sizes) + (order.first or {}).get(split, 0)
    return begins


def reading_order(sizes: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    """int64 [c]: the context of each row, of epochs of these many contexts, each permuted by itself."""
    return _each(np.arange(sizes.sum(), dtype=np.int64), offsets_of(sizes), seed, permute)


def places(ids: NDArray[np.uint64], begins: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    """The row that each context had when packed, the opposite of `reading_order`. `begins` are `bounds`; IndexError
    for a context beyond them."""
    return _each(ids.astype(np.int64), begins, seed, invert)


def _each(
    values: NDArray[np.int64], begins: NDArray[np.int64], seed: int, function: Callable[[Any, int, int], Any]
) -> NDArray[np.int64]:
    """A function of places of an epoch, of its size and its seed, on those of all epochs."""
    found = np.empty_like(values)
    epoch = _epoch_of(values, begins)
    for number in np.unique(epoch).tolist():
        here = epoch == number
        first, end = begins[number : number + 2].tolist()
        inside = (values[here] - first).astype(np.uint64)
        found[here] = first + function(inside, end - first, (seed + number) & _U64).astype(np.int64)
    return found


def _epoch_of(contexts: NDArray[np.int64], begins: NDArray[np.int64]) -> NDArray[np.int64]:
    found: NDArray[np.int64] = np.searchsorted(begins, contexts, side="right") - 1
    return found


def epoch_of(order: RowOrder, ids: NDArray[np.uint64]) -> NDArray[np.int32]:
    """int32: the epoch of each of these contexts of the training split, of several."""
    return _epoch_of(ids.astype(np.int64), bounds(order, TRAIN, 0)).astype(np.int32)


def rows_of_epochs(ids: NDArray[np.uint64], begins: NDArray[np.int64]) -> list[int]:
    """How many of these contexts belong to each epoch."""
    rows: list[int] = np.diff(np.searchsorted(np.sort(ids.astype(np.int64)), begins)).tolist()
    return rows


def epochs_left(order: RowOrder, ids: NDArray[np.uint64]) -> tuple[EpochEntry, ...]:
    """The entries of the epochs, of whose contexts these are left in the training split."""
    rows = rows_of_epochs(ids, bounds(order, TRAIN, 0))
    return tuple(
        EpochEntry(count, entry.contexts) for count, entry in zip(rows, order.epochs, strict=False)
    )  # no entries where there is one epoch
