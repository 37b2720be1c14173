"""Greedy edges: the heaviest edges that make paths, then the paths joined end to end by the same rule.

The greedy matching for the travelling salesman (Bentley, "Fast algorithms for geometric traveling salesman
problems", ORSA Journal on Computing 4(4), 1992): an edge is taken, heaviest first, if both of its ends have
fewer than two and it closes no cycle.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from graph_sort.documents import Documents
from graph_sort.graph import Graph
from graph_sort.neighbors import build_index, search
from graph_sort.orders import Order, uncut
from graph_sort.vectors import Vectors, rows_as_float32

STITCH_NEIGHBORS = 4  # candidates of each open end in a round of stitching
STALLED = 16  # a round that joins fewer than one in so many fragments is the last


def order(documents: Documents, seed: int) -> Order:
    """One path through all documents, of greedy edges: those of the graph, then those between open ends.

    Edges are taken by (−weight, a, b), a < b. What the graph's edges leave are fragments (a document alone is
    one too). Then, in rounds, each open end's nearest open ends by cosine are the candidate edges, until one
    path is left. Should a round join less than one fragment in STALLED, the rest are laid end to end by
    lowest end id: that happens where very many ends are alike, so that all have the same few nearest.

    The fragments reported are those before the stitching, between which the order is least related. `seed` is
    for the search among the ends (`neighbors.build_index`). The path starts at its end of lower id.

    O(m log m), m the length of all rows, and the searches: a tenth of the documents or fewer are open ends,
    and a round leaves an eighth of the fragments.
    """
    graph, vectors = documents.graph, documents.vectors
    n = graph.offsets.size - 1
    link = np.full((n, 2), -1, np.int64)  # the up to two documents joined to each
    parent = np.arange(n, dtype=np.int64)  # union-find
    _join(*_graph_edges(graph), link, parent)
    _, fragment = _walk(link)
    _stitch(link, parent, vectors, seed)
    permutation, _ = _walk(link)
    path = np.zeros(n, np.int64)
    np.cumsum(np.diff(fragment[permutation]) != 0, out=path[1:])
    return uncut(permutation, path)


def _graph_edges(graph: Graph) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Ends a < b of all edges, by (−weight, a, b)."""
    a = np.repeat(np.arange(graph.offsets.size - 1, dtype=np.int64), np.diff(graph.offsets))
    once = np.flatnonzero(a < graph.neighbor)
    # Rows are sorted by (−weight, id), so a stable sort by weight leaves ties in order of (a, b).
    once = once[np.argsort(-graph.weight[once], kind="stable")]
    return a[once], graph.neighbor[once]


def _stitch(link: NDArray[np.int64], parent: NDArray[np.int64], vectors: Vectors, seed: int) -> None:
    """Join the fragments in `link`, in place, until one is left or a round stalls."""
    fragments = len(link) - np.count_nonzero(link >= 0) // 2
    while fragments > 1:
        ends = np.flatnonzero(link[:, 1] < 0)
        joined = _join(*_end_edges(rows_as_float32(vectors, ends), ends, seed), link, parent)
        fragments -= joined
        if joined * STALLED < fragments:
            return


def _end_edges(
    end_vectors: NDArray[np.float32], ends: NDArray[np.int64], seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Edges a < b between each open end and its nearest, by (−cosine, a, b)."""
    ids = np.arange(len(ends), dtype=np.int64)
    nearest = search(build_index(end_vectors, seed=seed), end_vectors, end_vectors, ids, STITCH_NEIGHBORS)
    row, column = np.nonzero(nearest.neighbor >= 0)
    other = nearest.neighbor[row, column]
    a, b = np.minimum(row, other), np.maximum(row, other)
    by_weight = np.lexsort((b, a, -nearest.cosine[row, column]))
    return ends[a[by_weight]], ends[b[by_weight]]


@njit(cache=True, nogil=True)
def _join(a: NDArray[np.int64], b: NDArray[np.int64], link: NDArray[np.int64], parent: NDArray[np.int64]) -> int:
    """Take the edges in turn where both ends are open and it closes no cycle; returns how many were taken."""
    joined = 0
    for e in range(a.size):
        if link[a[e], 1] >= 0 or link[b[e], 1] >= 0:
            continue
        root_a, root_b = _root(parent, a[e]), _root(parent, b[e])
        if root_a == root_b:
            continue
        parent[max(root_a, root_b)] = min(root_a, root_b)
        link[a[e], 0 if link[a[e], 0] < 0 else 1] = b[e]
        link[b[e], 0 if link[b[e], 0] < 0 else 1] = a[e]
        joined += 1
    return joined


@njit(cache=True, nogil=True)
def _root(parent: NDArray[np.int64], node: int) -> int:
    while parent[node] != node:
        parent[node] = parent[parent[node]]  # path halving
        node = parent[node]
    return node


@njit(cache=True, nogil=True)
def _walk(link: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The documents path by path, each from its end of lower id; and the path number of each document."""
    n = link.shape[0]
    permutation = np.empty(n, np.int64)
    path_of = np.full(n, -1, np.int64)
    count = 0
    paths = 0
    for start in range(n):
        if path_of[start] >= 0 or link[start, 1] >= 0:
            continue
        node, previous = start, -1
        while node >= 0:
            permutation[count] = node
            path_of[node] = paths
            count += 1
            following = link[node, 0] if link[node, 0] != previous else link[node, 1]
            node, previous = following, node
        paths += 1
    return permutation, path_of
