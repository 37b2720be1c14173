"""Contexts, and what fills them, one after the other: related ones next to each other."""

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from sequitur.graph_sort.bisection import directions
from sequitur.graph_sort.fillers import assign
from sequitur.graph_sort.graph import Graph
from sequitur.graph_sort.merging import Items, leaf_order, merge

GROUP = 32  # contexts on a path, at most; and about how many paths there are at least


class Runs(NamedTuple):
    """What follows each other of n documents: contexts, and each filler by itself."""

    run: NDArray[np.int64]  # [n], of each document; runs follow each other as their numbers ascend
    path: NDArray[np.int64]  # [r], of each run, ascending
    filler: NDArray[np.int64]  # [r], the document that a context is to be filled with, −1 for none


def without_excess(context: NDArray[np.int64], size: NDArray[np.int64], wanted: int) -> NDArray[np.int64]:
    """Contexts numbered anew, 0 … `wanted` − 1 at most: of more, those of the fewest documents, then of the fewest
    tokens, are dissolved, −1. `context` and `size` (tokens) int64 [n] are of documents."""
    _, context, documents = np.unique(context, return_inverse=True, return_counts=True)
    tokens = np.bincount(context, size).astype(np.int64)
    number = np.zeros(documents.size, np.int64)
    number[np.lexsort((tokens, documents))[: max(documents.size - wanted, 0)]] = -1
    number[number == 0] = np.arange(np.count_nonzero(number == 0))
    renumbered: NDArray[np.int64] = number[context]
    return renumbered


def chain(
    graph: Graph, context: NDArray[np.int64], vector: NDArray[np.int16], size: NDArray[np.int64], length: int
) -> Runs:
    """Contexts of `length` tokens merged into paths of about GROUP, related ones next to each other.

    `context` [n] is that of each document, −1 of fillers; `vector` [n, d] and `size` [n] are theirs. Where there are
    fillers, each is followed by the contexts that it is for (`fillers.assign`), the most like it first; and this is
    what is merged.
    """
    fillers = np.flatnonzero(context < 0)
    count = int(context.max(initial=-1)) + 1
    run = context.copy()
    run[fillers] = count + np.arange(fillers.size)
    sums = _sums(vector, run, count + fillers.size)
    group, unlike = np.arange(count), np.zeros(count)
    filler = np.full(count + fillers.size, -1, np.int64)
    if fillers.size:
        room = length - np.bincount(context[context >= 0], size[context >= 0], count).astype(np.int64)
        group, alike = assign(directions(sums[count:]), size[fillers], sums[:count], room)
        filler[:count] = fillers[group]
        group = np.append(group, np.arange(fillers.size))
        unlike = np.append(-alike, np.full(fillers.size, -np.inf))
        sums = _sums(sums, group, fillers.size)
    contexts = np.bincount(group[:count], minlength=len(sums))
    place, path = _chained(graph, group[run], sums, contexts)
    order = np.lexsort((unlike, place[group]))
    number = np.empty(order.size, np.int64)
    number[order] = np.arange(order.size)
    return Runs(number[run], path[place[group[order]]], filler[order])


@njit(cache=True, nogil=True)
def _sums(vector: NDArray[np.int16] | NDArray[np.int64], group: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """The sum of the vectors [m, d] of each of so many groups: int64 [count, d]; `group` [m] is that of each."""
    sums = np.zeros((count, vector.shape[1]), np.int64)
    for x in range(group.size):
        for j in range(vector.shape[1]):
            sums[group[x], j] += vector[x, j]
    return sums


def _chained(
    graph: Graph, group: NDArray[np.int64], sums: NDArray[np.int64], contexts: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The place of each group, so that related ones follow each other; and the path at each place. `group` [n] is of
    the documents, each has one at least; `sums` [g, d] are of their vectors, and `contexts` [g] in each."""
    offsets, neighbor = _group_graph(graph, group, contexts.size)
    ones = np.ones(contexts.size)
    none, no_bond = np.zeros(contexts.size, np.bool_), np.zeros(neighbor.size, np.int64)
    items = Items(offsets, neighbor, directions(sums), ones, np.maximum(contexts, 1), none, no_bond)
    order, path = leaf_order(merge(items, min(GROUP, max(int(contexts.sum()) // GROUP, 1))))
    place = np.empty(contexts.size, np.int64)
    place[order] = np.arange(contexts.size)
    return place, path


@njit(cache=True, nogil=True)
def _group_graph(graph: Graph, group: NDArray[np.int64], count: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The groups of the neighbours of the documents of each group, as often as there are edges."""
    offsets, neighbor, _ = graph
    begin = np.zeros(count + 1, np.int64)
    for x in range(group.size):
        begin[group[x] + 1] += offsets[x + 1] - offsets[x]
    begin = np.cumsum(begin)
    free = begin[:-1].copy()
    found = np.empty(neighbor.size, np.int64)
    for x in range(group.size):
        for e in range(offsets[x], offsets[x + 1]):
            found[free[group[x]]] = group[neighbor[e]]
            free[group[x]] += 1
    return begin, found
