"""Links between documents are paths: taken as networkx would say, and laid out from end to end."""

import networkx as nx
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from sequitur.graph_sort.paths import edge_keys, fragments_of, linked, take, unlinked

EDGES = st.lists(st.tuples(st.integers(0, 11), st.integers(0, 11), st.sampled_from([-0.5, -0.0, 0.0, 0.25, 1.0])))


def greedy(n: int, edges: list[tuple[int, int, float]]) -> nx.Graph:
    """The heaviest edges first, where both ends have fewer than two and are on different paths."""
    paths = nx.empty_graph(n)
    for a, b, weight in sorted(edges, key=lambda edge: -edge[2]):
        if paths.degree[a] < 2 and paths.degree[b] < 2 and b not in nx.node_connected_component(paths, a):
            paths.add_edge(a, b, weight=weight)
    return paths


def taken(n: int, edges: list[tuple[int, int, float]]):
    a, b = (np.array([edge[side] for edge in edges], np.int64) for side in (0, 1))
    links = unlinked(n)
    keys = np.sort(edge_keys(np.array([weight for _, _, weight in edges], np.float32)))
    return links, *take(a, b, keys, links)


@given(EDGES)
@settings(deadline=None)
def test_edges_are_taken_heaviest_first_and_close_no_cycle(edges) -> None:
    edges = [edge for edge in edges if edge[0] != edge[1]]
    links, joined, weight = taken(12, edges)
    expected = greedy(12, edges)

    assert [set(row[row >= 0]) for row in links.link] == [set(expected[node]) for node in range(12)]
    assert (joined, weight) == (expected.number_of_edges(), expected.size(weight="weight"))
    assert [bool(one) for one in links.open] == [expected.degree[node] < 2 for node in range(12)]


@given(EDGES)
@settings(deadline=None)
def test_fragments_are_the_paths_from_their_lower_ends(edges) -> None:
    edges = [edge for edge in edges if edge[0] != edge[1]]
    links, _, _ = taken(12, edges)
    paths = greedy(12, edges)
    expected = []
    for members in nx.connected_components(paths):
        lower, *upper = sorted(node for node in members if paths.degree[node] < 2)
        expected.append(nx.shortest_path(paths, lower, upper[0]) if upper else [lower])

    for found in (links, linked(links.link)):
        fragments = fragments_of(found)
        pieces = np.split(fragments.document, fragments.starts[1:-1])
        assert [piece.tolist() for piece in pieces] == sorted(expected)
        assert all((fragments.of[piece] == i).all() for i, piece in enumerate(pieces))


def test_nothing_is_no_path() -> None:
    fragments = fragments_of(unlinked(0))

    assert (fragments.document.size, fragments.starts.tolist(), fragments.of.size) == (0, [0], 0)
