"""Documents → cells of bounded size, each of related documents: halves of halves, along their main contrasts."""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from sequitur.graph_sort.graph import Graph
from sequitur.graph_sort.merging import product
from sequitur.graph_sort.threads import on_threads
from sequitur.graph_sort.union_find import root_of
from sequitur.graph_sort.vectors import Vectors, rows_as_float32

SCALE = 32767  # of the integers that stand for the components of a unit vector
SAMPLE = 1024
ITERATIONS = 6
LARGEST = 64  # a flock is at most this part of a cell
RANKS = 8  # neighbours of a document that may bring it into a flock
_BLOCK = 16_384


def whole_numbers(rows: NDArray[np.float32], scale: NDArray[np.float32] | float = SCALE) -> NDArray[np.int16]:
    """Unit vectors float32 [m, d] times `scale` (a number or [m, 1]; at most SCALE), rounded, int16 [m, d]."""
    whole: NDArray[np.int16] = np.rint(rows * scale).clip(-SCALE, SCALE).astype(np.int16)
    return whole


def bisect(
    vectors: Vectors, graph: Graph, members: NDArray[np.int64], limit: int, seed: int, threads: int = 1
) -> list[NDArray[np.int64]]:
    """Cut `members` int64[m], ascending, into cells of at most `limit`, each ascending; two cells in a row are kin.

    A set too large is cut in two about equal halves by the place of its documents on the line between the means of two
    clusters, found by spherical 2-means in a sample drawn with `seed` (PCG64). Documents go in flocks of up to a
    LARGEST-th of a cell, which nearest neighbours make, and which are cut only if there is no other way: so few edges
    are lost. Ties go by id. Time O(m·d·log(m / limit)) and the graph once, memory 48·m bytes beyond a block of vectors
    for each of `threads`.
    """
    rng = np.random.Generator(np.random.PCG64(seed))
    waiting, cells = [members], []
    flock = flocks(graph, max(limit // LARGEST, 1)) if members.size > limit else members
    while waiting:
        cell = waiting.pop()
        if cell.size <= limit:
            cells.append(cell)
            continue
        contrast = _contrast(vectors, np.sort(rng.choice(cell, min(SAMPLE, cell.size), replace=False)))
        waiting += _halves(cell, _along(vectors, cell, contrast, threads), flock[cell])
    return cells


def _along(vectors: Vectors, cell: NDArray[np.int64], contrast: NDArray[np.int32], threads: int) -> NDArray[np.int64]:
    """int64 [m]: the place of each document of a cell on a line."""

    def of_block(begin: int) -> NDArray[np.int64]:
        found: NDArray[np.int64] = _products(
            whole_numbers(rows_as_float32(vectors, cell[begin : begin + _BLOCK])), contrast
        )
        return found

    return np.concatenate(list(on_threads(threads, of_block, range(0, cell.size, _BLOCK))))


def _halves(cell: NDArray[np.int64], along: NDArray[np.int64], flock: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """The cell in two, where flocks lie by the mean of their documents' places, and those of one mean by number: far
    half, near half. `along` is written over."""
    mean = along.view(np.float64)
    _mean_places(np.argsort(flock, kind="stable"), flock, along, mean)
    order = np.argsort(mean, kind="stable")
    far = np.ones(cell.size, np.bool_)
    far[order[: _bound(order, mean, flock)]] = False
    return [cell[far], cell[~far]]


@njit(cache=True, nogil=True)
def _mean_places(
    by_flock: NDArray[np.int64], flock: NDArray[np.int64], along: NDArray[np.int64], mean: NDArray[np.float64]
) -> None:
    """Of each document the mean place of its flock, in the memory of the places."""
    begin = 0
    while begin < by_flock.size:
        total, end = 0, begin
        while end < by_flock.size and flock[by_flock[end]] == flock[by_flock[begin]]:
            total += along[by_flock[end]]
            end += 1
        for i in range(begin, end):
            mean[by_flock[i]] = float(total) / float(end - begin)
        begin = end


@njit(cache=True, nogil=True)
def _bound(order: NDArray[np.int64], mean: NDArray[np.float64], flock: NDArray[np.int64]) -> int:
    """How many documents are the near half: up to the end of a flock that is nearest to the middle, the earlier of two;
    to the middle, if all are one flock. Where flocks have one mean, `order` is put in that of their numbers."""
    begin = 0
    while begin < order.size:
        end, differ = begin + 1, False
        while end < order.size and mean[order[end]] == mean[order[begin]]:
            differ |= flock[order[end]] != flock[order[begin]]
            end += 1
        if differ:
            here = order[begin:end]
            here[:] = here[np.argsort(flock[here], kind="mergesort")]
        begin = end
    half = order.size // 2
    for away in range(order.size):
        for bound in (half - away, half + away):
            if 0 < bound < order.size and flock[order[bound - 1]] != flock[order[bound]]:
                return bound
    return half


@njit(cache=True, nogil=True)
def _flocks(graph: Graph, largest: int) -> NDArray[np.int64]:
    offsets, neighbor, _ = graph
    n = offsets.size - 1
    parent, size = np.arange(n), np.ones(n, np.int64)
    most = 0
    for x in range(n):
        most = max(most, offsets[x + 1] - offsets[x])
    for rank in range(min(most, RANKS)):
        for x in range(n):
            if offsets[x] + rank >= offsets[x + 1]:
                continue
            a, b = root_of(parent, x), root_of(parent, neighbor[offsets[x] + rank])
            if a != b and size[a] + size[b] <= largest:
                parent[max(a, b)] = min(a, b)
                size[min(a, b)] = size[a] + size[b]
    for x in range(n):
        parent[x] = root_of(parent, x)
    return parent


def flocks(graph: Graph, largest: int) -> NDArray[np.int64]:
    """int64[n]: of each node the lowest of its flock, which has at most `largest` nodes.

    Each node's flock joins that of its nearest neighbour, then each that of its second nearest, and so on to RANKS,
    where the two are not too large together. O(n·RANKS).
    """
    flock: NDArray[np.int64] = _flocks(graph, largest)
    return flock


def _contrast(vectors: Vectors, sample: NDArray[np.int64]) -> NDArray[np.int32]:
    """The difference of the directions of two clusters, int32 [d]."""
    rows = whole_numbers(rows_as_float32(vectors, sample))
    poles = np.stack([rows[0], rows[_products(rows, rows[0].astype(np.int32)).argmin()]]).astype(np.int32)
    for _ in range(ITERATIONS):
        second = _products(rows, poles[1] - poles[0]) > 0
        if second.all() or not second.any():
            break
        sums = np.stack([rows[~second].sum(axis=0, dtype=np.int64), rows[second].sum(axis=0, dtype=np.int64)])
        poles = directions(sums).astype(np.int32)
    contrast: NDArray[np.int32] = poles[1] - poles[0]
    return contrast


def directions(sums: NDArray[np.int64]) -> NDArray[np.int16]:
    """Vectors of integers int64 [m, d] → unit vectors times SCALE, int16 [m, d]; zero stays zero."""
    norms = np.sqrt((sums * sums).sum(axis=1).astype(np.float64))  # of integers, so exact up to the root
    return whole_numbers((sums / np.maximum(norms, 1)[:, None]).astype(np.float32))


@njit(cache=True, nogil=True)
def _products(rows: NDArray[np.int16], vector: NDArray[np.int32]) -> NDArray[np.int64]:
    products = np.empty(rows.shape[0], np.int64)
    for i in range(rows.shape[0]):
        products[i] = product(rows[i], vector)
    return products
