"""An order of documents and their token lengths → contexts: which tokens share a context window."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from sequitur.graph_sort.best_fit import fill_best, stable_order
from sequitur.graph_sort.decomposition import bucket_lengths, decompose
from sequitur.graph_sort.distinct import distinct_values
from sequitur.graph_sort.filling import Columns, fill_rows
from sequitur.graph_sort.graph import Graph
from sequitur.graph_sort.offsets import offsets_of
from sequitur.graph_sort.packing_runs import in_rows, runs
from sequitur.graph_sort.part import induced
from sequitur.graph_sort.pouring import ascending, poured
from sequitur.graph_sort.whole_pieces import cut_long, fill_whole

WINDOW = 32  # documents ahead among which `whole` looks for a filling; contexts that a piece of `best_fit` may be late


class Likeness(NamedTuple):
    """Which documents are alike: the neighbour graph of some, to which those that are packed belong."""

    graph: Graph
    node: NDArray[np.int64]  # [n], of each document


class PackedContexts(NamedTuple):
    """Context i holds pieces `offsets[i]` … `offsets[i + 1] − 1`, in reading order.

    A piece is `length` tokens of `document`, from its token `start` on. Documents without tokens have none.
    """

    offsets: NDArray[np.int64]  # [c + 1]
    document: NDArray[np.int64]  # [p]
    start: NDArray[np.int64]  # [p]
    length: NDArray[np.int64]  # [p], ≥ 1


def stream(
    lengths: NDArray[np.int64],
    permutation: NDArray[np.int64],
    context_length: int,
    opens: NDArray[np.bool_] | None = None,
    likeness: Likeness | None = None,
    fills: NDArray[np.bool_] | None = None,
) -> PackedContexts:
    """Concatenate the documents in order, cut every `context_length` tokens; the last context may be short.

    `lengths` int64[n] are in tokens, `permutation` int64[m] is the order. Where the order would have a context
    begin, `opens`, is not heeded: no token of padding is the point of this policy. O(m + c).
    """
    _check(lengths, permutation, context_length)
    return PackedContexts(*_stream(lengths, permutation, context_length))


def whole(
    lengths: NDArray[np.int64],
    permutation: NDArray[np.int64],
    context_length: int,
    opens: NDArray[np.bool_] | None = None,
    likeness: Likeness | None = None,
    fills: NDArray[np.bool_] | None = None,
    window: int = WINDOW,
) -> PackedContexts:
    """Whole documents in order while they fit; only those longer than `context_length` are split.

    What room is left then goes, again and again, to the longest document that fits among the next `window`
    of the order (the earliest of equals); within a context and without, documents keep their order. A document
    longer than a context is cut every `context_length` tokens; its tail opens the context after its last full
    piece. Where `opens` [m] has the order begin a context, a new one begins, and no later document is moved to
    before it. O(m · window) at worst.

    A wider window wastes fewer tokens and relates documents less. Measured on about 9,500 technical documents of 970
    tokens on average, contexts of 8,192, the path order (padding, adjacency of `metrics.coherence`):
    window 0: 20.4 %, 0.645; 16: 2.8 %, 0.601; 32: 1.5 %, 0.585; 64: 0.7 %, 0.568; `stream`: 0, 0.651.
    """
    _check(lengths, permutation, context_length)
    document, start, length = cut_long(lengths, permutation, context_length)
    begun = np.zeros(permutation.size, np.int64) if opens is None else np.cumsum(opens, dtype=np.int64)
    pieces = -(-lengths[permutation] // context_length)
    offsets, placed = fill_whole(length, start == 0, np.repeat(begun, pieces), context_length, window)
    return PackedContexts(offsets, document[placed], start[placed], length[placed])


def filled(
    lengths: NDArray[np.int64],
    permutation: NDArray[np.int64],
    context_length: int,
    opens: NDArray[np.bool_] | None = None,
    likeness: Likeness | None = None,
    fills: NDArray[np.bool_] | None = None,
) -> PackedContexts:
    """Every context but the last filled to exactly `context_length` tokens, and few documents cut.

    Where an order says by `fills` [m] what fills its contexts, these stay as they are, and are filled by those
    documents, each cut into pieces for the contexts that follow it (`pouring.poured`). Else, or where that leaves more
    than one context short, as many of the contexts, of few documents, are dissolved as the others have room for: their
    documents go, cut where need be, to the contexts that they are most like (`filling.fill_rows`). `likeness` says who
    is alike; without it, what is near in the order. No other documents are cut but those longer than a context. Where
    the order says what fills, the pieces of a document lie in contexts that ascend. O(m · window) at worst, as `whole`,
    and the edges.

    More than twice `packing_runs.RUN` documents are packed run by run, each by the part of the graph that lies in it;
    what the last row of each holds makes rows of its own. Memory: 32 bytes a document, and 150 of a run.

    Measured on 6,697 technical documents of 1,313 tokens on average, order `contexts`, contexts of 8,192 and of 2,048
    (rows full, documents cut): 0.999, 3.6 % and 1.000, 19.1 %; `whole`: 0.228, 2.9 % and 0.637, 18.1 %; `stream`:
    0.999, 14.4 % and 1.000, 32.6 %.
    """
    _check(lengths, permutation, context_length)
    nothing = np.zeros(permutation.size, np.bool_)
    opens, fills = (nothing if some is None else some for some in (opens, fills))
    parts = list(runs(opens, fills))

    def packed(here: slice) -> Columns:
        documents = permutation[here]
        alike = partial(_likeness_among, likeness, documents, everyone=len(parts) == 1)
        offsets, place, start, length = _filled(lengths[documents], context_length, opens[here], fills[here], alike)
        return offsets, documents[place], start, length

    if len(parts) == 1:
        return PackedContexts(*packed(parts[0]))
    return PackedContexts(*in_rows(map(packed, parts), context_length))


def _filled(
    tokens: NDArray[np.int64],
    context_length: int,
    opens: NDArray[np.bool_],
    fills: NDArray[np.bool_],
    alike: Callable[[], Likeness],
) -> Columns:
    """`filled` of documents in their order: offsets, place in the order, start and length."""
    if not fills.any():
        contexts = whole(tokens, np.arange(tokens.size, dtype=np.int64), context_length, opens)
        return fill_rows(*contexts, context_length, contexts.length == tokens[contexts.document], *alike())
    offsets, place, length = poured(tokens, context_length, opens, fills, WINDOW)
    if np.count_nonzero(np.diff(offsets_of(length)[offsets]) < context_length) > 1:
        unknown, uncut = np.zeros_like(place), length == tokens[place]
        offsets, place, _, length = fill_rows(offsets, place, unknown, length, context_length, uncut, *alike())
    return offsets, place, ascending(place, length), length


def _likeness_among(likeness: Likeness | None, documents: NDArray[np.int64], *, everyone: bool) -> Likeness:
    """How documents in an order are alike, by their places in it; of a run, only among themselves."""
    if likeness is None:
        nothing = np.empty(0, np.int64)
        graph = Graph(np.zeros(documents.size + 1, np.int64), nothing, nothing.astype(np.float32))
        return Likeness(graph, np.arange(documents.size, dtype=np.int64))
    node = likeness.node[documents]
    if everyone:
        return Likeness(likeness.graph, node)
    nodes = distinct_values(node)
    return Likeness(induced(likeness.graph, nodes), np.searchsorted(nodes, node))


def best_fit(
    lengths: NDArray[np.int64],
    permutation: NDArray[np.int64],
    context_length: int,
    opens: NDArray[np.bool_] | None = None,
    likeness: Likeness | None = None,
    fills: NDArray[np.bool_] | None = None,
    window: int = WINDOW,
    longest_first: int = 0,
) -> PackedContexts:
    """Best-fit packing (Ding et al., arXiv 2404.10830, 3) inside a window of the order.

    Documents are cut into pieces as by `whole`. Each piece goes into the fullest context that has room for it (of
    equals that which came to its fill last), else it opens one. A context takes nothing from where the order is more
    than `window` contexts' worth of tokens past where it was opened. Pieces come in the order; with `longest_first`
    they come longest first (the earliest of equals) within each run of so many contexts' worth of tokens. With both as
    large as the corpus it is the paper's algorithm. Contexts lie by their first piece, their pieces in the order.
    Where the order would have a context begin, `opens`, is not heeded. O(m + p log L), p pieces.

    Taking the pieces longest first pads hardly less, for contexts stay open over many runs, and relates documents
    less. Measured on 6,461 technical documents of 1,286 tokens on average, contexts of 2,048, order `path` (padding,
    adjacency of `metrics.coherence`): window 16: 3.5 %, 0.517; 32: 2.3 %, 0.498; 64: 1.5 %, 0.478; 32 with
    longest_first 1: 2.1 %, 0.439; the paper's: 0.2 %, 0.053; `whole`: 7.3 %, 0.450; `stream`: 0, 0.598.
    """
    _check(lengths, permutation, context_length)
    document, start, length = cut_long(lengths, permutation, context_length)
    come = np.arange(length.size, dtype=np.int64)
    place = np.cumsum(length) - length  # in tokens of the order
    if longest_first and length.size:
        run = place // (longest_first * context_length)
        place = run * (longest_first * context_length)
        come = stable_order(context_length - length, context_length + 1)
        come = come[stable_order(run[come], int(run[-1]) + 1)]
    context, count = fill_best(length, place, come, context_length, window * context_length)
    placed = stable_order(context, count)
    offsets = offsets_of(np.bincount(context, minlength=count))
    return PackedContexts(offsets, document[placed], start[placed], length[placed])


def buckets(
    lengths: NDArray[np.int64],
    permutation: NDArray[np.int64],
    context_length: int,
    opens: NDArray[np.bool_] | None = None,
    likeness: Likeness | None = None,
    fills: NDArray[np.bool_] | None = None,
) -> PackedContexts:
    """Dataset Decomposition (Pouransari et al., arXiv 2405.13226, 2): one piece of one document to a context.

    A document is cut into pieces of the lengths of `bucket_lengths`, largest first, each as often as it fits; what is
    left of it, fewer tokens than the smallest bucket, is a piece of its own. Contexts are in order, those of a document
    by their tokens; `by_length` parts them by bucket. `opens` is not heeded. O(m + p), p pieces.
    """
    _check(lengths, permutation, context_length)
    largest, smallest = bucket_lengths(context_length)[[-1, 0]]
    document, start, length = decompose(lengths, permutation, largest, smallest)
    return PackedContexts(np.arange(document.size + 1, dtype=np.int64), document, start, length)


Policy = Callable[
    [NDArray[np.int64], NDArray[np.int64], int, NDArray[np.bool_], Likeness | None, NDArray[np.bool_] | None],
    PackedContexts,
]

POLICIES: dict[str, Policy] = {
    "whole": whole,
    "filled": filled,
    "stream": stream,
    "best_fit": best_fit,
    "buckets": buckets,
}
"""(lengths [n], permutation [m], context_length, opens [m], likeness, fills [m]) → PackedContexts, by name.

