"""Stitching makes one path of all fragments, each whole and in one direction or the other."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sequitur.graph_sort import stitching
from sequitur.graph_sort.graph import from_neighbors
from sequitur.graph_sort.paths import edge_keys, fragments_of, take, unlinked
from sequitur.graph_sort.stitching import stitch


def unit(rng: np.random.Generator, n: int, d: int = 4) -> np.ndarray:
    vectors = rng.standard_normal((n, d))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def fragments_and_graph(rng: np.random.Generator, n: int, joined: int):
    """Documents of which `joined` random pairs are tried, and a graph of three random neighbours of each."""
    links = unlinked(n)
    a, b = rng.integers(0, n, (2, joined))
    a, b = a[a != b], b[a != b]
    take(a, b, np.sort(edge_keys(rng.random(a.size).astype(np.float32))), links)
    neighbor = np.array([rng.choice(np.delete(np.arange(n), i), min(3, n - 1), replace=False) for i in range(n)])
    return fragments_of(links), from_neighbors(neighbor.reshape(n, -1), np.ones((n, min(3, n - 1)), np.float32))


@given(st.integers(0, 1000), st.integers(1, 60), st.integers(0, 80))
@settings(deadline=None)
def test_every_fragment_stays_whole_on_one_path(seed: int, n: int, joined: int) -> None:
    rng = np.random.default_rng(seed)
    fragments, graph = fragments_and_graph(rng, n, joined)
    stitched = stitch(graph, unit(rng, n), fragments)

    assert sorted(stitched.document) == list(range(n))
    found = [part.tolist() for part in np.split(stitched.document, np.flatnonzero(np.diff(stitched.fragment)) + 1)]
    pieces = [part.tolist() for part in np.split(fragments.document, fragments.starts[1:-1])]
    assert sorted(min(part, part[::-1]) for part in found) == sorted(min(part, part[::-1]) for part in pieces)


def test_gain_is_the_sum_of_the_cosines_where_fragments_meet() -> None:
    rng = np.random.default_rng(1)
    fragments, graph = fragments_and_graph(rng, 200, 150)
    vectors = unit(rng, 200)
    stitched = stitch(graph, vectors, fragments)
    cosine = np.einsum("id,id->i", vectors[stitched.document[:-1]], vectors[stitched.document[1:]])

    assert stitched.gained == pytest.approx(cosine[np.diff(stitched.fragment) == 1].sum(), abs=1e-4)


def test_many_ends_are_searched_by_cells_and_still_make_one_path(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(2)
    fragments, graph = fragments_and_graph(rng, 3000, 500)
    vectors = unit(rng, 3000)
    exact = stitch(graph, vectors, fragments)
    monkeypatch.setattr(stitching, "SEARCHED_EXACTLY", 100)
    by_cells = stitch(graph, vectors, fragments)

    assert sorted(by_cells.document) == list(range(3000))
    assert by_cells.gained > 0.95 * exact.gained


def test_ends_that_are_all_alike_are_laid_end_to_end() -> None:
    n = 300
    graph = from_neighbors(np.full((n, 1), -1), np.zeros((n, 1), np.float32))
    stitched = stitch(graph, np.zeros((n, 4), np.float32), fragments_of(unlinked(n)))

    assert sorted(stitched.document) == list(range(n))
