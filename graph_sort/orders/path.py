"""Greedy edges: the heaviest edges that make paths, exchanged for heavier ones, then the paths joined end to end.

The greedy matching for the travelling salesman (Bentley, "Fast algorithms for geometric traveling salesman
problems", ORSA Journal on Computing 4(4), 1992): an edge is taken, heaviest first, if both of its ends have
fewer than two and it closes no cycle.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from sequitur.graph_sort.documents import Documents
from sequitur.graph_sort.graph import Graph, ascending_key
from sequitur.graph_sort.link_exchange import exchange_links
from sequitur.graph_sort.metrics import bound
from sequitur.graph_sort.orders import Order, uncut
from sequitur.graph_sort.paths import Links, fragments_of, linked, take, unlinked
from sequitur.graph_sort.stitching import stitch

# Shares of the edges, heaviest first: once these are taken, few of the lighter are open and need sorting.
SLICES = (1 / 16, 1 / 8, 1 / 4, 1 / 2, 3 / 4)
SLICE_SAMPLE = 65_536  # edges from which the bounds of the slices are told
ENOUGH = 0.96  # of the bound on a path's weight; a greedy path that reaches it is not worth the time of an exchange


def order(documents: Documents, seed: int) -> Order:
    """One path through all documents: greedy edges of the graph, made heavier, then edges between open ends.

    Edges are taken by (−weight, a, b), a < b. What the graph's edges leave are fragments (a document alone is
    one too), which `stitching.stitch` joins. Should the mean cosine along that path be less than ENOUGH of
    `metrics.bound`, links of the fragments are exchanged for heavier ones while up to three at a time gain anything,
    which leaves fewer and longer fragments; these are stitched in the same way.

    The fragments reported are those before the stitching, between which the order is least related. `seed` plays no
    part.

    O(m log m), m the length of all rows, but most edges are never sorted; and the searches, among a hundredth of
    the documents or fewer where the graph hangs together. An exchange takes 20 to 40 µs a document, many times the
    rest. Memory: 120 bytes a document, 24 for each edge of a slice that may be taken, and the vectors of open ends as
    float32.
    """
    graph, vectors = documents.graph, documents.vectors
    links = unlinked(graph.offsets.size - 1)
    weight = _take_graph_edges(graph, links)
    fragments = fragments_of(links)
    stitched = stitch(graph, vectors, fragments)
    if weight + stitched.gained < ENOUGH * bound(graph) * (links.open.size - 1):
        exchange_links(graph, links.link, np.arange(links.open.size, dtype=np.int64))
        stitched = stitch(graph, vectors, fragments_of(linked(links.link)))
    return uncut(stitched.document, stitched.fragment)


def _take_graph_edges(graph: Graph, links: Links) -> float:
    """Greedy edges of the whole graph, in slices of falling weight; returns the sum of their weights."""
    room = graph.weight.size // 2  # each edge once; pages that are not written to take no memory
    a, b, keys = np.empty(room, np.int64), np.empty(room, np.int64), np.empty(room, np.uint64)
    sample = graph.weight[:: max(1, graph.weight.size // SLICE_SAMPLE)]
    begin = graph.offsets[:-1].copy()
    total = 0.0
    for low in [*np.quantile(sample, 1 - np.array(SLICES)), -np.inf] if sample.size else []:
        count = _open_edges(*graph, begin, links.open, np.float32(low), a, b, keys)
        # Edges are found in order of (a, b) among those of one weight, so their places break ties.
        keys[:count].sort()
        total += take(a, b, keys[:count], links)[1]
    return total


@njit(cache=True, nogil=True)
def _open_edges(
    offsets: NDArray[np.int64],
    neighbor: NDArray[np.int64],
    weight: NDArray[np.float32],
    begin: NDArray[np.int64],
    is_open: NDArray[np.bool_],
    low: np.float32,
    a: NDArray[np.int64],
    b: NDArray[np.int64],
    keys: NDArray[np.uint64],
) -> int:
    """Finds the edges between open ends that weigh `low` or more, from `begin` of each row on, which moves behind them.

    Writes their ends and their keys for `take`; returns how many there are.
    """
    bits = weight.view(np.uint32)
    count = 0
    for i in range(is_open.size):
        if not is_open[i]:
            continue
        e, end = begin[i], offsets[i + 1]
        while e < end and weight[e] >= low:
            if i < neighbor[e] and is_open[neighbor[e]]:
                a[count], b[count], keys[count] = i, neighbor[e], ascending_key(bits[e], count)
                count += 1
            e += 1
        begin[i] = e
    return count
