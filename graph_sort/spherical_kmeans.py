"""k-means of directions (Dhillon, Modha, "Concept decompositions for large sparse text data using clustering",
Machine Learning 42, 2001), with the same bits on any number of threads: faiss proposes each vector's nearest centroids,
exact cosines decide, and sums are in float64, by row.
"""

import math

import faiss
import numpy as np
from numba import njit
from numpy.typing import NDArray

from sequitur.graph_sort.neighbors import nearest_lists

ITERATIONS = 10  # what faiss gives to the lists of an inverted file


def train(sample: NDArray[np.float32], count: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """`count` unit centroids [count, d] of a sample [s, d] of finite vectors, s ≥ count; 10·s·count·d multiplications.

    They start at vectors that `rng` draws. A centroid that is nearest to none moves to the vector worst served.
    """
    centroids = sample[np.sort(rng.choice(len(sample), size=count, replace=False))]
    for _ in range(ITERATIONS):
        quantizer = faiss.IndexFlatIP(sample.shape[1])
        quantizer.add(centroids)
        nearest = nearest_lists(quantizer, centroids, sample, 1)
        sizes = _mean_directions(sample, nearest.neighbor[:, 0], centroids)
        empty = np.flatnonzero(sizes == 0)
        centroids[empty] = sample[np.argsort(nearest.cosine[:, 0], kind="stable")[: len(empty)]]
    return centroids


@njit(cache=True, nogil=True)
def _mean_directions(
    sample: NDArray[np.float32], cell: NDArray[np.int64], centroids: NDArray[np.float32]
) -> NDArray[np.int64]:
    """Make each centroid the sum of its vectors, of unit length; returns how many it has."""
    count = np.zeros(centroids.shape[0], np.int64)
    total = np.zeros(centroids.shape, np.float64)
    for i in range(sample.shape[0]):
        count[cell[i]] += 1
        for t in range(sample.shape[1]):
            total[cell[i], t] += sample[i, t]
    for c in range(centroids.shape[0]):
        square = 0.0
        for t in range(centroids.shape[1]):
            square += total[c, t] * total[c, t]
        if square > 0:
            length = math.sqrt(square)
            for t in range(centroids.shape[1]):
                centroids[c, t] = total[c, t] / length
    return count
