"""Bottom-up clusters of limited size along a graph: which documents, then which contexts, belong together."""

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from sequitur.graph_sort.kernels import kernel

ROUNDS = 256  # at most: reached only by graphs such as a star, whose hub takes one leaf a round


class Items(NamedTuple):
    """What is put together: n documents (or contexts), and the graph along which that is tried.

    The neighbours of item i are `neighbor[offsets[i]:offsets[i + 1]]`, and an id may stand there more than once.
    All vectors are of integers, so that a sum or a product of them has the same bits in whatever order it is
    computed, which floating point has not, and they are several times as fast.
    """

    offsets: NDArray[np.int64]  # [n + 1]
    neighbor: NDArray[np.int64]  # [m]
    vector: NDArray[np.int16]  # [n, d]: unit vector × weight × a scale that is common to all
    weight: NDArray[np.float64]  # [n], > 0
    size: NDArray[np.int64]  # [n], ≥ 1: tokens
    heads: NDArray[np.bool_]  # [n]: must come first in its context, so that no two can share one
    bond: NDArray[np.int64]  # [m], what it adds that the two of an edge are together, the same for both directions


class MergeTree(NamedTuple):
    """Nodes 0 … n−1 are the items, the others merges of two nodes; `roots` are the clusters that resulted."""

    left: NDArray[np.int64]  # [nodes], −1 for an item
    right: NDArray[np.int64]  # [nodes]
    roots: NDArray[np.int64]  # [clusters], by their lowest item


@kernel
def product(a: NDArray[np.int16] | NDArray[np.int32], b: NDArray[np.int16] | NDArray[np.int32]) -> np.int64:
    """Dot product of two integer vectors, in int64."""
    total = np.int64(0)
    for i in range(a.size):
        total += np.int64(a[i]) * np.int64(b[i])
    return total


@njit(cache=True, nogil=True)
def merge(items: Items, capacity: int) -> MergeTree:
    """Average-link clustering in rounds: neighbours merge that are each other's best, while they fit together.

    The likeness of two clusters is the weighted mean cosine of their items, Σ w_a w_b cos(a, b) / W_A W_B; only
    clusters between which there is an edge, whose sizes sum to at most `capacity`, which do not both hold a head,
    and whose likeness is above 0 are merged. Ties go to the pair of lower hash, since by lowest id all equals
    would wait for one. A round costs the edges of the clusters that changed in the one before; memory 4·n·d bytes.
    """
    n = items.size.size
    own = _Clusters(
        np.arange(n),
        np.full(n, -1, np.int64),
        items.vector.astype(np.int32),
        items.weight.copy(),
        items.size.copy(),
        items.heads.copy(),
        np.full(n, -1, np.int64),
    )
    last = np.arange(n)  # item of each cluster
    node, nodes = np.arange(n), n
    left, right = np.full(2 * n, -1, np.int64), np.full(2 * n, -1, np.int64)
    best, stale = np.full(n, -1, np.int64), np.ones(n, np.bool_)
    for _ in range(ROUNDS):
        for c in range(n):
            if own.cluster[c] == c and stale[c]:
                best[c] = _best_partner(items, own, c, capacity)
                stale[c] = False
        before = nodes
        for a in range(n):
            b = best[a]
            if b <= a or best[b] != a:
                continue
            best[b] = -1
            _absorb(own, a, b)
            own.following[last[a]], last[a] = b, last[b]
            left[nodes], right[nodes] = node[a], node[b]
            node[a] = nodes
            nodes += 1
            stale[a] = True
        if nodes == before:
            break
        for c in range(n):  # a cluster whose best is gone, or is no longer what it was, looks again
            if own.cluster[c] == c and best[c] >= 0 and (own.cluster[best[c]] != best[c] or stale[best[c]]):
                stale[c] = True
    return MergeTree(left[:nodes], right[:nodes], node[np.flatnonzero(own.cluster == np.arange(n))])


class _Clusters(NamedTuple):
    """Clusters so far, each by its lowest item."""

    cluster: NDArray[np.int64]  # [n], of each item
    following: NDArray[np.int64]  # [n], the next item of its cluster, −1 after the last
    sums: NDArray[np.int32]  # [n, d], vector
    weight: NDArray[np.float64]  # [n]
    size: NDArray[np.int64]  # [n]
    heads: NDArray[np.bool_]  # [n]
    seen: NDArray[np.int64]  # [n], −1 between two searches


@kernel
def _absorb(own: _Clusters, a: int, b: int) -> None:
    item = b
    while item >= 0:
        own.cluster[item] = a
        item = own.following[item]
    for j in range(own.sums.shape[1]):
        own.sums[a, j] += own.sums[b, j]
    own.size[a] += own.size[b]
    own.weight[a] += own.weight[b]
    own.heads[a] |= own.heads[b]


@kernel
def _best_partner(items: Items, own: _Clusters, c: int, capacity: int) -> int:
    """The cluster most like c of those that c may be merged with; −1 for none."""
    best, best_likeness = -1, 0.0
    item = c
    while item >= 0:
        for e in range(items.offsets[item], items.offsets[item + 1]):
            other = own.cluster[items.neighbor[e]]
            if other == c or own.seen[other] == c:
                continue
            own.seen[other] = c
            if own.size[c] + own.size[other] > capacity or (own.heads[c] and own.heads[other]):
                continue
            likeness = product(own.sums[c], own.sums[other]) / (own.weight[c] * own.weight[other])
            tie = likeness == best_likeness and best >= 0 and _hash(c, other) < _hash(c, best)
            if likeness > best_likeness or tie:
                best, best_likeness = other, likeness
        item = own.following[item]
    item = c
    while item >= 0:
        for e in range(items.offsets[item], items.offsets[item + 1]):
            own.seen[own.cluster[items.neighbor[e]]] = -1
        item = own.following[item]
    return best


@kernel
def _hash(a: int, b: int) -> np.uint64:
    """A number for an unordered pair: the finalizer of splitmix64 (Steele et al., OOPSLA 2014)."""
    x: np.uint64 = np.uint64(min(a, b)) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(max(a, b))
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


@njit(cache=True, nogil=True)
def leaves(tree: MergeTree, root: int, out: NDArray[np.int64]) -> int:
    """The items below a node into `out`, those merged first side by side; returns how many there are."""
    stack = [root]
    count = 0
    while len(stack) > 0:
        node = stack.pop()
        if tree.left[node] < 0:
            out[count] = node
            count += 1
        else:
            stack.append(tree.right[node])
            stack.append(tree.left[node])
    return count


@njit(cache=True, nogil=True)
def leaf_order(tree: MergeTree) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """All items, cluster by cluster, and the number of the cluster of each of them: int64[n] both."""
    n = tree.left.size - (tree.left >= 0).sum()
    order, cluster = np.empty(n, np.int64), np.empty(n, np.int64)
    count = 0
    for i in range(tree.roots.size):
        placed = leaves(tree, tree.roots[i], order[count:])
        cluster[count : count + placed] = i
        count += placed
    return order, cluster
