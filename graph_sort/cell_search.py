"""Exact nearest neighbours by matrix products, among all vectors or among those of the cells that a query probes.

BLAS proposes, in float32 and in blocks of any size; all that could be among the k nearest within its rounding error is
computed again in float64 and a fixed order. So a list depends on what is compared alone: not on blocks, threads, the
library, or on what else is searched at once.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from sequitur.graph_sort.neighbors import Neighbors, checked, finite_rows, keep_nearest, nothing_found
from sequitur.graph_sort.vectors import Vectors

QUERY_BLOCK, STORED_BLOCK = 1024, 16_384  # multiplied at a time: 64 MB of float32
# Of queries that are searched for together, of the cells they probe, and of their candidates: an eighth where vectors
# are so few that their cells are soon read again.
QUERY_BYTES, QUERY_BYTES_OF_VECTOR = 2**28, 24
ROUNDING = 2.0**-24  # half the distance of neighbouring float32 numbers, relative


class Cells(NamedTuple):
    """Which vectors are stored in which cell: cell c holds `member[starts[c] : starts[c + 1]]`, ascending."""

    member: NDArray[np.int64]  # [m], rows of the vectors
    starts: NDArray[np.int64]  # [c + 1]


def cells_from(home: NDArray[np.int32], count: int) -> Cells:
    """The cells of vectors, of each of which `home` [n] is the cell; −1 where it is stored in none. Memory: 12 bytes a
    vector."""
    member = np.argsort(home, kind="stable").astype(np.int64, copy=False)
    starts = np.searchsorted(home, np.arange(count + 1, dtype=home.dtype), sorter=member).astype(np.int64, copy=False)
    return Cells(member[starts[0] :], starts - starts[0])


def nearest(
    queries: Vectors, query_ids: NDArray[np.int64], stored: Vectors, stored_ids: NDArray[np.int64], k: int
) -> Neighbors:
    """The k stored vectors [m, d] nearest to each query [q, d] by (−cosine, id), never the query itself.

    Vectors are of unit length, or zero; `stored_ids` [m] are distinct. q·m·d multiplications by BLAS. Memory: 64 MB,
    2k + 64 candidates of 12 bytes a query, and the stored vectors once more where their ids do not ascend. Raises
    VectorError, ValueError.
    """
    order = np.argsort(stored_ids, kind="stable")
    if not np.array_equal(order, np.arange(len(order))):
        stored, stored_ids = stored[order], stored_ids[order]
    everything = Cells(np.arange(len(stored), dtype=np.int64), np.array([0, len(stored)], dtype=np.int64))
    own = _places(stored_ids, query_ids)
    found = nearest_in_cells(stored, everything, queries, own, np.zeros((len(queries), 1), np.int32), k)
    ids = np.append(stored_ids, -1)  # of none
    return Neighbors(ids[found.neighbor], found.cosine)


def nearest_in_cells(
    vectors: Vectors,
    cells: Cells,
    queries: Vectors,
    own: NDArray[np.int64],
    probed: NDArray[np.int32],
    k: int,
) -> Neighbors:
    """The k of `vectors` [n, d] nearest to each query [q, d] by (−cosine, row), among those of the cells it probes.

    Vectors are of unit length, or zero, and may be a memory map: the rows of a cell are read once for all queries of
    a block, so that many queries at a time cost least. BLAS multiplies each query with all that its cells store.

    Args:
        vectors: float16 or float32.
        cells: what is stored where; rows that stand in no cell are found by none.
        queries: float16 or float32.
        own: [q], the row of each query among `vectors`, which is not found; −1 where it is none of them.
        probed: [q, p], cells, each once; −1 where there are fewer.
        k: how many.

    Returns:
        Rows of `vectors`; −1 where there are fewer than k.

    Raises:
        VectorError: another number of dimensions, or NaN or infinity.
        ValueError: k < 1.
    """
    found = nothing_found(checked(vectors, queries, own, k), k)
    room, block = _room(k), queries_together(len(vectors), queries.shape[1], k, probed.shape[1])
    for begin in range(0, len(queries), block):
        rows = slice(begin, begin + block)
        asked = _Asked(vectors, finite_rows(queries, rows), own[rows], k, room)
        for scores in _products(vectors, cells, asked.queries, probed[rows]):
            asked.offer(*scores)
        found.neighbor[rows], found.cosine[rows] = asked.best(cells, probed[rows])
    return found


def query_bytes(vectors: int) -> int:
    """What queries take that are searched for together, among so many vectors."""
    return min(QUERY_BYTES, max(QUERY_BYTES // 8, QUERY_BYTES_OF_VECTOR * vectors))


def queries_together(vectors: int, dimensions: int, k: int, probes: int) -> int:
    """How many queries `nearest_in_cells` answers together: fewer read the cells as often."""
    return max(QUERY_BLOCK, query_bytes(vectors) // (4 * dimensions + 12 * _room(k) + 8 * probes))


def _room(k: int) -> int:
    """For candidates of a query."""
    return 2 * k + 64


def _places(ids: NDArray[np.int64], wanted: NDArray[np.int64]) -> NDArray[np.int64]:
    """Of each id wanted its place among ascending ids; −1 where it is not there."""
    if not len(ids):
        return np.full(len(wanted), -1, np.int64)
    at = np.minimum(np.searchsorted(ids, wanted), len(ids) - 1)
    return np.where(ids[at] == wanted, at, -1).astype(np.int64)


def _products(
    vectors: Vectors, cells: Cells, queries: NDArray[np.float32], probed: NDArray[np.int32]
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32], float]]:
    """Queries [r] that probe a cell, rows [m] that it stores, their products [r, m], and how long those rows are, at
    most."""
    begins, by_cell = np.empty(len(cells.starts), np.int64), np.empty(probed.size, np.int32)
    _group(np.ascontiguousarray(probed), begins, by_cell)
    for cell in range(len(cells.starts) - 1):
        asking = by_cell[begins[cell] : begins[cell + 1]].astype(np.int64)
        for start in range(cells.starts[cell], cells.starts[cell + 1] if len(asking) else 0, STORED_BLOCK):
            member = cells.member[start : min(start + STORED_BLOCK, cells.starts[cell + 1])]
            inside = member[-1] - member[0] + 1 == len(member)  # one after the other: read as they lie
            rows = slice(int(member[0]), int(member[-1]) + 1) if inside else member
            stored = finite_rows(vectors, rows)
            longest = _longest(stored)
            for first in range(0, len(asking), QUERY_BLOCK):
                some = asking[first : first + QUERY_BLOCK]
                yield some, member, queries[some] @ stored.T, longest


class _Asked:
    """Queries, and the best of what they have been offered: candidates by BLAS's products, and lists by exact ones."""

    def __init__(
        self, vectors: Vectors, queries: NDArray[np.float32], own: NDArray[np.int64], k: int, room: int
    ) -> None:
        self.queries, self._vectors, self._own = queries, vectors, np.ascontiguousarray(own)
        count = len(queries)
        self._found = nothing_found(count, k)
        self._row = np.empty((count, room), np.int64)
        self._score = np.empty((count, room), np.float32)
        self._count = np.zeros(count, np.int64)
        # What a zero vector is offered is all at the cosine 0, and could not be told apart: it is found by `best`.
        self._zero = np.flatnonzero(~queries.any(axis=1))
        self._least = np.full(count, -np.inf, np.float32)
        self._least[self._zero] = np.inf
        self._longest, self._slack = _longest(queries), np.float32(0)

    def offer(
        self, asking: NDArray[np.int64], rows: NDArray[np.int64], scores: NDArray[np.float32], longest: float
    ) -> None:
        self._slack = max(self._slack, _slack(self.queries.shape[1], self._longest * longest))
        held, k = (self._row, self._score, self._count, self._least), self._found.neighbor.shape[1]
        at, column = 0, 0
        while at < len(asking):
            at, column = _collect(scores, asking, rows, self._own, self._slack, k, *held, at, column)
            if at < len(asking):
                self._settle(int(asking[at]))

    def best(self, cells: Cells, probed: NDArray[np.int32]) -> Neighbors:
        k = self._found.neighbor.shape[1]
        _tighten_all(self._slack, k, self._row, self._score, self._count, self._least)
        self._row[np.arange(self._row.shape[1]) >= self._count[:, None]] = -1
        keep_nearest(self._vectors, self.queries, self._own, self._row, self._found)
        for query in self._zero:
            probes = probed[query][probed[query] >= 0]
            some = np.concatenate([cells.member[cells.starts[c] : cells.starts[c + 1]] for c in probes])
            first = np.sort(some[some != self._own[query]])[:k]
            self._found.neighbor[query, : len(first)], self._found.cosine[query, : len(first)] = first, 0
        return self._found

    def _settle(self, query: int) -> None:
        """Empties the room of a query for which too many are about as near: exact cosines tell."""
        here, held = slice(query, query + 1), slice(0, int(self._count[query]))
        lists = Neighbors(self._found.neighbor[here], self._found.cosine[here])
        keep_nearest(self._vectors, self.queries[here], self._own[here], self._row[here, held], lists)
        self._count[query] = 0
        self._least[query] = max(self._least[query], lists.cosine[0, -1] - self._slack)


