"""k-means of directions (Dhillon, Modha, "Concept decompositions for large sparse text data using clustering",
Machine Learning 42, 2001), with the same bits on any number of threads: what BLAS cannot tell apart is computed
exactly, and sums are in float64, by row.
"""

import math
from collections.abc import Callable

import numpy as np
from numba import njit
from numpy.typing import NDArray

from sequitur.graph_sort.cells import cells_of
from sequitur.graph_sort.vectors import dot

ITERATIONS = 10  # what faiss gives to the lists of an inverted file
MANY, FEW_ITERATIONS = 16_384, 3  # centroids; and iterations for more, which take time by the square of their number


def train(
    sample: NDArray[np.float32],
    count: int,
    rng: np.random.Generator,
    threads: int = 1,
    passed: Callable[[int], None] = lambda iterations: None,
) -> NDArray[np.float32]:
    """`count` unit centroids [count, d] of a sample [s, d] of finite vectors, s ≥ count; s·count·d multiplications for
    each of `iterations_for` so many.

    They start at vectors that `rng` draws. A centroid that is nearest to none moves to the vector worst served.
    `passed` is told how many iterations are done.

    Measured on 49,794 documents of 640 dimensions, 4,096 cells: of the 20 nearest, 64 cells of the nearest centroids
    hold .952 after 10 iterations, .944 after 3, .938 after 2, .928 after one.
    """
    centroids = sample[np.sort(rng.choice(len(sample), size=count, replace=False))]
    for iteration in range(iterations_for(count)):
        cell = cells_of(sample, centroids, 1, threads)[:, 0]
        before = centroids.copy()
        empty = np.flatnonzero(_mean_directions(sample, cell, centroids) == 0)
        if len(empty):
            cosine = np.empty(len(sample), np.float32)
            _cosines(sample, before, cell, cosine)
            centroids[empty] = sample[np.argsort(cosine, kind="stable")[: len(empty)]]
        passed(iteration + 1)
    return centroids


def iterations_for(count: int) -> int:
    """How many iterations so many centroids are worth."""
    return ITERATIONS if count <= MANY else FEW_ITERATIONS


@njit(cache=True, nogil=True)
def _cosines(
    sample: NDArray[np.float32], centroids: NDArray[np.float32], cell: NDArray[np.int32], cosine: NDArray[np.float32]
) -> None:
    for i in range(cosine.size):
        cosine[i] = dot(sample[i], centroids[cell[i]])


@njit(cache=True, nogil=True)
def _mean_directions(
    sample: NDArray[np.float32], cell: NDArray[np.int32], centroids: NDArray[np.float32]
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
