"""The graph against a dictionary of edges. Run: python -m pytest tests/graph_sort/test_graph.py"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sequitur.graph_sort import graph as graph_module
from sequitur.graph_sort.graph import NeighborError, from_neighbors


@settings(max_examples=50, deadline=None)
@given(
    n=st.integers(0, 30),
    seed=st.integers(0, 2**32 - 1),
    bits=st.sampled_from([1, 3, 12, 17]),
    threads=st.integers(1, 4),
)
def test_an_edge_where_either_names_the_other_with_the_larger_cosine(random_neighbors, n, seed, bits, threads):
    neighbor, cosine = random_neighbors(n, seed)
    rows = [{} for _ in neighbor]
    for i, j in np.argwhere(neighbor >= 0):
        for a, b in ((i, neighbor[i, j]), (neighbor[i, j], i)):
            rows[a][b] = max(rows[a].get(b, -1.0), float(cosine[i, j]))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(graph_module, "_BLOCK_BITS", bits)  # so several blocks, and more nodes than 16 bits tell apart
        graph = from_neighbors(neighbor, cosine, threads=threads)

    assert graph.offsets[0] == 0
    assert graph.offsets[-1] == len(graph.neighbor) == len(graph.weight)
    for i, row in enumerate(rows):
        here = slice(graph.offsets[i], graph.offsets[i + 1])
        expected = sorted(row.items(), key=lambda edge: (-edge[1], edge[0]))
        assert list(zip(graph.neighbor[here], graph.weight[here].astype(float), strict=True)) == expected


@pytest.mark.parametrize(
    ("neighbor", "message"),
    [([[1], [2]], "ids must lie in -1 … 1"), ([[1], [-2]], "found -2"), ([[0], [0]], "node 0 is its own")],
)
def test_neighbours_that_cannot_be_are_named(neighbor, message):
    with pytest.raises(NeighborError, match=message):
        from_neighbors(np.array(neighbor, np.int64), np.ones((2, 1), np.float32))


def test_shapes_must_agree():
    with pytest.raises(NeighborError, match="one shape"):
        from_neighbors(np.zeros((2, 1), np.int64), np.ones((2, 2), np.float32))
