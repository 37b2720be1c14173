"""Rows filled to the last token: against plain Python, by property, and with few documents cut.

Run: python -m pytest tests/graph_sort/test_filling.py
"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sequitur.graph_sort.documents import ArrayDocuments
from sequitur.graph_sort.filling import CUT, NEAREST
from sequitur.graph_sort.graph import Graph, from_neighbors
from sequitur.graph_sort.orders import contexts as contexts_order
from sequitur.graph_sort.packing import Likeness, PackedContexts, filled, stream, whole

SETTINGS = settings(max_examples=100, deadline=None)


def graph_of(n, k, rng):
    """k neighbours of each of n nodes, drawn with weights of few values, so that there are ties."""
    neighbor = np.full((n, k), -1, np.int64)
    for node in range(n):
        others = rng.permutation(np.delete(np.arange(n), node))[:k]
        neighbor[node, : others.size] = others
    weight = rng.integers(-1, 5, (n, k)).astype(np.float32) / 4
    return from_neighbors(neighbor, weight)


@st.composite
def corpora(draw, longest=40):
    """Lengths, an order that may name documents more than once, L, where contexts begin, and who is alike.

    Several may be one node: places of a document that an order repeats.
    """
    lengths = np.array(draw(st.lists(st.integers(0, longest), min_size=1, max_size=40)), np.int64)
    names = st.lists(st.integers(0, lengths.size - 1), max_size=50)
    permutation = draw(st.one_of(st.permutations(range(lengths.size)), names))
    opens = draw(st.lists(st.booleans(), min_size=len(permutation), max_size=len(permutation)))
    rng = np.random.default_rng(draw(st.integers(0, 1000)))
    nodes = lengths.size + draw(st.integers(0, 5))
    node = draw(st.sampled_from([rng.permutation(nodes)[: lengths.size], rng.integers(0, nodes, lengths.size)]))
    likeness = draw(st.sampled_from([None, Likeness(graph_of(nodes, 4, rng), node)]))
    context_length = draw(st.integers(1, 30))
    return lengths, np.array(permutation, np.int64), context_length, np.array(opens, np.bool_), likeness


def as_lists(contexts):
    pieces = list(zip(*(column.tolist() for column in contexts[1:]), strict=True))
    ends = zip(contexts.offsets, contexts.offsets[1:], strict=False)
    return [pieces[a:b] for a, b in ends]


def filled_in_plain_python(contexts, lengths, size, likeness):
    """Looks at everything anew for every piece."""
    full = sum(m for context in contexts for _, _, m in context) // size
    of_node = {}
    if likeness is not None:
        graph, node = likeness
        for number, context in enumerate(contexts):
            for d, _, m in context:
                if m < size:
                    of_node[int(node[d])] = number, m

    def edges(d):
        if likeness is None:
            return []
        row = slice(graph.offsets[node[d]], graph.offsets[node[d] + 1])
        return list(zip(graph.neighbor[row].tolist(), graph.weight[row].tolist(), strict=True))

    def worth(number):
        total = 0.0
        for d, _, m in contexts[number]:
            total += m * m
            if likeness is not None and of_node.get(int(node[d]), (-1,))[0] == number:
                total += sum(w * m * of_node[o][1] for o, w in edges(d) if of_node.get(o, (-1,))[0] == number)
        return total / size / size

    def loss(number):
        complete = [m for _, _, m in contexts[number]] == [size]
        return complete, worth(number) + CUT * sum(m == lengths[d] for d, _, m in contexts[number]), number

    dissolved = set(sorted(range(len(contexts)), key=loss)[: len(contexts) - full])
    rows = {number: list(context) for number, context in enumerate(contexts) if number not in dissolved}
    room = {number: size - sum(m for _, _, m in row) for number, row in rows.items()}
    loose = [(number, *piece) for number in sorted(dissolved) for piece in contexts[number]]
    fillings, last = {number: [] for number in rows}, []
    for when in sorted(range(len(loose)), key=lambda i: -loose[i][3]):
        home, d, start, left = loose[when]
        alike = {}
        for other, weight in edges(d)[:NEAREST]:
            number, m = of_node.get(other, (-1, 0))
            if room.get(number):
                alike[number] = alike.get(number, 0) + max(weight, 1e-6) * m
        parts = {}
        while left:
            there = [number for number in alike if room[number]]
            there = [number for number in there if room[number] >= left] or there
            if there:
                best = max(there, key=lambda number: alike[number])
            else:
                best = min((n for n in rows if room[n]), key=lambda n: (abs(n - home), n), default=None)
            if best is None:
                break
            parts[best] = min(left, room[best])
            room[best] -= parts[best]
            left -= parts[best]
        for number in sorted(parts):
            fillings[number].append((when, (d, start, parts[number])))
            start += parts[number]
        if left:
            last.append((when, (d, start, left)))
    rows = [row + [piece for _, piece in sorted(fillings[number])] for number, row in rows.items()]
    return rows + ([[piece for _, piece in sorted(last)]] if last else [])


@SETTINGS
@given(corpora())
def test_it_is_the_same_in_plain_python(corpus):
    lengths, permutation, size, opens, likeness = corpus
    found = filled(lengths, permutation, size, opens, likeness)
    expected = filled_in_plain_python(as_lists(whole(lengths, permutation, size, opens)), lengths, size, likeness)
    assert as_lists(found) == expected


@SETTINGS
@given(corpora())
def test_every_row_but_the_last_is_full_and_every_token_placed(corpus):
    lengths, permutation, size, opens, likeness = corpus
    contexts = as_lists(filled(lengths, permutation, size, opens, likeness))
    total = int(lengths[permutation].sum())
    sizes = [sum(m for _, _, m in context) for context in contexts]
    assert sizes == [size] * (total // size) + [total % size] * (total % size > 0)
    placed = [(d, t) for context in contexts for d, s, m in context for t in range(s, s + m)]
    assert sorted(placed) == sorted((d, t) for d in permutation.tolist() for t in range(lengths[d]))
    assert all(m > 0 for context in contexts for _, _, m in context)


@SETTINGS
@given(corpora())
def test_contexts_that_stay_keep_their_documents_and_their_order(corpus):
    lengths, permutation, size, opens, likeness = corpus
    before = as_lists(whole(lengths, permutation, size, opens))
    after = as_lists(filled(lengths, permutation, size, opens, likeness))
    full = int(lengths[permutation].sum()) // size
    where = iter(before)
    for row in after[:full]:
        assert any(row[: len(context)] == context for context in where)


def test_by_hand():
    """Of four contexts of 10 that hold 31 tokens the second is dissolved, whose documents are short and unlike."""
    lengths = np.array([4, 5, 4, 3, 7, 8], np.int64)
    neighbor = np.array([[1], [0], [4], [5], [2], [3]])
    likeness = Likeness(from_neighbors(neighbor, np.full((6, 1), 0.5, np.float32)), np.arange(6))
    opens = np.array([True, False, True, False, True, True])
    assert as_lists(filled(lengths, np.arange(6), 10, opens, likeness)) == [
        [(0, 0, 4), (1, 0, 5), (2, 0, 1)],  # what 2 has no room for beside 4 goes to the nearest in the order
        [(4, 0, 7), (2, 1, 3)],
        [(5, 0, 8), (3, 0, 2)],
        [(3, 2, 1)],
    ]


@pytest.mark.parametrize("size", [512, 2048])
@pytest.mark.parametrize("longest", [0.5, 4])
def test_at_most_half_as_many_documents_are_cut_as_by_stream(size, longest):
    """Of documents in topics, as `contexts` orders them; those longer than a context are left out of the count."""
    rng = np.random.default_rng(5)
    lengths = np.minimum(np.exp(rng.normal(4.7, 1.1, 3000)) + 1, longest * size).astype(np.int64)
    topics = rng.normal(size=(60, 16))[rng.integers(0, 60, lengths.size)] + 0.5 * rng.normal(size=(lengths.size, 16))
    vectors = (topics / np.linalg.norm(topics, axis=1, keepdims=True)).astype(np.float32)
    cosine = vectors @ vectors.T - 3 * np.eye(lengths.size, dtype=np.float32)
    neighbor = np.argsort(-cosine, axis=1, kind="stable")[:, :10]
    graph = from_neighbors(neighbor, np.take_along_axis(cosine, neighbor, axis=1))
    order = contexts_order.order(ArrayDocuments(graph, vectors, lengths, size), 0)
    likeness = Likeness(graph, np.arange(lengths.size))

    def cut(contexts: PackedContexts) -> int:
        return np.count_nonzero(np.bincount(contexts.document) - 1)

    ours = cut(filled(lengths, order.permutation, size, order.opens, likeness))
    assert ours <= cut(stream(lengths, order.permutation, size)) / 2


def test_without_edges_it_goes_by_the_order():
    lengths, everyone = np.array([3, 3, 3, 3, 3, 1], np.int64), np.arange(6)
    none = Graph(np.zeros(7, np.int64), np.empty(0, np.int64), np.empty(0, np.float32))
    opens = np.ones(6, np.bool_)
    ours = filled(lengths, everyone, 4, opens)
    assert as_lists(ours) == as_lists(filled(lengths, everyone, 4, opens, Likeness(none, everyone)))
    assert as_lists(ours) == [
        [(1, 0, 3), (0, 0, 1)],
        [(2, 0, 3), (0, 1, 1)],
        [(3, 0, 3), (0, 2, 1)],
        [(4, 0, 3), (5, 0, 1)],
    ]


def test_a_node_that_is_none_is_refused():
    """As of documents that were dropped before the graph was made."""
    graph = from_neighbors(np.array([[1], [0]]), np.full((2, 1), 0.5, np.float32))
    with pytest.raises(ValueError, match=r"nodes must lie in 0 … 1, not 0 … 2"):
        filled(np.full(3, 3), np.arange(3), 4, None, Likeness(graph, np.arange(3)))