def slack_of(a: NDArray[np.float32], b: NDArray[np.float32]) -> np.float32:
    """How far apart two products of rows of `a` [n, d] and of `b` [m, d] by BLAS must be for the greater to be so."""
    return _slack(a.shape[1], _longest(a) * _longest(b))


def _slack(terms: int, size: float) -> np.float32:
    # A dot product of d terms is off by at most d roundings of |a|·|b|, in whatever order it is summed (Higham,
    # Accuracy and Stability of Numerical Algorithms, 3.1); two may be, and float32 rounds once more.
    return np.float32(2 * (terms + 2) * ROUNDING * size)


def _longest(vectors: NDArray[np.float32]) -> float:
    return float(np.sqrt(np.einsum("nd,nd->n", vectors, vectors).max(initial=0)))


@njit(cache=True, nogil=True)
def _group(probed: NDArray[np.int32], begins: NDArray[np.int64], by_cell: NDArray[np.int32]) -> None:
    """Fills the queries that probe each cell c, ascending, from `begins[c]` to `begins[c + 1]`; cell −1 is none."""
    begins[:] = 0
    for query in range(probed.shape[0]):
        for cell in probed[query]:
            if cell >= 0:
                begins[cell] += 1
    for cell in range(1, begins.size):  # where those of each end, at first
        begins[cell] += begins[cell - 1]
    for query in range(probed.shape[0] - 1, -1, -1):
        for cell in probed[query]:
            if cell >= 0:
                begins[cell] -= 1
                by_cell[begins[cell]] = query


