"""Contexts made as such: documents that are alike and fill a context, each context read along its best path."""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from sequitur.graph_sort.bisection import SCALE, bisect, whole_numbers
from sequitur.graph_sort.context_documents import blocks
from sequitur.graph_sort.context_exchange import improve
from sequitur.graph_sort.context_groups import chain, without_excess
from sequitur.graph_sort.context_paths import arrange
from sequitur.graph_sort.context_search import Assignment, place
from sequitur.graph_sort.documents import Documents
from sequitur.graph_sort.fillers import choose, share_of_room
from sequitur.graph_sort.graph import Graph
from sequitur.graph_sort.merging import Items, merge
from sequitur.graph_sort.near_duplicates import pair_cosines
from sequitur.graph_sort.orders import Order, first_of_runs
from sequitur.graph_sort.part import induced
from sequitur.graph_sort.shared_strings import Shared, counted, no_strings
from sequitur.graph_sort.shared_strings import memory_bytes as strings_memory
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

    Where rows will be filled (`rows_filled`), some documents stand aside from step 1 on, to fill contexts that leave
    more room (`fillers.choose`). A document longer than a context then shares one with its beginning instead of its
    tail, and need not open it. After step 3 each context is given the filler it is most like, within what that has
    (`fillers.assign`). A filler and then its contexts are what step 5 merges; in step 4 a context begins with what is
    most like its filler, of which a piece comes before it.

    More than CELL documents are cut into cells of related documents (`bisection.bisect`, drawn by `seed`), each solved
    alone; edges between cells are not used, and their contexts follow one another. All decisions are by integers, or by
    sums in a fixed order. Several cells are solved at a time, wherever the documents have that done (`Documents.each`).
    Time O(n·k·d), about 0.1 ms a document on one core (d = 256, k = 20), and twice as long again with strings; memory,
    but for the documents themselves, 100 bytes a document, and what the cells take that are solved at a time
    (`memory_bytes`).
    """
    return with_fillers(documents, seed, documents.rows_filled)


def memory_bytes(documents: int, k: int, dimensions: int, *, strings: bool) -> int:
    """What so many documents take, at most, while their cells are solved: 0.2 GB a cell, and 1.1 GB with strings."""
    return documents * (64 * k + 16 * dimensions) + (strings_memory(documents * 2 * KEPT) if strings else 0)


def with_fillers(documents: Documents, seed: int, filled: bool) -> Order:
    """`order`, as for rows that will be filled, or not."""
    lengths, length = documents.lengths, documents.context_length
    cells = bisect(documents.vectors, documents.graph, np.flatnonzero(lengths % length), CELL, seed, documents.threads)
    cells = [cell for cell in cells if cell.size]
    arrangements = documents.each(cells, arranged, filled)
    permutation, path = np.empty(lengths.size, np.int64), np.empty(lengths.size, np.int64)
    opens, fills = np.ones(lengths.size, np.bool_), np.zeros(lengths.size, np.bool_)
    done = paths = 0
    for number, found in enumerate(arrangements):
        cell, cells[number] = cells[number], cells[number][:0].copy()  # what has its place takes no more memory
        here = slice(done, done + cell.size)
        permutation[here], path[here], opens[here] = cell[found.permutation], paths + found.path, found.opens
        fills[here] = False if found.fills is None else found.fills
        done, paths = here.stop, paths + int(found.path.max()) + 1
    permutation[done:] = np.flatnonzero(lengths % length == 0)
    path[done:] = np.arange(paths, paths + lengths.size - done)
    return Order(permutation, path, opens, fills=fills if filled else None)


def arranged(documents: Documents, filled: bool) -> Order:
    """The documents of a cell in order; each has a number of tokens that fills no context, and there are some."""
    length, lengths, graph = documents.context_length, documents.lengths, documents.graph
    size, heads = lengths % length, lengths > length
    vector, weight = _weighted(documents.vectors, size, length)
    others, wanted = np.arange(size.size), _wanted(lengths, length)
    if filled:
        fills = choose(graph, size, heads, length, share_of_room(size, length))
        others, wanted, heads = np.flatnonzero(~fills), max(int(size.sum()) // length, 1), np.zeros_like(heads)
    part = induced(graph, others)
    bond = _bonds(part, NEAREST, BOND * _scale(length) ** 2)
    items = Items(part.offsets, part.neighbor, vector[others], weight[others], size[others], heads[others], bond)
    assignment = place(items, merge(items, length), length, wanted)
    improve(items, assignment, _shared(documents, others, assignment, size[others]), PASSES)
    del part, bond, items
    context = np.full(size.size, -1, np.int64)
    context[others] = without_excess(assignment.context, size[others], wanted if filled else others.size)
    run, path, filler = chain(graph, context, vector, size, length)
    del vector
    by_run = np.argsort(run, kind="stable")
    opens = first_of_runs(run[by_run])
    offsets = np.append(np.flatnonzero(opens), size.size)
    share = size[by_run] / np.repeat(np.add.reduceat(size[by_run], offsets[:-1]), np.diff(offsets))
    opening = OPENING * share + _HEAD * heads[by_run]
    if filled:
        opening = _cosines(documents.vectors, by_run, filler[run[by_run]])
    found = by_run[_in_order(documents.vectors, by_run, offsets, opening)]
    return Order(found, path[run[found]], opens, fills=context[found] < 0 if filled else None)


def _shared(
    documents: Documents, members: NDArray[np.int64], assignment: Assignment, size: NDArray[np.int64]
) -> Shared:
    """What strings the documents hold and share; none, where they have no weight."""
    if not documents.strings_weight:
        return no_strings(members.size)
    tokens = int(size.sum())
    every = 1 << max(tokens // (KEPT * members.size), 1).bit_length() - 1
    scale = _scale(documents.context_length)
    worth = round(documents.strings_weight * every * scale * scale / STRINGS)
    return counted(documents.strings(members, every), assignment.context, int(assignment.contexts[0]), worth)


def _in_order(
    vectors: Vectors, documents: NDArray[np.int64], offsets: NDArray[np.int64], opening: NDArray[np.float64]
) -> NDArray[np.int64]:
    """`arrange`, with the vectors of some contexts at a time."""
    arranged = np.empty(documents.size, np.int64)
    for first, last in blocks(offsets, _BLOCK):
        here = slice(offsets[first], offsets[last])
        rows = rows_as_float32(vectors, documents[here])
        arranged[here] = offsets[first] + arrange(offsets[first : last + 1] - offsets[first], rows, opening[here])
    return arranged


def _wanted(lengths: NDArray[np.int64], length: int) -> int:
    """Contexts that leave as many tokens empty as PADDING and TAIL_PADDING say; those are not counted that are full."""
    tokens, tails = int((lengths % length).sum()), int(np.count_nonzero(lengths > length))
    others = max(tokens / length - tails / 2, 0)  # about: a tail is half a context on average
    empty = tails * TAIL_PADDING + others * PADDING
    return max(-(-tokens // length), int(tokens / length + empty))


def _weighted(vectors: Vectors, size: NDArray[np.int64], length: int) -> tuple[NDArray[np.int16], NDArray[np.float64]]:
    """The vectors of documents of `size` tokens, centred, weighted by these, in whole numbers; and their weights."""
    weight = (size / length) ** WEIGHT
    scale = _scale(length)
    vector = np.empty(vectors.shape, np.int16)
    blocks = [slice(begin, begin + _BLOCK) for begin in range(0, size.size, _BLOCK)]
    total = np.zeros(vectors.shape[1], np.int64)
    for here in blocks:
        total += whole_numbers(rows_as_float32(vectors, here)).sum(axis=0, dtype=np.int64)
    mean = (total / (size.size * SCALE)).astype(np.float32)
    for here in blocks:
        factor = (weight[here, None] * scale).astype(np.float32)
        vector[here] = whole_numbers(rows_as_float32(vectors, here) - mean, factor)
    return vector, weight


def _cosines(vectors: Vectors, documents: NDArray[np.int64], other: NDArray[np.int64]) -> NDArray[np.float64]:
    """Of each of `documents` [m] the cosine to `other` [m]; 0 where that is −1."""
    found = np.zeros(documents.size)
    known = np.flatnonzero(other >= 0)
    for begin in range(0, known.size, _BLOCK):
        here = known[begin : begin + _BLOCK]
        found[here] = pair_cosines(vectors[documents[here]], vectors[other[here]])
    return found


def _scale(length: int) -> float:
    """Of the integers that stand for components of vectors; its square is the unit of the objective."""
    # Where all documents have one token, the weights of a context sum to length ** (1 − WEIGHT): that must fit int32.
    return float(min(SCALE, 2**29 / length ** (1 - WEIGHT)))


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
