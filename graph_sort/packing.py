"""An order of documents and their token lengths → contexts: which tokens share a context window."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

WINDOW = 32  # documents ahead among which `whole` looks for a filling


class Contexts(NamedTuple):
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
) -> Contexts:
    """Concatenate the documents in order, cut every `context_length` tokens; the last context may be short.

    `lengths` int64[n] are in tokens, `permutation` int64[m] is the order. Where the order would have a context
    begin, `opens`, is not heeded: no token of padding is the point of this policy. O(m + c).
    """
    _check(lengths, permutation, context_length)
    ends = np.cumsum(lengths[permutation], dtype=np.int64)
    total = int(ends[-1]) if ends.size else 0
    context_starts = np.arange(0, total, context_length, dtype=np.int64)
    bounds = np.unique(np.concatenate([context_starts, ends, np.zeros(1, np.int64)]))
    begin, length = bounds[:-1], np.diff(bounds)
    rank = np.searchsorted(ends, begin, side="right")  # past the documents without tokens
    document = permutation[rank]
    start = begin - (ends[rank] - lengths[document])
    offsets = np.append(np.searchsorted(begin, context_starts), begin.size).astype(np.int64)
    return Contexts(offsets, document, start, length)


def whole(
    lengths: NDArray[np.int64],
    permutation: NDArray[np.int64],
    context_length: int,
    opens: NDArray[np.bool_] | None = None,
    window: int = WINDOW,
) -> Contexts:
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
    pieces = -(-lengths[permutation] // context_length)
    document = np.repeat(permutation, pieces)
    first = np.repeat(np.cumsum(pieces) - pieces, pieces)
    start = (np.arange(document.size, dtype=np.int64) - first) * context_length
    length = np.minimum(lengths[document] - start, context_length)
    begun = np.zeros(permutation.size, np.int64) if opens is None else np.cumsum(opens)
    offsets, placed = _fill(length, start == 0, np.repeat(begun, pieces), context_length, window)
    return Contexts(offsets, document[placed], start[placed], length[placed])


Policy = Callable[[NDArray[np.int64], NDArray[np.int64], int, NDArray[np.bool_]], Contexts]

POLICIES: dict[str, Policy] = {
    "whole": whole,
    "stream": stream,
}
"""(lengths [n], permutation [m], context_length, opens [m]) → Contexts, by name."""


def context_documents(contexts: Contexts) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The documents of each context, once each, in order of first appearance: offsets [c + 1], documents."""
    count = contexts.offsets.size - 1
    context = np.repeat(np.arange(count, dtype=np.int64), np.diff(contexts.offsets))
    together = np.lexsort((contexts.document, context))  # stable, so a first appearance comes first
    key_changes = (np.diff(context[together]) != 0) | (np.diff(contexts.document[together]) != 0)
    kept = np.sort(together[np.append(True, key_changes)[: together.size]])
    offsets = np.searchsorted(context[kept], np.arange(count + 1, dtype=np.int64)).astype(np.int64)
    return offsets, contexts.document[kept]


def _check(lengths: NDArray[np.int64], permutation: NDArray[np.int64], context_length: int) -> None:
    if context_length < 1:
        raise ValueError(f"context_length must be at least 1 token, got {context_length}")
    if lengths.size and lengths.min() < 0:
        raise ValueError(f"document {lengths.argmin()} has a negative length, {lengths.min()}")
    if permutation.size and (permutation.min() < 0 or permutation.max() >= lengths.size):
        raise ValueError(f"the order names document {permutation.max()}, but there are {lengths.size} lengths")


@njit(cache=True, nogil=True)
def _fill(
    length: NDArray[np.int64],
    movable: NDArray[np.bool_],
    begun: NDArray[np.int64],
    context_length: int,
    window: int,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Contexts' offsets, and the pieces as they are placed. A piece that is not movable waits its turn.

    Pieces of different `begun`, which ascends, never share a context.
    """
    n = length.size
    following = np.arange(1, n + 1)  # the pieces not yet placed, as a linked list; n ends it
    placed = np.empty(n, np.int64)
    offsets = np.zeros(n + 1, np.int64)
    contexts, count, head = 0, 0, 0
    while head < n:
        room = context_length
        run = begun[head]
        while head < n and length[head] <= room and begun[head] == run:
            placed[count] = head
            count += 1
            room -= length[head]
            head = following[head]
        fill = count
        while room > 0 and head < n and begun[head] == run:
            best, before_best = -1, -1
            before = head  # which does not fit
            for _ in range(window):
                piece = following[before]
                if piece == n or begun[piece] != run:
                    break
                if movable[piece] and length[piece] <= room and (best < 0 or length[piece] > length[best]):
                    best, before_best = piece, before
                before = piece
            if best < 0:
                break
            at = count
            while at > fill and placed[at - 1] > best:  # the filling, too, is read in the order given
                placed[at] = placed[at - 1]
                at -= 1
            placed[at] = best
            count += 1
            room -= length[best]
            following[before_best] = following[best]
        contexts += 1
        offsets[contexts] = count
    return offsets[: contexts + 1], placed