A permutation may name a document more than once: it is then placed as often. What a policy does not go by, `opens`,
`likeness` or `fills`, it leaves aside.
"""


def row_lengths(policy: str, context_length: int) -> NDArray[np.int64]:
    """How many tokens the rows have room for in which contexts of this policy are stored: int64, ascending."""
    return bucket_lengths(context_length) if policy == "buckets" else np.array([context_length], np.int64)


def by_length(contexts: PackedContexts, lengths: NDArray[np.int64]) -> dict[int, PackedContexts]:
    """The contexts by the shortest of some row lengths (ascending) that holds them; lengths without any are absent."""
    if lengths.size == 1 and contexts.offsets.size > 1:
        return {int(lengths[0]): contexts}
    ends = offsets_of(contexts.length)[contexts.offsets]
    row = np.searchsorted(lengths, np.diff(ends))
    counts = np.diff(contexts.offsets)
    found = {}
    for index in distinct_values(row):
        here = row == index
        pieces = np.repeat(here, counts)
        offsets = offsets_of(counts[here])
        columns = (contexts.document[pieces], contexts.start[pieces], contexts.length[pieces])
        found[int(lengths[index])] = PackedContexts(offsets, *columns)
    return found


def _check(lengths: NDArray[np.int64], permutation: NDArray[np.int64], context_length: int) -> None:
    if context_length < 1:
        raise ValueError(f"context_length must be at least 1 token, got {context_length}")
    if lengths.size and lengths.min() < 0:
        raise ValueError(f"document {lengths.argmin()} has a negative length, {lengths.min()}")
    if permutation.size and (permutation.min() < 0 or permutation.max() >= lengths.size):
        raise ValueError(f"the order names document {permutation.max()}, but there are {lengths.size} lengths")


@njit(cache=True, nogil=True)
def _stream(
    lengths: NDArray[np.int64], permutation: NDArray[np.int64], context_length: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    total = 0
    for document in permutation:
        total += lengths[document]
    contexts = -(-total // context_length)
    offsets = np.empty(contexts + 1, np.int64)
    pieces = np.empty((3, permutation.size + contexts), np.int64)  # at least as many as there are
    count, context, room = 0, 0, 0
    for document in permutation:
        start = 0
        while start < lengths[document]:
            if room == 0:
                offsets[context] = count
                context += 1
                room = context_length
            length = min(lengths[document] - start, room)
            pieces[0, count] = document
            pieces[1, count] = start
            pieces[2, count] = length
            count += 1
            start += length
            room -= length
    offsets[contexts] = count
    return offsets, pieces[0, :count].copy(), pieces[1, :count].copy(), pieces[2, :count].copy()
