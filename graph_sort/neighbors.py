"""Lists of the k nearest neighbours of each document by cosine, and the search of all vectors for a few.

Whatever proposes candidates, their cosines are computed here, in float64 and in a fixed order, so that they do not
depend on threads, on the number of queries searched at once, or on the machine.
"""

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from sequitur.graph_sort.vectors import Vectors, dot, rows_as_float32

MARGIN = 8  # candidates beyond k: which faiss proposes last may depend on threads, where two agree to its last bit
QUERY_BLOCK = 1024  # faiss multiplies matrices; on 256 queries at once it is five times slower
SCAN_BLOCK = 65_536  # vectors converted to float32 at once
HALF_EXPONENT = np.float32(2.0**112)  # 2 to the (127 − 15): the difference of the exponents' biases


class VectorError(ValueError):
    """Vectors that cannot be compared: not [n, d], not of one d, or not finite."""


class Neighbors(NamedTuple):
    """The nearest documents of each query by (−cosine, id); −1 and −inf where there are fewer than k."""

    neighbor: NDArray[np.int64]  # [q, k]
    cosine: NDArray[np.float32]  # [q, k]


def scan(
    vectors: Vectors, queries: Vectors, query_ids: NDArray[np.int64], k: int, first_id: int = 0, block: int = SCAN_BLOCK
) -> Neighbors:
    """Exact search without an index: the k rows of `vectors` nearest to each of `queries` [q, d], never itself.

    Row i of `vectors` [n, d] has the id first_id + i; a query is left out by its id in `query_ids` [q]. For samples,
    and for vectors too many for memory: `block` rows at once are read and converted. q·n·d multiplications.
    Raises ValueError for k < 1, VectorError.
    """
    import faiss  # only here: exact_search, which needs the rest, runs where faiss is not installed

    q = checked(vectors, queries, query_ids, k)
    found = nothing_found(q, k)
    for start in range(0, len(vectors), block):
        slab = finite_rows(vectors, slice(start, start + block))
        for begin in range(0, q, QUERY_BLOCK):
            rows = slice(begin, begin + QUERY_BLOCK)
            asking = finite_rows(queries, rows)
            depth = min(k + 1 + MARGIN, len(slab))
            candidate = faiss.knn(asking, slab, depth, metric=faiss.METRIC_INNER_PRODUCT)[1]
            here = Neighbors(found.neighbor[rows], found.cosine[rows])
            keep_nearest(slab, asking, query_ids[rows], candidate, here, first_id + start)
    return found


def merge(a: Neighbors, b: Neighbors) -> Neighbors:
    """The k best of both for each query, by (−cosine, id); a document that both found counts once. [q, k] each."""
    best = Neighbors(a.neighbor.copy(), a.cosine.copy())
    nobody = np.full(len(a.neighbor), -1, np.int64)
    _keep_nearest(nobody, np.ascontiguousarray(b.neighbor), np.ascontiguousarray(b.cosine), 0, *best)
    return best


def among(found: Neighbors, is_member: NDArray[np.bool_]) -> Neighbors:
    """The lists without those that are no members any more, bool [n] by id: what stays moves up. O(q·k)."""
    left = nothing_found(*found.neighbor.shape)
    _move_up(found.neighbor, found.cosine, is_member, *left)
    return left


def nothing_found(q: int, k: int) -> Neighbors:
    """Neighbours of q queries before any is found."""
    return Neighbors(np.full((q, k), -1, np.int64), np.full((q, k), -np.inf, np.float32))


def checked(vectors: Vectors, queries: Vectors, query_ids: NDArray[np.int64], k: int) -> int:
    """The number of queries, if all agree."""
    if k < 1:
        raise ValueError(f"k must be at least 1, got {k}")
    if vectors.ndim != 2 or queries.ndim != 2 or vectors.shape[1] != queries.shape[1]:
        raise VectorError(f"vectors {list(vectors.shape)} and queries {list(queries.shape)} must be [n, d] and [q, d]")
    if len(query_ids) != len(queries):
        raise ValueError(f"{len(queries)} queries have {len(query_ids)} ids")
    return len(queries)


def finite_rows(vectors: Vectors, rows: slice | NDArray[np.int64]) -> NDArray[np.float32]:
    """The given rows as float32. Raises VectorError for NaN and infinity."""
    block = rows_as_float32(vectors, rows)
    if not np.isfinite(block).all():
        first, last = (rows.start, rows.start + len(block) - 1) if isinstance(rows, slice) else rows[[0, -1]].tolist()
        raise VectorError(f"vectors {first} … {last} hold NaN or infinity; embed them again")
    return block


