"""Strings that contexts hold twice: counts against sets, what exchanges are worth, and contexts that they make.

Run: python -m pytest tests/graph_sort/test_shared_strings.py
"""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sequitur.graph_sort.documents import ArrayDocuments, MissingField, StringSets
from sequitur.graph_sort.graph import from_neighbors
from sequitur.graph_sort.orders import contexts
from sequitur.graph_sort.part import Part
from sequitur.graph_sort.shared_strings import (
    PLACES,
    add,
    counted,
    exchange,
    gained,
    gained_back,
    gained_by_several,
    lost,
    most,
    move,
    nothing_exchanged,
)
from tests.graph_sort.string_documents import (
    LENGTH,
    WORTH,
    counts,
    documents_of,
    held_by,
    places_of,
    random_sets,
    repeats,
    string_sets,
)

SETTINGS = settings(max_examples=40, deadline=None)
SEEDS = {"n": st.integers(1, 40), "seed": st.integers(0, 2**32 - 1)}


@SETTINGS
@given(**SEEDS)
def test_coming_and_leaving_are_worth_what_the_repeats_change(n, seed):
    rng = np.random.default_rng(seed)
    context = rng.integers(0, 3, n)
    shared = counted(string_sets(random_sets(n, seed)), context, 3, WORTH)
    for x in rng.integers(0, n, 10).tolist():
        here, there = int(context[x]), int(rng.integers(0, 3))
        if here == there:
            continue
        before = repeats(shared, context)
        said = gained(shared, x, there) - lost(shared, x, here)
        move(shared, x, here, there)
        context[x] = there
        assert said == WORTH * (repeats(shared, context) - before)
    for c in range(3):
        assert held_by(shared, np.flatnonzero(context == c)) == counts(shared, c)


@SETTINGS
@given(n=st.integers(3, 40), seed=st.integers(0, 2**32 - 1))
def test_exchanges_are_worth_what_moves_make_of_them(n, seed):
    rng = np.random.default_rng(seed)
    context = rng.integers(0, 2, n)
    context[:3] = 0, 1, 1
    shared = counted(string_sets(random_sets(n, seed)), context, 2, WORTH)
    after, before = nothing_exchanged(shared), [counts(shared, c) for c in range(2)]
    others = rng.permutation(np.flatnonzero(context == 1))
    exchange(shared, 0, 0, 1, after)
    alone = [gained_back(shared, other, after) for other in others]
    together = gained_by_several(shared, others, 1, after)
    assert [counts(shared, c) for c in range(2)] == before
    assert gained_by_several(shared, others, 1, after) == together  # nothing is left of the question before
    move(shared, 0, 0, 1)
    assert alone == [gained(shared, other, 0) - lost(shared, other, 1) for other in others]
    one_by_one = 0
    for other in others:
        assert gained(shared, other, 0) <= most(shared, other)
        one_by_one += gained(shared, other, 0) - lost(shared, other, 1)
        move(shared, other, 1, 0)
    assert together == one_by_one


def test_strings_of_two_documents_are_told_apart_where_there_are_few():
    sets = random_sets(8, 5)
    shared = counted(string_sets(sets), np.zeros(8, np.int64), 8, 1)
    assert shared.held.shape[1] >= PLACES * sum(map(len, sets)) / 8
    assert shared.held[0].max() <= 8
    for x in range(8):
        assert len(places_of(shared, x)) <= len(sets[x])


def test_as_many_documents_as_there_are_hold_one_string():
    n = 70_000
    shared = counted(string_sets([{2**30}] * n), np.zeros(n, np.int64), 2, 1)
    assert shared.held[0].max() == n
    add(shared, 0, 0)
    assert shared.held[0].max() == n + 1


