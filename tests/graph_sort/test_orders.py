"""What holds of every order; Algorithm 1 and greedy edges against networkx.

Run: python -m pytest tests/graph_sort/test_orders.py
"""

from dataclasses import replace
from itertools import pairwise

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sequitur.graph_sort.documents import ArrayDocuments, MissingField, Terms
from sequitur.graph_sort.graph import from_neighbors
from sequitur.graph_sort.metrics import consecutive_cosines
from sequitur.graph_sort.orders import find, iclm, names, path

SETTINGS = settings(max_examples=40, deadline=None)
RANDOM_GRAPH = {"n": st.integers(0, 30), "seed": st.integers(0, 2**32 - 1)}


def documents(graph, vectors, seed=0):
    """All that an order may go by, drawn at random: lengths from none to three contexts' worth."""
    n = len(vectors)
    rng = np.random.default_rng(seed)
    counts = rng.integers(0, 6, n)
    return ArrayDocuments(
        graph,
        vectors,
        lengths=np.minimum(rng.geometric(0.01, n) - 1, 3000).astype(np.int64),
        context_length=1000,
        source=rng.integers(0, 3, n),
        structure=rng.integers(-1, 4, n),
        signal=np.where(rng.random(n) < 0.2, np.nan, rng.random(n)),
        terms=Terms(np.append(0, np.cumsum(counts)), rng.integers(0, 20, counts.sum()).astype(np.uint32)),
    )


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
    for a, b, w in sorted(edges, key=lambda e: (-e[2], e[0], e[1])):
        if taken.degree(a) < 2 and taken.degree(b) < 2 and not nx.has_path(taken, a, b):
            taken.add_edge(a, b, weight=w)
    return taken


def fragments(order):
    cuts = np.flatnonzero(np.diff(order.path)) + 1
    return [part.tolist() for part in np.split(order.permutation, cuts) if len(part)]


@pytest.mark.parametrize("name", names())
@SETTINGS
@given(**RANDOM_GRAPH)
def test_every_document_once_and_fragments_in_reading_order(random_neighbors, unit_vectors, name, n, seed):
    graph = from_neighbors(*random_neighbors(n, seed))
    order = find(name)(documents(graph, unit_vectors(n), seed), 3)
    assert set(order.permutation.tolist()) == set(range(n))
    assert len(order.permutation) == n or name == "knn"
    assert order.permutation.dtype == order.path.dtype == np.int64
    assert order.opens.dtype == np.bool_
    assert order.permutation.shape == order.path.shape == order.opens.shape
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
    assert (first.opens == again.opens).all()


@SETTINGS
@given(**RANDOM_GRAPH)
def test_iclm_is_algorithm_1(random_neighbors, unit_vectors, n, seed):
    graph = from_neighbors(*random_neighbors(n, seed))
    order = iclm.order(documents(graph, unit_vectors(n)), 0)
    assert fragments(order) == algorithm_1(as_networkx(graph))


@SETTINGS
@given(**RANDOM_GRAPH)
def test_path_without_exchange_has_the_greedy_edges(random_neighbors, unit_vectors, n, seed):
    graph = from_neighbors(*random_neighbors(n, seed))
    taken = greedy_fragments(as_networkx(graph))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(path, "ENOUGH", 0)
        found = fragments(path.order(documents(graph, unit_vectors(n)), 0))
    assert {frozenset(f) for f in found} == {frozenset(c) for c in nx.connected_components(taken)}
    assert all(taken.has_edge(a, b) for f in found for a, b in pairwise(f))


@SETTINGS
@given(**RANDOM_GRAPH)
def test_path_fragments_are_edges_no_lighter_than_the_greedy_ones(random_neighbors, unit_vectors, n, seed):
    g = as_networkx(graph := from_neighbors(*random_neighbors(n, seed)))
    found = fragments(path.order(documents(graph, unit_vectors(n)), 0))
    weight = sum(g.edges[edge]["weight"] for f in found for edge in pairwise(f))  # KeyError where there is none
    assert weight >= greedy_fragments(g).size("weight") - 1e-9


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


def test_source_keeps_sources_apart(unit_vectors, knn_graph):
    vectors = unit_vectors(300)
    given = documents(knn_graph(vectors, 5), vectors)
    order = find("source")(given, 1)
    sources = given.source[order.permutation]
    assert (np.diff(sources) >= 0).all()
    assert (order.opens[1:] == (np.diff(sources) > 0)).all()
    assert (order.path == sources).all()


def test_structure_follows_the_places_and_puts_the_others_last(unit_vectors, knn_graph):
    vectors = unit_vectors(300)
    given = documents(knn_graph(vectors, 5), vectors)
    order = find("structure")(given, 1)
    placed = np.count_nonzero(given.structure >= 0)
    assert [*zip(given.structure[order.permutation[:placed]], order.permutation[:placed], strict=True)] == sorted(
        (place, i) for i, place in enumerate(given.structure) if place >= 0
    )
    assert (given.structure[order.permutation[placed:]] == -1).all()


