"""Keeping a part of the documents: those that represent all, or those nearest to some targets."""

import heapq
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from sequitur.graph_sort.graph import Graph
from sequitur.graph_sort.products import cosines, rounded
from sequitur.graph_sort.vectors import Vectors

ROWS, TARGETS = 8192, 2048  # of a block of cosines: 128 MiB


class Chosen(NamedTuple):
    """Documents in the order in which they were chosen, and what speaks for each."""

    ids: NDArray[np.int64]  # [count]
    gain: NDArray[np.float64]  # [count]


def facility_location(graph: Graph, count: int) -> Chosen:
    """`count` nodes S that nearly maximise f(S) = Σᵢ maxⱼ∈ₛ max(0, wᵢⱼ), where wᵢᵢ = 1 and wᵢⱼ = 0 without an edge.

    INGENIOUS (Renduchintala et al., arXiv 2305.06677) on the graph of neighbours: every node is represented
    by the nearest one chosen. Greedily, the node of the highest gain in f next, ties to the lowest id; so the first
    nodes of a choice are the choice for a smaller count, and f ≥ (1 − 1/e) of the best (Nemhauser et al. 1978). Lazily
    (Minoux 1978): gains only fall, so a node whose gain, computed anew, is still the highest known is the next. The
    result is that of computing all gains each time, to the bit.

    Raises ValueError unless 0 ≤ count ≤ n. Memory: 40·n bytes beside the graph. On nearest-neighbour graphs a few gains
    are computed for each node chosen, each O(degree): near-linear in the edges. Half of a million nodes with 14 million
    edges: 10 s on one core.
    """
    n = graph.offsets.size - 1
    if not 0 <= count <= n:
        raise ValueError(f"cannot choose {count} of {n} documents")
    return Chosen(*_facility_location(graph, count))


def coverage(graph: Graph, chosen: NDArray[np.int64]) -> NDArray[np.float32]:
    """float32[n]: the weight of each node's heaviest edge to a chosen one, 1 for those, 0 for none. O(edges)."""
    covered = np.zeros(graph.offsets.size - 1, np.float32)
    _cover(graph, chosen, covered)
    return covered


def similarity_to_targets(vectors: Vectors, targets: Vectors) -> NDArray[np.float64]:
    """float64[n]: the highest cosine of each of the vectors [n, d] to any of the targets [t, d], t ≥ 1; unit vectors.

    Exact to 10⁻⁶, and to the bit the same everywhere (`graph_sort.products`). n·t·d multiplications.
    """
    best = np.full(len(vectors), -np.inf)
    for begin in range(0, len(targets), TARGETS):
        some = rounded(targets, slice(begin, begin + TARGETS))
        for first in range(0, len(vectors), ROWS):
            rows = slice(first, first + ROWS)
            np.maximum(best[rows], cosines(rounded(vectors, rows), some).max(axis=1), out=best[rows])
    return best


def nearest_to_targets(similarity: NDArray[np.float64], count: int) -> Chosen:
    """The `count` documents of the highest similarity [n] to the targets, ties to the lowest id.

    As CiT keeps those texts whose cosine to any text of a task's metadata is high (Xu et al., arXiv
    2301.02241), but by their number, not by a threshold. Raises ValueError unless 0 ≤ count ≤ n. O(n log n).
    """
    if not 0 <= count <= similarity.size:
        raise ValueError(f"cannot choose {count} of {similarity.size} documents")
    ids = np.argsort(-similarity, kind="stable")[:count].astype(np.int64)
    return Chosen(ids, similarity[ids])


@njit(cache=True, nogil=True)
def _facility_location(graph: Graph, count: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    offsets, neighbor, weight = graph
    n = offsets.size - 1
    ids = np.empty(count, np.int64)
    gains = np.empty(count, np.float64)
    covered = np.zeros(n, np.float32)
    heap = [(-_gain(graph, covered, i), i) for i in range(n)]
    heapq.heapify(heap)
    known_at = np.zeros(n, np.int64)  # how many were chosen when the node's gain was computed
    chosen = 0
    while chosen < count:
        _, node = heap[0]
        if known_at[node] < chosen:
            # Rounding is monotone and the terms are added in one order, so a computed gain never rises either.
            known_at[node] = chosen
            heapq.heapreplace(heap, (-_gain(graph, covered, node), node))
            continue
        minus_gain, _ = heapq.heappop(heap)
        ids[chosen] = node
        gains[chosen] = -minus_gain
        covered[node] = max(covered[node], 1)
        for e in range(offsets[node], offsets[node + 1]):
            covered[neighbor[e]] = max(covered[neighbor[e]], weight[e])
        chosen += 1
    return ids, gains


@njit(cache=True, nogil=True)
def _gain(graph: Graph, covered: NDArray[np.float32], node: int) -> float:
    """What choosing a node adds to f: the difference of two float32 is exact in float64."""
    offsets, neighbor, weight = graph
    gain = max(0.0, 1.0 - np.float64(covered[node]))
    for e in range(offsets[node], offsets[node + 1]):
        gain += max(0.0, np.float64(weight[e]) - np.float64(covered[neighbor[e]]))
    return gain


@njit(cache=True, nogil=True)
def _cover(graph: Graph, chosen: NDArray[np.int64], covered: NDArray[np.float32]) -> None:
    offsets, neighbor, weight = graph
    for node in chosen:
        covered[node] = max(covered[node], 1)
        for e in range(offsets[node], offsets[node + 1]):
            covered[neighbor[e]] = max(covered[neighbor[e]], weight[e])
