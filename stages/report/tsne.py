"""t-SNE (van der Maaten and Hinton 2008) of some thousand points, every pair looked at.

    p(j | i) = exp(−β_i · |x_i − x_j|²) / Σ_k of the same, over the 3 · perplexity nearest, β_i by the perplexity
    p_ij     = (p(j | i) + p(i | j)) / 2n
    q_ij     = 1 / (1 + |y_i − y_j|²), over the sum of these

The divergence of q from p falls by gradient descent, from the first two coordinates on. Of so few points that is
quicker than by a tree: 0.2 s for a thousand.
"""

from __future__ import annotations

import numpy as np
from numba import njit

NEAREST = 3  # times the perplexity: neighbours that count
ITERATIONS, EXAGGERATED, EXAGGERATION = 250, 75, 12.0  # in all; at first, while clusters form, and how much p is raised
MOMENTUM, LATER_MOMENTUM = 0.5, 0.8
LEAST_STEP, BEGINNING = 50.0, 1e-4  # of the rate of learning; standard deviation of the first coordinates
BISECTIONS = 32


def tsne(points: np.ndarray, perplexity: float) -> np.ndarray:
    """Where points lie in two dimensions: float32 [n, 2] for float [n, d], n ≥ 3 and d ≥ 2.

    The first two columns of `points` are where they begin, so they should be principal components. Memory: 12·n² bytes.
    Time: about ITERATIONS · n² half nanoseconds.
    """
    together = EXAGGERATION * _affinities(points.astype(np.float64), perplexity)
    n, spread = len(points), float(points[:, 0].std()) or 1.0
    places = np.ascontiguousarray((points[:, :2] / spread * BEGINNING).T, dtype=np.float32)
    steps, gains = np.zeros_like(places), np.ones_like(places)
    rate, forces = np.float32(max(n / EXAGGERATION / 4, LEAST_STEP)), np.empty((5, n), np.float32)
    for iteration in range(ITERATIONS):
        if iteration == EXAGGERATED:
            together /= np.float32(EXAGGERATION)
        _push(places, together, forces)
        gradient = 4 * (forces[:2] - forces[2:4] / forces[4].sum(dtype=np.float64).astype(np.float32))
        gains = np.where(
            steps * gradient < 0, gains + np.float32(0.2), np.maximum(gains * np.float32(0.8), np.float32(0.01))
        )
        momentum = np.float32(MOMENTUM if iteration < EXAGGERATED else LATER_MOMENTUM)
        steps = momentum * steps - rate * gains * gradient
        places += steps
    return places.T


def divergence(points: np.ndarray, places: np.ndarray, perplexity: float) -> float:
    """Kullback and Leibler's, of q from p: what `tsne` makes small."""
    p = _affinities(points.astype(np.float64), perplexity).astype(np.float64)
    difference = places[:, None].astype(np.float64) - places[None]
    q = 1 / (1 + (difference**2).sum(axis=2))
    np.fill_diagonal(q, 0)
    return float(np.sum(p[p > 0] * np.log(p[p > 0] / (q / q.sum())[p > 0])))


def _affinities(points: np.ndarray, perplexity: float) -> np.ndarray:
    """p, float32 [n, n], symmetric, of sum 1."""
    n = len(points)
    norms = np.einsum("nd,nd->n", points, points)
    squares = np.maximum(norms[:, None] + norms - 2 * (points @ points.T), 0)
    np.fill_diagonal(squares, np.inf)
    count = min(int(NEAREST * perplexity), n - 1)
    nearest = np.argpartition(squares, count - 1, axis=1)[:, :count]
    given = np.zeros((n, n))
    near = np.take_along_axis(squares, nearest, axis=1)
    np.put_along_axis(given, nearest, _conditional(near - near.min(axis=1, keepdims=True), np.log(perplexity)), axis=1)
    return ((given + given.T) / (2 * n)).astype(np.float32)


def _conditional(squares: np.ndarray, entropy: float) -> np.ndarray:
    """p(j | i) of squared distances, float64 [n, k], such that each row has this entropy, in nats; by bisection."""
    low, high, beta = np.zeros(len(squares)), np.full(len(squares), np.inf), np.ones(len(squares))
    for _ in range(BISECTIONS):
        weight = np.exp(-squares * beta[:, None])
        total = weight.sum(axis=1)
        found = np.log(total) + beta * (squares * weight).sum(axis=1) / total
        low, high = np.where(found > entropy, beta, low), np.where(found > entropy, high, beta)
        beta = np.where(np.isinf(high), beta * 2, (low + high) / 2)
    weight = np.exp(-squares * beta[:, None])
    return weight / weight.sum(axis=1, keepdims=True)


@njit(cache=True, nogil=True, error_model="numpy")  # a check for zero would keep vectors from it
def _push(places: np.ndarray, together: np.ndarray, forces: np.ndarray) -> None:
    """Fills `forces`, float32 [5, n]: Σ p·q·(y_i − y_j) over j in x and in y, the same of q², and Σ q.

    Each loop adds to many sums, not many to one, so that it becomes vector instructions without another order of sums.
    """
    x, y, one = places[0], places[1], np.float32(1)
    forces[:] = 0
    to_x, to_y, from_x, from_y, total = forces[0], forces[1], forces[2], forces[3], forces[4]
    for j in range(x.size):
        p, x_j, y_j = together[j], x[j], y[j]
        for i in range(x.size):
            dx, dy = x[i] - x_j, y[i] - y_j
            q = one / (one + dx * dx + dy * dy)
            pull, push = p[i] * q, q * q
            to_x[i] += pull * dx
            to_y[i] += pull * dy
            from_x[i] += push * dx
            from_y[i] += push * dy
            total[i] += q
    for i in range(x.size):
        total[i] -= one  # that of each with itself
