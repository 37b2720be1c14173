"""Documents moved and exchanged between contexts of neighbours while that raises the objective.

The objective is J = Σ over contexts of Σ over pairs of their documents of u_a·u_b + bond(a, b), u the weighted vectors
and bonds those of `Items`, and where strings are known, the worth of what each context repeats (`shared_strings`).
With S the sum of a context's vectors, the first part of J is (|S|² − Σ|u|²) / 2. So when documents that sum to x leave
context 1 for context 2, and such that sum to y come back, then with z = y − x, exactly,

    ΔJ = z·(S₁ − S₂) + |z|² + what the bonds and the strings of those documents gain

which is one product, a look at a few edges and one at each string, whatever the number of documents in the contexts.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from sequitur.graph_sort.context_search import Assignment, add, remove
from sequitur.graph_sort.merging import Items, product
from sequitur.graph_sort.shared_strings import Shared, gained, lost, most, move

PARTNERS = 256  # documents of a context that an exchange is sought among, at most: those which came last
LEAST = 0.02  # a pass that gains less than this share of what the first gained is the last


@njit(cache=True, nogil=True)
def improve(items: Items, own: Assignment, shared: Shared, passes: int) -> NDArray[np.float64]:
    """Move and exchange documents between contexts of neighbours while that raises J; returns the gain of each pass.

    For each document, in order of id, and each context of a neighbour of it which would be better for it: it moves
    there if it fits; else in exchange for the document, or the few documents that are worst there by the token, that
    would fill its place best. The best of all that raises J is done. Heads stay. `own` and `shared` are changed in
    place. The gain is in units of the items' scale squared, and exact.

    A pass costs a product for each neighbouring context, and for each document in those which are better; where
    neither context has changed since a document was looked at, nothing.
    """
    n, d = items.vector.shape
    seen = np.full(own.first.size, -1, np.int64)
    changed, looked = np.zeros(own.first.size, np.int64), np.full(n, -1, np.int64)  # when: documents looked at so far
    now = np.int64(0)
    z = np.empty(d, np.int32)
    gains = np.zeros(passes)
    for p in range(passes):
        total = np.int64(0)
        for x in range(n):
            here = own.context[x]
            if items.heads[x]:
                continue
            best, best_context, best_back = np.int64(0), np.int64(-1), np.empty(0, np.int64)
            before, looked[x] = looked[x], now
            leaving = np.int64(-1)
            for e in range(items.offsets[x], items.offsets[x + 1]):
                there = own.context[items.neighbor[e]]
                if there == here or seen[there] == x:
                    continue
                seen[there] = x
                if changed[here] < before and changed[there] < before:
                    continue  # it would not have gained then, and nothing is different
                if leaving < 0:
                    leaving = lost(shared, x, here)
                for j in range(d):
                    z[j] = own.sums[there, j] - own.sums[here, j] + items.vector[x, j]
                alone = product(items.vector[x], z) + _bonds(items, own, x, there) - _bonds(items, own, x, here)
                alone -= leaving
                if alone + most(shared, x) <= 0:
                    continue
                alone += gained(shared, x, there)
                if alone <= 0:
                    continue
                if own.room[there] >= items.size[x]:
                    gain, back = alone, np.empty(0, np.int64)
                else:
                    gain, back = _best_exchange(items, own, shared, x, there, alone)
                if gain > best:
                    best, best_context, best_back = gain, there, back
            for e in range(items.offsets[x], items.offsets[x + 1]):
                seen[own.context[items.neighbor[e]]] = -1
            if best_context >= 0:
                total += best
                remove(items, own, x)
                for other in best_back:
                    remove(items, own, other)
                    add(items, own, other, here)
                    move(shared, other, best_context, here)
                add(items, own, x, best_context)
                move(shared, x, here, best_context)
                changed[here] = changed[best_context] = now
            now += 1
        gains[p] = total
        if total <= LEAST * gains[0]:
            break
    return gains


@njit(cache=True, nogil=True)
def _best_exchange(
    items: Items, own: Assignment, shared: Shared, x: int, there: int, alone: np.int64
) -> tuple[np.int64, NDArray[np.int64]]:
    """ΔJ of moving x to context `there` for the best document or documents to come back; 0 where none can."""
    here = own.context[x]
    need = items.size[x] - own.room[there]
    space = own.room[here] + items.size[x]
    d = items.vector.shape[1]
    z = np.empty(d, np.int32)
    for j in range(d):
        z[j] = own.sums[here, j] - own.sums[there, j] - 2 * items.vector[x, j]
    of_x = gained(shared, x, there) - lost(shared, x, here)
    move(shared, x, here, there)  # so that the strings of the others are counted as x leaves them
    best, best_back = np.int64(0), np.empty(0, np.int64)
    others, worth = [np.int64(0) for _ in range(0)], [0.0 for _ in range(0)]
    other = own.first[there]
    while other >= 0 and len(others) < PARTNERS:
        if not items.heads[other] and items.size[other] <= space:
            gain = product(items.vector[other], z) + product(items.vector[other], items.vector[other])
            gain += _bonds(items, own, other, here) - _bonds(items, own, other, there) - 2 * _bond(items, x, other)
            gain += gained(shared, other, here) - lost(shared, other, there)
            if items.size[other] >= need and alone + gain > best:
                best, best_back = alone + gain, np.full(1, other)
            others.append(other)
            worth.append(-gain / items.size[other])
        other = own.following[other]
    if len(others) > 1:
        several = _several(items, others, worth, need, space)
        gain = of_x + _gain_of_several(items, own, shared, x, there, several) if several.size else np.int64(0)
        if gain > best:
            best, best_back = gain, several
    move(shared, x, there, here)
    return best, best_back


@njit(cache=True, nogil=True)
def _several(items: Items, others: list[np.int64], worth: list[float], need: int, space: int) -> NDArray[np.int64]:
    """The documents of least worth that together free what is needed, and fit into the space; empty if none do."""
    several, freed = [np.int64(0) for _ in range(0)], 0
    for i in np.argsort(np.array(worth), kind="mergesort"):
        if freed + items.size[others[i]] > space:
            continue
        several.append(others[i])
        freed += items.size[others[i]]
        if freed >= need:
            return np.array(several)
    return np.empty(0, np.int64)


@njit(cache=True, nogil=True)
def _gain_of_several(
    items: Items, own: Assignment, shared: Shared, x: int, there: int, several: NDArray[np.int64]
) -> np.int64:
    """ΔJ of exchanging x for several documents of context `there`, but for what its strings gain, which are there."""
    here = own.context[x]
    z = -items.vector[x].astype(np.int32)  # grows to what x is exchanged for, less x
    for other in several:
        for j in range(z.size):
            z[j] += items.vector[other, j]
    gain = product(z, own.sums[here]) - product(z, own.sums[there]) + product(z, z)
    gain += _bonds(items, own, x, there) - _bonds(items, own, x, here)
    for i in range(several.size):
        other = several[i]
        gain += _bonds(items, own, other, here) - _bonds(items, own, other, there) - 2 * _bond(items, x, other)
        for k in range(i):  # these two stay together
            gain += 2 * _bond(items, other, several[k])
        gain += gained(shared, other, here) - lost(shared, other, there)
        move(shared, other, there, here)
    for other in several:
        move(shared, other, here, there)
    return np.int64(gain)


@njit(cache=True, nogil=True)
def _bonds(items: Items, own: Assignment, x: int, context: int) -> np.int64:
    """Sum of the bonds of x with the documents of a context."""
    total = np.int64(0)
    for e in range(items.offsets[x], items.offsets[x + 1]):
        if own.context[items.neighbor[e]] == context:
            total += items.bond[e]
    return total


@njit(cache=True, nogil=True)
def _bond(items: Items, x: int, other: int) -> np.int64:
    for e in range(items.offsets[x], items.offsets[x + 1]):
        if items.neighbor[e] == other:
            return np.int64(items.bond[e])
    return np.int64(0)
