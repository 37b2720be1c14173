"""Each document before its nearest neighbours, repeats allowed: the baseline of In-Context Pretraining (section 3.1).

For comparison only: documents that are near to many are read many times.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from sequitur.graph_sort.documents import Documents
from sequitur.graph_sort.graph import Graph
from sequitur.graph_sort.orders import Order, first_of_runs


def order(documents: Documents, seed: int) -> Order:
    """Documents not yet read, in a seeded random order, each at the head of a context of its nearest neighbours.

    The neighbours follow by falling cosine while they fit, whether they were read before or not. So every document is
    read at least once, and the permutation is longer than n. A context is a fragment. O(n + m), m the length of all
    rows.
    """
    roots = np.random.Generator(np.random.PCG64(seed)).permutation(documents.lengths.size).astype(np.int64)
    room = np.int64(documents.context_length)
    permutation, path = _contexts(documents.graph, documents.lengths, roots, room)
    return Order(permutation, path, first_of_runs(path))


@njit(cache=True, nogil=True)
def _contexts(
    graph: Graph,
    lengths: NDArray[np.int64],
    roots: NDArray[np.int64],
    context_length: int,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    offsets, neighbor, _ = graph
    permutation = np.empty(roots.size + neighbor.size, np.int64)
    path = np.empty(permutation.size, np.int64)
    read = np.zeros(roots.size, np.bool_)
    count = contexts = 0
    for root in roots:
        if read[root]:
            continue
        room = context_length - lengths[root]
        permutation[count], path[count] = root, contexts
        read[root] = True
        count += 1
        for e in range(offsets[root], offsets[root + 1]):
            if lengths[neighbor[e]] <= room:
                room -= lengths[neighbor[e]]
                permutation[count], path[count] = neighbor[e], contexts
                read[neighbor[e]] = True
                count += 1
        contexts += 1
    return permutation[:count].copy(), path[:count].copy()
