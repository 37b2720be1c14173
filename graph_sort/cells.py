"""Exact nearest neighbours cell by cell: what many machines compute piece by piece, for vectors that no index holds.

Vectors are stored in the cell of their nearest centroid; a query is compared with all that is stored in the few
cells nearest to it. A large cell is cut into blocks of what it stores and blocks of its queries, and each pair of
blocks is a task. What a task finds is exact, whatever else was computed with it: BLAS only proposes, and all that
could be among the k nearest within its rounding error is computed again in a fixed order. So the merged lists do
not depend on how cells were cut, on the order in which tasks end, or on where they ran.
"""

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from sequitur.graph_sort.neighbors import Neighbors, nothing_found
from sequitur.graph_sort.offsets import offsets_of
from sequitur.graph_sort.vectors import Vectors, dot, rows_as_float32

STORED, QUERY = 1, 2  # what a vector is in a task; both, where it is 3
TRAINING_POINTS = 40  # of which the centroid of each cell is made
BLOCK = 1024  # queries × 16 BLOCK stored vectors are multiplied at a time: 64 MB of float32
ROUNDING = 2.0**-24  # half the distance of neighbouring float32 numbers, relative


class Tasks(NamedTuple):
    """Cell c is searched as `stored_blocks[c] · query_blocks[c]` tasks from number `first[c]` on; none where empty."""

    first: NDArray[np.int64]  # [c + 1]
    stored_blocks: NDArray[np.int64]  # [c]
    query_blocks: NDArray[np.int64]  # [c]


class Spread(NamedTuple):
    """Which rows take part in which tasks, and as what, in no particular order."""

    task: NDArray[np.int64]  # [m]
    row: NDArray[np.int64]  # [m]
    role: NDArray[np.uint8]  # [m], STORED, QUERY or both


def cells_of(vectors: Vectors, centroids: NDArray[np.float32], probes: int) -> NDArray[np.int32]:
    """The `probes` cells nearest to each vector [n, d], nearest first: int32 [n, probes], −1 where there are fewer."""
    numbers = np.arange(len(centroids), dtype=np.int64)
    found = nearest(vectors, np.full(len(vectors), -1, np.int64), centroids, numbers, probes)
    return found.neighbor.astype(np.int32)


def probes_needed(rank: NDArray[np.int64], target: float, most: int) -> tuple[int, float]:
    """How many cells to probe for a recall, at most `most`, and the recall that so many give.

    `rank` int64 [m] holds, of each true neighbour of some queries, the place (from 0) of its cell among the cells
    nearest to the query: that neighbour is found by every search which probes more cells than that.
    """
    if not rank.size:
        return 1, 1.0
    found = np.cumsum(np.bincount(rank, minlength=most)) / rank.size
    probes = min(int(np.searchsorted(found, target)) + 1, most)
    return probes, float(found[probes - 1])


def make_tasks(stored: NDArray[np.int64], queries: NDArray[np.int64], most: int) -> Tasks:
    """Cuts cells that store `stored` [c] vectors for `queries` [c] queries into blocks of about `most` vectors."""
    needed = (stored > 0) & (queries > 0)
    stored_blocks, query_blocks = (np.where(needed, -(-count // most), 0) for count in (stored, queries))
    return Tasks(offsets_of(stored_blocks * query_blocks), stored_blocks, query_blocks)


def spread(tasks: Tasks, ordinals: NDArray[np.int64], cells: NDArray[np.int32], roles: NDArray[np.uint8]) -> Spread:
    """The tasks in which some vectors take part.

    `ordinals` [n] choose the blocks; `cells` [n, p] are the cells that each probes, that where it is stored first;
    `roles` [n] say whether it is STORED, QUERY, both or neither.
    """
    size = _spread(*tasks, ordinals, cells, roles, *_nothing())
    out = np.empty(size, np.int64), np.empty(size, np.int64), np.empty(size, np.uint8)
    _spread(*tasks, ordinals, cells, roles, *out)
    return Spread(*out)


def nearest(
    queries: Vectors, query_ids: NDArray[np.int64], stored: Vectors, stored_ids: NDArray[np.int64], k: int
) -> Neighbors:
    """The k stored vectors [m, d] nearest to each query [q, d] by (−cosine, id), never the query itself: exact.

    Cosines are dot products in float64 of a fixed order, so that a list does not depend on what else is in the
    arrays. Time: q·m·d multiplications by BLAS. Memory: 64 MB, and a float32 copy of 17 BLOCK vectors.
    """
    found = nothing_found(len(queries), k)
    for begin in range(0, len(stored), 16 * BLOCK):
        some = rows_as_float32(stored, slice(begin, begin + 16 * BLOCK))
        ids = np.ascontiguousarray(stored_ids[begin : begin + 16 * BLOCK], dtype=np.int64)
        for start in range(0, len(queries), BLOCK):
            rows = slice(start, start + BLOCK)
            block = rows_as_float32(queries, rows)
            scores = block @ some.T
            depth = min(k + 1, len(some))  # one more: the query may be stored here
            least = np.partition(scores, len(some) - depth, axis=1)[:, len(some) - depth]
            # A dot product of d terms is off by at most d roundings of |a|·|b|, in whatever order it is summed
            # (Higham, Accuracy and Stability of Numerical Algorithms, 3.1); two may be, and float32 rounds once more.
            slack = 2 * (block.shape[1] + 2) * ROUNDING * _longest(block) * _longest(some)
            own = np.ascontiguousarray(query_ids[rows], dtype=np.int64)
            _offer(block, own, some, ids, scores, least - np.float32(slack), found.neighbor[rows], found.cosine[rows])
    return found


def _longest(vectors: NDArray[np.float32]) -> float:
    return float(np.sqrt(np.einsum("nd,nd->n", vectors, vectors).max(initial=0)))


def _nothing() -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.uint8]]:
    return np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.uint8)


