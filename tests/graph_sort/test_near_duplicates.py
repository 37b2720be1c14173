"""Near-duplicates against the rule in plain Python. Run: python -m pytest tests/graph_sort/test_near_duplicates.py"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sequitur.graph_sort.near_duplicates import (
    Pairs,
    around_dropped,
    distinct,
    dropped_at,
    edge_cosines,
    keep_first,
    pair_cosines,
    pairs_above,
)
from sequitur.graph_sort.neighbors import Neighbors


def pairs(edges, cosine=None):
    edges = np.array(edges, np.int64).reshape(-1, 2)
    return Pairs(edges, np.ones(len(edges), np.float32) if cosine is None else np.array(cosine, np.float32))


def stated(found):
    return zip(found.cosine.tolist(), map(set, found.edges.tolist()), strict=True)


def in_plain_python(found, n, priority):
    cosine = {}
    for (a, b), c in zip(found.edges.tolist(), found.cosine.tolist(), strict=True):
        if a != b:
            for pair in ((a, b), (b, a)):
                cosine[pair] = max(c, cosine.get(pair, -1.0))
    kept = set()
    for i in sorted(range(n), key=lambda i: (priority[i], i)):
        if not any((i, j) in cosine for j in kept):
            kept.add(i)
    return [-1 if i in kept else min((-cosine[i, j], j) for j in kept if (i, j) in cosine)[1] for i in range(n)]


def used(shape, dtype):
    """An array that something is in."""
    return np.full(shape, 7, dtype)


@settings(max_examples=50, deadline=None)
@given(st.data())
def test_greedy_by_priority(data):
    n = data.draw(st.integers(1, 12))
    node = st.integers(0, n - 1)
    listed = data.draw(st.lists(st.tuples(node, node, st.sampled_from([0.9, 0.95, 1.0])), max_size=30))
    found = pairs([edge[:2] for edge in listed], [edge[2] for edge in listed])
    priority = data.draw(st.lists(st.integers(0, 3), min_size=n, max_size=n))
    duplicates = keep_first(found, n, np.array(priority, np.int64), used)
    assert keep_first(found, n).of.tolist() == in_plain_python(found, n, [0] * n)
    expected = in_plain_python(found, n, priority)
    assert duplicates.of.tolist() == expected
    cosine = [max((c for c, pair in stated(found) if pair == {i, j}), default=0) for i, j in enumerate(expected)]
    assert duplicates.cosine.tolist() == cosine
    once = distinct(found)
    assert {tuple(edge) for edge in once.edges.tolist()} == {tuple(sorted(edge)) for edge in found.edges.tolist()}
    assert len(once.edges) == len({tuple(edge) for edge in once.edges.tolist()})


def test_ids_may_be_of_more_than_32_bits():
    far = 2**40
    once = distinct(pairs([[far + 1, far], [1, 0], [far, far + 1], [1, far]], [0.9, 0.8, 0.7, 0.6]))
    assert once.edges.tolist() == [[0, 1], [1, far], [far, far + 1]]
    assert once.cosine.round(1).tolist() == np.array([0.8, 0.6, 0.9], np.float32).tolist()


def test_a_chain_is_not_merged():
    assert keep_first(pairs([[0, 1], [1, 2], [2, 3]]), 4).of.tolist() == [-1, 0, -1, 2]


def test_priority_chooses_the_survivor():
    assert keep_first(pairs([[0, 1]]), 2, np.array([5, 1], np.int64)).of.tolist() == [1, -1]


def test_no_pairs_no_documents():
    assert keep_first(pairs([]), 3).of.tolist() == [-1, -1, -1]
    assert keep_first(pairs([]), 0).of.tolist() == []
    assert distinct(pairs([])).edges.tolist() == []
    assert dropped_at([pairs([])], 3, [0.9]) == dropped_at([], 0, [0.9]) == [0]


def test_an_unknown_document_is_named():
    with pytest.raises(ValueError, match=r"0 … 2"):
        keep_first(pairs([[0, 3]]), 3)


def test_a_priority_for_each_document():
    with pytest.raises(ValueError, match=r"priority must be \[3\]"):
        keep_first(pairs([[0, 1]]), 3, np.zeros(2, np.int64))


def test_pairs_above_the_threshold():
    neighbors = Neighbors(
        np.array([[1, 2], [0, -1], [0, 1]], np.int64),
        np.array([[0.97, 0.95], [0.97, -np.inf], [0.95, 0.2]], np.float32),
    )
    found = pairs_above(neighbors, 0.95)
    assert found.edges.tolist() == [[0, 1], [0, 2], [1, 0], [2, 0]]
    assert keep_first(found, 3).of.tolist() == [-1, 0, 0]


def test_what_other_thresholds_would_drop():
    by_higher = [pairs([[3, 4]], [0.91]), pairs([[7, 90], [90, 200]], [0.97, 0.94])]
    assert dropped_at(by_higher, 201, [0.9, 0.92, 0.95, 0.99]) == [2, 1, 1, 0]  # 200 stays: what it is near to does not


@given(
    st.lists(st.tuples(st.integers(0, 11), st.integers(0, 11), st.sampled_from([0.9, 0.93, 0.95, 0.99])), max_size=40),
    st.integers(0, 12),
)
def test_other_thresholds_drop_what_keep_first_would(found, bound):
    several = [(min(a, b), max(a, b), cosine) for a, b, cosine in found if a != b]
    several.sort(key=lambda pair: pair[1])
    blocks = [[pair for pair in several if (pair[1] < bound) == below] for below in (True, False)]
    thresholds = [0.9, 0.93, 0.94, 0.99]
    expected = [
        int((keep_first(pairs([pair[:2] for pair in kept], [pair[2] for pair in kept]), 12).of >= 0).sum())
        for kept in ([pair for pair in several if pair[2] >= threshold] for threshold in thresholds)
    ]
    given_blocks = [pairs([pair[:2] for pair in block], [pair[2] for pair in block]) for block in blocks]
    assert dropped_at(given_blocks, 12, thresholds) == expected


@pytest.mark.parametrize(
    "blocks", [[[[1, 0]]], [[[0, 2], [0, 1]]], [[[0, 2]], [[0, 1]]], [[[0, 3]]], [[[-1, 1]]]], ids=str
)
def test_pairs_in_another_sequence_are_refused(blocks):
    with pytest.raises(ValueError, match="by the higher"):
        dropped_at([pairs(block) for block in blocks], 3, [0.9])
    with pytest.raises(ValueError, match="at most 16"):
        dropped_at([], 3, [0.9] * 17)


def test_cosines_of_pairs():
    vectors = np.array([[1, 0], [0.6, 0.8], [0, 0]], np.float16)
    np.testing.assert_allclose(pair_cosines(vectors[[0, 1, 1]], vectors[[1, 1, 2]]), [0.6, 1, 0], atol=1e-3)


@pytest.mark.parametrize("kind", [np.float16, np.float32])
def test_cosines_of_edges_are_those_of_their_rows(kind):
    rng = np.random.default_rng(0)
    vectors, edges = rng.standard_normal((20, 9)).astype(kind), rng.integers(0, 20, (50, 2))
    expected = pair_cosines(vectors[edges[:, 0]], vectors[edges[:, 1]])
    np.testing.assert_array_equal(edge_cosines(vectors, edges), expected)
    assert edge_cosines(vectors, edges[:0]).tolist() == []


def test_those_that_stay_around_a_dropped_one_are_named():
    edges = np.array([[0, 3], [1, 3], [2, 3], [5, 4], [0, 6], [1, 6]])
    pairs = Pairs(edges, np.full(len(edges), 0.9, np.float32))
    duplicates = keep_first(pairs, 7)
    assert np.flatnonzero(duplicates.of >= 0).tolist() == [3, 5, 6]
    assert around_dropped(pairs, duplicates).tolist() == [[0, 1], [0, 2]]
    nothing = Pairs(edges[:0], pairs.cosine[:0])
    assert around_dropped(nothing, keep_first(nothing, 7)).shape == (0, 2)
