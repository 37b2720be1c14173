"""Documents as pieces of at most a context's length, and contexts of pieces that stay whole."""

import numpy as np
from numba import njit
from numpy.typing import NDArray


def cut_long(
    lengths: NDArray[np.int64], permutation: NDArray[np.int64], context_length: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """The documents in order, cut every `context_length` tokens of each: document, start and length of the pieces."""
    pieces = -(-lengths[permutation] // context_length)
    document = np.repeat(permutation, pieces)
    first = np.repeat(np.cumsum(pieces) - pieces, pieces)
    start = (np.arange(document.size, dtype=np.int64) - first) * context_length
    return document, start, np.minimum(lengths[document] - start, context_length)


@njit(cache=True, nogil=True)
def fill_whole(
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
