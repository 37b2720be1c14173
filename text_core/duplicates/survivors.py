"""Of each group of duplicates the member that stays for all."""

import numpy as np
import numpy.typing as npt

from sequitur.text_core.duplicates.equal_keys import key_table, others_and_leaders
from sequitur.text_core.units.arrays import read_only
from sequitur.text_core.units.kernels import kernel


def preferred(labels: npt.NDArray[np.int64], rank: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Of each node's component the member with the lowest rank, int64 [nodes]; `labels` int64 name the components, by a
    node each. Linear."""
    best = np.full(len(labels), -1, dtype=np.int64)
    _fill_best(read_only(labels, np.int64), read_only(rank, np.int64), best)
    return best[labels]


def groups_of_equals(
    keys: npt.NDArray[np.void], chosen: npt.NDArray[np.bool_], preference: npt.NDArray[np.int64] | None = None
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Rows that share a key with a preferred one, and that preferred row.

    Args:
        keys: one of 16 bytes for each of n rows, dtype V16.
        chosen: bool [n]; only these rows take part.
        preference: int64 [n], all different; the row with the lowest is preferred. If not given the first is.

    Returns:
        (other rows, their preferred rows), both int64, the former ascending.

    Memory: 12 bytes a chosen row, and 16 for each other row. Linear.
    """
    return others_and_leaders(key_table(keys, chosen, preference), chosen)


@kernel
def _fill_best(labels: npt.NDArray[np.int64], rank: npt.NDArray[np.int64], best: npt.NDArray[np.int64]) -> None:
    for node in range(len(labels)):
        held = best[labels[node]]
        if held < 0 or rank[node] < rank[held]:
            best[labels[node]] = node
