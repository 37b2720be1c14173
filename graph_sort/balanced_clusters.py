"""Spherical k-means whose clusters hold the same number of tokens, about: one cluster for each expert of a mixture.

c-BTM (Gururangan et al., arXiv 2303.14177, section 2) fits balanced k-means on a sample of the documents. Here all
documents are assigned under a capacity, too, so that every expert gets the same share of the tokens. A price on each
cluster, learnt on a sample, makes the loads equal while documents go to the cluster of the highest cosine less price:
the dual of the transportation problem. What the sample did not tell is then moved, document by document, where it
costs least.

Nothing here depends on threads, on block sizes or on the machine: cosines are exact (`graph_sort.products`), and sums
are of whole numbers or in a fixed order.
"""

import math
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from sequitur.graph_sort.products import cosines, rounded
from sequitur.graph_sort.vectors import Vectors, dot, rows_as_float32

SLACK = 0.05  # of the mean load, which a cluster may have more
SAMPLE, SAMPLE_PER_CLUSTER = 50_000, 64  # documents that fit centroids: c-BTM's batch, or more where k is large
SEEDS, SEEDS_PER_CLUSTER = 4096, 16  # documents among which k-means++ draws the first centroids
ITERATIONS = 20  # of k-means, at most
STILL = 200  # a round that moves fewer than one in so many documents is the last
BLOCK_COSINES = 2**22  # of a block: 32 MiB
PRICED = 2**23  # cosines from which prices are learnt, at most: 64 MiB
STEP, DECAY, PRICE_ROUNDS = 0.1, 0.88, 60  # of the learning of prices; the last step is 5·10⁻⁴ of the first


def fit(vectors: Vectors, weights: NDArray[np.int64], k: int, balanced: bool, seed: int) -> NDArray[np.float32]:
    """Centroids float32 [min(k, n), d], of unit length, of n unit (or zero) vectors [n, d] that weigh `weights` [n].

    k-means++ on a seeded sample (PCG64), then Lloyd's rounds, each of which assigns the sample (as `assign` does) and
    takes the mean direction of each cluster's documents; a cluster without any keeps its centroid. Ends when fewer than
    one in STILL documents moves, or after ITERATIONS.

    Time: some rounds of s·k·d multiplications, s the sample: 6 s on one core for k = 16, d = 256. Memory: 4·s·d bytes.
    Raises ValueError for k < 1.
    """
    if k < 1:
        raise ValueError(f"k must be at least 1, got {k}")
    generator = np.random.Generator(np.random.PCG64(seed))
    n, d = vectors.shape
    if n == 0:
        return np.empty((0, d), np.float32)
    rows = generator.choice(n, size=min(n, max(SAMPLE, SAMPLE_PER_CLUSTER * k)), replace=False)
    rows.sort()
    sample, weight = rows_as_float32(vectors, rows), weights[rows]
    centroids = _first_centroids(sample, min(k, n), generator)
    before = np.full(len(rows), -1, np.int64)
    for _ in range(ITERATIONS):
        cluster = assign(sample, centroids, weight, balanced)
        if np.count_nonzero(cluster != before) * STILL < len(rows):
            break
        _move(centroids, sample, cluster)
        before = cluster
    return centroids


def nearest(vectors: Vectors, centroids: NDArray[np.float32]) -> NDArray[np.int64]:
    """int64[n]: the centroid of the highest cosine, ties to the lowest: how a new document is routed. O(n·k·d)."""
    everyone, prices = np.arange(len(vectors), dtype=np.int64), np.zeros(len(centroids))
    return _best(vectors, everyone, centroids, prices, np.ones(len(centroids), np.bool_)).cluster


def capacity(weights: NDArray[np.int64], k: int) -> int:
    """What a cluster may hold: (1 + SLACK) times its share of all weights, rounded up."""
    return math.ceil((1 + SLACK) * int(weights.sum()) / k)


