"""What holds of every order; Algorithm 1 and greedy edges against networkx.

Run: python -m pytest tests/graph_sort/test_orders.py
"""

from itertools import pairwise

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graph_sort.documents import ArrayDocuments
from graph_sort.graph import from_neighbors
from graph_sort.metrics import consecutive_cosines
from graph_sort.orders import find, iclm, names, path

SETTINGS = settings(max_examples=40, deadline=None)
RANDOM_GRAPH = {"n": st.integers(0, 30), "seed": st.integers(0, 2**32 - 1)}


def documents(graph, vectors, length=100, context_length=1000):
    return ArrayDocuments(graph, vectors, np.full(len(vectors), length, np.int64), context_length)


def as_networkx(graph):
    g = nx.Graph()
    g.add_nodes_from(range(len(graph.offsets) - 1))
    for i in g.nodes:
        for e in range(graph.offsets[i], graph.offsets[i + 1]):
            g.add_edge(i, int(graph.neighbor[e]), weight=float(graph.weight[e]))
    return g


def algorithm_1(g):
    """Shi et al. 2024, Algorithm 1, line by line."""
    unvisited = set(g.nodes)
    paths = []
    while unvisited:
        node = min(unvisited, key=lambda i: (g.degree(i), i))
        paths.append([])
        while node is not None:
            paths[-1].append(node)
            unvisited.remove(node)
            ahead = [j for j in g[node] if j in unvisited]
            node = min(ahead, key=lambda j: (-g[node][j]["weight"], j), default=None)
    return paths


def greedy_fragments(g):
    """Heaviest edge first, degree at most 2, no cycle: the node sets of the paths that result."""
    taken = nx.Graph()
    taken.add_nodes_from(g.nodes)
    edges = [(min(a, b), max(a, b), w) for a, b, w in g.edges(data="weight")]
    for a, b, _ in sorted(edges, key=lambda e: (-e[2], e[0], e[1])):
        if taken.degree(a) < 2 and taken.degree(b) < 2 and not nx.has_path(taken, a, b):
            taken.add_edge(a, b)
    return taken


def fragments(order):
    cuts = np.flatnonzero(np.diff(order.path)) + 1
    return [part.tolist() for part in np.split(order.permutation, cuts) if len(part)]


@pytest.mark.parametrize("name", names())
@SETTINGS
@given(**RANDOM_GRAPH)
def test_every_document_once_and_fragments_in_reading_order(random_neighbors, unit_vectors, name, n, seed):
    graph = from_neighbors(*random_neighbors(n, seed))
    order = find(name)(documents(graph, unit_vectors(n)), 3)
    assert sorted(order.permutation.tolist()) == list(range(n))
    assert order.permutation.dtype == order.path.dtype == np.int64
    assert order.path[:1].tolist() == [0] * min(n, 1)
    assert set(np.diff(order.path).tolist()) <= {0, 1}


@pytest.mark.parametrize(
    ("name", "permutation"),
    [
        ("random", [6, 15, 11, 10, 9, 3, 0, 7, 12, 5, 2, 4, 14, 1, 13, 8]),
        ("iclm", [0, 13, 8, 3, 11, 6, 1, 14, 9, 4, 12, 7, 2, 15, 10, 5]),
        ("path", [4, 9, 14, 1, 6, 11, 3, 8, 13, 0, 5, 10, 15, 2, 7, 12]),
    ],
)
def test_golden_order(knn_graph, name, permutation):
    """Shards already written were packed in this order: a change here changes every corpus sorted again."""
    i = np.arange(16)
    vectors = np.stack([np.cos(2.4 * i), np.sin(2.4 * i), np.cos(i), np.sin(i)], axis=1) / np.sqrt(2)
    vectors = vectors.astype(np.float32)
    order = find(name)(documents(knn_graph(vectors, 3), vectors), 42)
    assert order.permutation.tolist() == permutation


@pytest.mark.parametrize("name", names())
def test_same_seed_same_order(unit_vectors, knn_graph, name):
    vectors = unit_vectors(500)
    graph = knn_graph(vectors, 5)
    first, again = (find(name)(documents(graph, vectors), 7) for _ in range(2))
    assert (first.permutation == again.permutation).all()
    assert (first.path == again.path).all()


@SETTINGS
@given(**RANDOM_GRAPH)
def test_iclm_is_algorithm_1(random_neighbors, unit_vectors, n, seed):
    graph = from_neighbors(*random_neighbors(n, seed))
    order = iclm.order(documents(graph, unit_vectors(n)), 0)
    assert fragments(order) == algorithm_1(as_networkx(graph))


@SETTINGS
@given(**RANDOM_GRAPH)
def test_path_fragments_are_the_greedy_edges(random_neighbors, unit_vectors, n, seed):
    graph = from_neighbors(*random_neighbors(n, seed))
    taken = greedy_fragments(as_networkx(graph))
    found = fragments(path.order(documents(graph, unit_vectors(n)), 0))
    assert {frozenset(f) for f in found} == {frozenset(c) for c in nx.connected_components(taken)}
    assert all(taken.has_edge(a, b) for f in found for a, b in pairwise(f))


def test_path_joins_all_fragments_and_beats_iclm_and_random(unit_vectors, knn_graph):
    vectors = unit_vectors(2000, seed=4)
    graph = knn_graph(vectors, 10)
    adjacency = {
        name: consecutive_cosines(vectors, find(name)(documents(graph, vectors), 0).permutation).mean()
        for name in ("path", "iclm", "random")
    }
    assert adjacency["path"] > adjacency["iclm"] > adjacency["random"] + 0.3


def test_path_ends_when_all_documents_are_alike():
    vectors = np.zeros((3000, 4), np.float32)
    graph = from_neighbors(np.full((3000, 1), -1, np.int64), np.zeros((3000, 1), np.float32))
    assert sorted(path.order(documents(graph, vectors), 0).permutation) == list(range(3000))


def test_path_reads_float16(unit_vectors, knn_graph):
    vectors = unit_vectors(300)
    graph = knn_graph(vectors, 5)
    order = path.order(documents(graph, vectors.astype(np.float16)), 0)
    assert sorted(order.permutation) == list(range(300))
