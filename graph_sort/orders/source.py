"""One source to a context: the documents of each source together, at random inside ("UniChunk", arXiv 2402.13991)."""

import numpy as np

from sequitur.graph_sort.documents import Documents, known
from sequitur.graph_sort.orders import Order, first_of_runs, numbered


def order(documents: Documents, seed: int) -> Order:
    """Source by source, each in a seeded random order (PCG64); a source begins a context and is a fragment.

    Raises MissingField where the sources are not known. O(n log n).
    """
    source = documents.source
    known(source, documents, "source")
    shuffled = np.random.Generator(np.random.PCG64(seed)).permutation(source.size).astype(np.int64)
    permutation = shuffled[np.argsort(source[shuffled], kind="stable")]
    opens = first_of_runs(source[permutation])
    return Order(permutation, numbered(opens), opens)
