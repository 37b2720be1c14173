"""Which documents share a context: a place for each within capacity, where it adds most to the coherence of contexts.

The objective J is that of `context_exchange`, without strings.
"""

import heapq
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from sequitur.graph_sort.kernels import kernel
from sequitur.graph_sort.merging import Items, MergeTree, leaves, product


class Assignment(NamedTuple):
    """n documents in contexts 0, 1, 2 …, of which some may be empty."""

    context: NDArray[np.int64]  # [n], −1 for none
    first: NDArray[np.int64]  # [c], a document of the context, −1 for none
    following: NDArray[np.int64]  # [n], the next document of its context, −1 after the last
    preceding: NDArray[np.int64]  # [n]
    sums: NDArray[np.int32]  # [c, d], vectors
    room: NDArray[np.int64]  # [c], tokens
    contexts: NDArray[np.int64]  # [1], how many


@njit(cache=True, nogil=True)
def place(items: Items, tree: MergeTree, capacity: int, wanted: int) -> Assignment:
    """Clusters → contexts of at most `capacity` tokens, about `wanted` of them.

    The `wanted` largest clusters become contexts, and all that hold a head. The others are dissolved, largest first:
    a cluster goes, of all contexts that have room for it, where it adds most to J; if none has, it is halved as it was
    merged, and the halves wait their turn. So what cannot be with its like stays at least together. A document for
    which there is no room drives out of a context documents shorter than half of it, which then are placed in their
    turn; if no context can make room, it begins another.

    Time: for each piece that is placed or halved a product with each context, n²d at the very worst, which is why
    cells are bounded. Memory: 4·d bytes a document, if all stood alone.
    """
    n = items.size.size
    total = _totals(tree, items.size)
    kept, pending = _largest(items, tree, total, wanted)
    own = Assignment(
        np.full(n, -1, np.int64),
        np.full(n, -1, np.int64),
        np.full(n, -1, np.int64),
        np.full(n, -1, np.int64),
        np.zeros((n, items.vector.shape[1]), np.int32),
        np.full(n, capacity, np.int64),
        np.zeros(1, np.int64),
    )
    members = np.empty(n, np.int64)
    for root in kept:
        for i in range(leaves(tree, root, members)):
            add(items, own, members[i], own.contexts[0])
        own.contexts[0] += 1
    bonds = np.zeros(n, np.int64)
    adds, known = np.empty(n, np.int64), np.zeros(n, np.bool_)
    while len(pending) > 0:
        _, node = heapq.heappop(pending)
        count = leaves(tree, node, members)
        context = _any_with_room(items, own, members[:count], total[node], bonds)
        if context < 0 and count > 1:
            for half in (tree.left[node], tree.right[node]):
                heapq.heappush(pending, (-total[half], half))
            continue
        if context < 0:
            context, driven_out = _room_made(items, own, node, adds, known)
            for other in driven_out:
                remove(items, own, other)
                heapq.heappush(pending, (-items.size[other], other))
        for i in range(count):
            add(items, own, members[i], context)
        known[context] = False
    return own


@njit(cache=True, nogil=True)
def _any_with_room(
    items: Items, own: Assignment, members: NDArray[np.int64], size: int, bonds: NDArray[np.int64]
) -> int:
    """Of all contexts that have room for the members, the one to whose J they add most; −1 for none."""
    total = np.zeros(items.vector.shape[1], np.int32)
    for x in members:
        for j in range(total.size):
            total[j] += items.vector[x, j]
        for e in range(items.offsets[x], items.offsets[x + 1]):
            if own.context[items.neighbor[e]] >= 0:
                bonds[own.context[items.neighbor[e]]] += items.bond[e]
    best, best_gain = -1, np.int64(0)
    for c in range(own.contexts[0]):
        if own.room[c] >= size:
            gain = product(total, own.sums[c]) + bonds[c]
            if best < 0 or gain > best_gain:
                best, best_gain = c, gain
    bonds[: own.contexts[0]] = 0
    return best


