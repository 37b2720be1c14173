"""Documents that met are less alike when they are ordered once more, all else hardly, and none is lost."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sequitur.graph_sort.again import LESS, NUDGE, Again
from sequitur.graph_sort.documents import ArrayDocuments
from sequitur.graph_sort.orders import find, names

N, D, LENGTH = 240, 256, 4  # in topics of about eight
OF_DOCUMENTS = {"source", "structure", "signal"}


@pytest.fixture
def documents(unit_vectors, knn_graph):
    vectors = unit_vectors(N, D)
    return ArrayDocuments(knn_graph(vectors, 12), vectors, np.ones(N, np.int64), LENGTH)


def contexts(order) -> np.ndarray:
    """int64 [n]: the context of each document, where these are of LENGTH documents one after the other."""
    found = np.empty(N, np.int64)
    found[order.permutation] = np.arange(N) // LENGTH
    return found


def met_share(now: np.ndarray, before: np.ndarray) -> float:
    a, b = np.triu_indices(N, 1)
    together = now[a] == now[b]
    return float((before[a] == before[b])[together].mean())


@settings(max_examples=20)
@given(size=st.integers(1, 40), seed=st.integers(0, 2**63 - 1), d=st.sampled_from([64, 256, 640]))
def test_nudges_of_those_that_met_sum_to_zero_and_stand_apart(size, seed, d):
    generator = np.random.default_rng(seed % 2**32)
    vectors = generator.standard_normal((size + 5, d)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    empty = np.empty(0, np.int64)
    graph = ArrayDocuments(None, vectors, empty, 1)  # type: ignore[arg-type]
    met = np.append(np.zeros(size, np.int64), [1, 1, -1, -1, -1])
    found = Again(graph, [met], seed).vectors.astype(np.float64)

    assert np.linalg.norm(found, axis=1) == pytest.approx(1, abs=2e-3)
    length = 1 / (found * vectors).sum(axis=1)  # about that of v + e, whose part along v is 1 but for v·e
    nudges = found * length[:, None] - vectors
    assert np.linalg.norm(nudges, axis=1) == pytest.approx(NUDGE, rel=0.35)
    if size > 1:
        met_each_other = nudges[:size] / np.linalg.norm(nudges[:size], axis=1, keepdims=True)
        mean = ((met_each_other @ met_each_other.T).sum() - size) / (size * (size - 1))
        assert mean == pytest.approx(-1 / (size - 1), abs=0.25 / size + 0.02)


def test_edges_between_those_that_met_weigh_less_and_rows_stay_sorted(documents):
    earlier = [np.arange(N) % 7, np.arange(N) // 9]
    graph, before = Again(documents, earlier, 1).graph, documents.graph
    weights = {}
    for node in range(N):
        for e in range(before.offsets[node], before.offsets[node + 1]):
            other = before.neighbor[e]
            times = sum(int(met[node] == met[other]) for met in earlier)
            weights[node, other] = before.weight[e] - LESS * times
    assert graph.offsets.tolist() == before.offsets.tolist()
    for node in range(N):
        row = slice(graph.offsets[node], graph.offsets[node + 1])
        keys = list(zip((-graph.weight[row]).tolist(), graph.neighbor[row].tolist(), strict=True))
        assert keys == sorted(keys)
        for weight, other in keys:
            assert -weight == pytest.approx(weights.pop((node, other)), abs=1e-6)
    assert not weights


def test_what_is_not_known_stays_unknown_and_nobody_met_without_a_context(documents):
    vectors = documents.vectors.copy()
    vectors[3] = 0
    nobody = np.full(N, -1, np.int64)
    unknown = ArrayDocuments(documents.graph, vectors, documents.lengths, LENGTH)
    again = Again(unknown, [nobody], 5)

    assert not again.vectors[3].any()
    assert again.graph.weight.tolist() == documents.graph.weight.tolist()
    assert again.lengths is unknown.lengths
    assert again.context_length == LENGTH


@pytest.mark.parametrize("name", ["contexts", "path", "iclm", "cluster", "splice", "random"])
def test_documents_meet_others(documents, name):
    order = find(name)
    first = order(documents, 1)
    met = [contexts(first)]
    for epoch in (1, 2):
        found = order(Again(documents, met, epoch), 10 + epoch)
        assert sorted(found.permutation.tolist()) == list(range(N))
        now = contexts(found)
        assert met_share(now, met[-1]) < 0.5
        met.append(now)


def test_the_same_is_drawn_again(documents):
    met = [np.arange(N) // 5]
    one, other, third = (Again(documents, met, seed).vectors for seed in (4, 4, 5))

    np.testing.assert_array_equal(one, other)
    assert (one != third).any()
    assert "contexts" in names()
