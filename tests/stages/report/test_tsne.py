"""t-SNE against the definition of what it makes small, and against that of scikit-learn."""

import numpy as np
import pytest
from sklearn.manifold import TSNE

from sequitur.stages.report.tsne import _affinities, divergence, tsne

RNG = np.random.default_rng(0)


def clusters(n: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Points around some centres, float64 [n, 20], directions of greatest variance first; and the centre of each."""
    of = RNG.integers(0, count, n)
    points = RNG.standard_normal((count, 20))[of] * 4 + RNG.standard_normal((n, 20))
    points -= points.mean(axis=0)
    return points @ np.linalg.eigh(points.T @ points)[1][:, ::-1], of


def test_affinities_have_the_perplexity() -> None:
    points, _ = clusters(120, 3)
    squares = ((points[:, None] - points[None]) ** 2).sum(axis=2)
    given = np.zeros((120, 120))
    for i in range(120):
        near = np.argsort(squares[i])[1:31]  # three times the perplexity
        low, high = 0.0, 1e3
        for _ in range(200):
            beta = (low + high) / 2
            p = np.exp(-(squares[i, near] - squares[i, near].min()) * beta)
            p /= p.sum()
            entropy = -np.sum(p[p > 0] * np.log(p[p > 0]))
            low, high = (beta, high) if entropy > np.log(10) else (low, beta)
        given[i, near] = p
    np.testing.assert_allclose(_affinities(points, 10), (given + given.T) / 240, atol=1e-6)


def test_it_diverges_as_little_as_that_of_scikit_learn_and_keeps_clusters() -> None:
    points, of = clusters(400, 8)

    places = tsne(points, 30)

    other = TSNE(2, perplexity=30, init="pca", max_iter=400, angle=0.7, random_state=0).fit_transform(points)
    assert divergence(points, places, 30) < divergence(points, other, 30) + 0.05
    distance = ((places[:, None] - places[None]) ** 2).sum(axis=2)
    np.fill_diagonal(distance, np.inf)
    assert np.mean(of[distance.argmin(axis=1)] == of) > 0.95


def test_it_is_the_same_each_time() -> None:
    points, _ = clusters(100, 3)
    np.testing.assert_array_equal(tsne(points, 10), tsne(points, 10))


@pytest.mark.parametrize("n", [40, 41])
def test_equal_points_and_few_ones_have_places(n: int) -> None:
    points = np.zeros((n, 3))
    points[: n // 2, 0] = 1
    places = tsne(points, 5)
    assert places.shape == (n, 2)
    assert np.isfinite(places).all()
    assert places[: n // 2, 0].min() > places[n // 2 :, 0].max()
