"""The undirected k-nearest-neighbour graph."""

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

_MAX_NODES = 2**32  # a node id fills half of a 64-bit sort key


class NeighborError(ValueError):
    """Neighbour arrays that do not make a graph: an id out of range, a loop, shapes that differ."""


class Graph(NamedTuple):
    """Undirected weighted graph as compressed sparse rows; every edge stands in the rows of both its ends.

    The neighbours of node i are `neighbor[offsets[i]:offsets[i + 1]]`, sorted by (−weight, id).
    """

    offsets: NDArray[np.int64]  # [n + 1]
    neighbor: NDArray[np.int64]  # [m], m = 2 × edges
    weight: NDArray[np.float32]  # [m], cosine


def from_neighbors(neighbor: NDArray[np.int64], cosine: NDArray[np.float32]) -> Graph:
    """Join two nodes where either is among the other's nearest: [n, k] int64 and float32 → Graph.

    −1 in `neighbor` stands for none. Where each names the other, the edge weighs the larger cosine.
    Raises NeighborError. Time O(nk log k) while no row is huge; memory about 50 nk bytes at the peak.
    """
    _check(neighbor, cosine)
    # Adding zero turns −0.0 into 0.0, so that equal weights have equal bits.
    bits = (np.ascontiguousarray(cosine, dtype=np.float32) + np.float32(0)).view(np.uint32)
    offsets, keys = _rows(np.ascontiguousarray(neighbor, dtype=np.int64), descending(bits))
    offsets = _sort_rows(offsets, keys)
    keys = keys[: offsets[-1]]
    weight = descending((keys >> np.uint64(32)).astype(np.uint32)).view(np.float32)
    keys &= np.uint64(0xFFFFFFFF)
    return Graph(offsets, keys.astype(np.int64), weight)


def descending(bits: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """Bits of float32 numbers → integers that ascend as the numbers descend. It is its own inverse."""
    return np.where(bits < 0x80000000, bits ^ np.uint32(0x7FFFFFFF), bits)


def _check(neighbor: NDArray[np.int64], cosine: NDArray[np.float32]) -> None:
    n = len(neighbor)
    if neighbor.ndim != 2 or neighbor.shape != cosine.shape:
        raise NeighborError(f"need two [n, k] arrays of one shape, got {neighbor.shape} and {cosine.shape}")
    if n > _MAX_NODES:
        raise NeighborError(f"{n} nodes, but a graph holds at most {_MAX_NODES}; sort parts of the corpus")
    if neighbor.size and (neighbor.min() < -1 or neighbor.max() >= n):
        raise NeighborError(f"ids must lie in -1 … {n - 1}, found {neighbor.min()} … {neighbor.max()}")
    loops = np.flatnonzero((neighbor == np.arange(n, dtype=np.int64)[:, None]).any(axis=1))
    if loops.size:
        raise NeighborError(f"node {loops[0]} is its own neighbour; leave every node out of its own row")


@njit(cache=True, nogil=True)
def _rows(
    neighbor: NDArray[np.int64], descending_weight: NDArray[np.uint32]
) -> tuple[NDArray[np.int64], NDArray[np.uint64]]:
    """Each edge into the rows of both ends, as key = descending weight << 32 | id of the other end."""
    n, k = neighbor.shape
    offsets = np.zeros(n + 1, np.int64)
    for i in range(n):
        for j in range(k):
            if neighbor[i, j] >= 0:
                offsets[i + 1] += 1
                offsets[neighbor[i, j] + 1] += 1
    for i in range(n):
        offsets[i + 1] += offsets[i]
    keys = np.empty(offsets[n], np.uint64)
    free = offsets[:n].copy()
    for i in range(n):
        for j in range(k):
            other = neighbor[i, j]
            if other >= 0:
                high = np.uint64(descending_weight[i, j]) << np.uint64(32)
                keys[free[i]] = high | np.uint64(other)
                keys[free[other]] = high | np.uint64(i)
                free[i] += 1
                free[other] += 1
    return offsets, keys


@njit(cache=True, nogil=True)
def _sort_rows(offsets: NDArray[np.int64], keys: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Sort each row and keep the heaviest of double edges, in place; returns the offsets of what is kept."""
    n = offsets.size - 1
    kept_offsets = np.zeros(n + 1, np.int64)
    last_row = np.full(n, -1, np.int64)  # of each node, the last row that holds it
    kept = 0
    for i in range(n):
        row = np.sort(keys[offsets[i] : offsets[i + 1]])
        for key in row:
            other = np.int64(key & np.uint64(0xFFFFFFFF))
            if last_row[other] != i:
                last_row[other] = i
                keys[kept] = key
                kept += 1
        kept_offsets[i + 1] = kept
    return kept_offsets
