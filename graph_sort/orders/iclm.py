"""In-Context Pretraining's document order: Algorithm 1 of Shi et al., ICLR 2024 (arXiv 2310.10638)."""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from graph_sort.documents import Documents
from graph_sort.orders import Order, uncut


def order(documents: Documents, seed: int) -> Order:
    """Greedy walk: from a document of least degree to the nearest unvisited neighbour until none is left.

    Then the walk jumps to the next unvisited document of least degree, where a new fragment begins. Degrees
    are those of the full graph. Ties, of degree and of weight, go to the lowest id. Documents of least degree
    come first because their few neighbours would otherwise be used up before them.

    Of the documents only the graph is used, and `seed` is not. O(n log n + m), m the length of all rows.
    """
    graph = documents.graph
    degree = np.diff(graph.offsets)
    if degree.size and degree.max() < 2**16:
        degree = degree.astype(np.uint16)  # which numpy sorts in linear time
    return uncut(*_walk(graph.offsets, graph.neighbor, np.argsort(degree, kind="stable")))


@njit(cache=True, nogil=True)
def _walk(
    offsets: NDArray[np.int64], neighbor: NDArray[np.int64], starts: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    n = starts.size
    permutation = np.empty(n, np.int64)
    path = np.empty(n, np.int64)
    visited = np.zeros(n, np.bool_)
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
            following = -1
            for e in range(offsets[node], offsets[node + 1]):  # heaviest first
                if not visited[neighbor[e]]:
                    following = neighbor[e]
                    break
            node = following
        fragment += 1
    return permutation, path
