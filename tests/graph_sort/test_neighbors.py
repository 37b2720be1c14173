"""Neighbours against a full sort of all cosines. Run: python -m pytest tests/graph_sort/test_neighbors.py"""

import numpy as np
import pytest

from graph_sort.neighbors import VectorError, build_index, memory_bytes, search

ALL = np.arange(400, dtype=np.int64)


def brute_force(vectors, k):
    cosines = (vectors.astype(np.float64) @ vectors.astype(np.float64).T).astype(np.float32)
    np.fill_diagonal(cosines, -np.inf)
    return np.argsort(-cosines, axis=1, kind="stable")[:, :k], cosines


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_exact_search_is_the_full_sort(unit_vectors, dtype):
    vectors = unit_vectors(400).astype(dtype)
    found = search(build_index(vectors), vectors, vectors, ALL, 10)
    expected, cosines = brute_force(vectors, 10)
    assert (found.neighbor == expected).all()
    np.testing.assert_allclose(found.cosine, np.take_along_axis(cosines, expected, axis=1), atol=1e-6)


def test_ivf_finds_nearly_all(unit_vectors):
    vectors = unit_vectors(3000, seed=1)
    ids = np.arange(3000, dtype=np.int64)
    found = search(build_index(vectors, exact_up_to=0, seed=5), vectors, vectors, ids, 10)
    expected, _ = brute_force(vectors, 10)
    recall = np.mean([len(set(a) & set(b)) / 10 for a, b in zip(found.neighbor, expected, strict=True)])
    assert recall >= 0.95
    again = search(build_index(vectors, exact_up_to=0, seed=5), vectors, vectors, ids, 10)
    assert (found.neighbor == again.neighbor).all()


def test_the_answer_does_not_depend_on_how_many_are_asked(unit_vectors):
    vectors = unit_vectors(400)
    index = build_index(vectors)
    together = search(index, vectors, vectors, ALL, 5)
    for i in (0, 17, 399):
        alone = search(index, vectors, vectors[i : i + 1], ALL[i : i + 1], 5)
        assert (alone.neighbor[0] == together.neighbor[i]).all()
        assert (alone.cosine[0] == together.cosine[i]).all()


@pytest.mark.parametrize("exact_up_to", [400, 0])
def test_among_equals_the_lowest_ids_are_found(unit_vectors, exact_up_to):
    vectors = unit_vectors(400, seed=2)
    same = np.arange(50, 350, 3)
    vectors[same] = vectors[50]
    found = search(build_index(vectors, exact_up_to), vectors, vectors, ALL, 4)
    assert (found.neighbor[50] == [53, 56, 59, 62]).all()
    assert (found.neighbor[same[-1]] == [50, 53, 56, 59]).all()


@pytest.mark.parametrize("n", [0, 1, 2, 3])
def test_fewer_documents_than_k(unit_vectors, n):
    vectors = unit_vectors(n)
    found = search(build_index(vectors), vectors, vectors, np.arange(n, dtype=np.int64), 5)
    assert found.neighbor.shape == (n, 5)
    assert ((found.neighbor >= 0).sum(axis=1) == max(n - 1, 0)).all()
    assert np.isneginf(found.cosine[found.neighbor < 0]).all()
    assert not (found.neighbor == np.arange(n)[:, None]).any()


def test_vectors_that_cannot_be_compared_are_refused(unit_vectors):
    vectors = unit_vectors(10)
    vectors[3, 0] = np.nan
    with pytest.raises(VectorError, match="NaN"):
        build_index(vectors)
    with pytest.raises(VectorError, match=r"\[n, d\]"):
        build_index(vectors[0])
    with pytest.raises(ValueError, match="k must be"):
        search(build_index(vectors[:2]), vectors[:2], vectors[:2], ALL[:2], 0)


def test_memory_grows_with_the_corpus_and_holds_the_index():
    assert memory_bytes(1_000_000, 512, 20) > 1_000_000 * (512 * 4 + 20 * 12)
    assert memory_bytes(1_000, 512, 20) < memory_bytes(10_000, 512, 20) < memory_bytes(100_000, 512, 20)
