"""Cells of bounded size that keep neighbours together, and are the same on any number of threads.

Run: python -m pytest tests/graph_sort/test_bisection.py
"""

from unittest.mock import patch

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from sequitur.graph_sort import bisection
from sequitur.graph_sort.bisection import bisect
from sequitur.graph_sort.graph import from_neighbors


def no_edges(n):
    return from_neighbors(np.full((n, 1), -1, np.int64), np.zeros((n, 1), np.float32))


def test_cells_keep_flocks_of_neighbors_together(unit_vectors):
    pairs = np.arange(600).reshape(300, 2)
    neighbor = pairs[:, ::-1].reshape(600, 1)
    graph = from_neighbors(neighbor, np.ones((600, 1), np.float32))
    cells = bisect(unit_vectors(600), graph, np.arange(600), 256, 0)
    cell_of = np.empty(600, np.int64)
    for number, cell in enumerate(cells):
        cell_of[cell] = number
    assert max(map(len, cells)) <= 256
    assert (cell_of[pairs[:, 0]] == cell_of[pairs[:, 1]]).all()


def test_cells_are_of_bounded_size_even_where_all_vectors_are_alike():
    cells = bisect(np.zeros((1000, 4), np.float16), no_edges(1000), np.arange(1000), 300, 0)
    assert sorted(np.concatenate(cells).tolist()) == list(range(1000))
    assert max(map(len, cells)) <= 300


def test_cells_part_two_clusters(unit_vectors):
    centers = unit_vectors(2, d=32, seed=1)
    vectors = np.repeat(centers, 200, axis=0) + 0.01
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    low, high = bisect(vectors, no_edges(400), np.arange(400), 200, 0)
    assert {low[0] // 200, high[0] // 200} == {0, 1}
    assert len(set(low // 200)) == len(set(high // 200)) == 1


@settings(max_examples=40)
@given(st.integers(1, 300), st.integers(0, 2**32 - 1), st.integers(2, 3))
def test_threads_cut_the_same_cells(random_neighbors, unit_vectors, n, seed, threads):
    graph, vectors = from_neighbors(*random_neighbors(n, seed)), unit_vectors(n, seed=seed % 1000)
    once = bisect(vectors, graph, np.arange(n), 20, seed)
    with patch.object(bisection, "_BLOCK", 32):
        again = bisect(vectors, graph, np.arange(n), 20, seed, threads)
    for cell, other in zip(once, again, strict=True):
        np.testing.assert_array_equal(cell, other)


@settings(max_examples=200)
@given(st.data())
def test_halves_are_those_of_sorted_flocks(data):
    """The cut that numpy makes of documents by (mean of the flock, its number, id), between two flocks."""
    n = data.draw(st.integers(2, 40))
    flock = np.array(data.draw(st.lists(st.integers(0, 6), min_size=n, max_size=n)))
    along = np.array(data.draw(st.lists(st.integers(-3, 3), min_size=n, max_size=n)))
    cell = np.sort(np.random.default_rng(n).choice(1000, n, replace=False))
    mean = np.array([along[flock == one].mean() for one in flock])
    order = np.lexsort((flock, mean))
    bounds = np.flatnonzero(np.diff(flock[order])) + 1
    half = int(bounds[np.abs(bounds - n // 2).argmin()]) if bounds.size else n // 2

    far, near = bisection._halves(cell, along.copy(), flock)

    assert near.tolist() == sorted(cell[order[:half]])
    assert far.tolist() == sorted(cell[order[half:]])
