"""Documents moved and exchanged between contexts of neighbours while that raises the objective.

The objective is J = Σ over contexts of Σ over pairs of their documents of u_a·u_b + bond(a, b), u the weighted vectors
and bonds those of `Items`, and where strings are known, the worth of what each context repeats (`shared_strings`).
With S the sum of a context's vectors, the first part of J is (|S|² − Σ|u|²) / 2. So when documents that sum to x leave
context 1 for context 2, and such that sum to y come back, then with z = y − x, exactly,

    ΔJ = z·(S₁ − S₂) + |z|² + what the bonds and the strings of those documents gain

which is one product, a look at a few edges and one at each string, whatever the number of documents in the contexts.
"""

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from sequitur.graph_sort.context_search import Assignment, add, remove
from sequitur.graph_sort.kernels import kernel
from sequitur.graph_sort.merging import Items, product
from sequitur.graph_sort.shared_strings import (
    Exchanged,
    Shared,
    exchange,
    gained,
    gained_back,
    gained_by_several,
    lost,
    most,
    move,
    nothing_exchanged,
)

PARTNERS = 256  # documents of a context that an exchange is sought among, at most: those which came last
LEAST = 0.02  # a pass that gains less than this share of what the first gained is the last


class _Search(NamedTuple):
    """What is known of n items in c contexts, and room for what is found in each search."""

    square: NDArray[np.int64]  # [n], of the length of each vector
    bonds: NDArray[np.int64]  # [c], of an item with each context; 0 between two searches
    seen: NDArray[np.int64]  # [c], by which item; −1 between two searches
    gone: NDArray[np.bool_]  # [n], those of several that come back; none between two searches
    apart: NDArray[np.int32]  # [d], the sum of one context less that of another
    z: NDArray[np.int32]  # [d]
    others: NDArray[np.int64]  # [PARTNERS], documents that may come back
    worth: NDArray[np.float64]  # [PARTNERS], what each is worth where it is, by the token
    ranked: NDArray[np.int64]  # [PARTNERS], their places, of the least worth first
    several: NDArray[np.int64]  # [PARTNERS], some of them that might come back together
    back: NDArray[np.int64]  # [PARTNERS], those of the best exchange so far
    strings: Exchanged


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
    (n, d), contexts = items.vector.shape, own.first.size
    square = np.empty(n, np.int64)
    for x in range(n):
        square[x] = product(items.vector[x], items.vector[x])
    search = _Search(
        square,
        np.zeros(contexts, np.int64),
        np.full(contexts, -1, np.int64),
        np.zeros(n, np.bool_),
        np.empty(d, np.int32),
        np.empty(d, np.int32),
        np.empty(PARTNERS, np.int64),
        np.empty(PARTNERS, np.float64),
        np.empty(PARTNERS, np.int64),
        np.empty(PARTNERS, np.int64),
        np.empty(PARTNERS, np.int64),
        nothing_exchanged(shared),
    )
    # when: documents looked at so far
    changed, looked = np.zeros(contexts, np.int64), np.full(n, -1, np.int64)
    gains = np.zeros(passes)
    for p in range(passes):
        gains[p] = _pass(items, own, shared, search, changed, looked, p * n)
        if gains[p] <= LEAST * gains[0]:
            break
    return gains


@kernel
def _pass(
    items: Items,
    own: Assignment,
    shared: Shared,
    search: _Search,
    changed: NDArray[np.int64],
    looked: NDArray[np.int64],
    now: int,
) -> np.int64:
    """Every document looked at once, from the time `now` on; returns the gain. `changed` [c] says when each context
    last did, `looked` [n] when each document was last looked at, −1 for never."""
    total = np.int64(0)
    for x in range(items.size.size):
        if items.heads[x]:
            continue
        here, before = own.context[x], looked[x]
        gain, there, back = _best_move(items, own, shared, search, changed, x, before)
        looked[x] = now + x
        if there >= 0:
            total += gain
            remove(items, own, x)
            for other in search.back[:back]:
                remove(items, own, other)
                add(items, own, other, here)
                move(shared, other, there, here)
            add(items, own, x, there)
            move(shared, x, here, there)
            changed[here] = changed[there] = now + x
    return total


@kernel
def _best_move(
    items: Items,
    own: Assignment,
    shared: Shared,
    search: _Search,
    changed: NDArray[np.int64],
    x: int,
    before: int,
) -> tuple[np.int64, np.int64, np.int64]:
    """What x gains most by, where it goes, −1 for nowhere, and how many come back for it: those in `search.back`.

    Where neither its context nor another has changed since it was looked at, the time `before`, it would not have
    gained then, and nothing is different.
    """
    here = own.context[x]
    neighbors = items.neighbor[items.offsets[x] : items.offsets[x + 1]]
    bonds = items.bond[items.offsets[x] : items.offsets[x + 1]]
    for e in range(neighbors.size):
        search.bonds[own.context[neighbors[e]]] += bonds[e]
    best, best_context, best_back = np.int64(0), np.int64(-1), np.int64(0)
    leaving, known = np.int64(0), False
    for near in neighbors:
        there = own.context[near]
        if there == here or search.seen[there] == x:
            continue
        search.seen[there] = x
        if changed[here] < before and changed[there] < before:
            continue
        if not known:
            leaving = lost(shared, x, here) + search.bonds[here] - search.square[x]
            leaving += product(items.vector[x], own.sums[here])
            known = True
        alone = product(items.vector[x], own.sums[there]) + search.bonds[there] - leaving
        if alone + most(shared, x) <= 0:
            continue
        alone += gained(shared, x, there)
        if alone <= 0:
            continue
        if own.room[there] < items.size[x]:
            gain, back = _best_exchange(items, own, shared, search, x, there, alone, best)
        else:
            gain, back = alone, np.int64(0)
        if gain > best:
            best, best_context, best_back = gain, there, back
    for near in neighbors:
        search.seen[own.context[near]], search.bonds[own.context[near]] = -1, 0
    return best, best_context, best_back


