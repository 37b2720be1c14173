"""Facility location against greedy choice in plain Python and the best of all subsets; targets against numpy.

Run: python -m pytest tests/graph_sort/test_subset.py
"""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sequitur.graph_sort import subset
from sequitur.graph_sort.graph import from_neighbors

RANDOM_GRAPH = {"n": st.integers(0, 14), "seed": st.integers(0, 2**32 - 1)}


def rows_of(graph):
    """Of each node, its own weight 1 and those of its neighbours, in the order of the row."""
    return [
        {i: 1.0}
        | {int(graph.neighbor[e]): float(graph.weight[e]) for e in range(graph.offsets[i], graph.offsets[i + 1])}
        for i in range(len(graph.offsets) - 1)
    ]


def value(rows, chosen):
    return sum(max([0.0, *(rows[j].get(i, 0.0) for j in chosen)]) for i in range(len(rows)))


def greedy(rows, count):
    covered, found = [0.0] * len(rows), []
    for _ in range(count):
        gains = {
            j: sum(max(0.0, weight - covered[i]) for i, weight in rows[j].items())
            for j in range(len(rows))
            if j not in found
        }
        found.append(min(gains, key=lambda j: (-gains[j], j)))
        for i, weight in rows[found[-1]].items():
            covered[i] = max(covered[i], weight)
    return found


@settings(max_examples=60, deadline=None)
@given(**RANDOM_GRAPH)
def test_lazy_choice_is_greedy_choice(n, seed, random_neighbors):
    graph = from_neighbors(*random_neighbors(n, seed))
    rows = rows_of(graph)
    for count in range(n + 1):
        found = subset.facility_location(graph, count)
        assert found.ids.tolist() == greedy(rows, count)
        assert found.gain.sum() == pytest.approx(value(rows, found.ids.tolist()))
        expected = [max([0.0, *(rows[j].get(i, 0.0) for j in found.ids.tolist())]) for i in range(n)]
        assert subset.coverage(graph, found.ids).tolist() == expected


@pytest.mark.parametrize("seed", range(3))
def test_the_choice_is_within_the_bound_of_the_best(seed, random_neighbors):
    graph = from_neighbors(*random_neighbors(9, seed))
    rows = rows_of(graph)
    for count in range(1, 9):
        best = max(value(rows, chosen) for chosen in combinations(range(9), count))
        assert subset.facility_location(graph, count).gain.sum() >= (1 - 1 / np.e) * best


def test_gains_fall_and_one_of_each_group_is_chosen_first(unit_vectors, knn_graph):
    vectors = np.repeat(np.eye(12, dtype=np.float32), 5, axis=0)
    found = subset.facility_location(knn_graph(vectors, 4), 12)

    assert sorted(i // 5 for i in found.ids.tolist()) == list(range(12))
    assert (np.diff(subset.facility_location(knn_graph(unit_vectors(200), 6), 200).gain) <= 0).all()


def test_the_nearest_to_any_target(unit_vectors, monkeypatch):
    monkeypatch.setattr(subset, "ROWS", 7)
    monkeypatch.setattr(subset, "TARGETS", 3)
    vectors, targets = unit_vectors(60), unit_vectors(8, seed=1)
    similarity = subset.similarity_to_targets(vectors, targets)
    found = subset.nearest_to_targets(similarity, 20)

    np.testing.assert_allclose(similarity, (vectors @ targets.T).max(axis=1), atol=1e-5)
    assert set(found.ids.tolist()) == set(np.argsort(-similarity)[:20].tolist())
    assert found.gain.tolist() == sorted(similarity.tolist(), reverse=True)[:20]


def test_ties_go_to_the_lowest_id():
    assert subset.nearest_to_targets(np.array([0.5, 0.9, 0.5, 0.9, 0.5]), 3).ids.tolist() == [1, 3, 0]


def test_more_than_there_are():
    graph = from_neighbors(np.empty((3, 0), np.int64), np.empty((3, 0), np.float32))
    with pytest.raises(ValueError, match="4 of 3"):
        subset.facility_location(graph, 4)
    with pytest.raises(ValueError, match="4 of 3"):
        subset.nearest_to_targets(np.zeros(3), 4)
