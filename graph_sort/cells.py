"""Cells of near vectors: which are probed for each, how many must be, and how to cut the work for many machines.

Vectors are stored in the cell of their nearest centroid; a query is compared with all that is stored in the few
cells nearest to it (`cell_search`). Where many machines search, a large cell is cut into blocks of what it stores and
blocks of its queries, and each pair of blocks is a task. What a task finds is exact, so the merged lists do not depend
on how cells were cut, on the order in which tasks end, or on where they ran: they are those of one machine.
"""

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from sequitur.graph_sort.cell_search import slack_of
from sequitur.graph_sort.offsets import offsets_of
from sequitur.graph_sort.threads import on_threads
from sequitur.graph_sort.vectors import Vectors, dot, rows_as_float32

STORED, QUERY = 1, 2  # what a vector is in a task; both, where it is 3
TRAINING_POINTS = 40  # of which the centroid of each cell is made
# Vectors whose products with all centroids are held at a time, at most, and those products: what BLAS does with fewer
# vectors than FEW takes longer, so that of many centroids there may be MOST_PRODUCTS.
BLOCK, PRODUCTS = 1024, 2**20
FEW, MOST_PRODUCTS = 256, 2**24


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


def cells_of(vectors: Vectors, centroids: NDArray[np.float32], probes: int, threads: int = 1) -> NDArray[np.int32]:
    """The `probes` cells nearest to each vector [n, d], by (−cosine, number): int32 [n, probes], the nearest first and
    the others ascending; −1 where there are fewer.

    The same on every machine: what BLAS cannot tell apart within its rounding error is computed again in a fixed
    order. n·c·d multiplications for c centroids; memory: 2·c float32 for each of `rows_of_block` vectors, for each of
    `threads`. With several of these BLAS is best held to one of its own.
    """
    found, taken = np.full((len(vectors), probes), -1, dtype=np.int32), min(probes, len(centroids))
    centroids, size = np.ascontiguousarray(centroids), rows_of_block(len(centroids))  # as exact products take them

    def fill(begin: int) -> None:
        block = rows_as_float32(vectors, slice(begin, begin + size))
        scores = block @ centroids.T
        best = scores.max(axis=1)
        last = best if taken == 1 else np.partition(scores, len(centroids) - taken, axis=1)[:, len(centroids) - taken]
        slack = slack_of(block, centroids)
        _nearest_cells(block, centroids, scores, best, last, slack, found[begin : begin + size, :taken])

    for _ in on_threads(threads, fill, range(0, len(vectors), size)):
        pass
    return found


def rows_of_block(centroids: int) -> int:
    """How many vectors are compared with so many centroids at a time."""
    centroids = max(centroids, 1)
    return max(min(BLOCK, PRODUCTS // centroids), min(FEW, MOST_PRODUCTS // centroids), 1)


def places(queries: Vectors, centroids: NDArray[np.float32], cell: NDArray[np.int64]) -> NDArray[np.int64]:
    """int64 [q, k]: the place, from 0, that each cell [q, k] has among those nearest to the query of its row, by
    (−cosine, number); −1 where it is none. q·c·d multiplications for c centroids."""
    place = np.full(cell.shape, -1, np.int64)
    _places(rows_as_float32(queries, slice(None)), centroids, cell, place)
    return place


def probes_needed(rank: NDArray[np.int64], target: float, most: int) -> tuple[int, float]:
    """How many cells to probe for a recall, at most `most`, and the recall that so many give.

    `rank` int64 [m] holds, of each true neighbour of some queries, the place of its cell as `places` tells it: that
    neighbour is found by every search which probes more cells than that.
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
def _nearest_cells(
    vectors: NDArray[np.float32],
    centroids: NDArray[np.float32],
    scores: NDArray[np.float32],
    greatest: NDArray[np.float32],
    least: NDArray[np.float32],
    slack: np.float32,
    found: NDArray[np.int32],
) -> None:
    """Fills `found` [n, p] by the scores [n, c], of each row of which the greatest and the p-th are given, and by exact
    cosines where a score is within `slack` of these."""
    count, probes = scores.shape[1], found.shape[1]
    near = np.empty(count, np.int32)  # cells that scores cannot tell from the last taken
    cosine = np.empty(count, np.float32)
    for i in range(scores.shape[0]):
        best, last = greatest[i], least[i]
        home, nearest, taken, unsure = -1, np.float32(-np.inf), 0, 0
        for c in range(count):
            score = scores[i, c]
            if score < last - slack:
                continue
            first = score >= best - slack
            cosine[c] = score
            if first or score <= last + slack:
                cosine[c] = np.float32(dot(vectors[i], centroids[c]))
            if first and (home < 0 or cosine[c] > nearest):
                home, nearest = c, cosine[c]
            if score > last + slack:
                found[i, taken] = c
                taken += 1
            else:
                near[unsure] = c
                unsure += 1
        while taken < probes:
            at = -1
            for u in range(unsure):
                if near[u] >= 0 and (at < 0 or cosine[near[u]] > cosine[near[at]]):
                    at = u
            found[i, taken] = near[at]
            near[at] = -1
            taken += 1
        found[i].sort()
        at = probes - 1
        while found[i, at] != home:
            at -= 1
        for m in range(at, 0, -1):
            found[i, m] = found[i, m - 1]
        found[i, 0] = home


@njit(cache=True, nogil=True)
def _places(
    queries: NDArray[np.float32],
    centroids: NDArray[np.float32],
    cell: NDArray[np.int64],
    place: NDArray[np.int64],
) -> None:
    cosine = np.empty(centroids.shape[0], np.float32)
    for i in range(cell.shape[0]):
        for c in range(cosine.size):
            cosine[c] = dot(queries[i], centroids[c])
        for j in range(cell.shape[1]):
            home = cell[i, j]
            if home < 0:
                continue
            place[i, j] = 0
            for c in range(cosine.size):
                if cosine[c] > cosine[home] or (cosine[c] == cosine[home] and c < home):
                    place[i, j] += 1
