"""The k nearest neighbours of each document by cosine: exact for small corpora, IVF-Flat for large ones.

faiss proposes candidates; their cosines are computed again here, in float64 and in a fixed order, so that
they do not depend on threads, on the number of queries searched at once, or on the machine. Which candidate
faiss proposes last still may, where two agree to its last bit; MARGIN spare candidates keep that out of the k.
"""

import math
from typing import NamedTuple

import faiss
import numpy as np
from numba import njit
from numpy.typing import NDArray

from graph_sort.vectors import Vectors, dot, rows_as_float32

EXACT_UP_TO = 20_000
PROBES = 32  # IVF lists searched
MARGIN = 8  # candidates beyond k
QUERY_BLOCK = 1024  # faiss multiplies matrices; on 256 queries at once it is five times slower
ADD_BLOCK = 65_536
TRAINING_POINTS = 40  # per list; faiss warns below 39


class VectorError(ValueError):
    """Vectors that cannot be compared: not [n, d], or not finite."""


class Neighbors(NamedTuple):
    """The nearest documents of each query by (−cosine, id); −1 and −inf where there are fewer than k."""

    neighbor: NDArray[np.int64]  # [q, k]
    cosine: NDArray[np.float32]  # [q, k]


def build_index(vectors: Vectors, exact_up_to: int = EXACT_UP_TO, seed: int = 0) -> faiss.Index:
    """A faiss index of unit vectors [n, d]: IndexFlatIP up to `exact_up_to` rows, IndexIVFFlat beyond.

    IVF has 4 √n lists, of which 32 are searched. On technical documents (all-MiniLM-L6-v2, d = 384) that finds
    0.97 of the 10 nearest, at 1,200 as at 9,900 documents. On one core, searching all of 20,000 documents of
    d = 512 takes the exact index 5.7 s, and IVF 5.4 s; of 50,000, 36 s and 21 s. Hence EXACT_UP_TO.

    Raises VectorError.
    """
    if vectors.ndim != 2:
        raise VectorError(f"vectors must be [n, d], got shape {vectors.shape}")
    n, d = vectors.shape
    index: faiss.Index = _trained_ivf(vectors, seed) if n > exact_up_to else faiss.IndexFlatIP(d)
    for begin in range(0, n, ADD_BLOCK):
        block = rows_as_float32(vectors, slice(begin, begin + ADD_BLOCK))
        if not np.isfinite(block).all():
            raise VectorError(f"vectors {begin} … {begin + len(block) - 1} hold NaN or infinity; embed them again")
        index.add(block)
    return index


def _trained_ivf(vectors: Vectors, seed: int) -> faiss.IndexIVFFlat:
    """IVF-Flat whose lists are seeded k-means cells of a seeded sample."""
    n, d = vectors.shape
    index = faiss.IndexIVFFlat(faiss.IndexFlatIP(d), d, _lists(n), faiss.METRIC_INNER_PRODUCT)
    index.nprobe = PROBES
    rng = np.random.Generator(np.random.PCG64(seed))
    index.cp.seed = int(rng.integers(2**31))
    sample = rng.choice(n, size=min(n, TRAINING_POINTS * index.nlist), replace=False)
    index.train(rows_as_float32(vectors, np.sort(sample)))
    return index


def search(index: faiss.Index, vectors: Vectors, queries: Vectors, query_ids: NDArray[np.int64], k: int) -> Neighbors:
    """The k documents nearest to each of `queries` [q, d], never the document `query_ids` [q] itself.

    `vectors` [n, d] are those of the index. Cosines are dot products, so vectors must have unit length.
    Memory: see `memory_bytes`. Raises ValueError for k < 1.
    """
    if k < 1:
        raise ValueError(f"k must be at least 1, got {k}")
    q = len(queries)
    found = Neighbors(np.full((q, k), -1, np.int64), np.full((q, k), -np.inf, np.float32))
    depth = min(k + 1 + MARGIN, index.ntotal)  # one more: the query finds itself
    if depth == 0:
        return found
    for begin in range(0, q, QUERY_BLOCK):
        rows = slice(begin, begin + QUERY_BLOCK)
        block = rows_as_float32(queries, rows)
        candidate = index.search(block, depth)[1]
        candidate_vectors = rows_as_float32(vectors, candidate)  # row −1 stands in for none and is not read
        ids = np.ascontiguousarray(query_ids[rows], dtype=np.int64)
        _keep_nearest(block, ids, candidate, candidate_vectors, found.neighbor[rows], found.cosine[rows])
    return found


def memory_bytes(n: int, d: int, k: int, exact_up_to: int = EXACT_UP_TO) -> int:
    """Bytes that indexing n vectors and searching them all takes, besides the vectors themselves."""
    index = n * d * 4
    if n > exact_up_to:
        lists = _lists(n)
        index += n * 8 + (lists + min(n, TRAINING_POINTS * lists)) * d * 4
    blocks = (QUERY_BLOCK * (k + 1 + MARGIN) + min(n, ADD_BLOCK)) * d * 4
    return index + blocks + n * k * 12


def _lists(n: int) -> int:
    return max(1, min(int(4 * math.sqrt(n)), n // TRAINING_POINTS))


@njit(cache=True, nogil=True)
def _keep_nearest(
    queries: NDArray[np.float32],
    query_ids: NDArray[np.int64],
    candidate: NDArray[np.int64],
    candidate_vectors: NDArray[np.float32],
    neighbor: NDArray[np.int64],
    cosine: NDArray[np.float32],
) -> None:
    """Insert each candidate into its query's row of `neighbor` and `cosine`, kept sorted by (−cosine, id)."""
    k = neighbor.shape[1]
    for i in range(candidate.shape[0]):
        for j in range(candidate.shape[1]):
            node = candidate[i, j]
            if node < 0 or node == query_ids[i]:
                continue
            c = np.float32(dot(queries[i], candidate_vectors[i, j]))
            at = k
            while at > 0 and (c > cosine[i, at - 1] or (c == cosine[i, at - 1] and node < neighbor[i, at - 1])):
                at -= 1
            for m in range(k - 1, at, -1):
                neighbor[i, m] = neighbor[i, m - 1]
                cosine[i, m] = cosine[i, m - 1]
            if at < k:
                neighbor[i, at] = node
                cosine[i, at] = c