@njit(cache=True, nogil=True)
def _collect(
    scores: NDArray[np.float32],
    asking: NDArray[np.int64],
    rows: NDArray[np.int64],
    own: NDArray[np.int64],
    slack: np.float32,
    k: int,
    row: NDArray[np.int64],
    score: NDArray[np.float32],
    count: NDArray[np.int64],
    least: NDArray[np.float32],
    at: int,
    column: int,
) -> tuple[int, int]:
    """Puts the scores [r, m] that may count from (at, column) on among the candidates. Returns where a query's room
    is full of what may count; [r, 0] at the end."""
    room = row.shape[1]
    for i in range(at, asking.size):
        query = asking[i]
        bar = least[query]
        for j in range(column, rows.size):
            if scores[i, j] < bar or rows[j] == own[query]:
                continue
            if count[query] == room:
                _tighten(query, slack, k, row, score, count, least)
                bar = least[query]
                if 2 * count[query] > room + k:
                    return i, j
                if scores[i, j] < bar:
                    continue
            row[query, count[query]] = rows[j]
            score[query, count[query]] = scores[i, j]
            count[query] += 1
        column = 0
    return asking.size, 0


@njit(cache=True, nogil=True)
def _tighten_all(
    slack: np.float32,
    k: int,
    row: NDArray[np.int64],
    score: NDArray[np.float32],
    count: NDArray[np.int64],
    least: NDArray[np.float32],
) -> None:
    for query in range(count.size):
        _tighten(query, slack, k, row, score, count, least)


@njit(cache=True, nogil=True)
def _tighten(
    query: int,
    slack: np.float32,
    k: int,
    row: NDArray[np.int64],
    score: NDArray[np.float32],
    count: NDArray[np.int64],
    least: NDArray[np.float32],
) -> None:
    """Drops the candidates of a query that cannot be among its k nearest."""
    held = count[query]
    if held > k:
        least[query] = max(least[query], np.partition(score[query, :held], held - k)[held - k] - slack)
    kept = 0
    for m in range(held):
        if score[query, m] >= least[query]:
            row[query, kept] = row[query, m]
            score[query, kept] = score[query, m]
            kept += 1
    count[query] = kept
