"""k-means of directions: planted clusters, no empty ones, the same bits on any number of threads.

Run: python -m pytest tests/graph_sort/test_spherical_kmeans.py
"""

import math

import faiss
import numpy as np

from sequitur.graph_sort import spherical_kmeans


def train(sample, count, seed=0, threads=1):
    return spherical_kmeans.train(sample, count, np.random.Generator(np.random.PCG64(seed)), threads)


def test_planted_clusters_are_found():
    rng = np.random.default_rng(1)
    planted = np.eye(8, dtype=np.float32)[:5]
    sample = planted[rng.integers(5, size=500)] + rng.normal(scale=0.02, size=(500, 8)).astype(np.float32)
    centroids = train(sample, 5)
    np.testing.assert_allclose(np.linalg.norm(centroids, axis=1), 1, atol=1e-6)
    assert sorted((centroids @ planted.T).argmax(axis=1)) == [0, 1, 2, 3, 4]
    assert (centroids @ planted.T).max(axis=1).min() > 0.99


def test_no_centroid_is_wasted_on_copies():
    sample = np.repeat(np.eye(6, dtype=np.float32), [95, 1, 1, 1, 1, 1], axis=0)
    centroids = train(sample, 6)
    assert sorted((centroids @ np.eye(6)).argmax(axis=1)) == [0, 1, 2, 3, 4, 5]


def test_of_many_centroids_fewer_iterations_are_made(unit_vectors, monkeypatch):
    sample, told = unit_vectors(300), []
    monkeypatch.setattr(spherical_kmeans, "MANY", 20)
    spherical_kmeans.train(sample, 21, np.random.Generator(np.random.PCG64(0)), passed=told.append)
    assert told == [1, 2, 3]
    spherical_kmeans.train(sample, 20, np.random.Generator(np.random.PCG64(0)), passed=told.append)
    assert told[3:] == list(range(1, 11))


def test_zero_vectors_leave_centroids_finite():
    assert np.isfinite(train(np.zeros((50, 4), np.float32), 3)).all()


def test_threads_do_not_matter(unit_vectors):
    sample = unit_vectors(3000, d=40)
    threads = faiss.omp_get_max_threads()
    trained = []
    for number in (1, 2):
        faiss.omp_set_num_threads(number)
        trained.append(train(sample, 70).tobytes())
    faiss.omp_set_num_threads(threads)
    trained += [train(sample, 70, threads=number).tobytes() for number in (2, 3)]
    rng, used = np.random.Generator(np.random.PCG64(0)), np.full((70, 40), np.nan, np.float32)
    trained.append(spherical_kmeans.train(sample, 70, rng, empty=lambda shape, dtype: used).tobytes())
    assert len(set(trained)) == 1
    assert trained[0] != train(sample, 70, seed=1).tobytes()


def test_a_centroid_is_the_mean_direction_of_its_vectors_in_their_order(unit_vectors):
    sample, rng = unit_vectors(400, d=12), np.random.default_rng(3)
    cell = rng.integers(0, 30, len(sample)).astype(np.int32)
    cell[cell == 4] = 5  # one has none, and stays
    expected = np.full((30, 12), 2, np.float32)
    centroids = expected.copy()
    for number in range(30):
        total = np.zeros(12)
        for row in np.flatnonzero(cell == number):
            total += sample[row]
        if total.any():
            expected[number] = total / math.sqrt(sum(value * value for value in total.tolist()))
    offsets = np.append(0, np.cumsum(np.bincount(cell, minlength=30)))
    spherical_kmeans._mean_directions(sample, np.argsort(cell, kind="stable"), offsets, centroids)
    np.testing.assert_array_equal(centroids, expected)
