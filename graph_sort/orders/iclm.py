"""In-Context Pretraining's document order: Algorithm 1 of Shi et al., ICLR 2024 (arXiv 2310.10638)."""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from sequitur.graph_sort.documents import Documents
from sequitur.graph_sort.instructions import prefetch
from sequitur.graph_sort.orders import Order, uncut

AHEAD = 8  # heaviest neighbours of a document whose rows are fetched: the walk comes to most of them soon
LINE = 8  # ids of 64 bits that come with one


def order(documents: Documents, seed: int) -> Order:
    """Greedy walk: from a document of least degree to the nearest unvisited neighbour until none is left.

    Then the walk jumps to the next unvisited document of least degree, where a new fragment begins. Degrees
    are those of the full graph. Ties, of degree and of weight, go to the lowest id. Documents of least degree
    come first because their few neighbours would otherwise be used up before them.

    Of the documents only the graph is used, and `seed` is not. O(n log n + m), m the length of all rows.
    """
    graph = documents.graph
    # Half the memory is fetched in half the time, where the walk jumps about.
    offsets = graph.offsets.astype(np.uint32) if graph.neighbor.size < 2**32 else graph.offsets
    degree = np.diff(offsets)
    if degree.size and degree.max() < 2**16:
        degree = degree.astype(np.uint16)  # which numpy sorts in linear time
    permutation, path = np.empty(degree.size, np.int64), np.empty(degree.size, np.int64)
    _walk(offsets, graph.neighbor, np.argsort(degree, kind="stable"), permutation, path)
    return uncut(permutation, path)


@njit(cache=True, nogil=True)
def _walk(
    offsets: NDArray[np.uint32] | NDArray[np.int64],
    neighbor: NDArray[np.int64],
    starts: NDArray[np.int64],
    permutation: NDArray[np.int64],
    path: NDArray[np.int64],
) -> None:
    visited = np.zeros(starts.size, np.bool_)
    count = 0
    fragment = 0
    for start in starts:
        if visited[start]:
            continue
        node = start
        while node >= 0:
            visited[node] = True
            permutation[count] = node
            path[count] = fragment
            count += 1
            first, end = np.int64(offsets[node]), np.int64(offsets[node + 1])
            for e in range(first, min(first + AHEAD, end)):
                row = np.int64(offsets[neighbor[e]])
                prefetch(neighbor, row)
                prefetch(neighbor, row + LINE)
            node = -1
            for e in range(first, end):  # heaviest first
                if not visited[neighbor[e]]:
                    node = neighbor[e]
                    break
        fragment += 1
