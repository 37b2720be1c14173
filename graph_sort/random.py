"""The random order: the baseline that every other order is measured against."""

import numpy as np

from graph_sort.graph import Graph, Order
from graph_sort.vectors import Vectors


def order(graph: Graph, vectors: Vectors, seed: int) -> Order:
    """A seeded permutation (PCG64), every document its own fragment. Of `graph` only the size is used."""
    n = graph.offsets.size - 1
    permutation = np.random.Generator(np.random.PCG64(seed)).permutation(n).astype(np.int64)
    return Order(permutation, np.arange(n, dtype=np.int64))
