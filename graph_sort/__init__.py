"""Vectors in, permutation out: nearest neighbours, graphs, orders, contexts and the measures of an order.

Documents are nodes with dense int64 ids 0 … n−1, which are also the rows of the array of unit vectors.

    neighbors       k nearest neighbours of each document, exact or IVF
    near_duplicates which documents to drop, never by chaining
    graph           the undirected k-nearest-neighbour graph
    documents       what an order may go by
    orders          the reading orders, one file each
    packing         an order and token lengths → contexts
    metrics         what an order and its contexts are worth
    vectors         row access and the dot product by which every cosine is computed

Depends on numpy, numba and faiss only.
"""
