"""Contexts made as such: they fit, they are dense and alike; their search and their paths against brute force.

Run: python -m pytest tests/graph_sort/test_contexts_order.py
"""

import time
from dataclasses import replace
from itertools import combinations, pairwise, permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sequitur.graph_sort import bisection, context_groups, packing
from sequitur.graph_sort.bisection import whole_numbers
from sequitur.graph_sort.context_exchange import improve
from sequitur.graph_sort.context_paths import arrange
from sequitur.graph_sort.context_search import Assignment, add, place, remove
from sequitur.graph_sort.documents import ArrayDocuments
from sequitur.graph_sort.graph import from_neighbors
from sequitur.graph_sort.merging import Items, leaf_order, leaves, merge
from sequitur.graph_sort.metrics import coherence, placement
from sequitur.graph_sort.orders import contexts, iclm
from sequitur.graph_sort.shared_strings import no_strings
from tests.graph_sort.string_documents import documents_of

SETTINGS = settings(max_examples=40, deadline=None)
RANDOM_GRAPH = {"n": st.integers(0, 40), "seed": st.integers(0, 2**32 - 1)}
LENGTH = 100


def random_documents(random_neighbors, unit_vectors, n, seed, longest=250):
    """Any graph; documents of 0 to `longest` tokens; some vectors zero, some the same."""
    rng = np.random.default_rng(seed)
    vectors = unit_vectors(n, seed=seed % 1000)
    vectors[rng.random(n) < 0.1] = 0
    vectors[rng.random(n) < 0.2] = vectors[:1]
    lengths = rng.choice([0, 1, 30, LENGTH, 2 * LENGTH, longest], size=n) + rng.integers(0, 2, n)
    return ArrayDocuments(from_neighbors(*random_neighbors(n, seed)), vectors, lengths.astype(np.int64), LENGTH)


def items_of(documents):
    lengths = documents.lengths % LENGTH
    vector = whole_numbers(documents.vectors, np.sqrt(lengths / LENGTH, dtype=np.float32)[:, None] * 32767)
    graph = documents.graph
    heads = documents.lengths > LENGTH
    bond = np.rint(np.maximum(graph.weight, 0) * 1e8).astype(np.int64)
    return Items(graph.offsets, graph.neighbor, vector, np.sqrt(lengths / LENGTH), lengths, heads, bond)


def without_empty_tails(documents):
    lengths = np.where(documents.lengths % LENGTH, documents.lengths, documents.lengths + 7)
    return ArrayDocuments(documents.graph, documents.vectors, lengths, LENGTH)


def objective(items, context):
    """Σ over pairs that share a context of the product of their vectors and of their bond, pair by pair."""
    vectors = items.vector.astype(np.int64)
    pairs = [(a, b) for a, b in combinations(range(len(context)), 2) if context[a] == context[b]]
    ends = np.repeat(np.arange(len(context)), np.diff(items.offsets))
    bond = {(int(a), int(b)): int(w) for a, b, w in zip(ends, items.neighbor, items.bond, strict=True)}
    return sum(int(vectors[a] @ vectors[b]) + bond.get((a, b), 0) for a, b in pairs)


@SETTINGS
@given(**RANDOM_GRAPH)
def test_contexts_hold_every_document_and_fit(random_neighbors, unit_vectors, n, seed):
    documents = random_documents(random_neighbors, unit_vectors, n, seed)
    order = contexts.order(documents, 3)
    assert sorted(order.permutation.tolist()) == list(range(n))
    assert order.path[:1].tolist() == [0] * min(n, 1)
    assert set(np.diff(order.path).tolist()) <= {0, 1}
    assert order.opens[:1].all()
    for run in np.split(order.permutation, np.flatnonzero(order.opens)[1:]):
        assert (documents.lengths[run] % LENGTH).sum() <= LENGTH
        assert not (documents.lengths[run[1:]] > LENGTH).any()
    assert order.opens[1:][np.diff(order.path) > 0].all()


