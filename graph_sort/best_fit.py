"""Best fit: each piece into the fullest context that has room for it, found in O(log of a context's length)."""

import numpy as np
from numba import njit
from numpy.typing import NDArray


@njit(cache=True, nogil=True)
def stable_order(keys: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """Positions by key, 0 ≤ key < count, ascending; equal keys keep their order. O(n + count)."""
    next_place = np.zeros(count + 1, np.int64)
    for key in keys:
        next_place[key + 1] += 1
    for key in range(count):
        next_place[key + 1] += next_place[key]
    order = np.empty(keys.size, np.int64)
    for position in range(keys.size):
        order[next_place[keys[position]]] = position
        next_place[keys[position]] += 1
    return order


@njit(cache=True, nogil=True)
def fill_best(
    length: NDArray[np.int64],
    place: NDArray[np.int64],
    come: NDArray[np.int64],
    context_length: int,
    window: int,
) -> tuple[NDArray[np.int64], int]:
    """The context of each piece, int64[p], numbered by their first pieces, and how many there are.

    Pieces of `length` (int64[p], 1 … context_length) come in the order `come`; of equally full contexts one takes that
    which came to its fill last. A context takes no piece whose `place` (ascending as they come) is more than `window`
    past that of the piece which opened it.

    Contexts with room r > 0 are a stack: `top[r]`, and `below` of each. A tree over r tells which stacks hold any: leaf
    r is node `leaves + r`, the parent of node x is x // 2. A context that takes no more is thrown off when met there.
    """
    leaves = 1
    while leaves <= context_length:
        leaves *= 2
    holds = np.zeros(2 * leaves, np.bool_)
    top = np.full(context_length + 1, -1, np.int64)
    below = np.empty(length.size, np.int64)
    room = np.empty(length.size, np.int64)
    opened_at = np.empty(length.size, np.int64)
    context_of = np.empty(length.size, np.int64)
    count, oldest = 0, 0  # contexts opened, and the first of them that is open still
    for piece in come:
        while oldest < count and opened_at[oldest] + window < place[piece]:
            oldest += 1
        context = -1
        while context < oldest:
            fit = _next_marked(holds, leaves, length[piece])
            if fit < 0:
                context = count
                room[context] = context_length
                opened_at[context] = place[piece]
                count += 1
                break
            context = top[fit]
            top[fit] = below[context]
            if top[fit] < 0:
                _unmark(holds, leaves + fit)
        context_of[piece] = context
        left = room[context] - length[piece]
        room[context] = left
        if left > 0:
            below[context] = top[left]
            top[left] = context
            _mark(holds, leaves + left)
    return _renumbered(context_of, count), count


@njit(cache=True, nogil=True)
def _mark(holds: NDArray[np.bool_], node: int) -> None:
    while node > 0 and not holds[node]:
        holds[node] = True
        node //= 2


@njit(cache=True, nogil=True)
def _unmark(holds: NDArray[np.bool_], node: int) -> None:
    holds[node] = False
    while node > 1 and not holds[node ^ 1]:
        node //= 2
        holds[node] = False


@njit(cache=True, nogil=True)
def _next_marked(holds: NDArray[np.bool_], leaves: int, least: int) -> int:
    """The smallest marked r ≥ least, or −1."""
    node = leaves + least
    while not holds[node]:
        while node % 2 == 1:  # a right child: what comes next lies beside an ancestor
            node //= 2
        if node == 0:
            return -1
        node += 1
    while node < leaves:
        node = 2 * node if holds[2 * node] else 2 * node + 1
    return node - leaves


@njit(cache=True, nogil=True)
def _renumbered(values: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """Values 0 … count − 1 numbered anew by where they first appear."""
    number = np.full(count, -1, np.int64)
    renumbered = np.empty(values.size, np.int64)
    known = 0
    for i in range(values.size):
        if number[values[i]] < 0:
            number[values[i]] = known
            known += 1
        renumbered[i] = number[values[i]]
    return renumbered
