"""The undirected k-nearest-neighbour graph."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any, NamedTuple, NoReturn

import numpy as np
from numba import njit
from numpy.typing import DTypeLike, NDArray

from sequitur.graph_sort.offsets import offsets_of
from sequitur.graph_sort.threads import on_threads

Empty = Callable[[int | tuple[int, ...], DTypeLike], NDArray[Any]]
"""Makes an array of a shape, as `np.empty` does; another may put on disk what memory has no room for."""

_MAX_NODES = 2**32  # a node id fills half of a 64-bit sort key
_NONE = np.uint64(2**64 - 1)  # a key behind all others: no weight is −NaN
_NEXT = np.uintp(1)
_BLOCK_BITS = 12  # nodes of a block: what names them, 20 each, takes 650 kB
_SORTED_BY_RANK, _SORTED_BY_INSERTION = 32, 128  # keys, at most; above them numba's sort is faster
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


def from_neighbors(
    neighbor: NDArray[np.int64], cosine: NDArray[np.float32], empty: Empty = np.empty, threads: int = 1
) -> Graph:
    """Join two nodes where either is among the other's nearest: [n, k] int64 and float32 → Graph.

    −1 in `neighbor` stands for none; a row names a node once. Where each names the other, the edge weighs the larger
    cosine. Raises NeighborError. Time O(nk²) while no row is huge, least where rows of `neighbor` are sorted. Memory,
    beside what is given, all from `empty`: 12 nk bytes at the making, 12 for each end of an edge, of which there are nk
    to 2 nk, and 8 n.

    Edges are first divided by the block of nodes to which their far end belongs, so that the memory in which a
    block's rows are put together stays in the cache; put into place one by one they take three times as long. Each
    thread divides what a share of the nodes names, then puts together the rows of a share of the blocks.
    """
    n = len(neighbor)
    if neighbor.ndim != 2 or neighbor.shape != cosine.shape:
        raise NeighborError(f"need two [n, k] arrays of one shape, got {neighbor.shape} and {cosine.shape}")
    if n > _MAX_NODES:
        raise NeighborError(f"{n} nodes, but a graph holds at most {_MAX_NODES}; sort parts of the corpus")
    neighbor = np.ascontiguousarray(neighbor, dtype=np.int64)
    bits = np.ascontiguousarray(cosine, dtype=np.float32).view(np.uint32)
    shift = max(_BLOCK_BITS, n.bit_length() - _MOST_BLOCKS_BITS)
    nodes, blocks = _shares(n, threads), _shares((n >> shift) + 1, threads)
    counts = np.zeros((len(nodes), (n >> shift) + 1), np.int64)
    for wrong in on_threads(
        threads, lambda share: _count_blocks(neighbor, *nodes[share], shift, counts[share]), range(len(nodes))
    ):
        if wrong >= 0:
            _explain(neighbor, wrong)
    starts = offsets_of(counts.sum(axis=0))  # of the edges into each block
    free = starts[:-1] + np.cumsum(counts, axis=0) - counts  # the same, of those that each share of the nodes names
    # Made here and not in the kernels: numpy asks for huge pages, with which all this takes half the time.
    place = np.uint16 if shift <= 16 else np.uint32  # of a node in its block
    named, keys = empty(int(starts[-1]), place), empty(int(starts[-1]), np.uint64)
    for _ in on_threads(
        threads,
        lambda share: _divide(neighbor, bits, *nodes[share], shift, free[share], named, keys),
        range(len(nodes)),
    ):
        pass
    # Room for the most there can be, where each share of the blocks begins behind the most of those before; pages that
    # are not written to take no memory.
    room = neighbor.size + keys.size
    graph = Graph(empty(n + 1, np.int64), empty(room, np.int64), empty(room, np.float32))
    graph.offsets[0] = 0
    weights, k = graph.weight.view(np.uint32), neighbor.shape[1]
    begins = [(first << shift) * k + int(starts[first]) for first, _ in blocks]
    ends = on_threads(
        threads,
        lambda share: _rows(
            neighbor,
            bits,
            *blocks[share],
            shift,
            starts,
            named,
            keys,
            begins[share],
            graph.offsets,
            graph.neighbor,
            weights,
        ),
        range(len(blocks)),
    )
    size = 0
    for (first, last), begin, end in zip(blocks, begins, ends, strict=True):
        _move_down(graph.neighbor, weights, begin, end, size)
        graph.offsets[(first << shift) + 1 : (last << shift) + 1] -= begin - size
        size += end - begin
    return Graph(graph.offsets, graph.neighbor[:size], graph.weight[:size])


def _shares(count: int, threads: int) -> list[tuple[int, int]]:
    """About equal ranges, as many as there are threads, of which none is empty but where there is nothing."""
    bounds = sorted({count * share // threads for share in range(threads)} | {0, count})
    return list(pairwise(bounds)) or [(0, 0)]


def _explain(neighbor: NDArray[np.int64], node: int) -> NoReturn:
    row = neighbor[node]
    if (row == node).any():
        raise NeighborError(f"node {node} is its own neighbour; leave every node out of its own row")
    raise NeighborError(f"ids must lie in -1 … {len(neighbor) - 1}, found {row.min()} … {row.max()}")


@njit(cache=True, nogil=True)
def ascending_key(bits: np.uint32, number: int) -> np.uint64:
    """Of the bits of a float32 weight and a number below 2^32: ascends as weights fall, then as numbers ascend."""
    if bits == np.uint32(0x80000000):
        bits = np.uint32(0)  # −0.0 is 0.0
    if bits < np.uint32(0x80000000):
        bits = bits ^ np.uint32(0x7FFFFFFF)
    return np.uint64(bits) << np.uint64(32) | np.uint64(number)


@njit(cache=True, nogil=True)
def weight_bits(key: np.uint64) -> np.uint32:
    """The bits of the weight from which a key was made."""
    bits = np.uint32(key >> np.uint64(32))
    return bits ^ np.uint32(0x7FFFFFFF) if bits < np.uint32(0x80000000) else bits


@njit(cache=True, nogil=True)
def _count_blocks(neighbor: NDArray[np.int64], first: int, last: int, shift: int, counts: NDArray[np.int64]) -> int:
    """Counts the edges that some nodes name into each block of 2^shift nodes; the first whose row is wrong, or −1."""
    n, k = neighbor.shape
    for i in range(first, last):
        for j in range(k):
            other = neighbor[i, j]
            if other < -1 or other >= n or other == i:
                return i
            if other >= 0:
                counts[other >> shift] += 1
    return -1


@njit(cache=True, nogil=True)
def _divide(
    neighbor: NDArray[np.int64],
    bits: NDArray[np.uint32],
    first: int,
    last: int,
    shift: int,
    free: NDArray[np.int64],
    named: NDArray[np.uint16] | NDArray[np.uint32],
    keys: NDArray[np.uint64],
) -> None:
    """The edges that some nodes name, block by block from where these are `free`, which ascends: the place in it of the
    node named, and the key of the one that names it."""
    in_block = (1 << shift) - 1
    for i in range(first, last):
        for j in range(neighbor.shape[1]):
            other = neighbor[i, j]
            if other >= 0:
                at = free[other >> shift]
                named[at] = other & in_block
                keys[at] = ascending_key(bits[i, j], i)
                free[other >> shift] = at + 1


@njit(cache=True, nogil=True)
def _rows(
    neighbor: NDArray[np.int64],
    bits: NDArray[np.uint32],
    first_block: int,
    last_block: int,
    shift: int,
    starts: NDArray[np.int64],
    named: NDArray[np.uint16] | NDArray[np.uint32],
    keys: NDArray[np.uint64],
    kept: int,
    ends: NDArray[np.int64],
    others: NDArray[np.int64],
    weights: NDArray[np.uint32],
) -> int:
    """Writes the neighbours and weights of the nodes of some blocks, from the place `kept` on, and where each node's
    end: what a node names and what names it, once each. Returns where the last ends."""
    n, k = neighbor.shape
    incoming = np.empty(np.diff(starts[first_block : last_block + 1]).max(), np.uint64)
    row = np.empty(k + incoming.size + 1, np.uint64)
    tail = np.empty(_SORTED_BY_RANK, np.uint64)
    for block in range(first_block, last_block):
        first = block << shift
        offsets = np.zeros(min(n - first, 1 << shift) + 1, np.int64)
        for e in range(starts[block], starts[block + 1]):
            offsets[np.uintp(named[e]) + _NEXT] += 1  # unsigned, so that it is not looked at as one from the end
        offsets = np.cumsum(offsets)
        free = offsets.copy()
        for e in range(starts[block], starts[block + 1]):
            here = np.uintp(named[e])
            incoming[np.uintp(free[here])] = keys[e]
            free[here] += 1
        for node in range(first, first + offsets.size - 1):
            size = _gather(neighbor[node], bits[node], incoming[offsets[node - first] : offsets[node - first + 1]], row)
            _sort(row[:size], k, tail)
            while size > 0 and row[size - 1] == _NONE:
                size -= 1
            for key in row[:size]:
                others[kept] = key & np.uint64(0xFFFFFFFF)
                weights[kept] = weight_bits(key)
                kept += 1
            ends[node + 1] = kept
    return kept


@njit(cache=True, nogil=True)
def _move_down(others: NDArray[np.int64], weights: NDArray[np.uint32], begin: int, end: int, to: int) -> None:
    """What stands from `begin` to `end` comes to stand from `to` on, which is no later."""
    if begin > to:
        for at in range(begin, end):
            others[to + at - begin] = others[at]
            weights[to + at - begin] = weights[at]


@njit(cache=True, nogil=True)
def _gather(
    neighbor: NDArray[np.int64], bits: NDArray[np.uint32], incoming: NDArray[np.uint64], row: NDArray[np.uint64]
) -> int:
    """Writes what a node names, in its order, then what names it and is not there, to `row`; returns their number.

    `row` needs room for one key more. Without branches: whether two name each other cannot be foretold.
    """
    k = neighbor.size
    for j in range(k):
        row[j] = ascending_key(bits[j], neighbor[j]) if neighbor[j] >= 0 else _NONE
    size = k
    for key in incoming:
        node = np.int64(key & np.uint64(0xFFFFFFFF))
        place = -1
        for j in range(k):
            place = max(place, j if neighbor[j] == node else -1)
        row[size] = key
        place = place if place >= 0 else size
        size += 1 if place == size else 0
        row[place] = min(row[place], key)
    return size


@njit(cache=True, nogil=True)
def _sort(row: NDArray[np.uint64], k: int, tail: NDArray[np.uint64]) -> None:
    """In place; least work where the first k are sorted already. `tail` is scratch.

    What follows them is sorted first, where it is short by counting how many are less, which no two have alike: by
    eights, which take a few instructions.
    """
    m = row.size - k
    if m <= tail.size:
        tail[:m] = row[k:]
        tail[m:] = _NONE
        for i in range(m):
            rank = 0
            for begin in range(0, m, 8):
                for j in range(begin, begin + 8):
                    rank += 1 if tail[j] < tail[i] else 0
            row[k + rank] = tail[i]
    else:
        row[k:].sort()
    if row.size > _SORTED_BY_INSERTION:
        row.sort()
        return
    for i in range(1, row.size):
        key = row[i]
        at = i
        while at > 0 and row[at - 1] > key:
            row[at] = row[at - 1]
            at -= 1
        row[at] = key