@SETTINGS
@given(**RANDOM_GRAPH)
def test_packing_whole_keeps_the_contexts(random_neighbors, unit_vectors, n, seed):
    documents = random_documents(random_neighbors, unit_vectors, n, seed)
    order = contexts.order(documents, 3)
    packed = packing.whole(documents.lengths, order.permutation, LENGTH, order.opens)
    runs = int(np.count_nonzero(order.opens[documents.lengths[order.permutation] > 0]))
    full = int((documents.lengths // LENGTH - (documents.lengths % LENGTH == 0)).clip(0).sum())
    assert packed.offsets.size - 1 == runs + full


@SETTINGS
@given(**RANDOM_GRAPH)
def test_exchanges_raise_the_objective_by_what_they_say(random_neighbors, unit_vectors, n, seed):
    documents = without_empty_tails(random_documents(random_neighbors, unit_vectors, n, seed, 40))
    items = items_of(documents)
    assignment = place(items, merge(items, LENGTH), LENGTH, 1)
    before = objective(items, assignment.context)
    gains = improve(items, assignment, no_strings(items.size.size), 3)
    assert (gains >= 0).all()
    assert objective(items, assignment.context) == before + int(gains.sum())
    for context in range(assignment.contexts[0]):
        members = assignment.context == context
        assert assignment.room[context] == LENGTH - items.size[members].sum() >= 0
        assert np.count_nonzero(items.heads[members]) <= 1
        assert (assignment.sums[context] == items.vector[members].sum(axis=0, dtype=np.int64)).all()


def placed_plainly(items, tree, wanted):
    """`place`, with what each document adds to its context computed anew in each search for room."""
    n = items.size.size
    own = Assignment(
        *(np.full(n, -1, np.int64) for _ in range(4)),
        np.zeros((n, items.vector.shape[1]), np.int32),
        np.full(n, LENGTH, np.int64),
        np.zeros(1, np.int64),
    )
    members = np.empty(n, np.int64)
    below = [members[: leaves(tree, node, members)].copy() for node in range(tree.left.size)]
    total = [int(items.size[some].sum()) for some in below]
    ranked = sorted(tree.roots, key=lambda root: (not items.heads[below[root]].any(), -total[root]))
    kept = [root for i, root in enumerate(ranked) if i < wanted or items.heads[below[root]].any()]
    for c, root in enumerate(kept):
        for x in below[root]:
            add(items, own, x, c)
    own.contexts[0] = len(kept)
    pending = [(-total[root], root) for root in ranked[len(kept) :]]
    while pending:
        pending.sort()
        _, node = pending.pop(0)
        best, gain = -1, 0
        for c in np.flatnonzero(own.room[: own.contexts[0]] >= total[node]).tolist():
            there = np.flatnonzero(own.context == c)
            value = sum(int(items.vector[x].astype(np.int64) @ own.sums[c]) for x in below[node])
            for x in below[node]:
                ends = slice(items.offsets[x], items.offsets[x + 1])
                value += int(items.bond[ends][np.isin(items.neighbor[ends], there)].sum())
            if best < 0 or value > gain:
                best, gain = c, value
        if best < 0 and below[node].size > 1:
            pending += [(-total[half], half) for half in (tree.left[node], tree.right[node])]
            continue
        if best < 0:
            best, out = room_made_plainly(items, own, node)
            own.contexts[0] = max(own.contexts[0], best + 1)
            for x in out:
                remove(items, own, x)
                pending.append((-items.size[x], x))
        for x in below[node]:
            add(items, own, x, best)
    return own


def room_made_plainly(items, own, x):
    best, best_gain, best_out = int(own.contexts[0]), -np.inf, []
    vectors = items.vector.astype(np.int64)
    for c in range(own.contexts[0]):
        others, other = [], int(own.first[c])
        while other >= 0:
            if not items.heads[other] and 2 * items.size[other] < items.size[x]:
                others.append(other)
            other = int(own.following[other])
        adds = {y: int(vectors[y] @ (own.sums[c] - vectors[y])) for y in others}
        out, gain = [], int(vectors[x] @ own.sums[c])
        for y in sorted(others, key=lambda y: adds[y] / int(items.size[y])):
            if own.room[c] + items.size[out].sum() < items.size[x]:
                out.append(y)
                gain -= adds[y]
        if own.room[c] + items.size[out].sum() >= items.size[x] and gain > best_gain:
            best, best_gain, best_out = c, gain, out
    return best, best_out


@SETTINGS
@given(n=st.integers(1, 60), seed=st.integers(0, 2**32 - 1), wanted=st.integers(1, 6))
def test_documents_are_placed_as_by_a_plain_search(random_neighbors, unit_vectors, n, seed, wanted):
    documents = random_documents(random_neighbors, unit_vectors, n, seed, 40)
    lengths = np.random.default_rng(seed).choice([2, 15, 33, 70, 95], n)
    items = items_of(replace(documents, lengths=lengths))
    tree = merge(items, LENGTH)
    own, plain = place(items, tree, LENGTH, wanted), placed_plainly(items, tree, wanted)
    assert (own.context == plain.context).all()
    assert (own.sums == plain.sums).all()


def test_an_exchange_undoes_a_mixture():
    vectors = np.repeat(np.eye(2, dtype=np.float32), 4, axis=0)
    neighbor = np.array([[j for j in range(8) if j // 4 == i // 4 and j != i] for i in range(8)])
    graph = from_neighbors(neighbor, np.ones((8, 3), np.float32))
    items = items_of(ArrayDocuments(graph, vectors, np.full(8, 25, np.int64), LENGTH))
    assignment = place(items, merge(items, 25), LENGTH, 2)  # nothing merged: two documents, and what fills them
    improve(items, assignment, no_strings(items.size.size), 5)
    assert len(set(assignment.context[:4])) == len(set(assignment.context[4:])) == 1


@SETTINGS
@given(m=st.integers(1, 7), seed=st.integers(0, 2**32 - 1))
def test_paths_of_small_contexts_are_the_best(unit_vectors, m, seed):
    rows, opening = unit_vectors(m, seed=seed), np.random.default_rng(seed).random(m)

    def weight(path):
        return opening[path[0]] + sum(float(rows[a] @ rows[b]) for a, b in pairwise(path))

    path = arrange(np.array([0, m]), rows, opening)
    assert sorted(path) == list(range(m))
    assert weight(path) == pytest.approx(max(map(weight, permutations(range(m)))), abs=1e-5)


def test_paths_of_large_contexts_are_permutations_that_no_reversal_betters(unit_vectors):
    rows = unit_vectors(60, d=4)
    path = arrange(np.array([0, 20, 60]), rows, np.zeros(60))
    assert sorted(path[:20]) == list(range(20))
    assert sorted(path[20:]) == list(range(20, 60))
    cosine = rows @ rows.T
    for part in (path[:20], path[20:]):
        weight = cosine[part[:-1], part[1:]].sum()
        for i, j in combinations(range(len(part)), 2):
            other = np.concatenate([part[:i], part[i : j + 1][::-1], part[j + 1 :]])
            assert cosine[other[:-1], other[1:]].sum() < weight + 1e-4


@SETTINGS
@given(**RANDOM_GRAPH)
def test_clusters_hold_every_document_once_and_fit(random_neighbors, unit_vectors, n, seed):
    items = items_of(without_empty_tails(random_documents(random_neighbors, unit_vectors, n, seed, 40)))
    order, cluster = leaf_order(merge(items, LENGTH))
    assert sorted(order.tolist()) == list(range(n))
    for c in range(cluster.max(initial=-1) + 1):
        members = order[cluster == c]
        assert len(members) == 1 or items.size[members].sum() <= LENGTH
        assert np.count_nonzero(items.heads[members]) <= 1


def clustered(unit_vectors, knn_graph, n=3000):
    vectors = unit_vectors(n, seed=5)
    lengths = np.random.default_rng(6).lognormal(5.5, 1.2, n).astype(np.int64) + 1
    return ArrayDocuments(knn_graph(vectors, 15), vectors, lengths, 2048)


def test_denser_and_more_coherent_than_iclm_on_clusters(unit_vectors, knn_graph):
    documents = clustered(unit_vectors, knn_graph)
    ours, theirs = (
        packing.whole(documents.lengths, order.permutation, 2048, order.opens)
        for order in (contexts.order(documents, 0), iclm.order(documents, 0))
    )
    assert placement(ours, 2048).padding < 0.04
    ours, theirs = coherence(ours, documents.vectors), coherence(theirs, documents.vectors)
    assert ours.adjacency > theirs.adjacency
    assert ours.best_previous > theirs.best_previous
    assert ours.pairwise > 1.15 * theirs.pairwise


def test_many_paths_of_related_contexts(unit_vectors, knn_graph):
    order = contexts.order(clustered(unit_vectors, knn_graph), 0)
    by_path = np.bincount(order.path, weights=order.opens)
    assert by_path.size >= context_groups.GROUP
    assert by_path.max() <= context_groups.GROUP


def test_cells_are_solved_alone_and_lose_little(unit_vectors, knn_graph, monkeypatch):
    documents = clustered(unit_vectors, knn_graph)
    monkeypatch.setattr(contexts, "CELL", 800)
    order = contexts.order(documents, 0)
    again = contexts.order(documents, 0)
    assert sorted(order.permutation) == list(range(3000))
    assert (order.permutation == again.permutation).all()
    packed = packing.whole(documents.lengths, order.permutation, 2048, order.opens)
    rival = packing.whole(documents.lengths, iclm.order(documents, 0).permutation, 2048)
    assert coherence(packed, documents.vectors).pairwise > coherence(rival, documents.vectors).pairwise


@pytest.mark.parametrize("filled", [False, True])
@pytest.mark.parametrize("strings", [0.0, 2.0])
def test_threads_make_the_same_order_whichever_cell_is_done_first(
    random_neighbors, unit_vectors, monkeypatch, filled, strings
):
    monkeypatch.setattr(contexts, "CELL", 24)
    monkeypatch.setattr(bisection, "_BLOCK", 32)
    one_cell, rng = contexts.arranged, np.random.default_rng(0)

    def delayed(*arguments):
        time.sleep(float(rng.random()) / 100)
        return one_cell(*arguments)

    monkeypatch.setattr(contexts, "arranged", delayed)
    documents = documents_of(random_neighbors, unit_vectors, 300, 5, strings)
    documents = replace(documents, rows_filled=filled)
    once = contexts.order(documents, 9)
    for threads in (2, 3, 2):
        again = contexts.order(replace(documents, threads=threads), 9)
        for column, other in zip(once, again, strict=True):
            np.testing.assert_array_equal(column, other)


def test_reads_float16(unit_vectors, knn_graph):
    vectors = unit_vectors(300).astype(np.float16)
    documents = ArrayDocuments(knn_graph(vectors.astype(np.float32), 5), vectors, np.full(300, 90, np.int64), 1000)
    assert sorted(contexts.order(documents, 0).permutation) == list(range(300))
