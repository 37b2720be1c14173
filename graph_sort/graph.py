"""The undirected k-nearest-neighbour graph."""

from typing import NamedTuple, NoReturn

import numpy as np
from numba import njit
from numpy.typing import NDArray

_MAX_NODES = 2**32  # a node id fills half of a 64-bit sort key
_NONE = np.uint64(2**64 - 1)  # a key behind all others: no weight is −NaN
_BLOCK_BITS = 12  # nodes of a block: what names them, 20 each, takes 650 kB
_MOST_BLOCKS_BITS = 9  # more blocks than 2^9 are more places to write to than a processor keeps at hand


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

    −1 in `neighbor` stands for none; a row names a node once. Where each names the other, the edge weighs the larger
    cosine. Raises NeighborError. Time O(nk²) while no row is huge, least where rows of `neighbor` are sorted. Memory,
    beside what is given: 12 nk bytes at the making, and 12 for each end of an edge, of which there are nk to 2 nk.

    Edges are first divided by the block of nodes to which their far end belongs, so that the memory in which a
    block's rows are put together stays in the cache; put into place one by one they take three times as long.
    """
    n = len(neighbor)
    if neighbor.ndim != 2 or neighbor.shape != cosine.shape:
        raise NeighborError(f"need two [n, k] arrays of one shape, got {neighbor.shape} and {cosine.shape}")
    if n > _MAX_NODES:
        raise NeighborError(f"{n} nodes, but a graph holds at most {_MAX_NODES}; sort parts of the corpus")
    neighbor = np.ascontiguousarray(neighbor, dtype=np.int64)
    bits = np.ascontiguousarray(cosine, dtype=np.float32).view(np.uint32)
    shift = max(_BLOCK_BITS, n.bit_length() - _MOST_BLOCKS_BITS)
    starts, wrong = _count_blocks(neighbor, shift)
    if wrong >= 0:
        _explain(neighbor, wrong)
    return Graph(*_rows(neighbor, bits, shift, starts, *_divide(neighbor, bits, shift, starts)))


def descending(bits: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """Bits of float32 numbers → integers that ascend as the numbers descend. It is its own inverse."""
    return np.where(bits < 0x80000000, bits ^ np.uint32(0x7FFFFFFF), bits)


def _explain(neighbor: NDArray[np.int64], node: int) -> NoReturn:
    row = neighbor[node]
    if (row == node).any():
        raise NeighborError(f"node {node} is its own neighbour; leave every node out of its own row")
    raise NeighborError(f"ids must lie in -1 … {len(neighbor) - 1}, found {row.min()} … {row.max()}")


@njit(cache=True, nogil=True)
def _key(bits: np.uint32, node: int) -> np.uint64:
    """Keys ascend as weights fall, then as nodes ascend."""
    if bits == np.uint32(0x80000000):
        bits = np.uint32(0)  # −0.0 is 0.0
    if bits < np.uint32(0x80000000):
        bits = bits ^ np.uint32(0x7FFFFFFF)
    return np.uint64(bits) << np.uint64(32) | np.uint64(node)


@njit(cache=True, nogil=True)
def _count_blocks(neighbor: NDArray[np.int64], shift: int) -> tuple[NDArray[np.int64], int]:
    """Where the edges into each block of 2^shift nodes begin; and the first node whose row is wrong, or −1."""
    n, k = neighbor.shape
    starts = np.zeros((n >> shift) + 2, np.int64)
    for i in range(n):
        for j in range(k):
            other = neighbor[i, j]
            if other < -1 or other >= n or other == i:
                return starts, i
            if other >= 0:
                starts[(other >> shift) + 1] += 1
    return np.cumsum(starts), -1


@njit(cache=True, nogil=True)
def _divide(
    neighbor: NDArray[np.int64], bits: NDArray[np.uint32], shift: int, starts: NDArray[np.int64]
) -> tuple[NDArray[np.uint32], NDArray[np.uint64]]:
    """The edges block by block: the node named, and the key of the one that names it."""
    n, k = neighbor.shape
    named = np.empty(starts[-1], np.uint32)
    keys = np.empty(starts[-1], np.uint64)
    free = starts.copy()
    for i in range(n):
        for j in range(k):
            other = neighbor[i, j]
            if other >= 0:
                at = free[other >> shift]
                named[at] = other
                keys[at] = _key(bits[i, j], i)
                free[other >> shift] = at + 1
    return named, keys


@njit(cache=True, nogil=True)
def _rows(
    neighbor: NDArray[np.int64],
    bits: NDArray[np.uint32],
    shift: int,
    starts: NDArray[np.int64],
    named: NDArray[np.uint32],
    keys: NDArray[np.uint64],
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
    """The graph's offsets, neighbours and weights: each row what a node names and what names it, once each."""
    n, k = neighbor.shape
    ends = np.zeros(n + 1, np.int64)
    # Room for the most there can be; pages that are not written to take no memory.
    others = np.empty(n * k + keys.size, np.int64)
    weights = np.empty(n * k + keys.size, np.uint32)
    incoming = np.empty(np.diff(starts).max(), np.uint64)
    row = np.empty(k + incoming.size, np.uint64)
    kept = 0
    for block in range(starts.size - 1):
        first = block << shift
        offsets = np.zeros(min(n - first, 1 << shift) + 1, np.int64)
        for e in range(starts[block], starts[block + 1]):
            offsets[named[e] - first + 1] += 1
        offsets = np.cumsum(offsets)
        free = offsets.copy()
        for e in range(starts[block], starts[block + 1]):
            incoming[free[named[e] - first]] = keys[e]
            free[named[e] - first] += 1
        for node in range(first, first + offsets.size - 1):
            size = _row(neighbor[node], bits[node], incoming[offsets[node - first] : offsets[node - first + 1]], row)
            for key in row[:size]:
                others[kept] = key & np.uint64(0xFFFFFFFF)
                weight = np.uint32(key >> np.uint64(32))
                weights[kept] = weight ^ np.uint32(0x7FFFFFFF) if weight < np.uint32(0x80000000) else weight
                kept += 1
            ends[node + 1] = kept
    return ends, others[:kept], weights[:kept].view(np.float32)


@njit(cache=True, nogil=True)
def _row(
    neighbor: NDArray[np.int64], bits: NDArray[np.uint32], incoming: NDArray[np.uint64], row: NDArray[np.uint64]
) -> int:
    """Writes a node's row, sorted, to the start of `row`; returns its size."""
    k = neighbor.size
    for j in range(k):
        row[j] = _key(bits[j], neighbor[j]) if neighbor[j] >= 0 else _NONE
    size = k
    for key in incoming:
        node = np.int64(key & np.uint64(0xFFFFFFFF))
        place = -1
        for j in range(k):
            place = max(place, j if neighbor[j] == node else -1)
        if place < 0:
            row[size] = key
            size += 1
        elif key < row[place]:
            row[place] = key
    _sort(row[:size])
    while size > 0 and row[size - 1] == _NONE:
        size -= 1
    return size


@njit(cache=True, nogil=True)
def _sort(row: NDArray[np.uint64]) -> None:
    """In place; by insertion while the row is short, as its first part is sorted already."""
    if row.size > 128:
        row.sort()
        return
    for i in range(1, row.size):
        key = row[i]
        at = i
        while at > 0 and row[at - 1] > key:
            row[at] = row[at - 1]
            at -= 1
        row[at] = key
