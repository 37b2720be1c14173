"""Search by matrix products against all pairs. Run: python -m pytest tests/graph_sort/test_cell_search.py"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sequitur.graph_sort import cell_search
from sequitur.graph_sort.cell_search import cells_from, nearest, nearest_in_cells
from sequitur.graph_sort.neighbors import Neighbors, VectorError, nothing_found, scan
from sequitur.graph_sort.vectors import dot


def unit(seed, n, d, dtype=np.float16):
    vectors = np.random.default_rng(seed).standard_normal((n, d))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(dtype)


def of_all_pairs(queries, query_ids, stored, stored_ids, k):
    found = nothing_found(len(queries), k)
    products = queries.astype(np.float64) @ stored.astype(np.float64).T
    for i, row in enumerate(products):
        ranked = sorted((-np.float32(c), j) for c, j in zip(row, stored_ids, strict=True) if j != query_ids[i])[:k]
        found.neighbor[i, : len(ranked)] = [j for _, j in ranked]
        found.cosine[i, : len(ranked)] = [-c for c, _ in ranked]
    return found


def equal(a, b):
    np.testing.assert_array_equal(a.neighbor, b.neighbor)
    np.testing.assert_array_equal(a.cosine, b.cosine)


@settings(max_examples=40)
@given(st.data())
def test_nearest_is_exact_whatever_is_tied(data):
    n, k, seed = data.draw(st.integers(0, 40)), data.draw(st.integers(1, 6)), data.draw(st.integers(0, 2**20))
    rng = np.random.default_rng(seed)
    # Sums of few multiples of 1/4 are exact in any order, so that plain numpy may serve as the oracle; ties abound.
    vectors = (rng.integers(-2, 3, (n, 4)) / 4).astype(np.float16)
    ids = rng.permutation(100)[:n].astype(np.int64)
    stored = rng.random(n) < 0.7
    equal(
        nearest(vectors, ids, vectors[stored], ids[stored], k),
        of_all_pairs(vectors, ids, vectors[stored], ids[stored], k),
    )


def test_nearest_does_not_depend_on_the_block():
    vectors = np.repeat(unit(3, 300, 96), 4, axis=0)
    ids = np.arange(len(vectors), dtype=np.int64)
    whole = nearest(vectors, ids, vectors, ids, 10)
    assert (whole.neighbor[:, :3] // 4 == ids[:, None] // 4).all()  # the three copies, in order
    one_by_one = [nearest(vectors[i : i + 1], ids[i : i + 1], vectors, ids, 10) for i in range(0, 1200, 37)]
    for i, found in zip(range(0, 1200, 37), one_by_one, strict=True):
        equal(found, Neighbors(whole.neighbor[i : i + 1], whole.cosine[i : i + 1]))


@pytest.mark.parametrize("room", [1, 7, 10**6])
def test_many_that_are_about_as_near_are_told_apart(room, monkeypatch):
    """More than the room for candidates: copies, and vectors that differ by less than BLAS rounds."""
    vectors = np.repeat(unit(3, 4, 96, np.float32), 300, axis=0)
    vectors[::2] += np.float32(2e-8) * unit(4, 600, 96, np.float32)
    ids = np.random.default_rng(5).permutation(len(vectors)).astype(np.int64)
    monkeypatch.setattr(cell_search, "STORED_BLOCK", room)
    found = nearest(vectors[:40], ids[:40], vectors, ids, 5)
    for i in range(40):
        cosine = np.array([dot(vectors[i], row) for row in vectors], np.float32)
        best = [at for at in np.lexsort((ids, -cosine)) if at != i][:5]
        assert found.neighbor[i].tolist() == ids[best].tolist()
        assert found.cosine[i].tolist() == cosine[best].tolist()


@settings(max_examples=30)
@given(st.integers(0, 2**20), st.integers(1, 8), st.integers(1, 8), st.integers(1, 9))
def test_what_the_probed_cells_hold_is_found_and_nothing_else(seed, count, probes, k):
    rng = np.random.default_rng(seed)
    vectors = unit(seed, 70, 8)
    vectors[rng.random(70) < 0.1] = 0
    home = rng.integers(-1, count, 70).astype(np.int32)
    probed = np.stack([rng.permutation(max(count, probes))[:probes] for _ in range(70)]).astype(np.int32)
    probed[probed >= count] = -1
    found = nearest_in_cells(vectors, cells_from(home, count), vectors, np.arange(70), probed, k)
    for i in range(70):
        some = np.flatnonzero(np.isin(home, probed[i][probed[i] >= 0]))
        ids = np.array([i])
        equal(
            Neighbors(found.neighbor[i : i + 1], found.cosine[i : i + 1]),
            nearest(vectors[ids], ids, vectors[some], some, k),
        )


@pytest.mark.parametrize("bytes_at_once", [1, 2**28])
def test_blocks_of_queries_and_a_memory_map_make_no_difference(bytes_at_once, monkeypatch, tmp_path):
    monkeypatch.setattr(cell_search, "QUERY_BYTES", bytes_at_once)
    monkeypatch.setattr(cell_search, "QUERY_BLOCK", 100)
    vectors = unit(6, 1000, 24)
    vectors[500:520] = 0
    np.save(tmp_path / "vectors.npy", vectors)
    mapped = np.load(tmp_path / "vectors.npy", mmap_mode="r")
    one = cells_from(np.zeros(1000, np.int32), 1)
    found = nearest_in_cells(mapped, one, mapped, np.arange(1000), np.zeros((1000, 1), np.int32), 6)
    equal(found, scan(vectors, vectors, np.arange(1000), 6))


def test_what_cannot_be_searched_is_refused():
    vectors, ids = unit(1, 20, 4), np.arange(20)
    with pytest.raises(ValueError, match="k must be"):
        nearest(vectors, ids, vectors, ids, 0)
    with pytest.raises(VectorError, match=r"\[20, 4\] and queries \[20, 3\]"):
        nearest(vectors[:, :3], ids, vectors, ids, 2)
    bad = vectors.copy()
    bad[3, 0] = np.nan
    for searched in (lambda: nearest(bad, ids, vectors, ids, 2), lambda: nearest(vectors, ids, bad, ids, 2)):
        with pytest.raises(VectorError, match="NaN"):
            searched()
