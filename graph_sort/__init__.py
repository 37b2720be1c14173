"""Vectors in, permutation out: nearest neighbours, graphs, orders, contexts and the measures of an order.

Documents are nodes with dense int64 ids 0 … n−1, which are also the rows of the array of unit vectors.

Neighbours
    neighbors         lists of the k nearest, by exact cosines; all vectors scanned for a few
    cells             cells of near vectors: which are probed, and the work cut for many machines
    cell_search       the nearest among all vectors, or in the cells that are probed, by matrix products
    exact_search      the same on a GPU
    near_duplicates   which documents to drop, never by chaining; `pair_set`
    subset            which documents represent all others, or are nearest to given ones

Orders
    graph             the undirected k-nearest-neighbour graph
    documents         what an order may go by; `part`: some of the documents
    orders            the reading orders, one file each
    merging, context_search, context_paths, bisection    how `contexts` makes, fills, reads and divides
    context_exchange, shared_strings                     how it improves them, by cosines and by what they hold twice
    link_exchange     how `path` is improved
    balanced_clusters, spherical_kmeans                  groups of near documents

Contexts
    packing           an order and token lengths → contexts; `best_fit`, `filling`, `decomposition`
    metrics           what an order and its contexts are worth

Arithmetic
    vectors           row access and the dot product by which cosines are computed
    products          many exact cosines at once

Depends on numpy, numba and faiss only; exact_search on torch instead of faiss.
"""