def test_splice_grows_trees_breadth_first(knn_graph):
    # On a circle, of the nearest two of each document one is behind it: the tree grows both ways in turn.
    angle = np.arange(12) * 2 * np.pi / 12
    vectors = np.stack([np.cos(angle), np.sin(angle)], axis=1).astype(np.float32)
    given = replace(documents(knn_graph(vectors, 2), vectors), lengths=np.full(12, 200), context_length=1000)
    order = find("splice")(given, 3)
    tree = order.permutation[order.path == 0]
    assert len(tree) == 5
    assert sorted((tree - tree[0] + 6) % 12 - 6) == [-2, -1, 0, 1, 2]
    assert abs(tree[1] - tree[2]) % 12 in (2, 10)


def test_knn_puts_neighbours_behind_each_root_while_they_fit(knn_graph, unit_vectors):
    vectors = unit_vectors(40)
    graph = knn_graph(vectors, 4)
    given = replace(documents(graph, vectors), lengths=np.full(40, 300))
    order = find("knn")(given, 3)
    for first in np.flatnonzero(order.opens):
        root, *others = order.permutation[order.path == order.path[first]]
        assert others == graph.neighbor[graph.offsets[root] :][: len(others)].tolist()
        assert len(others) == 2
    assert len(order.permutation) > 40


def bm25(asked, others, buffer):
    """Score of each of `others` for the terms `asked`, as Robertson and Zaragoza have it; idf not below 0."""
    mean = np.mean([len(text) for text in buffer])
    scores = []
    for text in others:
        score = 0.0
        for term in asked:
            holders = sum(term in one for one in buffer)
            idf = max(np.log((len(buffer) - holders + 0.5) / (holders + 0.5)), 0)
            score += idf * text.count(term) * 2.2 / (text.count(term) + 1.2 * (0.25 + 0.75 * len(text) / mean))
        scores.append(score)
    return scores


def test_bm25_reads_on_with_the_most_alike(unit_vectors, knn_graph):
    # Each document has one term alone, so that however it is drawn a query asks for that term.
    rng = np.random.default_rng(5)
    texts = [
        [int(term)] * int(times) for term, times in zip(rng.integers(0, 8, 60), rng.integers(1, 5, 60), strict=True)
    ]
    terms = Terms(np.append(0, np.cumsum([len(text) for text in texts])), np.concatenate(texts).astype(np.uint32))
    vectors = unit_vectors(60)
    given = replace(documents(knn_graph(vectors, 3), vectors), terms=terms, source=np.zeros(60, np.int64))
    order = find("bm25")(given, 2).permutation
    for i in range(1, 60):
        scores = dict(zip(order[i:], bm25(texts[order[i - 1]][:1], [texts[j] for j in order[i:]], texts), strict=True))
        assert scores[order[i]] == pytest.approx(max(scores.values()))


def test_bm25_fills_its_buffer_again(monkeypatch, unit_vectors, knn_graph):
    monkeypatch.setattr("sequitur.graph_sort.orders.bm25.BUFFER", 16)
    vectors = unit_vectors(200)
    given = documents(knn_graph(vectors, 3), vectors)
    order = find("bm25")(given, 2)
    assert sorted(order.permutation) == list(range(200))
    assert (np.diff(given.source[order.permutation]) >= 0).all()


@pytest.mark.parametrize("name", ["source", "structure", "bm25", "curriculum"])
def test_what_is_not_known_is_named(name, unit_vectors, knn_graph):
    vectors = unit_vectors(10)
    bare = ArrayDocuments(knn_graph(vectors, 3), vectors, np.ones(10, np.int64), 100)
    with pytest.raises(MissingField, match="of each of 10 documents"):
        find(name)(bare, 0)


def test_curriculum_sorts_the_contexts_by_the_signal(unit_vectors, knn_graph):
    vectors = unit_vectors(400)
    given = documents(knn_graph(vectors, 5), vectors)
    order = find("curriculum")(given, 2)
    assert order.sorted
    context = np.cumsum(order.opens) - 1
    signal, weight = given.signal[order.permutation], np.maximum(given.lengths[order.permutation], 1)
    weight = np.where(np.isnan(signal), 0, weight)
    with np.errstate(invalid="ignore"):  # of a context without any
        means = np.bincount(context, weight * np.nan_to_num(signal)) / np.bincount(context, weight)
    known = means[~np.isnan(means)]
    assert (np.diff(known) >= 0).all()
    assert np.isnan(means[len(known) :]).all()


def test_an_order_is_a_file():
    assert {"contexts", "path", "iclm", "cluster", "source", "splice", "bm25", "structure"} <= set(names())
    assert {"curriculum", "random", "knn"} <= set(names())
    with pytest.raises(KeyError):
        find("os")