def assign(
    vectors: Vectors, centroids: NDArray[np.float32], weights: NDArray[np.int64], balanced: bool
) -> NDArray[np.int64]:
    """int64[n]: the cluster of each of n vectors; `balanced`: none holds more than `capacity(weights, k)`.

    Where a single document is larger than the slack, a cluster may hold the mean load and that document. Of documents
    too many for a cluster those stay that would lose most by going to their next best; the others go there, in rounds,
    each of which closes a cluster at least. Ties go to the lowest id.

    Time: n·k·d multiplications, as much again for the few hundredths of the documents that are moved, and the prices.
    On one core, k = 16, d = 256: 0.5 s for 100,000 documents, 4.2 s for a million (1.4 s where nothing is balanced).
    Memory: 40·n bytes, a block of vectors and cosines, and the cosines of at most PRICED pairs.
    """
    n, k = len(vectors), len(centroids)
    if n == 0 or not balanced:
        return nearest(vectors, centroids)
    limit, load, is_open = capacity(weights, k), np.zeros(k, np.int64), np.ones(k, np.bool_)
    prices = _prices(vectors, centroids, weights)
    cluster = np.full(n, -1, np.int64)
    left = np.arange(n, dtype=np.int64)
    while left.size and is_open.any():
        best = _best(vectors, left, centroids, prices, is_open)
        by_loss = np.lexsort((-best.margin, best.cluster))
        taken = _take(best.cluster, by_loss, weights[left], limit, load, is_open)
        cluster[left[taken]] = best.cluster[taken]
        left = left[~taken]
    _to_the_emptiest(left[np.argsort(-weights[left], kind="stable")], weights, load, cluster)
    return cluster


class _Best(NamedTuple):
    cluster: NDArray[np.int64]  # [r]
    margin: NDArray[np.float64]  # [r], value of the best cluster less that of the next; infinite if there is no other


