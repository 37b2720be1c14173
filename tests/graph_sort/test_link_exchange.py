"""The exchange of links against every path there is. Run: python -m pytest tests/graph_sort/test_link_exchange.py"""

from itertools import pairwise, permutations

import networkx as nx
import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sequitur.graph_sort import link_exchange
from sequitur.graph_sort.graph import from_neighbors


def exchanged(graph):
    """The links that result from none at all, checked to make paths of edges; and their weight."""
    n = graph.offsets.size - 1
    link = np.full((n, 2), -1, np.int64)
    link_exchange.exchange_links(graph, link, np.arange(n, dtype=np.int64))
    found = nx.Graph((int(x), int(y)) for x, pair in enumerate(link) for y in pair if y >= 0)
    assert np.count_nonzero(link >= 0) == 2 * found.number_of_edges()
    assert nx.number_connected_components(found) + found.number_of_edges() == len(found) if len(found) else True
    assert (link[:, 0] >= 0)[link[:, 1] >= 0].all()
    return found, sum(edges(graph)[edge] for edge in found.edges)


def edges(graph):
    rows = np.repeat(np.arange(graph.offsets.size - 1), np.diff(graph.offsets))
    return {(int(a), int(b)): float(w) for a, b, w in zip(rows, graph.neighbor, graph.weight, strict=True)}


@settings(max_examples=60, deadline=None)
@given(n=st.integers(0, 60), seed=st.integers(0, 2**32 - 1))
@example(n=29, seed=173)  # of which an exchange divides a path between whose ends there is an edge
def test_links_make_paths_and_no_edge_can_be_added(random_neighbors, n, seed):
    graph = from_neighbors(*random_neighbors(n, seed))
    found, _ = exchanged(graph)
    found.add_nodes_from(range(n))
    for (a, b), w in edges(graph).items():
        if w > 1e-5 and found.degree(a) < 2 and found.degree(b) < 2:
            assert nx.has_path(found, a, b)


def test_near_the_heaviest_paths(random_neighbors):
    reached = []
    for seed in range(12):
        graph = from_neighbors(*random_neighbors(8, seed))
        weights = edges(graph)
        most = max(sum(max(weights.get(pair, 0), 0) for pair in pairwise(p)) for p in permutations(range(8)))
        weight = exchanged(graph)[1]
        assert weight <= most + 1e-6
        reached.append(weight / most if most else 1)
    assert np.mean(reached) > 0.97


def test_nothing_is_left_that_gains(random_neighbors):
    graph = from_neighbors(*random_neighbors(20, 3))
    link = np.full((20, 2), -1, np.int64)
    link_exchange.exchange_links(graph, link, np.arange(20, dtype=np.int64))
    before = link.copy()
    link_exchange.exchange_links(graph, link, np.arange(20, dtype=np.int64))
    assert (np.sort(link) == np.sort(before)).all()
