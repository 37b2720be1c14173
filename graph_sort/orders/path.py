"""Greedy edges: the heaviest edges that make paths, exchanged for heavier ones, then the paths joined end to end.

The greedy matching for the travelling salesman (Bentley, "Fast algorithms for geometric traveling salesman
problems", ORSA Journal on Computing 4(4), 1992): an edge is taken, heaviest first, if both of its ends have
fewer than two and it closes no cycle.
"""

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from graph_sort.documents import Documents
from graph_sort.graph import Graph, descending
from graph_sort.link_exchange import exchange_links
from graph_sort.metrics import path_weight_share
from graph_sort.neighbor_plans import build, choose
from graph_sort.neighbors import search
from graph_sort.orders import Order, first_of_runs, uncut
from graph_sort.union_find import root_of
from graph_sort.vectors import Vectors, dot, rows_as_float32

# Shares of the edges, heaviest first: once these are taken, few of the lighter are open and need sorting.
SLICES = (1 / 16, 1 / 8, 1 / 4, 1 / 2)
SLICE_SAMPLE = 65_536  # edges from which the bounds of the slices are told
ENOUGH = 0.96  # of the bound on a path's weight; a greedy path that reaches it is not worth the time of an exchange
STITCH_NEIGHBORS = 4  # candidates of each open end in a round of stitching
STALLED = 16  # a round that joins fewer than one in so many fragments is the last of its kind


class _Paths(NamedTuple):
    """The fragments so far; changed in place."""

    link: NDArray[np.int64]  # [n, 2], the up to two documents joined to each; −1 for none
    open: NDArray[np.bool_]  # [n], whether a document has fewer than two
    parent: NDArray[np.int64]  # [n], union-find over the fragments


Edges = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]
"""Ends a and b, and weight, of edges that may be taken."""


def order(documents: Documents, seed: int) -> Order:
    """One path through all documents: greedy edges of the graph, made heavier, then edges between open ends.

    Edges are taken by (−weight, a, b), a < b. What the graph's edges leave are fragments (a document alone is
    one too). Then, in rounds, the edges between open ends are taken by the same rule, until one path is left:
    first from each open end to the ends of those fragments that hold a neighbour of it; when that joins less than
    one fragment in STALLED, to its nearest open ends by a search. When that stalls, too, the rest are laid end to
    end by lowest end id: that happens where very many ends are alike, so that all have the same few nearest.

    Should the mean cosine along that path be less than ENOUGH of `metrics.bound`, links of the fragments are
    exchanged for heavier ones while up to three at a time gain anything, which leaves fewer and longer fragments;
    these are stitched in the same way.

    The fragments reported are those before the stitching, between which the order is least related. `seed` is
    for the search among the ends. The path starts at its end of lower id.

    O(m log m), m the length of all rows, but most edges are never sorted; and the searches, among a hundredth of
    the documents or fewer where the graph hangs together. An exchange takes 20 to 40 µs a document, many times the
    rest. Memory: 150 bytes a document, 16 for the edges of a slice that may be taken, and the vectors of open ends as
    float32.
    """
    graph, vectors = documents.graph, documents.vectors
    n = graph.offsets.size - 1
    paths = _Paths(np.full((n, 2), -1, np.int64), np.ones(n, np.bool_), np.arange(n, dtype=np.int64))
    _take_graph_edges(graph, paths)
    greedy = paths.link.copy()
    permutation, fragment = _stitched(graph, vectors, paths, seed)
    if path_weight_share(graph, vectors, permutation) < ENOUGH:
        paths.link[:] = greedy
        exchange_links(graph, paths.link, _walk(paths.link)[0])
        permutation, fragment = _stitched(graph, vectors, paths, seed)
    return uncut(permutation, np.cumsum(first_of_runs(fragment[permutation]), dtype=np.int64) - 1)


