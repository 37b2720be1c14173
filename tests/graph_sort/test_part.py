"""A part of the documents is what networkx and plain indexing make of it."""

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sequitur.graph_sort.documents import ArrayDocuments, MissingField, Terms
from sequitur.graph_sort.graph import from_neighbors
from sequitur.graph_sort.orders import find
from sequitur.graph_sort.part import Part, induced


def edges_of(graph):
    return {
        (i, int(graph.neighbor[e])): float(graph.weight[e])
        for i in range(len(graph.offsets) - 1)
        for e in range(graph.offsets[i], graph.offsets[i + 1])
    }


@settings(max_examples=50, deadline=None)
@given(n=st.integers(0, 25), seed=st.integers(0, 2**32 - 1))
def test_the_induced_graph(n, seed, random_neighbors):
    graph = from_neighbors(*random_neighbors(n, seed))
    members = np.flatnonzero(np.random.default_rng(seed).random(n) < 0.5)
    g = nx.Graph([(a, b, {"weight": weight}) for (a, b), weight in edges_of(graph).items()])
    place = {int(member): i for i, member in enumerate(members)}

    part = induced(graph, members)

    expected = g.subgraph(members.tolist()).edges(data="weight")
    assert edges_of(part) == {(place[x], place[y]): weight for a, b, weight in expected for x, y in ((a, b), (b, a))}
    rows = [edges for i in range(len(members)) for edges in [slice(part.offsets[i], part.offsets[i + 1])]]
    for row in rows:
        keys = list(zip((-part.weight[row]).tolist(), part.neighbor[row].tolist(), strict=True))
        assert keys == sorted(keys)


def test_what_is_known_of_the_members(unit_vectors, knn_graph):
    vectors = unit_vectors(6)
    documents = ArrayDocuments(
        knn_graph(vectors, 2),
        vectors,
        lengths=np.arange(6, dtype=np.int64),
        context_length=9,
        source=np.array([0, 0, 1, 1, 2, 2]),
        terms=Terms(np.array([0, 2, 2, 3, 6, 6, 7]), np.arange(7, dtype=np.uint32)),
    )
    part = Part(documents, np.array([1, 3, 5]))

    assert (part.context_length, part.lengths.tolist(), part.source.tolist()) == (9, [1, 3, 5], [0, 1, 2])
    np.testing.assert_array_equal(part.vectors, vectors[[1, 3, 5]])
    assert (part.terms.offsets.tolist(), part.terms.ids.tolist()) == ([0, 0, 3, 4], [3, 4, 5, 6])
    with pytest.raises(MissingField, match="place in a structure"):
        find("structure")(part, 0)
    assert sorted(find("path")(part, 0).permutation.tolist()) == [0, 1, 2]


def test_arrays_are_made_as_one_says(random_neighbors):
    made = []

    def empty(shape, dtype):
        made.append(np.zeros(shape, dtype))
        return made[-1]

    neighbor, cosine = random_neighbors(25, 3)
    members = np.arange(0, 25, 2)
    graph = from_neighbors(neighbor, cosine, empty)
    part = induced(graph, members, empty)

    for found, expected in zip(
        (*graph, *part), (*(plain := from_neighbors(neighbor, cosine)), *induced(plain, members)), strict=True
    ):
        np.testing.assert_array_equal(found, expected)
    for array in (graph.neighbor, graph.weight, part.neighbor, part.weight):
        assert any(np.shares_memory(array, one) for one in made)
