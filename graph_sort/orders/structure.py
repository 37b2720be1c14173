"""The order that a corpus has of itself: the documents of one directory, thread or article together."""

import numpy as np

from sequitur.graph_sort.documents import Documents, known
from sequitur.graph_sort.orders import Order, first_of_runs, numbered, uncut


def order(documents: Documents, seed: int) -> Order:
    """By rank of the place in the structure, then by id; each place is a fragment.

    Documents without a place come last, each its own fragment, in a seeded random order (PCG64). Raises MissingField
    where no document's place is known. O(n log n).
    """
    structure = documents.structure
    known(structure, documents, "place in a structure")
    placed = np.flatnonzero(structure >= 0)
    placed = placed[np.argsort(structure[placed], kind="stable")]
    others = np.flatnonzero(structure < 0)
    others = np.random.Generator(np.random.PCG64(seed)).permutation(others)
    begins = np.concatenate([first_of_runs(structure[placed]), np.ones(others.size, np.bool_)])
    return uncut(np.concatenate([placed, others]).astype(np.int64), numbered(begins))
