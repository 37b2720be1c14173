"""Of each group of duplicates the member that stays for all."""

import numpy as np
import numpy.typing as npt
from numba import njit


def preferred(labels: npt.NDArray[np.int64], rank: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Of each node's component the member with the lowest rank, int64 [nodes]; `labels` int64 name the components."""
    order = np.lexsort((rank, labels))
    first = np.append(True, labels[order[1:]] != labels[order[:-1]])[: len(order)]
    best = np.empty(len(labels), dtype=np.int64)
    best[labels[order[first]]] = order[first]
    return best[labels]


def groups_of_equals(
    keys: npt.NDArray[np.void], rows: npt.NDArray[np.int64], preference: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Rows that share a key with a preferred one, and that preferred row.

    Args:
        keys: one 16-byte key for each of `rows`.
        rows: int64 rows.
        preference: numbers over `rows`; the one with the lowest is preferred.

    Returns:
        (other rows, their preferred rows), both int64, ordered by key and preference.

    Memory: 40 bytes a row, and 16 for each other row.
    """
    parts = keys.view("<u8").reshape(-1, 2)
    order = np.lexsort((preference, parts[:, 1], parts[:, 0]))
    others, leaders = _repeated(parts, order)
    return rows[others], rows[leaders]


@njit(cache=True, nogil=True)
def _repeated(
    parts: npt.NDArray[np.uint64], order: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Of keys uint64 [n, 2] in order those that are not the first of their kind, and the first of it."""
    count = 0
    for at in range(1, order.size):
        one, before = parts[order[at]], parts[order[at - 1]]
        count += one[0] == before[0] and one[1] == before[1]
    others, leaders = np.empty(count, np.int64), np.empty(count, np.int64)
    found = first = 0
    for at in range(1, order.size):
        one, before = parts[order[at]], parts[order[at - 1]]
        if one[0] == before[0] and one[1] == before[1]:
            others[found], leaders[found] = order[at], order[first]
            found += 1
        else:
            first = at
    return others, leaders
