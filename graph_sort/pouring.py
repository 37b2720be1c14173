"""Contexts that an order made filled up by the documents that it says are to fill them."""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from sequitur.graph_sort.filling import nearest_with_room
from sequitur.graph_sort.offsets import offsets_of
from sequitur.graph_sort.whole_pieces import cut_long, fill_whole


def poured(
    lengths: NDArray[np.int64],
    context_length: int,
    opens: NDArray[np.bool_],
    fills: NDArray[np.bool_],
    window: int,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Contexts of n documents in order, as `packing.PackedContexts`: offsets [c + 1], document and length [p].

    What stands between two places that `opens` marks is a context, of documents longer than one what full contexts of
    theirs leave; where it does not fit, it is cut as by `packing.whole`. Each of the documents that `fills` marks
    stands alone, and fills the contexts up to the next such, one after the other: a piece of it opens each. What is
    left of it then goes to the end of the nearest with room. What there is no room for makes further contexts, all but
    the last of them full. Those which one document fills come last: so what it shares is its beginning, which has more
    in common with others than its end. If what fills is too little, contexts are left short. O(n log n).
    """
    run = np.cumsum(opens | fills | np.append(False, fills)[:-1], dtype=np.int64)
    document, length = cut_long(lengths, np.arange(lengths.size, dtype=np.int64), context_length)[::2]
    full = length == context_length
    fillers, others = np.flatnonzero(fills[document] & ~full), np.flatnonzero(~fills[document] & ~full)
    movable = np.ones(others.size, np.bool_)
    offsets, placed = fill_whole(length[others], movable, run[document[others]], context_length, window)
    others, offsets = others[placed], offsets.copy()
    begun = run[document[others[offsets[:-1]]]]
    first = np.append(np.searchsorted(begun, run[document[fillers]]), offsets.size - 1)
    del run, placed, movable  # 17 bytes a document, of some 100 at the most
    room = context_length - np.diff(offsets_of(length[others])[offsets])
    filler, context, size = _pour(room, context_length, length[fillers], first)
    own = (first[filler] <= context) & (context < first[filler + 1])
    of_others = np.repeat(np.arange(offsets.size - 1, dtype=np.int64), np.diff(offsets))
    of_full = max(offsets.size - 1, int(context.max(initial=-1)) + 1) + np.arange(np.count_nonzero(full))
    contexts = np.concatenate([context[own], of_others, context[~own], of_full])
    del of_others, of_full
    pieces = np.concatenate([fillers[filler[own]], others, fillers[filler[~own]], np.flatnonzero(full)])
    sizes = np.concatenate([size[own], length[others], size[~own], length[full]])
    tokens = np.bincount(contexts, sizes)
    short = np.flatnonzero(tokens < context_length)
    if short.size == 1:  # which is the last, then
        is_short = contexts == short[0]
        contexts -= contexts > short[0]
        contexts[is_short] = tokens.size - 1
    by_context = np.argsort(contexts, kind="stable")
    return offsets_of(np.bincount(contexts)), document[pieces[by_context]], sizes[by_context]


@njit(cache=True, nogil=True)
def _pour(
    room: NDArray[np.int64], context_length: int, fillers: NDArray[np.int64], first: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Cuts fillers of these tokens to fill all `room` [c]: filler, context and tokens of each part, int64 [q].

    Filler i is for the contexts from `first[i]` up to `first[i + 1]`. Further contexts are c, c + 1 …
    """
    count, left = room.size, fillers.copy()
    most = 2 * (count + fillers.size) + fillers.sum() // context_length + 1
    found, placed = np.empty((3, most), np.int64), 0
    for i in range(left.size):
        for context in range(first[i], first[i + 1]):
            size = min(left[i], room[context])
            if size > 0:
                found[0, placed], found[1, placed], found[2, placed] = i, context, size
                placed += 1
                left[i] -= size
                room[context] -= size
    after, before = np.arange(count + 1), np.arange(count + 1)  # of which those without room lead on
    for context in range(count):
        if room[context] == 0:
            after[context], before[context + 1] = context + 1, context
    further, space = count, context_length  # the context that is begun when all are full, and its room
    for i in np.argsort(left, kind="mergesort"):  # so that what there is no room for is of few
        while left[i] > 0:
            context = nearest_with_room(after, before, min(first[i], count - 1)) if count else 0
            if context < count:
                size = min(left[i], room[context])
                room[context] -= size
                if room[context] == 0:
                    after[context], before[context + 1] = context + 1, context
            else:
                context, size = further, min(left[i], space)
                space -= size
                if space == 0:
                    further, space = further + 1, context_length
            found[0, placed], found[1, placed], found[2, placed] = i, context, size
            placed += 1
            left[i] -= size
    return found[0, :placed].copy(), found[1, :placed].copy(), found[2, :placed].copy()


def ascending(document: NDArray[np.int64], length: NDArray[np.int64]) -> NDArray[np.int64]:
    """Where each piece of a document begins in it, int64 [p], so that they follow each other as they stand here."""
    together = np.argsort(document, kind="stable")
    ends = np.cumsum(length[together])
    begins = ends - length[together]
    firsts = np.append(True, np.diff(document[together]) != 0)[: together.size]
    start = np.empty_like(length)
    start[together] = begins - np.repeat(begins[firsts], np.diff(np.append(np.flatnonzero(firsts), together.size)))
    return start
