"""Neighbours against a full sort of all cosines. Run: python -m pytest tests/graph_sort/test_neighbors.py"""

import faiss
import numpy as np
import pytest

from sequitur.graph_sort.neighbors import Neighbors, VectorError, among, merge, scan

ALL = np.arange(400, dtype=np.int64)


def brute_force(vectors, k):
    cosines = (vectors.astype(np.float64) @ vectors.astype(np.float64).T).astype(np.float32)
    np.fill_diagonal(cosines, -np.inf)
    return np.argsort(-cosines, axis=1, kind="stable")[:, :k], cosines


def same(found, expected):
    return (
        found.neighbor.tobytes() == expected.neighbor.tobytes() and found.cosine.tobytes() == expected.cosine.tobytes()
    )


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_a_scan_is_the_full_sort(unit_vectors, dtype):
    vectors = unit_vectors(400).astype(dtype)
    found = scan(vectors, vectors, ALL, 10)
    expected, cosines = brute_force(vectors, 10)
    assert (found.neighbor == expected).all()
    np.testing.assert_allclose(found.cosine, np.take_along_axis(cosines, expected, axis=1), atol=1e-6)


@pytest.mark.parametrize("block", [7, 399, 65_536])
def test_blocks_and_slabs_make_no_difference(unit_vectors, block):
    vectors = unit_vectors(400)
    found = scan(vectors, vectors[30:60], ALL[30:60], 6, block=block)
    assert same(found, scan(vectors, vectors[30:60], ALL[30:60], 6))
    tail = scan(vectors[100:], vectors[30:60], ALL[30:60], 6, first_id=100)
    assert same(found, merge(tail, scan(vectors[:100], vectors[30:60], ALL[30:60], 6)))


def test_float16_is_searched_as_the_numbers_it_holds(unit_vectors):
    """Subnormal numbers and both zeros included; a memory map is as good as an array."""
    half = unit_vectors(400).astype(np.float16)
    half[:, :4] = np.frombuffer(np.array([0x0001, 0x83FF, 0x8000, 0x0400], np.uint16).tobytes(), np.float16)
    assert same(scan(half, half, ALL, 5), scan(half.astype(np.float32), half.astype(np.float32), ALL, 5))


def test_vectors_may_be_a_memory_map(unit_vectors, tmp_path):
    vectors = unit_vectors(400).astype(np.float16)
    np.save(tmp_path / "vectors.npy", vectors)
    mapped = np.load(tmp_path / "vectors.npy", mmap_mode="r")
    assert same(scan(mapped, mapped, ALL, 5), scan(vectors, vectors, ALL, 5))


def test_threads_and_the_number_of_queries_do_not_matter(unit_vectors):
    vectors, ids = unit_vectors(3000, seed=4), np.arange(3000, dtype=np.int64)
    threads = faiss.omp_get_max_threads()
    together = []
    for number in (1, 2):
        faiss.omp_set_num_threads(number)
        together.append(scan(vectors, vectors, ids, 5))
    faiss.omp_set_num_threads(threads)
    assert same(*together)
    for i in (0, 17, 2999):
        alone = scan(vectors, vectors[i : i + 1], ids[i : i + 1], 5)
        assert same(alone, Neighbors(*(column[i : i + 1] for column in together[0])))


def test_among_equals_the_lowest_ids_are_found(unit_vectors):
    vectors = unit_vectors(400, seed=2)
    equal = np.arange(50, 350, 3)
    vectors[equal] = vectors[50]
    found = scan(vectors, vectors, ALL, 4)
    assert (found.neighbor[50] == [53, 56, 59, 62]).all()
    assert (found.neighbor[equal[-1]] == [50, 53, 56, 59]).all()


@pytest.mark.parametrize("n", [0, 1, 2, 3])
def test_fewer_documents_than_k(unit_vectors, n):
    vectors, ids = unit_vectors(n), np.arange(n, dtype=np.int64)
    found = scan(vectors, vectors, ids, 5)
    assert found.neighbor.shape == (n, 5)
    assert ((found.neighbor >= 0).sum(axis=1) == max(n - 1, 0)).all()
    assert np.isneginf(found.cosine[found.neighbor < 0]).all()
    assert not (found.neighbor == np.arange(n)[:, None]).any()


def test_merging_keeps_the_best_and_a_document_once():
    a = Neighbors(np.array([[4, 2, -1]]), np.array([[0.9, 0.5, -np.inf]], np.float32))
    b = Neighbors(np.array([[7, 1, 2]]), np.array([[0.9, 0.5, 0.5]], np.float32))
    for merged in (merge(a, b), merge(b, a)):
        assert merged.neighbor.tolist() == [[4, 7, 1]]
    nothing = Neighbors(np.array([[-1, -1, -1]]), np.full((1, 3), -np.inf, np.float32))
    assert merge(nothing, a).neighbor.tolist() == merge(a, nothing).neighbor.tolist() == [[4, 2, -1]]


def test_what_stays_moves_up():
    found = Neighbors(np.array([[4, 2, 1], [3, -1, -1]]), np.array([[0.9, 0.5, 0.4], [0.3, -np.inf, -np.inf]], "f4"))
    left = among(found, np.array([True, True, False, False, True]))
    assert left.neighbor.tolist() == [[4, 1, -1], [-1, -1, -1]]
    assert left.cosine.tolist() == [[np.float32(0.9), np.float32(0.4), -np.inf], [-np.inf] * 3]


def test_what_cannot_be_searched_is_refused(unit_vectors):
    vectors = unit_vectors(400)
    with pytest.raises(ValueError, match="k must be"):
        scan(vectors, vectors, ALL, 0)
    with pytest.raises(ValueError, match="400 queries have 2 ids"):
        scan(vectors, vectors, ALL[:2], 3)
    with pytest.raises(VectorError, match=r"\[400, 16\] and queries \[400, 8\]"):
        scan(vectors, vectors[:, :8], ALL, 3)
    bad = vectors.copy()
    bad[3, 0] = np.nan
    for searched in (lambda: scan(vectors, bad, ALL, 3), lambda: scan(bad, vectors, ALL, 3)):
        with pytest.raises(VectorError, match="NaN"):
            searched()
