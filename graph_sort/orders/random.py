"""The random order: the baseline that every other order is measured against."""

import numpy as np

from sequitur.graph_sort.documents import Documents
from sequitur.graph_sort.orders import Order, uncut


def order(documents: Documents, seed: int) -> Order:
    """A seeded permutation (PCG64), every document its own fragment."""
    n = documents.lengths.size
    permutation = np.random.Generator(np.random.PCG64(seed)).permutation(n).astype(np.int64)
    return uncut(permutation, np.arange(n, dtype=np.int64))
