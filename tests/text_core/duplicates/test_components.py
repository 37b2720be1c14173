import networkx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sequitur.text_core.duplicates.components import (
    UnconnectedSurvivorError,
    connected_components,
    evidence,
    evidence_of_chunks,
    star_round,
)

NODES = 12
edge_lists = st.lists(st.tuples(st.integers(0, NODES - 1), st.integers(0, NODES - 1)), max_size=20)


def edge_array(edges: list[tuple[int, int]]) -> np.ndarray:
    return np.array(edges, dtype=np.int64).reshape(-1, 2)


def graph_of(edges: list[tuple[int, int]]) -> networkx.Graph:
    graph = networkx.Graph(edges)
    graph.add_nodes_from(range(NODES))
    return graph


@settings(max_examples=50, deadline=None)
@given(edge_lists)
def test_labels_are_the_smallest_members_of_networkx_components(edges):
    expected = np.empty(NODES, dtype=np.int64)
    for component in networkx.connected_components(graph_of(edges)):
        expected[list(component)] = min(component)
    assert connected_components(edge_array(edges), NODES).tolist() == expected.tolist()


@settings(max_examples=100, deadline=None)
@given(edge_lists)
def test_star_rounds_end_in_the_same_components(edges):
    stars, before = edge_array(edges), None
    for _ in range(20):
        before, stars = stars, star_round(stars)
        if np.array_equal(before, stars):
            break
    labels = connected_components(edge_array(edges), NODES)
    assert stars.tolist() == [[node, label] for node, label in enumerate(labels.tolist()) if node != label]


def test_star_rounds_shorten_a_chain():
    nodes = np.random.default_rng(0).permutation(4096)
    stars, rounds = np.column_stack((nodes[1:], nodes[:-1])), 0
    while len(np.unique(stars[:, 1])) > 1:
        stars, rounds = star_round(stars), rounds + 1
    assert rounds <= 10
    assert len(stars) == 4095


@settings(max_examples=50, deadline=None)
@given(edge_lists, st.randoms())
def test_evidence_is_the_lowest_edge_on_a_shortest_path(edges, random):
    graph = graph_of(edges)
    survivors = np.empty(NODES, dtype=np.int64)
    for component in networkx.connected_components(graph):
        survivors[list(component)] = random.choice(sorted(component))
    expected = []
    for node in range(NODES):
        distance = networkx.single_source_shortest_path_length(graph, int(survivors[node]))
        closer = [
            index
            for index, edge in enumerate(edges)
            if node in edge and distance[sum(edge) - node] == distance[node] - 1
        ]
        expected.append(min(closer, default=-1))
    made: list[int] = []

    def empty(size: int, dtype: object) -> np.ndarray:
        made.append(size)
        return np.full(size, -7, dtype)

    assert evidence(edge_array(edges), survivors).tolist() == expected
    assert evidence(edge_array(edges), survivors, empty).tolist() == expected
    assert made == [2 * len(edges), NODES]
    for size in (1, 7):
        chunks = [edge_array(edges[start : start + size]) for start in range(0, len(edges), size)]
        assert evidence_of_chunks(chunks, survivors).tolist() == expected


def test_a_long_chain():
    nodes = 200_000
    chain = np.stack((np.arange(1, nodes), np.arange(nodes - 1)), axis=1)
    assert not connected_components(chain[::-1], nodes).any()
    assert evidence(chain, np.zeros(nodes, dtype=np.int64)).tolist() == [-1, *range(nodes - 1)]


def test_no_nodes_and_no_edges():
    nothing = edge_array([])
    assert connected_components(nothing, 0).tolist() == []
    assert connected_components(nothing, 3).tolist() == [0, 1, 2]
    assert evidence(nothing, np.arange(3)).tolist() == [-1, -1, -1]
    assert evidence(nothing, np.arange(0)).tolist() == []


def test_a_survivor_outside_its_component_is_an_error():
    with pytest.raises(UnconnectedSurvivorError, match="node 2 none to 0"):
        evidence(edge_array([(0, 1)]), np.array([0, 0, 0]))
    with pytest.raises(UnconnectedSurvivorError, match="node 2 none to 0"):
        evidence_of_chunks([edge_array([(0, 1)])], np.array([0, 0, 0]))


def test_nodes_out_of_range():
    for edge in ((0, 3), (-1, 0)):
        with pytest.raises(ValueError, match="edges must join nodes"):
            connected_components(edge_array([edge]), 3)
    with pytest.raises(ValueError, match="survivors must lie"):
        evidence(edge_array([]), np.array([1]))