def _stitched(graph: Graph, vectors: Vectors, paths: _Paths, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The path that stitching makes of the linked fragments, and the fragment of each document; changes `paths`."""
    permutation, fragment = _walk(paths.link)
    paths.open[:] = paths.link[:, 1] < 0
    paths.parent[:] = permutation[first_of_runs(fragment[permutation])][fragment]
    _stitch(graph, vectors, paths, seed)
    return _walk(paths.link)[0], fragment


def _take_graph_edges(graph: Graph, paths: _Paths) -> None:
    """Greedy edges of the whole graph, in slices of falling weight."""
    sample = graph.weight[:: max(1, graph.weight.size // SLICE_SAMPLE)]
    begin = graph.offsets[:-1].copy()
    for low in [*np.quantile(sample, 1 - np.array(SLICES)), -np.inf] if sample.size else []:
        a, b, weight = _open_edges(*graph, begin, paths.open, np.float32(low))
        # Edges are found in order of (a, b) among those of one weight, so their places break ties.
        keys = np.sort(
            descending(weight.view(np.uint32)).astype(np.uint64) << np.uint64(32) | np.arange(a.size, dtype=np.uint64)
        )
        _join(a, b, (keys & np.uint64(0xFFFFFFFF)).astype(np.int64), paths)


def _stitch(graph: Graph, vectors: Vectors, paths: _Paths, seed: int) -> None:
    """Join the fragments until one is left or a round by search stalls."""
    fragments = len(paths.link) - np.count_nonzero(paths.link >= 0) // 2
    by_search = False
    while fragments > 1:
        ends = np.flatnonzero(paths.open)
        end_vectors = rows_as_float32(vectors, ends)
        if by_search:
            edges = _nearest_ends(end_vectors, ends, seed)
        else:
            edges = _ends_beyond(graph.offsets, graph.neighbor, paths.parent, ends, end_vectors)
        a, b, weight = edges
        joined = int(_join(a, b, np.lexsort((b, a, -weight)), paths))
        fragments -= joined
        if joined * STALLED < fragments:
            if by_search:
                return
            by_search = True


def _nearest_ends(end_vectors: NDArray[np.float32], ends: NDArray[np.int64], seed: int) -> Edges:
    """Edges between each open end and its nearest."""
    plan = choose(len(ends), end_vectors.shape[1], STITCH_NEIGHBORS, 2**62)
    ids = np.arange(len(ends), dtype=np.int64)
    nearest = search(build(plan, end_vectors, seed), end_vectors, end_vectors, ids, STITCH_NEIGHBORS)
    row, column = np.nonzero(nearest.neighbor >= 0)
    other = nearest.neighbor[row, column]
    return ends[np.minimum(row, other)], ends[np.maximum(row, other)], nearest.cosine[row, column]


@njit(cache=True, nogil=True)
def _open_edges(
    offsets: NDArray[np.int64],
    neighbor: NDArray[np.int64],
    weight: NDArray[np.float32],
    begin: NDArray[np.int64],
    is_open: NDArray[np.bool_],
    low: np.float32,
) -> Edges:
    """The edges between open ends that weigh `low` or more, from `begin` of each row on, which moves behind them."""
    count = 0
    a, b, w = np.empty(1024, np.int64), np.empty(1024, np.int64), np.empty(1024, np.float32)
    for i in range(offsets.size - 1):
        if not is_open[i]:
            continue
        e = begin[i]
        while e < offsets[i + 1] and weight[e] >= low:
            if i < neighbor[e] and is_open[neighbor[e]]:
                if count == a.size:
                    a = np.concatenate((a, np.empty_like(a)))
                    b = np.concatenate((b, np.empty_like(b)))
                    w = np.concatenate((w, np.empty_like(w)))
                a[count], b[count], w[count] = i, neighbor[e], weight[e]
                count += 1
            e += 1
        begin[i] = e
    return a[:count], b[:count], w[:count]


@njit(cache=True, nogil=True)
def _ends_beyond(
    offsets: NDArray[np.int64],
    neighbor: NDArray[np.int64],
    parent: NDArray[np.int64],
    ends: NDArray[np.int64],
    end_vectors: NDArray[np.float32],
) -> Edges:
    """Edges from each open end to the ends of other fragments that hold neighbours of it: the best few by cosine."""
    ends_of = np.full((parent.size, 2), -1, np.int64)  # by root of the fragment, places in `ends`
    for place in range(ends.size):
        root = root_of(parent, ends[place])
        ends_of[root, 0 if ends_of[root, 0] < 0 else 1] = place
    found = np.full((ends.size, STITCH_NEIGHBORS), -1, np.int64)
    cosine = np.full((ends.size, STITCH_NEIGHBORS), -np.inf, np.float32)
    seen = np.full(ends.size, -1, np.int64)
    for place in range(ends.size):
        root = root_of(parent, ends[place])
        for e in range(offsets[ends[place]], offsets[ends[place] + 1]):
            other_root = root_of(parent, neighbor[e])
            for other in ends_of[other_root]:
                if other_root == root or other < 0 or seen[other] == place:
                    continue
                seen[other] = place
                c = np.float32(dot(end_vectors[place], end_vectors[other]))
                at = STITCH_NEIGHBORS
                while at > 0 and c > cosine[place, at - 1]:
                    at -= 1
                if at < STITCH_NEIGHBORS:
                    for m in range(STITCH_NEIGHBORS - 1, at, -1):
                        found[place, m], cosine[place, m] = found[place, m - 1], cosine[place, m - 1]
                    found[place, at], cosine[place, at] = other, c
    a, b, w = np.empty(found.size, np.int64), np.empty(found.size, np.int64), np.empty(found.size, np.float32)
    count = 0
    for place in range(ends.size):
        for m in range(STITCH_NEIGHBORS):
            if found[place, m] >= 0:
                a[count] = min(ends[place], ends[found[place, m]])
                b[count] = max(ends[place], ends[found[place, m]])
                w[count] = cosine[place, m]
                count += 1
    return a[:count], b[:count], w[:count]


@njit(cache=True, nogil=True)
def _join(a: NDArray[np.int64], b: NDArray[np.int64], sequence: NDArray[np.int64], paths: _Paths) -> int:
    """Take the edges in this sequence where both ends are open and it closes no cycle; returns how many were taken."""
    joined = 0
    for e in sequence:
        if not (paths.open[a[e]] and paths.open[b[e]]):
            continue
        root_a, root_b = root_of(paths.parent, a[e]), root_of(paths.parent, b[e])
        if root_a == root_b:
            continue
        paths.parent[max(root_a, root_b)] = min(root_a, root_b)
        for end, other in ((a[e], b[e]), (b[e], a[e])):
            place = 0 if paths.link[end, 0] < 0 else 1
            paths.link[end, place] = other
            paths.open[end] = place == 0
        joined += 1
    return joined


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