def keep_nearest(
    vectors: Vectors,
    queries: NDArray[np.float32],
    query_ids: NDArray[np.int64],
    candidate: NDArray[np.int64],
    found: Neighbors,
    first_id: int = 0,
) -> None:
    """Compute the cosines of the candidates [q, c] and insert them into `found`, whose lists stay sorted by
    (−cosine, id). Candidate c is row c of `vectors`, of the id first_id + c; −1 is none."""
    cosine = np.empty(candidate.shape, np.float32)
    if vectors.dtype == np.float16:
        _cosines_of_half(queries, np.ascontiguousarray(vectors).view(np.uint16), candidate, cosine)
    else:
        _cosines(queries, np.ascontiguousarray(vectors, dtype=np.float32), candidate, cosine)
    ids = np.ascontiguousarray(query_ids, dtype=np.int64)
    _keep_nearest(ids, candidate, cosine, first_id, found.neighbor, found.cosine)


@njit(cache=True, nogil=True)
def _cosines(
    queries: NDArray[np.float32],
    vectors: NDArray[np.float32],
    candidate: NDArray[np.int64],
    cosine: NDArray[np.float32],
) -> None:
    for i in range(candidate.shape[0]):
        for j in range(candidate.shape[1]):
            if candidate[i, j] >= 0:
                cosine[i, j] = dot(queries[i], vectors[candidate[i, j]])


@njit(cache=True, nogil=True)
def _cosines_of_half(
    queries: NDArray[np.float32],
    vectors: NDArray[np.uint16],
    candidate: NDArray[np.int64],
    cosine: NDArray[np.float32],
) -> None:
    """`_cosines` of float16 given by their bits; a row is widened where it is used, so nothing is copied.

    float16 has 1, 5 and 10 bits of sign, exponent and fraction, float32 1, 8 and 23. Shifted into place, a finite
    number wants only the difference of the exponents' biases, a power of two, by which multiplying is exact.
    """
    bits = np.empty(vectors.shape[1], np.uint32)
    row = bits.view(np.float32)
    for i in range(candidate.shape[0]):
        for j in range(candidate.shape[1]):
            if candidate[i, j] < 0:
                continue
            half = vectors[candidate[i, j]]
            for t in range(bits.size):
                h = np.uint32(half[t])
                bits[t] = ((h & np.uint32(0x8000)) << np.uint32(16)) | ((h & np.uint32(0x7FFF)) << np.uint32(13))
            for t in range(bits.size):
                row[t] *= HALF_EXPONENT
            cosine[i, j] = dot(queries[i], row)


@njit(cache=True, nogil=True)
def _keep_nearest(
    query_ids: NDArray[np.int64],
    candidate: NDArray[np.int64],
    candidate_cosine: NDArray[np.float32],
    first_id: int,
    neighbor: NDArray[np.int64],
    cosine: NDArray[np.float32],
) -> None:
    """Insert each candidate into its query's row of `neighbor` and `cosine`, kept sorted by (−cosine, id)."""
    k = neighbor.shape[1]
    for i in range(candidate.shape[0]):
        filled = k
        while filled > 0 and neighbor[i, filled - 1] < 0:
            filled -= 1
        for j in range(candidate.shape[1]):
            node = candidate[i, j] + first_id
            if candidate[i, j] < 0 or node == query_ids[i]:
                continue
            c = candidate_cosine[i, j]
            at = filled  # candidates come nearly sorted: most belong at the end
            while at > 0 and (c > cosine[i, at - 1] or (c == cosine[i, at - 1] and node < neighbor[i, at - 1])):
                at -= 1
            if at == k or (at > 0 and node == neighbor[i, at - 1]):
                continue
            filled = min(filled + 1, k)
            for m in range(filled - 1, at, -1):
                neighbor[i, m] = neighbor[i, m - 1]
                cosine[i, m] = cosine[i, m - 1]
            neighbor[i, at] = node
            cosine[i, at] = c


@njit(cache=True, nogil=True)
def _move_up(
    neighbor: NDArray[np.int64],
    cosine: NDArray[np.float32],
    is_member: NDArray[np.bool_],
    left: NDArray[np.int64],
    left_cosine: NDArray[np.float32],
) -> None:
    for i in range(neighbor.shape[0]):
        at = 0
        for j in range(neighbor.shape[1]):
            if neighbor[i, j] >= 0 and is_member[neighbor[i, j]]:
                left[i, at] = neighbor[i, j]
                left_cosine[i, at] = cosine[i, j]
                at += 1