@SETTINGS
@given(**SEEDS)
def test_contexts_hold_every_document_and_fit(random_neighbors, unit_vectors, n, seed):
    documents = documents_of(random_neighbors, unit_vectors, n, seed, 2.0)
    order = contexts.order(documents, 3)
    assert sorted(order.permutation.tolist()) == list(range(n))
    for run in np.split(order.permutation, np.flatnonzero(order.opens)[1:]):
        assert (documents.lengths[run] % LENGTH).sum() <= LENGTH
        assert not (documents.lengths[run[1:]] > LENGTH).any()


def alike_by_vectors(n=64, weight=1.0):
    """Documents of equal vectors, four to a context, all neighbours; four by four they hold the same strings."""
    rng = np.random.default_rng(0)
    kind = rng.permutation(np.repeat(np.arange(n // 4), 4))
    hashes = rng.integers(0, 2**32, (n // 4, 50), dtype=np.uint32)
    neighbor = np.array([np.delete(np.arange(n), i) for i in range(n)])
    graph = from_neighbors(neighbor, np.full((n, n - 1), 0.5, np.float32))
    sets = string_sets([set(hashes[k].tolist()) for k in kind])
    vectors = np.full((n, 4), 0.5, np.float32)
    documents = ArrayDocuments(graph, vectors, np.full(n, 25), LENGTH, string_sets=sets, strings_weight=weight)
    return documents, kind


def kinds_in_contexts(documents, kind):
    order = contexts.order(documents, 0)
    runs = np.split(order.permutation, np.flatnonzero(order.opens)[1:])
    return np.mean([len(set(kind[run])) for run in runs])


def test_those_come_together_that_share_strings():
    documents, kind = alike_by_vectors()
    assert kinds_in_contexts(documents, kind) < 2
    assert kinds_in_contexts(replace(documents, strings_weight=0.0), kind) > 3


def test_a_weight_of_nothing_is_as_without_strings(random_neighbors, unit_vectors):
    documents = documents_of(random_neighbors, unit_vectors, 40, 7, 0.0)
    bare = replace(documents, string_sets=StringSets(np.zeros(1, np.int64), np.empty(0, np.uint32)))
    assert all(map(np.array_equal, contexts.order(documents, 3), contexts.order(bare, 3)))


def test_strings_that_are_not_known_are_asked_for(random_neighbors, unit_vectors):
    documents = documents_of(random_neighbors, unit_vectors, 10, 7, 1.0)
    bare = replace(documents, string_sets=StringSets(np.zeros(1, np.int64), np.empty(0, np.uint32)))
    with pytest.raises(MissingField, match="strings"):
        contexts.order(bare, 3)


@SETTINGS
@given(**SEEDS)
def test_strings_of_some_documents_by_hash(random_neighbors, unit_vectors, n, seed):
    documents = documents_of(random_neighbors, unit_vectors, n, seed, 1.0)
    sets = random_sets(n, seed)
    members = np.flatnonzero(np.random.default_rng(seed).random(n) < 0.5)
    part = Part(documents, members)
    within = np.arange(0, members.size, 2)
    found = part.strings(within, 4)
    for i, x in enumerate(members[within].tolist()):
        held = set(found.hashes[found.offsets[i] : found.offsets[i + 1]].tolist())
        assert held == {one for one in sets[x] if one % 4 == 0}


def test_the_same_contexts_whatever_share_of_the_strings_stands_for_all(monkeypatch):
    documents, kind = alike_by_vectors()
    monkeypatch.setattr(contexts, "KEPT", 5)  # of 25 tokens: an even quarter of the strings, of fourfold worth
    assert kinds_in_contexts(documents, kind) < 2.5


def test_cells_are_solved_alone_and_always_alike(random_neighbors, unit_vectors, monkeypatch):
    documents = documents_of(random_neighbors, unit_vectors, 200, 7, 1.0)
    monkeypatch.setattr(contexts, "CELL", 50)
    first, again = contexts.order(documents, 3), contexts.order(documents, 3)
    assert all(map(np.array_equal, first, again))
    assert sorted(first.permutation.tolist()) == list(range(200))
