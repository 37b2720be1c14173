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
from sequitur.graph_sort.graph import Empty
from sequitur.graph_sort.offsets import offsets_of
from sequitur.graph_sort.vectors import dot

ITERATIONS = 10  # what faiss gives to the lists of an inverted file
MANY, FEW_ITERATIONS = 16_384, 3  # centroids; and iterations for more, which take time by the square of their number


def train(
    sample: NDArray[np.float32],
    count: int,
    rng: np.random.Generator,
    threads: int = 1,
    passed: Callable[[int], None] = lambda iterations: None,
    empty: Empty = np.empty,
) -> NDArray[np.float32]:
    """`count` unit centroids [count, d] of a sample [s, d] of finite vectors, s ≥ count; s·count·d multiplications for
    each of `iterations_for` so many.

    They start at vectors that `rng` draws. A centroid that is nearest to none moves to the vector worst served.
    `passed` is told how many iterations are done. The centroids are in an array from `empty`; memory besides: 16 bytes
    a vector of the sample, and what `cells_of` takes.

    Measured on 49,794 documents of 640 dimensions, 4,096 cells: of the 20 nearest, 64 cells of the nearest centroids
    hold .952 after 10 iterations, .944 after 3, .938 after 2, .928 after one.
    """
    centroids = empty((count, sample.shape[1]), np.float32)
    np.take(sample, np.sort(rng.choice(len(sample), size=count, replace=False)), axis=0, out=centroids)
    for iteration in range(iterations_for(count)):
        cell = cells_of(sample, centroids, 1, threads)[:, 0]
        members = np.bincount(cell, minlength=count)
        none = np.flatnonzero(members == 0)
        worst = _worst_served(sample, cell, centroids)[: len(none)] if len(none) else none
        _mean_directions(sample, np.argsort(cell, kind="stable"), offsets_of(members), centroids)
        centroids[none] = sample[worst]
        passed(iteration + 1)
    return centroids


def _worst_served(
    sample: NDArray[np.float32], cell: NDArray[np.int32], centroids: NDArray[np.float32]
) -> NDArray[np.int64]:
    """The vectors by the cosine with their centroids, the lowest first."""
    cosine = np.empty(len(sample), np.float32)
    _cosines(sample, centroids, cell, cosine)
    return np.argsort(cosine, kind="stable")


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
    sample: NDArray[np.float32],
    by_cell: NDArray[np.int64],
    offsets: NDArray[np.int64],
    centroids: NDArray[np.float32],
) -> None:
    """Make each centroid the sum of its vectors, of unit length. Those of cell c are `by_cell` from `offsets[c]` on."""
    total = np.empty(sample.shape[1], np.float64)
    for c in range(centroids.shape[0]):
        total[:] = 0
        for i in by_cell[offsets[c] : offsets[c + 1]]:
            for t in range(total.size):
                total[t] += sample[i, t]
        square = 0.0
        for t in range(total.size):
            square += total[t] * total[t]
        if square > 0:
            length = math.sqrt(square)
            for t in range(total.size):
                centroids[c, t] = total[t] / length
