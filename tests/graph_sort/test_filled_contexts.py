"""The order `contexts` for rows that are filled: it says with what, rows are full, few documents cut, and are alike.

Run: python -m pytest tests/graph_sort/test_filled_contexts.py
"""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sequitur.graph_sort import orders
from sequitur.graph_sort.documents import ArrayDocuments
from sequitur.graph_sort.graph import from_neighbors
from sequitur.graph_sort.metrics import coherence, placement
from sequitur.graph_sort.orders import contexts, curriculum
from sequitur.graph_sort.packing import Likeness, filled, stream
from sequitur.graph_sort.part import Part

LENGTH = 100


def documents_in_topics(count, size, longest, seed=5, topics=60):
    """Documents of a lognormal number of tokens, about a tenth of `size`, at most `longest` times it."""
    rng = np.random.default_rng(seed)
    lengths = np.minimum(np.exp(rng.normal(np.log(size / 8), 1.1, count)) + 1, longest * size).astype(np.int64)
    vectors = rng.normal(size=(topics, 16))[rng.integers(0, topics, count)] + 0.5 * rng.normal(size=(count, 16))
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    cosine = vectors @ vectors.T - 3 * np.eye(count, dtype=np.float32)
    neighbor = np.argsort(-cosine, axis=1, kind="stable")[:, :10]
    graph = from_neighbors(neighbor, np.take_along_axis(cosine, neighbor, axis=1))
    return ArrayDocuments(graph, vectors, lengths, size, rows_filled=True)


def packed(documents, order):
    likeness = Likeness(documents.graph, np.arange(documents.lengths.size))
    return filled(documents.lengths, order.permutation, documents.context_length, order.opens, likeness, order.fills)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 40), st.integers(0, 2**32 - 1), st.sampled_from([30, 250]))
def test_any_documents(random_neighbors, unit_vectors, n, seed, longest):
    rng = np.random.default_rng(seed)
    vectors = unit_vectors(n, seed=seed % 1000)
    vectors[rng.random(n) < 0.2] = vectors[:1]
    lengths = rng.choice([0, 1, 30, LENGTH, longest], size=n) + rng.integers(0, 2, n)
    graph = from_neighbors(*random_neighbors(n, seed))
    documents = ArrayDocuments(graph, vectors, lengths.astype(np.int64), LENGTH, rows_filled=True)
    order = contexts.order(documents, 0)
    assert orders.fault(order, n) is None
    assert order.opens[order.fills].all()
    assert not (order.fills & (lengths[order.permutation] % LENGTH == 0)).any()
    run = np.cumsum(order.opens) - 1
    assert (np.bincount(run, weights=order.fills) <= 1).all()
    assert (np.bincount(run, lengths[order.permutation] % LENGTH) <= LENGTH).all()
    found = packed(documents, order)
    tokens = np.add.reduceat(found.length, found.offsets[:-1]) if n and lengths.sum() else np.empty(0)
    assert np.count_nonzero(tokens != LENGTH) <= 1
    assert found.length.sum() == lengths.sum()
    assert placement(found, LENGTH).repeats == 0


@pytest.mark.parametrize("longest", [0.5, 4])
def test_rows_are_more_alike_than_where_contexts_are_dissolved_for_them(longest):
    documents = documents_in_topics(3000, 512, longest)
    ours, dissolved, cut = (
        packed(documents, contexts.order(documents, 0)),
        packed(documents, contexts.order(replace(documents, rows_filled=False), 0)),
        stream(documents.lengths, contexts.order(documents, 0).permutation, 512),
    )
    assert placement(ours, 512).padding < 512 / documents.lengths.sum()
    assert placement(ours, 512).truncation <= placement(cut, 512).truncation / 2
    for name in ("adjacency", "best_previous", "pairwise"):
        of_ours, of_others = (getattr(coherence(one, documents.vectors), name) for one in (ours, dissolved))
        assert of_ours > 1.03 * of_others, name


def test_tails_are_what_fills_where_there_are_enough():
    documents = documents_in_topics(2000, 64, 5)
    documents = replace(documents, lengths=6 * documents.lengths + 1)
    order = contexts.order(documents, 0)
    of_fillers = documents.lengths[order.permutation[order.fills]]
    assert np.count_nonzero(of_fillers > 64) > 0.9 * of_fillers.size
    ours = packed(documents, order)
    longer = np.count_nonzero(documents.lengths > 64)
    assert placement(ours, 64).truncation * documents.lengths.size < 1.05 * longer


def test_many_cells_and_the_same_again(monkeypatch):
    monkeypatch.setattr(contexts, "CELL", 400)
    documents = documents_in_topics(1500, 512, 2)
    order, again = contexts.order(documents, 0), contexts.order(documents, 0)
    assert orders.fault(order, 1500) is None
    assert all(np.array_equal(a, b) for a, b in zip(order, again, strict=True))
    assert placement(packed(documents, order), 512).padding < 512 / documents.lengths.sum()


def test_a_part_of_the_documents_is_asked_the_same():
    documents = documents_in_topics(300, 512, 2)
    assert contexts.order(Part(documents, np.arange(0, 300, 2)), 0).fills.any()


def test_sorted_contexts_have_none():
    documents = documents_in_topics(300, 512, 2)
    by_signal = replace(documents, signal=np.arange(300, dtype=np.float64))
    order = curriculum.order(by_signal, 0)
    assert order.fills is None
    assert np.array_equal(order.opens, curriculum.order(replace(by_signal, rows_filled=False), 0).opens)