def _best(
    vectors: Vectors,
    rows: NDArray[np.int64],
    centroids: NDArray[np.float32],
    prices: NDArray[np.float64],
    is_open: NDArray[np.bool_],
) -> _Best:
    """The open cluster of the highest cosine less price, of each of some rows."""
    names = np.flatnonzero(is_open)
    centers, price = rounded(centroids, names), prices[names]
    best = _Best(np.empty(rows.size, np.int64), np.empty(rows.size, np.float64))
    block = max(1, BLOCK_COSINES // max(names.size, vectors.shape[1], 1))
    for begin in range(0, rows.size, block):
        some = slice(begin, begin + block)
        _two_best(cosines(rounded(vectors, rows[some]), centers), price, best.cluster[some], best.margin[some])
    return best._replace(cluster=names[best.cluster])


def _prices(vectors: Vectors, centroids: NDArray[np.float32], weights: NDArray[np.int64]) -> NDArray[np.float64]:
    """Prices [k] under which all clusters of a sample of the documents have about the same load.

    The sample is every so many documents, as many as PRICED allows; zero where that is fewer than 16 a cluster.
    """
    k = len(centroids)
    step = max(1, math.ceil(len(vectors) * k / PRICED))
    rows = np.arange(0, len(vectors), step, dtype=np.int64)
    if step > 1 and rows.size < 16 * k:
        return np.zeros(k)
    values = np.empty((rows.size, k), np.float64)
    centers = rounded(centroids)
    block = max(1, BLOCK_COSINES // max(vectors.shape[1], 1))
    for begin in range(0, rows.size, block):
        values[begin : begin + block] = cosines(rounded(vectors, rows[begin : begin + block]), centers)
    prices: NDArray[np.float64] = _learn_prices(values, weights[rows].astype(np.float64))
    return prices


def _first_centroids(sample: Vectors, k: int, generator: np.random.Generator) -> NDArray[np.float32]:
    """k-means++: each next centroid is a document drawn by its squared distance to the nearest before it.

    Arthur and Vassilvitskii 2007; between unit vectors the squared distance is 2 − 2·cosine.
    """
    rows = generator.choice(len(sample), size=min(len(sample), max(SEEDS, SEEDS_PER_CLUSTER * k)), replace=False)
    candidates = rounded(sample, np.sort(rows))
    centroids = np.empty((k, candidates.shape[1]), np.float64)
    distance = np.ones(len(candidates))
    for index in range(k):
        total = np.cumsum(distance)
        drawn = np.searchsorted(total, generator.random() * total[-1], side="right")
        centroids[index] = candidates[min(int(drawn), len(candidates) - 1)]
        np.minimum(distance, np.maximum(1 - cosines(candidates, centroids[index : index + 1])[:, 0], 0), out=distance)
    return centroids.astype(np.float32)


def _move(centroids: NDArray[np.float32], sample: Vectors, cluster: NDArray[np.int64]) -> None:
    """Each centroid, in place, to the mean direction of its documents."""
    sums = np.zeros(centroids.shape, np.float64)
    block = max(1, BLOCK_COSINES // max(sample.shape[1], 1))
    for begin in range(0, len(sample), block):
        rows = slice(begin, begin + block)
        _add(rounded(sample, rows), cluster[rows], sums)
    _directions(sums, centroids)


@njit(cache=True, nogil=True)
def _add(vectors: NDArray[np.float64], cluster: NDArray[np.int64], sums: NDArray[np.float64]) -> None:
    """Adds up multiples of 2⁻²⁰, which rounds nothing below 2³³ documents."""
    for i in range(cluster.size):
        for j in range(vectors.shape[1]):
            sums[cluster[i], j] += vectors[i, j]


@njit(cache=True, nogil=True)
def _directions(sums: NDArray[np.float64], centroids: NDArray[np.float32]) -> None:
    for c in range(sums.shape[0]):
        direction = sums[c].astype(np.float32)
        length = np.sqrt(dot(direction, direction))
        if length > 0:
            for j in range(direction.size):
                centroids[c, j] = np.float32(direction[j] / length)


@njit(cache=True, nogil=True)
def _two_best(
    values: NDArray[np.float64], prices: NDArray[np.float64], cluster: NDArray[np.int64], margin: NDArray[np.float64]
) -> None:
    for i in range(values.shape[0]):
        best, first, second = 0, -np.inf, -np.inf
        for c in range(prices.size):
            value = values[i, c] - prices[c]
            if value > first:
                best, first, second = c, value, first
            elif value > second:
                second = value
        cluster[i] = best
        margin[i] = first - second


@njit(cache=True, nogil=True)
def _learn_prices(values: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Subgradient descent on the dual, Σᵢ wᵢ maxᵪ (valueᵢᵪ − priceᵪ) + Σᵪ priceᵪ · mean load, with falling steps."""
    n, k = values.shape
    prices = np.zeros(k, np.float64)
    load = np.empty(k, np.float64)
    mean = weights.sum() / k
    step = STEP
    for _ in range(PRICE_ROUNDS):
        load[:] = 0
        for i in range(n):
            best = 0
            for c in range(1, k):
                if values[i, c] - prices[c] > values[i, best] - prices[best]:
                    best = c
            load[best] += weights[i]
        for c in range(k):
            prices[c] += step * max(-1.0, min(1.0, load[c] / max(mean, 1.0) - 1))
        step *= DECAY
    return prices


@njit(cache=True, nogil=True)
def _take(
    cluster: NDArray[np.int64],
    sequence: NDArray[np.int64],
    weights: NDArray[np.int64],
    limit: int,
    load: NDArray[np.int64],
    is_open: NDArray[np.bool_],
) -> NDArray[np.bool_]:
    """Takes documents in a sequence into their clusters while they fit; a cluster that one does not fit is closed."""
    taken = np.zeros(cluster.size, np.bool_)
    for i in sequence:
        c = cluster[i]
        if load[c] + weights[i] <= limit:
            load[c] += weights[i]
            taken[i] = True
        else:
            is_open[c] = False
    return taken


@njit(cache=True, nogil=True)
def _to_the_emptiest(
    documents: NDArray[np.int64], weights: NDArray[np.int64], load: NDArray[np.int64], cluster: NDArray[np.int64]
) -> None:
    for document in documents:
        cluster[document] = np.argmin(load)
        load[cluster[document]] += weights[document]
