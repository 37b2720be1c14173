"""Strings that contexts hold twice: counts against sets, exchanges against plain sums, and contexts that they make.

Run: python -m pytest tests/graph_sort/test_shared_strings.py
"""

from collections import Counter
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sequitur.graph_sort.context_exchange import LEAST, improve
from sequitur.graph_sort.context_search import place
from sequitur.graph_sort.documents import ArrayDocuments, MissingField, StringSets
from sequitur.graph_sort.graph import from_neighbors
from sequitur.graph_sort.merging import Items, merge
from sequitur.graph_sort.offsets import offsets_of
from sequitur.graph_sort.orders import contexts
from sequitur.graph_sort.part import Part
from sequitur.graph_sort.shared_strings import PLACES, add, counted, gained, lost, move

SETTINGS = settings(max_examples=40, deadline=None)
SEEDS = {"n": st.integers(1, 40), "seed": st.integers(0, 2**32 - 1)}
LENGTH, WORTH = 100, 10**6


def string_sets(sets):
    """`StringSets` of sets of numbers."""
    flat = [hash_ for one in sets for hash_ in sorted(one)]
    return StringSets(offsets_of([len(one) for one in sets]), np.array(flat, np.uint32))


def random_sets(n, seed):
    """Hashes of which many are in several documents; some documents have none."""
    rng = np.random.default_rng(seed)
    hashes = rng.integers(0, 2**32, 30, dtype=np.uint32)
    return [set(rng.choice(hashes, rng.integers(0, 15)).tolist()) for _ in range(n)]


def places_of(shared, x):
    return set(shared.place[shared.offsets[x] : shared.offsets[x + 1]].tolist())


def held_by(shared, documents):
    """In how many of some documents each place is."""
    return Counter(at for x in documents for at in places_of(shared, x))


def counts(shared, context):
    return {at: int(shared.held[context, at]) for at in np.flatnonzero(shared.held[context]).tolist()}


def repeats(shared, context):
    """Σ over contexts and places of the documents that hold one, less the first: of sets, context by context."""
    total = 0
    for c in set(context.tolist()):
        total += sum(count - 1 for count in held_by(shared, np.flatnonzero(context == c)).values())
    return total


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


def documents_of(random_neighbors, unit_vectors, n, seed, weight):
    rng = np.random.default_rng(seed)
    lengths = rng.choice([1, 7, 30, LENGTH + 20], size=n).astype(np.int64) + rng.integers(0, 2, n)
    return ArrayDocuments(
        from_neighbors(*random_neighbors(n, seed)),
        unit_vectors(n, seed=seed % 1000),
        lengths,
        LENGTH,
        string_sets=string_sets(random_sets(n, seed)),
        strings_weight=weight,
    )


def vector_part(items, context):
    """Σ over pairs that share a context of the product of their vectors and of their bond, pair by pair."""
    vectors = items.vector.astype(np.int64)
    ends = np.repeat(np.arange(len(context)), np.diff(items.offsets))
    bond = {(int(a), int(b)): int(w) for a, b, w in zip(ends, items.neighbor, items.bond, strict=True)}
    pairs = [(a, b) for a, b in combinations(range(len(context)), 2) if context[a] == context[b]]
    return sum(int(vectors[a] @ vectors[b]) + bond.get((a, b), 0) for a, b in pairs)


def placed(documents):
    """Items of the documents, contexts that they were placed in, and the strings of these."""
    size = documents.lengths % LENGTH
    weight = np.sqrt(size / LENGTH)
    graph = documents.graph
    items = Items(
        graph.offsets,
        graph.neighbor,
        np.rint(documents.vectors * weight[:, None] * 3000).astype(np.int16),
        weight,
        size,
        documents.lengths > LENGTH,
        np.rint(np.maximum(graph.weight, 0) * 1e6).astype(np.int64),
    )
    own = place(items, merge(items, LENGTH), LENGTH, 1)
    return items, own, counted(documents.string_sets, own.context, int(own.contexts[0]), WORTH)


def objective(items, shared, context):
    return vector_part(items, context) + WORTH * repeats(shared, context)


@SETTINGS
@given(**SEEDS)
def test_exchanges_raise_the_objective_by_what_they_say(random_neighbors, unit_vectors, n, seed):
    items, own, shared = placed(documents_of(random_neighbors, unit_vectors, n, seed, 1.0))
    before = objective(items, shared, own.context)
    gains = improve(items, own, shared, 4)
    assert (gains >= 0).all()
    assert objective(items, shared, own.context) == before + int(gains.sum())
    for context in range(own.contexts[0]):
        members = np.flatnonzero(own.context == context)
        assert own.room[context] == LENGTH - items.size[members].sum() >= 0
        assert np.count_nonzero(items.heads[members]) <= 1
        assert held_by(shared, members) == counts(shared, context)


@SETTINGS
@given(**SEEDS)
def test_what_has_not_changed_is_passed_over_without_loss(random_neighbors, unit_vectors, n, seed):
    documents = documents_of(random_neighbors, unit_vectors, n, seed, 1.0)
    items, own, shared = placed(documents)
    gains = improve(items, own, shared, 6)
    _, other, others = placed(documents)
    for gain in gains:
        if gain > LEAST * gains[0] or gain == gains[0]:
            assert improve(items, other, others, 1)[0] == gain  # a pass that knows of none before it
    if gains[-1] > LEAST * gains[0] or gains[-1] == gains[0]:
        assert (own.context == other.context).all()


@settings(max_examples=15, deadline=None)
@given(n=st.integers(1, 20), seed=st.integers(0, 2**32 - 1))
def test_at_the_end_no_move_is_left_that_raises_the_objective(random_neighbors, unit_vectors, n, seed):
    items, own, shared = placed(documents_of(random_neighbors, unit_vectors, n, seed, 1.0))
    while improve(items, own, shared, 1)[0] > 0:
        pass
    reached = objective(items, shared, own.context)
    for x in np.flatnonzero(~items.heads).tolist():
        near = set(own.context[items.neighbor[items.offsets[x] : items.offsets[x + 1]]].tolist())
        for there in near - {int(own.context[x])}:
            if own.room[there] >= items.size[x]:
                context = own.context.copy()
                context[x] = there
                assert objective(items, shared, context) <= reached


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