@njit(cache=True, nogil=True)
def _spread(
    first: NDArray[np.int64],
    stored_blocks: NDArray[np.int64],
    query_blocks: NDArray[np.int64],
    ordinals: NDArray[np.int64],
    cells: NDArray[np.int32],
    roles: NDArray[np.uint8],
    task: NDArray[np.int64],
    row: NDArray[np.int64],
    role: NDArray[np.uint8],
) -> int:
    """Fills the last three, where they have room; returns how much they need."""
    size = 0
    for i in range(ordinals.size):
        for j in range(cells.shape[1]):
            cell = cells[i, j]
            if cell < 0:
                continue
            across = query_blocks[cell]
            own_stored = _scattered(ordinals[i]) % max(stored_blocks[cell], 1)
            own_query = _scattered(ordinals[i]) % max(across, 1)
            for s in range(stored_blocks[cell]):
                for q in range(across):
                    part = 0
                    if j == 0 and s == own_stored:
                        part |= roles[i] & STORED
                    if q == own_query:
                        part |= roles[i] & QUERY
                    if part:
                        if size < task.size:
                            task[size] = first[cell] + s * across + q
                            row[size] = i
                            role[size] = part
                        size += 1
    return size


@njit(cache=True, nogil=True)
def _scattered(ordinal: int) -> np.int64:
    """31 bits of its product with 2⁶⁴ / golden ratio, so that blocks are about equal whatever ordinals meet."""
    return np.int64((np.uint64(ordinal) * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(33))


@njit(cache=True, nogil=True)
def _offer(
    queries: NDArray[np.float32],
    query_ids: NDArray[np.int64],
    stored: NDArray[np.float32],
    stored_ids: NDArray[np.int64],
    scores: NDArray[np.float32],
    least: NDArray[np.float32],
    neighbor: NDArray[np.int64],
    cosine: NDArray[np.float32],
) -> None:
    """Computes what scores `least` or more again, and inserts it."""
    for i in range(scores.shape[0]):
        for j in range(scores.shape[1]):
            if scores[i, j] >= least[i] and stored_ids[j] != query_ids[i]:
                _insert(neighbor[i], cosine[i], stored_ids[j], np.float32(dot(queries[i], stored[j])))


@njit(cache=True, nogil=True)
def _insert(neighbor: NDArray[np.int64], cosine: NDArray[np.float32], node: int, c: float) -> None:
    """Into a list that is sorted by (−cosine, id), if it is among its best."""
    k = neighbor.size
    at = k
    while at > 0 and (c > cosine[at - 1] or (c == cosine[at - 1] and node < neighbor[at - 1])):
        at -= 1
    if at == k:
        return
    for m in range(k - 1, at, -1):
        neighbor[m] = neighbor[m - 1]
        cosine[m] = cosine[m - 1]
    neighbor[at] = node
    cosine[at] = c
