"""Contexts made as such: documents that are alike and fill a context, each context read along its best path."""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from sequitur.graph_sort.bisection import SCALE, bisect, directions, whole_numbers
from sequitur.graph_sort.context_exchange import improve
from sequitur.graph_sort.context_paths import arrange
from sequitur.graph_sort.context_search import Assignment, place
from sequitur.graph_sort.documents import Documents
from sequitur.graph_sort.graph import Graph
from sequitur.graph_sort.merging import Items, leaf_order, merge
from sequitur.graph_sort.offsets import offsets_of
from sequitur.graph_sort.orders import Order, first_of_runs
from sequitur.graph_sort.part import induced
from sequitur.graph_sort.shared_strings import Shared, counted, no_strings
from sequitur.graph_sort.vectors import Vectors, rows_as_float32

WEIGHT = 0.5  # a document weighs its tokens to this power: so each adds the mean of its cosines to a full context
NEAREST = 3  # neighbours of each document that it is best kept with
BOND = 0.1  # and what the cosine to each of them counts in the objective
PADDING = 0.015  # share of its tokens that a context may leave empty, rather than take in what is unrelated
TAIL_PADDING = 0.12  # the same for a context which the tail of a long document opens
PASSES = 8  # of exchanges, at most
STRINGS = 160  # that a context holds twice weigh as much as a cosine of 1 throughout a context, at a weight of 1
KEPT = 384  # strings of a document on average, at most twice as many: else a half of them stands for all, or less
OPENING = 0.5  # what it is worth, as a cosine, to open a context with a document that is all of it
CELL = 32_768  # documents that are worked on at a time, at most
GROUP = 32  # contexts on a path, at most; and about how many paths there are at least
_HEAD = 1e6  # what it is worth to open with the document that must
_BLOCK = 8192  # rows of vectors in memory at a time


def order(documents: Documents, seed: int) -> Order:
    """Contexts of at most `context_length` tokens of greatest coherence, and in each the path of greatest cosines.

    The objective has two parts. Over all pairs of documents that share a context, √(tokens_a · tokens_b) / L ·
    (v_a − v̄)·(v_b − v̄): for a full context, half of each document's mean cosine to it. v̄ is the mean vector, without
    which an encoder whose cosines are all high would see little but numbers of documents. And BOND times the cosine of
    each document to those of its NEAREST in the graph that share its context: what adjacency and best previous ask
    for, and what the mean over a context of very many documents does not see. Where `strings_weight` is above 0, each
    string that a context holds another time counts that much / STRINGS; only step 3 heeds it. In steps:

    1. Documents, then clusters, are merged with their most alike in the graph while they fit a context
       (`merging.merge`).
    2. The largest clusters become contexts, as many as may be with the padding allowed; the rest, in pieces as large as
       still fit somewhere, fill them up (`context_search.place`).
    3. Documents move and change places between contexts of neighbours while that raises the objective
       (`context_search.improve`).
    4. Each context is put in its order (`context_paths.arrange`): greatest sum of consecutive cosines, plus OPENING ·
       the first document's share of the tokens, since `whole` opens contexts with long documents in other orders, too.
    5. Contexts are merged into paths of up to GROUP, related ones next to each other, by step 1.

    A document longer than a context is taken as its tail, which must open the context that it is in; `opens` holds
    there. Documents that leave no tail, or have no tokens, come last, each on a path of its own.

    More than CELL documents are cut into cells of related documents (`bisection.bisect`, drawn by `seed`), each solved
    alone; edges between cells are not used, and their contexts follow one another. All decisions are by integers, or by
    sums in a fixed order. Time O(n·k·d), about 0.1 ms a document on one core (d = 256, k = 20); memory, but for the
    documents themselves, 100 bytes a document and, for one cell, 64 · CELL · k + 16 · CELL · d bytes: about 200 MB.
    Strings take twice as long again, and for one cell up to 28 · CELL · 2 · KEPT bytes.
    """
    lengths, length = documents.lengths, documents.context_length
    cells = bisect(documents.vectors, documents.graph, np.flatnonzero(lengths % length), CELL, seed)
    parts = [_cell(documents, cell) for cell in cells if cell.size]
    rest = np.flatnonzero(lengths % length == 0)
    parts.append((rest, np.arange(rest.size, dtype=np.int64), np.ones(rest.size, np.bool_)))
    paths = offsets_of([path.max(initial=-1) + 1 for _, path, _ in parts])
    return Order(
        np.concatenate([permutation for permutation, _, _ in parts]),
        np.concatenate([path + first for (_, path, _), first in zip(parts, paths[:-1], strict=True)]),
        np.concatenate([opens for _, _, opens in parts]),
    )


