"""Rows filled to the last token: some contexts are dissolved, and their documents fill the room of the others."""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from sequitur.graph_sort.best_fit import stable_order
from sequitur.graph_sort.graph import Graph
from sequitur.graph_sort.offsets import offsets_of

CUT = 0.1  # what it is worth that a document stays uncut, where a full context of one document is worth 1
NEAREST = 32  # neighbours of a document by whose contexts a place for it is sought, at most

Columns = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]


def fill_rows(
    offsets: NDArray[np.int64],
    document: NDArray[np.int64],
    start: NDArray[np.int64],
    length: NDArray[np.int64],
    context_length: int,
    uncut: NDArray[np.bool_],
    graph: Graph,
    node: NDArray[np.int64],
) -> Columns:
    """Contexts as in `packing.PackedContexts` → the same, all of exactly `context_length` tokens but the last.

    Of c contexts that hold T tokens, ⌊T/L⌋ stay. Dissolved are those worth least (`worths`), with CUT for each document
    that is not cut yet (`uncut` [p]: the piece is a whole document), for what is dissolved is as good as cut; never one
    that a single piece fills. So tails of long documents come first, then contexts of one or two documents. Their
    pieces are taken longest first (the earliest of equals). A piece goes, whole, to the context it is most like of
    those with room for it; else it fills up the one it is most like, and what is left of it goes on. How much it is
    like a context is Σ weight · tokens over those of its NEAREST neighbours in `graph` that are in it; where none of
    them is in a context with room, it fills the nearest in the order. What is left when all are full makes up the last
    row.

    Contexts keep their order, and what fills a context follows what was in it. The parts of a piece lie in rows that
    ascend. `node` [n] is the node of `graph` that each document is. All sums are in a fixed order. Time
    O(e + c log c + p (NEAREST + log p)) for p pieces and e ends of edges, about 0.3 µs a document; memory 16 bytes a
    node and about 100 a piece.
    """
    nodes, placed = graph.offsets.size - 1, node[document]
    if placed.size and not 0 <= placed.min() <= placed.max() < nodes:  # a kernel would write wherever that leads
        raise ValueError(f"nodes must lie in 0 … {nodes - 1}, not {placed.min()} … {placed.max()}")
    count, full = offsets.size - 1, int(length.sum()) // context_length
    if full == count:
        return offsets, document, start, length
    context_of, tokens_of = _where(offsets, document, length, context_length, node, nodes)
    worth = worths(offsets, document, length, context_length, graph, node, context_of, tokens_of)
    at_stake = np.add.reduceat(uncut.astype(np.int64), offsets[:-1])
    complete = np.maximum.reduceat(length, offsets[:-1]) == context_length  # by one piece; at most `full` are
    dissolved = np.zeros(count, np.bool_)
    dissolved[np.lexsort((worth + CUT * at_stake, complete))[: count - full]] = True
    context = np.repeat(np.arange(count, dtype=np.int64), np.diff(offsets))
    loose = np.flatnonzero(dissolved[context])
    loose = loose[stable_order(context_length - length[loose], context_length)]
    room = context_length - np.diff(offsets_of(length)[offsets])
    room[dissolved] = 0
    of_loose = placed[loose]
    piece, row, begin, size = _place(loose, context[loose], length[loose], of_loose, room, graph, context_of, tokens_of)
    stay = np.flatnonzero(~dissolved[context])
    in_order = np.argsort(piece, kind="stable")
    pieces = np.concatenate([stay, piece[in_order]])
    starts = start[pieces]
    starts[stay.size :] += begin[in_order]
    number = np.append(np.cumsum(~dissolved) - 1, full)  # of each context among the rows, and of the last row
    rows = number[np.concatenate([context[stay], row[in_order]])]
    by_row = stable_order(rows, full + 1)
    sizes = np.concatenate([length[stay], size[in_order]])
    return offsets_of(np.bincount(rows)), document[pieces[by_row]], starts[by_row], sizes[by_row]


@njit(cache=True, nogil=True)
def worths(
    offsets: NDArray[np.int64],
    document: NDArray[np.int64],
    length: NDArray[np.int64],
    context_length: int,
    graph: Graph,
    node: NDArray[np.int64],
    context_of: NDArray[np.int64],
    tokens_of: NDArray[np.int64],
) -> NDArray[np.float64]:
    """What each context is worth, float64 [c]: Σ over the pairs of its tokens of how alike their documents are, / L².

    A document is like itself by 1, like others by the weight of their edge, and else by 0. So least
    is worth what holds few tokens, or many unrelated documents.
    """
    found = np.zeros(offsets.size - 1)
    for context in range(offsets.size - 1):
        total = 0.0
        for piece in range(offsets[context], offsets[context + 1]):
            tokens, here = length[piece], node[document[piece]]
            total += float(tokens) * tokens
            if context_of[here] == context:
                for edge in range(graph.offsets[here], graph.offsets[here + 1]):
                    other = graph.neighbor[edge]
                    if context_of[other] == context:
                        total += graph.weight[edge] * float(tokens) * tokens_of[other]
        found[context] = total / context_length / context_length
    return found


