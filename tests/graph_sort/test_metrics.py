"""Each measure against its definition, written out over a matrix of all cosines.

Run: python -m pytest tests/graph_sort/test_metrics.py
"""

from itertools import combinations, pairwise, permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sequitur.graph_sort import metrics
from sequitur.graph_sort.context_documents import documents_of
from sequitur.graph_sort.documents import ArrayDocuments
from sequitur.graph_sort.graph import Graph
from sequitur.graph_sort.orders import find
from sequitur.graph_sort.packing import PackedContexts, stream

N = 200
LENGTHS = np.random.default_rng(0).integers(1, 9, N)


def contexts_of(*contexts):
    """Contexts of whole documents, each of 5 tokens."""
    document = np.array([d for context in contexts for d in context], np.int64)
    offsets = np.cumsum([0, *(len(context) for context in contexts)])
    return PackedContexts(offsets, document, np.zeros_like(document), np.full_like(document, 5))


def as_lists(contexts):
    offsets, documents = documents_of(contexts, np.arange(len(contexts.offsets) - 1))
    return [part.tolist() for part in np.split(documents, offsets[1:-1])]


@pytest.fixture(params=[np.float32, np.float16])
def vectors(request, unit_vectors):
    return unit_vectors(N).astype(request.param)


@pytest.fixture(params=[16_384, 10], ids=["one block", "many blocks"])
def block(request, monkeypatch):
    monkeypatch.setattr(metrics, "_BLOCK", request.param)


@pytest.mark.usefixtures("block")
def test_coherence(vectors):
    contexts = stream(LENGTHS, np.random.default_rng(1).permutation(N), 30)
    cosine = vectors.astype(np.float64) @ vectors.astype(np.float64).T
    members = as_lists(contexts)
    best = [[max(cosine[j, d] for j in context[:i]) for i, d in enumerate(context) if i] for context in members]
    best = np.concatenate(best)

    measured = metrics.coherence(contexts, vectors, near_duplicate=0.8)

    consecutive = [cosine[a, b] for context in members for a, b in pairwise(context)]
    assert measured.adjacency == pytest.approx(np.mean(consecutive))
    assert measured.best_previous == pytest.approx(best.mean())
    assert measured.pairwise == pytest.approx(
        np.mean([cosine[a, b] for context in members for a, b in combinations(context, 2)])
    )
    assert measured.near_duplicate_rate == pytest.approx((best >= 0.8).sum() / sum(map(len, members)))


def test_pairwise_has_a_closed_form(unit_vectors):
    vectors = unit_vectors(N)
    members = [3, 14, 15, 92, 65]
    squared = np.square(vectors[members].astype(np.float64).sum(axis=0)).sum()
    measured = metrics.coherence(contexts_of(members), vectors)
    assert measured.pairwise == pytest.approx((squared - 5) / (5 * 4), abs=1e-6)


@pytest.mark.usefixtures("block")
def test_leakage_is_the_mean_of_cross_pairs(vectors):
    contexts = stream(LENGTHS, np.arange(N), 30)
    cosine = vectors.astype(np.float64) @ vectors.astype(np.float64).T
    members = as_lists(contexts)
    reading = np.random.default_rng(2).permutation(len(members))
    expected = np.mean([cosine[np.ix_(members[a], members[b])].mean() for a, b in pairwise(reading)])
    assert metrics.leakage(contexts, vectors, reading).neighboring == pytest.approx(expected, abs=1e-6)


def test_leakage_tells_a_path_from_a_shuffle(unit_vectors, knn_graph):
    vectors = unit_vectors(2000)
    documents = ArrayDocuments(knn_graph(vectors, 10), vectors, np.full(2000, 5), 20)
    order = find("path")(documents, 0)
    contexts = stream(np.full(2000, 5), order.permutation, 20)
    as_written = np.arange(len(contexts.offsets) - 1)
    assert metrics.leakage(contexts, vectors, as_written).z > 10
    rng = np.random.default_rng(3)
    shuffled = [metrics.leakage(contexts, vectors, rng.permutation(as_written)).z for _ in range(20)]
    assert abs(np.mean(shuffled)) < 1
    assert 0.5 < np.std(shuffled) < 2


@pytest.mark.parametrize("count", [2, 3, 4, 6])
def test_chance_is_what_all_reading_orders_have(vectors, count):
    contexts = contexts_of(*np.split(np.arange(2 * count), count))
    orders = [np.array(one) for one in permutations(range(count))]
    found = [metrics.leakage(contexts, vectors, one) for one in orders]
    neighboring = [one.neighboring for one in found]
    assert found[0].chance == pytest.approx(np.mean(neighboring), abs=1e-12)
    assert found[0].chance_error == pytest.approx(np.std(neighboring), abs=1e-7)