@kernel
def _best_exchange(
    items: Items, own: Assignment, shared: Shared, search: _Search, x: int, there: int, alone: np.int64, best: np.int64
) -> tuple[np.int64, np.int64]:
    """ΔJ of moving x to context `there`, which gains `alone`, for the best document or documents to come back, where
    that is more than `best`; these are put into `search.back`. Returns it, or `best`, and how many they are."""
    here, count = own.context[x], np.int64(0)
    need = items.size[x] - own.room[there]
    space = own.room[here] + items.size[x]
    number, enough, too_small = _partners(items, own, there, space, need, search.others)
    if not enough:
        return best, count
    z, apart, vector, here_sum, there_sum = search.z, search.apart, items.vector[x], own.sums[here], own.sums[there]
    for j in range(z.size):
        apart[j] = here_sum[j] - there_sum[j]
        z[j] = apart[j] - 2 * vector[j]
    exchange(shared, x, here, there, search.strings)  # the strings of the others are counted as x leaves them
    for i in range(number):
        other = search.others[i]
        gain = product(items.vector[other], z) + search.square[other]
        gain += _bonds(items, own, search, x, other, there)
        if not too_small and alone + gain + most(shared, other) <= best:
            continue
        gain += gained_back(shared, other, search.strings)
        if items.size[other] >= need and alone + gain > best:
            best, count = alone + gain, np.int64(1)
            search.back[0] = other
        search.worth[i] = -gain / items.size[other]
    if too_small:
        several = _several(items, search, number, need, space)
        if several > 1:
            gain = alone + _gain_of_several(items, own, shared, search, x, there, search.several[:several])
            if gain > best:
                best, count = gain, several
                for i in range(several):
                    search.back[i] = search.several[i]
    return best, count


@kernel
def _partners(
    items: Items, own: Assignment, there: int, space: int, need: int, others: NDArray[np.int64]
) -> tuple[int, bool, bool]:
    """The documents of a context that may come back into `others`; returns how many, whether they free what is needed,
    and whether there is one that alone does not."""
    count, tokens, too_small = 0, 0, False
    other = own.first[there]
    while other >= 0 and count < PARTNERS:
        if not items.heads[other] and items.size[other] <= space:
            others[count] = other
            count += 1
            tokens += items.size[other]
            too_small |= items.size[other] < need
        other = own.following[other]
    return count, tokens >= need, too_small


@kernel
def _several(items: Items, search: _Search, number: int, need: int, space: int) -> np.int64:
    """Of so many others those of least worth that together free what is needed, and fit into the space, into
    `search.several`; returns how many, 0 if none do."""
    ranked, worth = search.ranked, search.worth
    for i in range(number):
        at = i
        while at > 0 and worth[ranked[at - 1]] > worth[i]:
            ranked[at] = ranked[at - 1]
            at -= 1
        ranked[at] = i
    count, freed = np.int64(0), 0
    for i in range(number):
        other = search.others[ranked[i]]
        if freed + items.size[other] <= space:
            search.several[count] = other
            count += 1
            freed += items.size[other]
            if freed >= need:
                return count
    return np.int64(0)


@kernel
def _gain_of_several(
    items: Items, own: Assignment, shared: Shared, search: _Search, x: int, there: int, several: NDArray[np.int64]
) -> np.int64:
    """What it adds to ΔJ that several documents of context `there` come back for x."""
    z, apart = search.z, search.apart
    z[:] = 0  # grows to their sum
    for other in several:
        vector = items.vector[other]
        for j in range(z.size):
            z[j] += vector[j]
    for j in range(z.size):
        apart[j] += z[j]
    gain = product(z, apart) - 2 * product(items.vector[x], z)
    gain += gained_by_several(shared, several, there, search.strings)
    for other in several:
        gain += _bonds(items, own, search, x, other, there)
        search.gone[other] = True
    for other in several:
        search.gone[other] = False
    return np.int64(gain)


@kernel
def _bonds(items: Items, own: Assignment, search: _Search, x: int, other: int, there: int) -> np.int64:
    """What the bonds gain when another document of context `there` comes back for x, after those that are gone."""
    here = own.context[x]
    total = np.int64(0)
    for e in range(items.offsets[other], items.offsets[other + 1]):
        near = items.neighbor[e]
        if own.context[near] == there:
            total += items.bond[e] if search.gone[near] else -items.bond[e]
        elif own.context[near] == here:
            total += -items.bond[e] if near == x else items.bond[e]
    return total