@njit(cache=True, nogil=True)
def _room_made(
    items: Items, own: Assignment, x: int, adds: NDArray[np.int64], known: NDArray[np.bool_]
) -> tuple[int, NDArray[np.int64]]:
    """The context where x adds most to J less what it drives out, and that; the next new context if there is none.

    `adds` [n] has what each document adds to its context, if `known` [c] says that of the context."""
    best, best_gain, best_out = own.contexts[0], -np.inf, np.empty(0, np.int64)
    others, by_token = np.empty(items.size.size, np.int64), np.empty(items.size.size, np.float64)
    for c in range(own.contexts[0]):
        need, can, count = items.size[x] - own.room[c], 0, 0
        other = own.first[c]
        while other >= 0:
            if not items.heads[other] and 2 * items.size[other] < items.size[x]:
                can += items.size[other]
                others[count] = other
                count += 1
            other = own.following[other]
        if can < need:
            continue
        if not known[c]:
            _note_what_it_adds(items, own, c, adds)
            known[c] = True
        for i in range(count):
            by_token[i] = adds[others[i]] / items.size[others[i]]
        gain, freed, gone = np.float64(product(items.vector[x], own.sums[c])), 0, 0
        worst = np.argsort(by_token[:count], kind="mergesort")
        while freed < need:  # those go that add least by the token
            freed += items.size[others[worst[gone]]]
            gain -= adds[others[worst[gone]]]
            gone += 1
        if gain > best_gain:
            best, best_gain, best_out = c, gain, others[worst[:gone]]
    own.contexts[0] = max(own.contexts[0], best + 1)
    return best, best_out


@kernel
def _note_what_it_adds(items: Items, own: Assignment, c: int, adds: NDArray[np.int64]) -> None:
    """What each document of a context adds to its J by its vector."""
    x = own.first[c]
    while x >= 0:
        adds[x] = product(items.vector[x], own.sums[c]) - product(items.vector[x], items.vector[x])
        x = own.following[x]


@njit(cache=True, nogil=True)
def _totals(tree: MergeTree, size: NDArray[np.int64]) -> NDArray[np.int64]:
    total = np.zeros(tree.left.size, np.int64)
    total[: size.size] = size
    for node in range(size.size, tree.left.size):
        total[node] = total[tree.left[node]] + total[tree.right[node]]
    return total


@njit(cache=True, nogil=True)
def _largest(
    items: Items, tree: MergeTree, total: NDArray[np.int64], wanted: int
) -> tuple[list[np.int64], list[tuple[np.int64, np.int64]]]:
    """Roots that become contexts: with a head, then the largest; and a heap of (−size, root) of the others."""
    members = np.empty(items.size.size, np.int64)
    rank = np.empty(tree.roots.size, np.int64)
    for i in range(tree.roots.size):
        rank[i] = -total[tree.roots[i]]
        if items.heads[members[: leaves(tree, tree.roots[i], members)]].any():
            rank[i] -= np.int64(2) ** 60
    kept, pending = [np.int64(0) for _ in range(0)], [(np.int64(0), np.int64(0)) for _ in range(0)]
    for i in np.argsort(rank, kind="mergesort"):
        if len(kept) < wanted or rank[i] < -(np.int64(2) ** 59):
            kept.append(tree.roots[i])
        else:
            heapq.heappush(pending, (-total[tree.roots[i]], tree.roots[i]))
    return kept, pending


@kernel
def add(items: Items, own: Assignment, x: int, c: int) -> None:
    """A document that is in no context comes to one."""
    own.context[x] = c
    own.following[x], own.preceding[x] = own.first[c], -1
    if own.first[c] >= 0:
        own.preceding[own.first[c]] = x
    own.first[c] = x
    own.room[c] -= items.size[x]
    for j in range(items.vector.shape[1]):
        own.sums[c, j] += items.vector[x, j]


@kernel
def remove(items: Items, own: Assignment, x: int) -> None:
    """A document leaves its context."""
    c = own.context[x]
    if own.preceding[x] >= 0:
        own.following[own.preceding[x]] = own.following[x]
    else:
        own.first[c] = own.following[x]
    if own.following[x] >= 0:
        own.preceding[own.following[x]] = own.preceding[x]
    own.context[x] = -1
    own.room[c] += items.size[x]
    for j in range(items.vector.shape[1]):
        own.sums[c, j] -= items.vector[x, j]
