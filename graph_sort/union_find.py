"""Union-find over nodes: whoever joins two roots makes one the parent of the other.

`text_core/duplicates/components.py` has the same few lines for edges of duplicates: cores do not import each other.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray


@njit(cache=True, nogil=True)
def root_of(parent: NDArray[np.int64], node: int) -> int:
    """The root of a node's tree; the way there is halved in place. O(log n), amortised, where any root may join any."""
    while parent[node] != node:
        parent[node] = parent[parent[node]]
        node = parent[node]
    return node
