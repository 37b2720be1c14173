"""Exact search by torch, here on the CPU, against a scan, bit for bit.

Run: python -m pytest tests/graph_sort/test_exact_search.py
"""

import numpy as np
import pytest

from sequitur.graph_sort import exact_search
from sequitur.graph_sort.exact_search import exact_neighbors
from sequitur.graph_sort.neighbors import VectorError, scan


def same(found, expected):
    return (
        found.neighbor.tobytes() == expected.neighbor.tobytes() and found.cosine.tobytes() == expected.cosine.tobytes()
    )


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
@pytest.mark.parametrize("n", [1, 33, 700])
def test_the_bits_of_a_scan(unit_vectors, n, dtype, monkeypatch):
    monkeypatch.setattr(exact_search, "COLUMNS", 256)  # several blocks of columns, the last of them ragged
    monkeypatch.setattr(exact_search, "QUERIES", 100)
    vectors, ids = unit_vectors(n, d=19).astype(dtype), np.arange(n)
    assert same(exact_neighbors(vectors, vectors, ids, 7, "cpu"), scan(vectors, vectors, ids, 7))


@pytest.mark.parametrize(("block", "resident"), [(1, None), (37, 500), (8192, 64), (8192, 301)])
def test_blocks_and_slabs_do_not_matter(unit_vectors, block, resident):
    vectors, ids = unit_vectors(600, seed=3), np.arange(600)[5:50]
    queries = vectors[5:50]
    assert same(exact_neighbors(vectors, queries, ids, 5, "cpu", block, resident), scan(vectors, queries, ids, 5))


def test_neighbours_at_obtuse_angles_are_found():
    """Padding of the last group must not pass for a vector at a right angle."""
    vectors = np.eye(40) - 1 / 40 + np.random.default_rng(0).normal(scale=1e-3, size=(40, 40))
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)[:35]
    assert (vectors @ vectors.T < 0).sum() == 35 * 34
    assert same(exact_neighbors(vectors, vectors, np.arange(35), 3, "cpu"), scan(vectors, vectors, np.arange(35), 3))


def test_among_equals_the_lowest_ids(unit_vectors):
    vectors = unit_vectors(300, seed=2)
    vectors[100:109] = vectors[100]
    found = exact_neighbors(vectors, vectors, np.arange(300), 4, "cpu")
    assert (found.neighbor[108] == [100, 101, 102, 103]).all()


def test_fewer_than_k(unit_vectors):
    vectors = unit_vectors(3)
    found = exact_neighbors(vectors, vectors, np.arange(3), 5, "cpu")
    assert ((found.neighbor >= 0).sum(axis=1) == 2).all()
    assert np.isneginf(found.cosine[found.neighbor < 0]).all()
    assert exact_neighbors(vectors[:0], vectors[:0], np.arange(0), 5, "cpu").neighbor.shape == (0, 5)


def test_what_cannot_be_searched_is_refused(unit_vectors):
    vectors, ids = unit_vectors(10), np.arange(10)
    with pytest.raises(ValueError, match="k must be"):
        exact_neighbors(vectors, vectors, ids, 0, "cpu")
    with pytest.raises(VectorError, match=r"\[q, d\]"):
        exact_neighbors(vectors, vectors[:, :5], ids, 3, "cpu")
    with pytest.raises(ValueError, match="10 queries have 4 ids"):
        exact_neighbors(vectors, vectors, ids[:4], 3, "cpu")
    vectors[4, 2] = np.inf
    with pytest.raises(VectorError, match="infinity"):
        exact_neighbors(vectors, vectors, ids, 3, "cpu")
