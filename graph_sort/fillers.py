"""Documents whose pieces fill what contexts leave empty: which they are, and which contexts each of them is for.

Documents that share a full context must add up to it, which those that are most alike seldom do. So some stand aside:
the others are put together with room to choose, and what that leaves empty is filled by pieces of documents which are
like what is there. These are cut; but a document longer than a context is cut anyhow.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from sequitur.graph_sort.graph import Graph

ROOM = 0.4  # of a document of the mean is left empty in each context
LEAST_ROOM, MOST_ROOM = 0.015, 0.11  # of a context
CONSIDERED = 32  # fillers for a context: the most alike
LACKING = 0.25  # what a token costs that a filler lacks, as a share of what it is worth if the most alike has it
PASSES = 20  # in which contexts may change their filler
_BLOCK = 1024  # contexts at a time


def share_of_room(size: NDArray[np.int64], length: int) -> float:
    """What share of contexts of `length` tokens is to be filled, where documents of `size` [n] tokens are put together.

    The fewer documents a context holds, the less they can be chosen for what they are like if they must fill it.
    """
    per_context = size.size * length / max(int(size.sum()), 1)
    return min(max(ROOM / per_context, LEAST_ROOM), MOST_ROOM)


@njit(cache=True, nogil=True)
def choose(
    graph: Graph, size: NDArray[np.int64], cut: NDArray[np.bool_], length: int, share: float
) -> NDArray[np.bool_]:
    """Which of n documents of `size` ≥ 1 tokens become fillers, bool [n]: with about a `share` of all tokens.

    First those that are `cut` anyhow, then the others; of each those nearest to half a context, for short ones fill few
    contexts, and long ones must go to contexts that are less like them. None is chosen while more than the share of the
    tokens of its neighbours is, so that fillers are spread as the documents are; where too few are found so, while more
    than twice the share is, and so on. O(n log n), and the edges a few times.
    """
    n = size.size
    budget, total = share * size.sum(), 0
    around, chosen_around, chosen = size.copy(), np.zeros(n, np.int64), np.zeros(n, np.bool_)
    for x in range(n):
        for e in range(graph.offsets[x], graph.offsets[x + 1]):
            around[x] += size[graph.neighbor[e]]
    by_rank = np.argsort(np.abs(2 * size - length) + 2 * length * (~cut), kind="mergesort")
    while total < budget and share < 2:
        for x in by_rank:
            if chosen[x] or total + size[x] // 2 > budget or chosen_around[x] + size[x] > share * around[x]:
                continue
            chosen[x] = True
            total += size[x]
            chosen_around[x] += size[x]
            for e in range(graph.offsets[x], graph.offsets[x + 1]):
                chosen_around[graph.neighbor[e]] += size[x]
        share *= 2
    return chosen


def assign(
    direction: NDArray[np.int16], size: NDArray[np.int64], sums: NDArray[np.int64], room: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The filler that each of c contexts is for, int64 [c], and how like it the context is, float64 [c].

    `direction` [f, d] and `size` [f] are of fillers, f ≥ 1: unit vectors in whole numbers, and tokens. `sums` [c, d]
    are of the vectors in each context, below 2³¹, and `room` [c] is what it leaves empty. First a context has the
    filler most like it, whatever else that is for. Then, in PASSES, contexts change to another of the CONSIDERED most
    like them where that is worth more: a token is worth likeness / √room, for a piece counts by the root of its tokens,
    and each that a filler is asked for and lacks costs up to LACKING. That rises from pass to pass, so that those
    change first which lose least by it.

    Multiplications by BLAS, c · f · d, are exact in whatever order they are added, for they are of whole numbers.
    Memory: 16 · CONSIDERED bytes a context, and 16 · _BLOCK a filler.
    """
    filler = np.empty((room.size, min(CONSIDERED, size.size)), np.int64)
    likeness = np.empty(filler.shape)
    columns = direction.astype(np.float64).T.copy()
    for begin in range(0, room.size, _BLOCK):
        here = slice(begin, begin + _BLOCK)
        _keep_greatest(sums[here].astype(np.float64) @ columns, likeness[here], filler[here])
    value = likeness / np.sqrt(np.maximum(room, 1))[:, None]
    cost = LACKING * float(np.median(np.abs(value[:, 0]))) if room.size else 0.0
    chosen = _settled(filler, value, room, size, cost)
    everyone = np.arange(room.size)
    return filler[everyone, chosen], likeness[everyone, chosen]


@njit(cache=True, nogil=True)
def _keep_greatest(values: NDArray[np.float64], kept: NDArray[np.float64], column: NDArray[np.int64]) -> None:
    """The greatest of each row, descending, the first of equals first, into `kept`; where they are, into `column`."""
    for row in range(values.shape[0]):
        held = 0
        for i in range(values.shape[1]):
            at = held
            while at > 0 and values[row, i] > kept[row, at - 1]:
                at -= 1
            if at == kept.shape[1]:
                continue
            held = min(held + 1, kept.shape[1])
            for later in range(held - 1, at, -1):
                kept[row, later], column[row, later] = kept[row, later - 1], column[row, later - 1]
            kept[row, at], column[row, at] = values[row, i], i


@njit(cache=True, nogil=True)
def _settled(
    filler: NDArray[np.int64],
    value: NDArray[np.float64],
    room: NDArray[np.int64],
    size: NDArray[np.int64],
    cost: float,
) -> NDArray[np.int64]:
    """Which of its fillers [c, k] each context has in the end, int64 [c]: 0 at first."""
    chosen = np.zeros(room.size, np.int64)
    spare = size.copy()  # less than nothing where a filler is asked for more than it has
    for context in range(room.size):
        spare[filler[context, 0]] -= room[context]
    for rise in range(1, PASSES + 1):
        charge = cost * rise / PASSES
        for context in range(room.size):
            now, tokens = chosen[context], room[context]
            own = filler[context, now]
            saved = min(max(-spare[own], 0), tokens)
            most, best = 0.0, now
            for i in range(filler.shape[1]):
                lacking = min(max(tokens - spare[filler[context, i]], 0), tokens)
                gain = (value[context, i] - value[context, now]) * tokens + charge * (saved - lacking)
                if i != now and gain > most:
                    most, best = gain, i
            if best != now:
                spare[own] += tokens
                spare[filler[context, best]] -= tokens
                chosen[context] = best
    return chosen
