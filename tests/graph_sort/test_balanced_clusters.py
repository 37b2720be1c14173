"""Balanced clusters against the optimal assignment, and by what a capacity promises.

Run: python -m pytest tests/graph_sort/test_balanced_clusters.py
"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment

from sequitur.graph_sort import balanced_clusters as bc
from sequitur.graph_sort.products import cosines, rounded


def unit(rows):
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def planted(sizes, seed=0, noise=0.1, d=16):
    """Vectors about as many orthogonal directions as there are sizes, and the direction of each."""
    rng = np.random.default_rng(seed)
    topic = rng.permutation(np.repeat(np.arange(len(sizes)), sizes))
    return unit(np.eye(d)[topic] + noise * rng.standard_normal((len(topic), d))), topic


@pytest.mark.parametrize("sizes", [[30, 10, 6, 2], [150, 30, 15, 5]], ids=["48", "200"])
@pytest.mark.parametrize("seed", range(3))
def test_the_assignment_is_as_good_as_the_best_of_equal_loads(sizes, seed):
    vectors, _ = planted(sizes, seed, noise=0.3)
    centroids = unit(np.eye(16)[:4] + 0.1)
    n, load = len(vectors), len(vectors) // 4
    value = np.repeat(cosines(rounded(vectors), rounded(centroids)), load, axis=1)
    best = value[linear_sum_assignment(-value)].sum()

    cluster = bc.assign(vectors, centroids, np.ones(n, np.int64), balanced=True)

    assert np.bincount(cluster).max() <= bc.capacity(np.ones(n, np.int64), 4)
    assert value[np.arange(n), cluster * load].sum() >= 0.995 * best


@settings(max_examples=60, deadline=None)
@given(n=st.integers(0, 60), k=st.integers(1, 9), seed=st.integers(0, 2**32 - 1))
def test_no_cluster_holds_more_than_its_capacity_but_for_one_large_document(n, k, seed):
    rng = np.random.default_rng(seed)
    vectors = unit(rng.standard_normal((n, 5)))[rng.integers(0, max(n, 1), n)]  # some alike
    vectors[rng.random(n) < 0.1] = 0
    weights = np.minimum(rng.geometric(0.02, n), 400).astype(np.int64)
    centroids = bc.fit(vectors, weights, k, True, seed)

    cluster = bc.assign(vectors, centroids, weights, balanced=True)

    assert cluster.shape == (n,)
    if n:
        load = np.bincount(cluster, weights, len(centroids))
        mean = weights.sum() / len(centroids)
        assert load.size == min(k, n)
        assert load.max() <= max(bc.capacity(weights, len(centroids)), mean + weights.max())


def test_planted_clusters_are_found():
    vectors, topic = planted([300] * 6)
    weights = np.ones(len(topic), np.int64)
    for balanced in (False, True):
        cluster = bc.assign(vectors, bc.fit(vectors, weights, 6, balanced, 3), weights, balanced)
        assert len({(a, b) for a, b in zip(topic.tolist(), cluster.tolist(), strict=True)}) == 6


def test_tokens_not_documents_are_balanced():
    vectors, topic = planted([900, 100, 100, 100], noise=0.4)
    weights = np.where(topic == 3, 40, 1)
    free, fair = (
        bc.assign(vectors, bc.fit(vectors, weights, 4, balanced, 0), weights, balanced) for balanced in (False, True)
    )

    assert np.bincount(free, weights).max() > 2 * weights.sum() / 4
    assert np.bincount(fair, weights).max() <= bc.capacity(weights, 4)


def test_without_balance_each_goes_to_the_nearest():
    vectors, _ = planted([50, 20, 5], noise=0.5)
    centroids = unit(np.random.default_rng(1).standard_normal((7, 16)))

    cluster = bc.assign(vectors, centroids, np.ones(75, np.int64), balanced=False)

    assert cluster.tolist() == (vectors.astype(np.float64) @ centroids.T.astype(np.float64)).argmax(axis=1).tolist()
    assert cluster.tolist() == bc.nearest(vectors, centroids).tolist()


def test_blocks_change_nothing(monkeypatch):
    vectors, _ = planted([90, 60, 40], noise=0.5)
    weights = np.random.default_rng(2).integers(1, 50, 190)
    whole = bc.fit(vectors, weights, 5, True, 7)
    assigned = bc.assign(vectors, whole, weights, balanced=True)

    monkeypatch.setattr(bc, "BLOCK_COSINES", 100)

    assert bc.fit(vectors, weights, 5, True, 7).tobytes() == whole.tobytes()
    assert bc.assign(vectors, whole, weights, balanced=True).tolist() == assigned.tolist()


def test_prices_learnt_on_a_sample_balance_all(monkeypatch):
    vectors, _ = planted([3000, 600, 300, 100], noise=0.4)
    weights = np.ones(4000, np.int64)
    centroids = bc.fit(vectors, weights, 4, True, 0)
    monkeypatch.setattr(bc, "PRICED", 4000)

    cluster = bc.assign(vectors, centroids, weights, balanced=True)

    assert np.bincount(cluster, minlength=4).max() <= bc.capacity(weights, 4)


def test_centroids_have_unit_length_and_are_as_many_as_there_are_documents():
    vectors, _ = planted([2, 1])
    centroids = bc.fit(vectors, np.ones(3, np.int64), 10, True, 0)

    assert centroids.shape == (3, 16)
    np.testing.assert_allclose(np.linalg.norm(centroids, axis=1), 1, atol=1e-6)


def test_no_cluster_is_no_answer():
    with pytest.raises(ValueError, match="at least 1"):
        bc.fit(np.eye(3, dtype=np.float32), np.ones(3, np.int64), 0, True, 0)


def test_cosines_are_exact_in_any_order_of_addition():
    rows = unit(np.random.default_rng(5).standard_normal((6, 384)))
    whole = np.rint(rows.astype(np.float64) * 2**20).astype(np.int64).tolist()
    exact = [[sum(x * y for x, y in zip(a, b, strict=True)) / 2**40 for b in whole] for a in whole]

    assert cosines(rounded(rows), rounded(rows)).tolist() == exact
    np.testing.assert_allclose(exact, rows @ rows.T, atol=1e-5)
