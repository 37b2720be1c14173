"""Search by cells against all pairs. Run: python -m pytest tests/graph_sort/test_cells.py"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sequitur.graph_sort import cells
from sequitur.graph_sort.cell_search import nearest
from sequitur.graph_sort.cells import QUERY, STORED
from sequitur.graph_sort.neighbors import Neighbors, merge, nothing_found


def unit(seed, n, d, dtype=np.float16):
    vectors = np.random.default_rng(seed).standard_normal((n, d))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(dtype)


def equal(a, b):
    np.testing.assert_array_equal(a.neighbor, b.neighbor)
    np.testing.assert_array_equal(a.cosine, b.cosine)


@settings(max_examples=20)
@given(st.integers(0, 2**20), st.integers(1, 40), st.integers(1, 500))
def test_cells_do_not_depend_on_how_many_vectors_are_compared_at_a_time(seed, centroid_count, products):
    vectors, centroids = unit(seed, 70, 8), unit(seed + 1, centroid_count, 8, np.float32)
    expected = cells.cells_of(vectors, centroids, 5)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cells, "PRODUCTS", products // 2)
        patch.setattr(cells, "MOST_PRODUCTS", products)
        assert cells.rows_of_block(centroid_count) * centroid_count <= max(products, centroid_count)
        np.testing.assert_array_equal(cells.cells_of(vectors, centroids, 5), expected)


@settings(max_examples=20)
@given(st.integers(0, 2**20), st.integers(1, 30), st.integers(1, 4), st.integers(1, 40))
def test_tasks_of_all_cells_give_the_exact_lists_however_cells_are_cut(seed, most, parts, centroid_count):
    n, d, k = 60, 8, 5
    rng = np.random.default_rng(seed)
    vectors = np.repeat(unit(seed, n // 2, d), 2, axis=0)  # every document twice
    ordinals = np.arange(n, dtype=np.int64)
    roles = rng.integers(0, 4, n).astype(np.uint8)
    assigned = cells.cells_of(vectors, unit(seed + 1, centroid_count, d, np.float32), centroid_count)
    stored = np.bincount(assigned[(roles & STORED) > 0, 0], minlength=centroid_count)
    queries = np.bincount(assigned[(roles & QUERY) > 0].reshape(-1), minlength=centroid_count)
    tasks = cells.make_tasks(stored, queries, most)
    members = {}
    for part in np.array_split(ordinals, parts):
        taking = cells.spread(tasks, part, assigned[part], roles[part])
        for task, row, role in zip(*(column.tolist() for column in taking), strict=True):
            members.setdefault(task, []).append((part[row], role))
    found = nothing_found(n, k)
    for task in rng.permutation(sorted(members)).tolist():
        ids, role = (np.array(column) for column in zip(*members[task], strict=True))
        near = nearest(vectors[ids[role & QUERY > 0]], ids[role & QUERY > 0], vectors[ids[role & STORED > 0]],
                             ids[role & STORED > 0], k)  # fmt: skip
        rows = ids[role & QUERY > 0]
        best = merge(Neighbors(found.neighbor[rows], found.cosine[rows]), near)
        found.neighbor[rows], found.cosine[rows] = best
    asking, there = np.flatnonzero(roles & QUERY), np.flatnonzero(roles & STORED)
    every = nearest(vectors[asking], asking, vectors[there], there, k)
    equal(Neighbors(found.neighbor[asking], found.cosine[asking]), every)
    assert (found.neighbor[(roles & QUERY) == 0] == -1).all()


@pytest.mark.parametrize("stride", [1, 2, 1000])
def test_blocks_are_about_equal_whatever_ordinals_meet(stride):
    ordinals = np.arange(0, 5000 * stride, stride, dtype=np.int64)
    tasks = cells.make_tasks(np.array([5000]), np.array([5000]), 100)
    roles = np.full(5000, STORED | QUERY, np.uint8)
    taking = cells.spread(tasks, ordinals, np.zeros((5000, 1), np.int32), roles)
    for role in (STORED, QUERY):
        assert np.bincount(taking.task[(taking.role & role) > 0]).max() < 160
    assert taking.task.max() == 50 * 50 - 1


def by_all_cosines(vectors, centroids):
    """The numbers of the centroids, nearest first, of each vector."""
    cosine = (vectors.astype(np.float64) @ centroids.astype(np.float64).T).astype(np.float32)
    return np.argsort(-cosine, axis=1, kind="stable")


@settings(max_examples=40)
@given(st.integers(0, 2**20), st.integers(0, 30), st.integers(1, 20), st.integers(1, 25))
def test_the_cells_of_a_vector_are_the_nearest_whatever_is_tied(seed, n, count, probes):
    rng = np.random.default_rng(seed)
    vectors, centroids = (
        rng.integers(-2, 3, (m, 4)).astype(t) / t(4) for m, t in ((n, np.float16), (count, np.float32))
    )
    found, nearest = cells.cells_of(vectors, centroids, probes, 1 + seed % 3), by_all_cosines(vectors, centroids)
    taken = min(probes, count)
    assert (found[:, 0] == nearest[:, 0]).all()
    assert (np.sort(found[:, :taken], axis=1) == np.sort(nearest[:, :taken], axis=1)).all()
    assert (np.diff(found[:, 1:taken], axis=1) > 0).all()
    assert (found[:, taken:] == -1).all()
    cell = rng.integers(-1, count, (n, 3))
    place = cells.places(vectors, centroids, cell)
    assert (place[cell < 0] == -1).all()
    assert (np.take_along_axis(nearest, np.maximum(place, 0), axis=1)[cell >= 0] == cell[cell >= 0]).all()


def test_cells_probed_are_as_many_as_the_recall_needs():
    rank = np.array([0, 0, 0, 1, 1, 2, 5, 5, 5, 9], np.int64)
    assert cells.probes_needed(rank, 0.3, 10) == (1, 0.3)
    assert cells.probes_needed(rank, 0.55, 10) == (3, 0.6)
    assert cells.probes_needed(rank, 1.0, 10) == (10, 1.0)
    assert cells.probes_needed(rank, 1.0, 6) == (6, 0.9)
    assert cells.probes_needed(np.empty(0, np.int64), 0.95, 4) == (1, 1.0)


@pytest.mark.parametrize("probes", [1, 3, 8])
def test_fewer_cells_than_are_probed(probes):
    assigned = cells.cells_of(unit(4, 5, 4), unit(5, 3, 4, np.float32), probes)
    assert assigned.shape == (5, probes)
    assert (assigned[:, 3:] == -1).all()
    assert (np.sort(assigned[:, :3], axis=1)[:, :probes] >= 0).all()


def test_centroids_may_be_some_rows_of_others():
    vectors = np.random.default_rng(2).standard_normal((50, 6)).astype(np.float32)
    np.testing.assert_array_equal(
        cells.cells_of(vectors, vectors[::7], 3), cells.cells_of(vectors, vectors[::7].copy(), 3)
    )
