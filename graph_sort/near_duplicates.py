"""Which documents to drop as near-duplicates: never by chaining, always with the survivor named."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from sequitur.graph_sort.graph import Empty
from sequitur.graph_sort.neighbors import Neighbors
from sequitur.graph_sort.vectors import Vectors, dot, rows_as_float32


class Pairs(NamedTuple):
    """Pairs of near-duplicates, undirected; a pair may be listed more than once, and either way round."""

    edges: NDArray[np.int64]  # [e, 2]
    cosine: NDArray[np.float32]  # [e]


class Duplicates(NamedTuple):
    """What becomes of each of n documents."""

    of: NDArray[np.int64]  # [n], the staying document that it duplicates; −1 for one that stays
    cosine: NDArray[np.float32]  # [n], of that pair; 0 for one that stays


def pairs_above(neighbors: Neighbors, threshold: float) -> Pairs:
    """All pairs (row, neighbour) of the neighbours of documents 0 … n−1 with cosine ≥ `threshold`.

    A document that has more than k near-duplicates does not name them all. So search again among the documents
    that `keep_first` leaves, until no pair is left: in 9,886 technical documents, k = 20, threshold 0.95, the
    first round dropped 397, the second 37, and the third found none.
    """
    row, column = np.nonzero((neighbors.neighbor >= 0) & (neighbors.cosine >= threshold))
    edges = np.stack([row.astype(np.int64), neighbors.neighbor[row, column]], axis=1)
    return Pairs(edges, neighbors.cosine[row, column])


def distinct(pairs: Pairs) -> Pairs:
    """Each pair once, the lower id first, ascending, with the cosine that it comes with first. O(e log e)."""
    edges = np.sort(pairs.edges, axis=1)
    order = np.lexsort((edges[:, 1], edges[:, 0]))  # stable
    new = np.append(True, (np.diff(edges[order], axis=0) != 0).any(axis=1))[: len(order)]
    return Pairs(edges[order[new]], pairs.cosine[order[new]])


def pair_cosines(a: Vectors, b: Vectors) -> NDArray[np.float32]:
    """float32 [e]: the cosine of the unit (or zero) vectors in each row of `a` [e, d] and of `b` [e, d]."""
    cosine = np.empty(len(a), np.float32)
    _row_cosines(rows_as_float32(a, slice(None)), rows_as_float32(b, slice(None)), cosine)
    return cosine


def edge_cosines(vectors: Vectors, edges: NDArray[np.int64]) -> NDArray[np.float32]:
    """float32 [e]: the cosine of the unit (or zero) vectors of each pair of documents, int64 [e, 2]. Each is read once;
    memory: as float32."""
    documents, ends = np.unique(edges, return_inverse=True)
    cosine = np.empty(len(edges), np.float32)
    _end_cosines(rows_as_float32(vectors, documents), ends.reshape(-1, 2), cosine)
    return cosine


def dropped_at(pairs: Iterable[Pairs], n: int, thresholds: Sequence[float]) -> list[int]:
    """How many of n documents `keep_first` would drop if only pairs of so high a cosine counted, for each threshold.

    Args:
        pairs: in blocks; in each the lower id comes first, and the higher ids ascend from block to block, too.
        n: 2 bytes each are held.
        thresholds: ascending, at most 16.

    Raises ValueError for pairs in another sequence, or of other documents. O(e).
    """
    if len(thresholds) > 16:
        raise ValueError(f"at most 16 thresholds at a time, not {len(thresholds)}")
    dropped, counted = np.zeros(n, np.uint16), 0
    for edges, cosine in pairs:
        if len(edges) and (edges[:, 0].min() < 0 or edges[-1, 1] >= n or edges[0, 1] < counted or _descend(edges)):
            raise ValueError("pairs must be given by the higher of their ids")
        counted = max(counted, int(edges[-1, 1]) if len(edges) else 0)
        heeded = (1 << np.searchsorted(np.asarray(thresholds, np.float32), cosine, side="right")) - 1
        _drop(edges, heeded.astype(np.uint16), dropped)
    return [int(np.count_nonzero(dropped & (1 << place))) for place in range(len(thresholds))]


def _descend(edges: NDArray[np.int64]) -> bool:
    return bool((edges[:, 0] >= edges[:, 1]).any() or (np.diff(edges[:, 1]) < 0).any())


def keep_first(pairs: Pairs, n: int, priority: NDArray[np.int64] | None = None, empty: Empty = np.empty) -> Duplicates:
    """Which of n documents stay, and which of those each other one duplicates.

    Documents are taken by (priority, id), lowest first; one is dropped only if a pair joins it to a document
    that was kept before. So chains do not merge: of a–b and b–c alone, a and c both stay. The document named
    is, of all that stay and are joined to the dropped one, that of the highest cosine, then of the lowest id.

    Raises ValueError for an id out of 0 … n−1, or a priority not [n]. O(n + e), O(n log n) with a priority; memory: a
    byte a document, 8 more with a priority; in arrays from `empty` 20 bytes a document and 24 a pair.
    """
    edges = pairs.edges
    if edges.size and (edges.min() < 0 or edges.max() >= n):
        raise ValueError(f"pairs name documents {edges.min()} … {edges.max()}, but ids must lie in 0 … {n - 1}")
    if priority is not None and priority.shape != (n,):
        raise ValueError(f"priority must be [{n}], one number a document, got shape {priority.shape}")
    sequence = np.empty(0, np.int64) if priority is None else np.argsort(priority, kind="stable")
    begins, other, cosine = empty(n + 1, np.int64), empty(2 * len(edges), np.int64), empty(2 * len(edges), np.float32)
    _by_document(edges, np.asarray(pairs.cosine, dtype=np.float32), begins, other, cosine)
    duplicates = Duplicates(empty(n, np.int64), empty(n, np.float32))
    _keep_first(sequence, begins, other, cosine, duplicates.of, duplicates.cosine)
    return duplicates


def around_dropped(pairs: Pairs, duplicates: Duplicates) -> NDArray[np.int64]:
    """int64 [e, 2]: pairs of documents that stay and have a dropped one in common: the first of those that a dropped
    document is joined to, with each other one, each once, the lower id first.

    A group of near-duplicates that is larger than a list leaves several of it, which their lists do not name; but lists
    of others name them. O(e log e).
    """
    stays = duplicates.of < 0
    both_ways = (pairs.edges, pairs.edges[:, ::-1])
    edges = np.concatenate([some[~stays[some[:, 0]] & stays[some[:, 1]]] for some in both_ways])
    edges = edges[np.lexsort((edges[:, 1], edges[:, 0]))]
    begins = np.flatnonzero(np.append(True, np.diff(edges[:, 0]) != 0)[: len(edges)])
    first = np.repeat(edges[begins, 1], np.diff(np.append(begins, len(edges))))
    several = first != edges[:, 1]
    return distinct(Pairs(np.stack([first, edges[:, 1]], axis=1)[several], np.zeros(several.sum(), np.float32))).edges


@njit(cache=True, nogil=True)
def _drop(edges: NDArray[np.int64], heeded: NDArray[np.uint16], dropped: NDArray[np.uint16]) -> None:
    """Marks the higher documents that pairs join to one that stays, for each threshold (a bit) that heeds the pair."""
    for i in range(len(edges)):
        dropped[edges[i, 1]] |= heeded[i] & ~dropped[edges[i, 0]]


@njit(cache=True, nogil=True)
def _by_document(
    edges: NDArray[np.int64],
    cosine: NDArray[np.float32],
    begins: NDArray[np.int64],
    other: NDArray[np.int64],
    closeness: NDArray[np.float32],
) -> None:
    """Fills of each document i the others that pairs join it to, from `begins[i]` to `begins[i + 1]`, and how close."""
    begins[:] = 0
    for edge in range(len(edges)):
        begins[edges[edge, 0]] += 1
        begins[edges[edge, 1]] += 1
    for document in range(len(begins) - 1):  # where the others of each end, at first
        begins[document + 1] += begins[document]
    for edge in range(len(edges)):
        for side in range(2):
            document = edges[edge, side]
            begins[document] -= 1
            other[begins[document]], closeness[begins[document]] = edges[edge, 1 - side], cosine[edge]


@njit(cache=True, nogil=True)
def _keep_first(
    sequence: NDArray[np.int64],
    offsets: NDArray[np.int64],
    other: NDArray[np.int64],
    cosine: NDArray[np.float32],
    duplicate_of: NDArray[np.int64],
    closeness: NDArray[np.float32],
) -> None:
    n = duplicate_of.size
    kept = np.zeros(n, np.bool_)
    for place in range(n):
        document = sequence[place] if sequence.size else place
        kept[document] = True
        for e in range(offsets[document], offsets[document + 1]):
            if other[e] != document and kept[other[e]]:
                kept[document] = False
                break
    for document in range(n):
        duplicate_of[document], closeness[document] = -1, 0
        if kept[document]:
            continue
        best = -1
        for e in range(offsets[document], offsets[document + 1]):
            if kept[other[e]] and (
                best < 0 or cosine[e] > cosine[best] or (cosine[e] == cosine[best] and other[e] < other[best])
            ):
                best = e
        duplicate_of[document] = other[best]
        closeness[document] = cosine[best]


@njit(cache=True, nogil=True)
def _end_cosines(rows: NDArray[np.float32], ends: NDArray[np.int64], cosine: NDArray[np.float32]) -> None:
    for i in range(cosine.size):
        cosine[i] = dot(rows[ends[i, 0]], rows[ends[i, 1]])


@njit(cache=True, nogil=True)
def _row_cosines(a: NDArray[np.float32], b: NDArray[np.float32], cosine: NDArray[np.float32]) -> None:
    for i in range(cosine.size):
        cosine[i] = dot(a[i], b[i])
