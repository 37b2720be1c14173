"""Of each group of duplicates the member that stays for all."""

import numpy as np
import numpy.typing as npt


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
    """
    parts = keys.view("<u8").reshape(-1, 2)
    order = np.lexsort((preference, parts[:, 1], parts[:, 0]))
    ordered = parts[order]
    first = np.ones(len(order), dtype=bool)
    first[1:] = (ordered[1:] != ordered[:-1]).any(axis=1)
    leader = np.maximum.accumulate(np.where(first, np.arange(len(order)), 0))
    return rows[order[~first]], rows[order[leader[~first]]]