def _cell(
    documents: Documents, members: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
    """Permutation, path and openings of `members` [m], of which each has a number of tokens that fills no context."""
    length, lengths = documents.context_length, documents.lengths[members]
    graph = induced(documents.graph, members)
    items = _items(graph, documents.vectors, members, lengths, length)
    assignment = place(items, merge(items, length), length, _wanted(lengths, length))
    improve(items, assignment, _shared(documents, members, assignment, lengths), PASSES)
    context, path = _chained(graph, assignment.context, assignment.sums)
    by_context = np.argsort(context, kind="stable")
    opens = first_of_runs(context[by_context])
    offsets = np.append(np.flatnonzero(opens), members.size)
    size = items.size[by_context]
    share = size / np.repeat(np.add.reduceat(size, offsets[:-1]), np.diff(offsets))
    opening = OPENING * share + _HEAD * items.heads[by_context]
    arranged = by_context[_arranged(documents.vectors, members[by_context], offsets, opening)]
    return members[arranged], path[context[arranged]], opens


def _shared(
    documents: Documents, members: NDArray[np.int64], assignment: Assignment, lengths: NDArray[np.int64]
) -> Shared:
    """What strings the documents hold and share; none, where they have no weight."""
    if not documents.strings_weight:
        return no_strings(members.size)
    tokens = int((lengths % documents.context_length).sum())
    every = 1 << max(tokens // (KEPT * members.size), 1).bit_length() - 1
    scale = _scale(documents.context_length)
    worth = round(documents.strings_weight * every * scale * scale / STRINGS)
    strings = documents.strings(members, every)
    return counted(strings, assignment.context, int(assignment.contexts[0]), worth)


def _arranged(
    vectors: Vectors, documents: NDArray[np.int64], offsets: NDArray[np.int64], opening: NDArray[np.float64]
) -> NDArray[np.int64]:
    """`arrange`, with the vectors of some contexts at a time."""
    arranged = np.empty(documents.size, np.int64)
    first = 0
    while first < offsets.size - 1:
        last = max(int(np.searchsorted(offsets, offsets[first] + _BLOCK, side="right")) - 1, first + 1)
        here = slice(offsets[first], offsets[last])
        rows = rows_as_float32(vectors, documents[here])
        arranged[here] = offsets[first] + arrange(offsets[first : last + 1] - offsets[first], rows, opening[here])
        first = last
    return arranged


def _wanted(lengths: NDArray[np.int64], length: int) -> int:
    """Contexts that leave as many tokens empty as PADDING and TAIL_PADDING say; those are not counted that are full."""
    tokens, tails = int((lengths % length).sum()), int(np.count_nonzero(lengths > length))
    others = max(tokens / length - tails / 2, 0)  # about: a tail is half a context on average
    empty = tails * TAIL_PADDING + others * PADDING
    return max(-(-tokens // length), int(tokens / length + empty))


def _items(
    graph: Graph, vectors: Vectors, members: NDArray[np.int64], lengths: NDArray[np.int64], length: int
) -> Items:
    """The documents as what is merged and exchanged: centred, weighted by their tokens, in whole numbers."""
    size = lengths % length
    weight = (size / length) ** WEIGHT
    scale = _scale(length)
    vector = np.empty((members.size, vectors.shape[1]), np.int16)
    blocks = [slice(begin, begin + _BLOCK) for begin in range(0, members.size, _BLOCK)]
    total = np.zeros(vectors.shape[1], np.int64)
    for here in blocks:
        total += whole_numbers(rows_as_float32(vectors, members[here])).sum(axis=0, dtype=np.int64)
    mean = (total / (members.size * SCALE)).astype(np.float32)
    for here in blocks:
        factor = (weight[here, None] * scale).astype(np.float32)
        vector[here] = whole_numbers(rows_as_float32(vectors, members[here]) - mean, factor)
    bond = _bonds(graph, NEAREST, BOND * scale * scale)
    return Items(graph.offsets, graph.neighbor, vector, weight, size, lengths > length, bond)


def _scale(length: int) -> float:
    """Of the integers that stand for components of vectors; its square is the unit of the objective."""
    # Where all documents have one token, the weights of a context sum to length ** (1 − WEIGHT): that must fit int32.
    return float(min(SCALE, 2**29 / length ** (1 - WEIGHT)))


def _chained(
    graph: Graph, context: NDArray[np.int64], sums: NDArray[np.int32]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Each document's context, numbered anew so that related ones follow each other; and the path of each context."""
    used, context = np.unique(context, return_inverse=True)
    vector = directions(sums[used].astype(np.int64))
    offsets, neighbor = _context_graph(graph, context, used.size)
    ones = np.ones(used.size, np.int64)
    items = Items(
        offsets,
        neighbor,
        vector,
        ones.astype(np.float64),
        ones,
        np.zeros(used.size, np.bool_),
        np.zeros(neighbor.size, np.int64),
    )
    chain, path = leaf_order(merge(items, min(GROUP, max(used.size // GROUP, 1))))
    place_of = np.empty(used.size, np.int64)
    place_of[chain] = np.arange(used.size)
    return place_of[context], path


@njit(cache=True, nogil=True)
def _context_graph(graph: Graph, context: NDArray[np.int64], count: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The contexts of the neighbours of the documents of each context, as often as there are edges."""
    offsets, neighbor, _ = graph
    begin = np.zeros(count + 1, np.int64)
    for x in range(context.size):
        begin[context[x] + 1] += offsets[x + 1] - offsets[x]
    begin = np.cumsum(begin)
    free = begin[:-1].copy()
    found = np.empty(neighbor.size, np.int64)
    for x in range(context.size):
        for e in range(offsets[x], offsets[x + 1]):
            found[free[context[x]]] = context[neighbor[e]]
            free[context[x]] += 1
    return begin, found


@njit(cache=True, nogil=True)
def _bonds(graph: Graph, nearest: int, unit: float) -> NDArray[np.int64]:
    """[m], of each edge: its weight times `unit`, for each end of which it is among the `nearest` heaviest."""
    offsets, neighbor, weight = graph
    bond = np.empty(neighbor.size, np.int64)
    for x in range(offsets.size - 1):
        for e in range(offsets[x], offsets[x + 1]):
            other = neighbor[e]
            ends = int(e < offsets[x] + nearest)
            for back in range(offsets[other], min(offsets[other] + nearest, offsets[other + 1])):
                ends += neighbor[back] == x
            bond[e] = np.int64(unit * max(weight[e], 0.0)) * ends
    return bond
