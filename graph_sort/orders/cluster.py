"""Balanced clusters, at random inside: c-BTM's grouping (Gururangan et al., arXiv 2303.14177) read as an order."""

import numpy as np

from sequitur.graph_sort import balanced_clusters
from sequitur.graph_sort.documents import Documents
from sequitur.graph_sort.orders import Order, first_of_runs, numbered, uncut

DOCUMENTS = 64  # of a cluster, about, up to
MOST_CLUSTERS = 1024  # which keep the time linear in documents


def order(documents: Documents, seed: int) -> Order:
    """Cluster by cluster, each of about the same number of tokens, in a seeded random order (PCG64) inside.

    A cluster is a fragment. O(n · clusters · d): see `balanced_clusters`.
    """
    vectors, lengths = documents.vectors, documents.lengths
    n = lengths.size
    if n == 0:
        return uncut(np.empty(0, np.int64), np.empty(0, np.int64))
    k = min(max(n // DOCUMENTS, 1), MOST_CLUSTERS)
    centroids = balanced_clusters.fit(vectors, lengths, k, True, seed)
    cluster = balanced_clusters.assign(vectors, centroids, lengths, True)
    shuffled = np.random.Generator(np.random.PCG64(seed)).permutation(n).astype(np.int64)
    permutation = shuffled[np.argsort(cluster[shuffled], kind="stable")]
    return uncut(permutation, numbered(first_of_runs(cluster[permutation])))