@njit(cache=True, nogil=True)
def _where(
    offsets: NDArray[np.int64],
    document: NDArray[np.int64],
    length: NDArray[np.int64],
    context_length: int,
    node: NDArray[np.int64],
    nodes: int,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The context where each node meets others, −1 for none, and its tokens there: int64 [nodes]."""
    context_of, tokens_of = np.full(nodes, -1, np.int64), np.zeros(nodes, np.int64)
    for context in range(offsets.size - 1):
        for piece in range(offsets[context], offsets[context + 1]):
            if length[piece] < context_length:
                context_of[node[document[piece]]] = context
                tokens_of[node[document[piece]]] = length[piece]
    return context_of, tokens_of


@njit(cache=True, nogil=True)
def _place(
    loose: NDArray[np.int64],
    home: NDArray[np.int64],
    length: NDArray[np.int64],
    node: NDArray[np.int64],
    room: NDArray[np.int64],
    graph: Graph,
    context_of: NDArray[np.int64],
    tokens_of: NDArray[np.int64],
) -> Columns:
    """Cuts `loose` pieces, of `length`, to fill all `room` [c]: piece, context, begin in the piece and size of each.

    What there is no room for goes to context c. `home` is the context that each was in.
    """
    count = room.size
    after, before = np.arange(count + 1), np.arange(count + 1)  # context i is at i of the one, i + 1 of the other
    for context in range(count):
        if room[context] == 0:
            after[context], before[context + 1] = context + 1, context
    found = np.empty((4, loose.size + count), np.int64)
    likeness = np.zeros(count)
    candidates = np.empty(NEAREST, np.int64)
    placed = 0
    for i in range(loose.size):
        first, left, known = placed, length[i], 0
        begin = graph.offsets[node[i]]
        for edge in range(begin, min(begin + NEAREST, graph.offsets[node[i] + 1])):
            context = context_of[graph.neighbor[edge]]
            if context >= 0 and room[context] > 0:
                if likeness[context] == 0.0:
                    candidates[known] = context
                    known += 1
                likeness[context] += max(graph.weight[edge], 1e-6) * tokens_of[graph.neighbor[edge]]
        while left > 0:
            context = _most_alike(candidates[:known], likeness, room, left)
            if context < 0:
                context = nearest_with_room(after, before, home[i])
            size = left if context == count else min(left, room[context])
            found[0, placed], found[1, placed], found[3, placed] = loose[i], context, size
            placed += 1
            left -= size
            if context < count:
                room[context] -= size
                if room[context] == 0:
                    after[context], before[context + 1] = context + 1, context
        for candidate in candidates[:known]:
            likeness[candidate] = 0.0
        _in_order(found[:, first:placed])
    return found[0, :placed].copy(), found[1, :placed].copy(), found[2, :placed].copy(), found[3, :placed].copy()


@njit(cache=True, nogil=True)
def _most_alike(
    candidates: NDArray[np.int64], likeness: NDArray[np.float64], room: NDArray[np.int64], tokens: int
) -> int:
    """Of the candidates with room for all the tokens the most alike, else of those with any; −1 where none has."""
    best, fits = -1, False
    for context in candidates:
        if room[context] == 0 or (fits and room[context] < tokens):
            continue
        better = not fits and room[context] >= tokens
        if best < 0 or better or likeness[context] > likeness[best]:
            best, fits = context, room[context] >= tokens
    return best


@njit(cache=True, nogil=True)
def nearest_with_room(after: NDArray[np.int64], before: NDArray[np.int64], home: int) -> int:
    """The context with room that is nearest to `home` in the order; their number where none has any."""
    later: int = _followed(after, home)
    earlier: int = _followed(before, home + 1) - 1
    if earlier >= 0 and (later == after.size - 1 or home - earlier <= later - home):
        return earlier
    return later


@njit(cache=True, nogil=True)
def _followed(link: NDArray[np.int64], at: int) -> int:
    """Where the links from a place lead; paths are halved on the way."""
    while link[at] != at:
        link[at] = link[link[at]]
        at = link[at]
    return at


@njit(cache=True, nogil=True)
def _in_order(found: NDArray[np.int64]) -> None:
    """Sorts the parts of a piece by context, and notes where each begins in the piece."""
    contexts = np.argsort(found[1])  # no two are alike
    found[:] = found[:, contexts].copy()
    begin = 0
    for part in range(found.shape[1]):
        found[2, part] = begin
        begin += found[3, part]
