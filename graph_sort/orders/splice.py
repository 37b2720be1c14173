"""SPLiCe: contexts grown as trees over nearest neighbours (Staniszewski et al., arXiv 2312.17296, Algorithm 1)."""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from sequitur.graph_sort.documents import Documents
from sequitur.graph_sort.graph import Graph
from sequitur.graph_sort.orders import Order, uncut

CHILDREN = 2  # neighbours taken of each document; with 1, trees are paths


def order(documents: Documents, seed: int) -> Order:
    """Breadth-first trees over the graph: of each document in turn, its nearest CHILDREN that are not yet used.

    A tree starts at a random unused document (PCG64) and ends when it has no document left to go on from, or after
    `context_length` tokens. Each tree is a fragment. O(n + m), m the length of all rows.
    """
    roots = np.random.Generator(np.random.PCG64(seed)).permutation(documents.lengths.size).astype(np.int64)
    room = np.int64(documents.context_length)
    return uncut(*_trees(documents.graph, documents.lengths, roots, room))


@njit(cache=True, nogil=True)
def _trees(
    graph: Graph,
    lengths: NDArray[np.int64],
    roots: NDArray[np.int64],
    context_length: int,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    offsets, neighbor, _ = graph
    n = roots.size
    permutation = np.empty(n, np.int64)  # is the queue, too: what is placed is what was queued, in that order
    path = np.empty(n, np.int64)
    used = np.zeros(n, np.bool_)
    placed = trees = 0
    for root in roots:
        if used[root]:
            continue
        used[root] = True
        permutation[placed] = root
        path[placed] = trees
        head = placed
        placed += 1
        tokens = lengths[root]
        while head < placed and tokens < context_length:
            children = 0
            for e in range(offsets[permutation[head]], offsets[permutation[head] + 1]):
                child = neighbor[e]
                if used[child]:
                    continue
                if children == CHILDREN or tokens >= context_length:
                    break
                used[child] = True
                permutation[placed] = child
                path[placed] = trees
                placed += 1
                children += 1
                tokens += lengths[child]
            head += 1
        trees += 1
    return permutation, path