def test_several_reading_orders_are_read_one_by_one(unit_vectors):
    contexts = contexts_of(*np.split(np.arange(30), 10))
    first, second, alone = np.array([3, 1, 2, 0]), np.array([4, 9, 6, 5, 8]), np.array([7])
    apart = [metrics.leakage(contexts, unit_vectors(N), one) for one in (first, second)]
    both = metrics.leakage(contexts, unit_vectors(N), first, alone, second)
    assert both.neighboring == pytest.approx((3 * apart[0].neighboring + 4 * apart[1].neighboring) / 7)
    assert both.chance == pytest.approx((3 * apart[0].chance + 4 * apart[1].chance) / 7)
    assert both.chance_error == pytest.approx(np.hypot(3 * apart[0].chance_error, 4 * apart[1].chance_error) / 7)


def test_padding_where_contexts_differ_in_length():
    assert metrics.placement(contexts_of([0, 1], [2]), np.array([16, 8])).padding == 9 / 24


def test_placement_of_a_stream():
    # 4 + 5 + 3 tokens in contexts of 6: the second document is cut, nothing is padded.
    contexts = stream(np.array([4, 5, 3]), np.arange(3), 6)
    assert metrics.placement(contexts, 6) == metrics.TokenUse(truncation=1 / 3, padding=0.0, repeats=0)
    assert metrics.placement(contexts, 8).padding == 0.25


def test_a_token_placed_twice_is_a_repeat():
    assert metrics.placement(contexts_of([0, 1], [2, 1], [1]), 10).repeats == 1


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 9), st.integers(1, 5)), max_size=30), st.integers(1, 4))
def test_placement_of_pieces_in_any_order(pieces, each):
    document, start, length = np.array(pieces, np.int64).reshape(-1, 3).T.copy()
    offsets = np.unique(np.append(np.arange(0, len(pieces), each), len(pieces)))
    tokens = [(one, at) for one, begin, count in pieces for at in range(begin, begin + count)]

    found = metrics.placement(PackedContexts(offsets, document, start, length), 100)

    assert found.repeats == len({token[0] for token in tokens if tokens.count(token) > 1})
    if pieces:
        split = {one for one, begin, _ in pieces if begin > 0}
        assert found.truncation == len(split) / len({one for one, _, _ in pieces})
        assert found.padding == pytest.approx(1 - len(tokens) / (100 * (len(offsets) - 1)))


@pytest.mark.usefixtures("block")
def test_same_group_share():
    contexts = contexts_of([0, 1, 2, 3], [4, 5])
    # 0–1 agree, 1–2 differ, 2–3 is unknown, 3–4 is not within a context, 4–5 agree.
    assert metrics.same_group_share(contexts, np.array([8, 8, 9, -1, 7, 7])) == pytest.approx(2 / 3)


@pytest.mark.usefixtures("block")
def test_no_path_exceeds_the_bound(unit_vectors, knn_graph):
    vectors = unit_vectors(N)
    graph = knn_graph(vectors, 10)
    documents = ArrayDocuments(graph, vectors, np.full(N, 5), 20)
    for name in ("random", "iclm", "path"):
        share = metrics.path_weight_share(graph, vectors, find(name)(documents, 0).permutation)
        assert share <= 1
    assert share > 0.85  # the last is the path


def test_bound_by_hand():
    # Rows of weights: 0 has 0.9 and 0.5, 1 has 0.9, 2 has 0.5, 3 has none.
    offsets = np.array([0, 2, 3, 4, 4])
    graph = Graph(offsets, np.array([1, 2, 0, 0]), np.array([0.9, 0.5, 0.9, 0.5], np.float32))
    assert metrics.bound(graph) == pytest.approx((0.9 + 0.5 + 0.9 + 0.5) / 2 / 3)


def test_nothing_to_measure_is_nan(unit_vectors):
    vectors = unit_vectors(N)
    alone = contexts_of([0], [1])
    assert np.isnan(metrics.coherence(alone, vectors).adjacency)
    assert np.isnan(metrics.same_group_share(alone, np.zeros(N, np.int64)))
    empty = stream(np.empty(0, np.int64), np.empty(0, np.int64), 8)
    assert np.isnan(metrics.coherence(empty, vectors[:0]).pairwise)
    assert np.isnan(metrics.leakage(empty, vectors[:0], np.empty(0, np.int64)).neighboring)
    assert np.isnan(metrics.leakage(contexts_of([0, 1]), vectors, np.zeros(1, np.int64)).z)
    assert np.isnan(metrics.placement(empty, 8).padding)
    assert metrics.consecutive_cosines(vectors, np.empty(0, np.int64)).shape == (0,)
