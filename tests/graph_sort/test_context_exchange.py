"""Exchanges of documents between contexts, against what the objective is after each that there could be.

Run: python -m pytest tests/graph_sort/test_context_exchange.py
"""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from sequitur.graph_sort.context_exchange import LEAST, PARTNERS, improve
from sequitur.graph_sort.context_search import add, remove
from sequitur.graph_sort.shared_strings import move
from tests.graph_sort.string_documents import LENGTH, counts, documents_of, held_by, objective, placed

SETTINGS = settings(max_examples=40, deadline=None)
SEEDS = {"n": st.integers(1, 40), "seed": st.integers(0, 2**32 - 1)}


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


def improved_plainly(items, own, shared):
    """A pass of `improve`, by what the objective is after each move that there could be."""
    total = 0

    def gain(*moves):
        context = own.context.copy()
        for x, there in moves:
            context[x] = there
        return objective(items, shared, context) - objective(items, shared, own.context)

    for x in np.flatnonzero(~items.heads).tolist():
        here, best, best_moves = int(own.context[x]), 0, []
        near = [int(own.context[y]) for y in items.neighbor[items.offsets[x] : items.offsets[x + 1]]]
        for there in dict.fromkeys(context for context in near if context != here):
            found = [[(x, there)]]
            if gain((x, there)) <= 0:
                continue
            if own.room[there] < items.size[x]:
                need, space = items.size[x] - own.room[there], own.room[here] + items.size[x]
                found, others, other = [], [], own.first[there]
                while other >= 0:
                    if not items.heads[other] and items.size[other] <= space:
                        others.append(int(other))
                    other = own.following[other]
                alone = {y: gain((x, there), (y, here)) - gain((x, there)) for y in others[:PARTNERS]}
                found += [[(x, there), (y, here)] for y in alone if items.size[y] >= need]
                several = []
                for y in sorted(alone, key=lambda y: -alone[y] / int(items.size[y])):
                    if items.size[[*several, y]].sum() <= space:
                        several.append(y)
                    if items.size[several].sum() >= need:
                        found.append([(x, there), *((y, here) for y in several)])
                        break
            for moves in found:
                if gain(*moves) > best:
                    best, best_moves = gain(*moves), moves
        total += best
        for y, _ in best_moves:
            remove(items, own, y)
        for y, there in [*best_moves[1:], *best_moves[:1]]:
            move(shared, y, here if there != here else best_moves[0][1], there)
            add(items, own, y, there)
    return total


@settings(max_examples=25, deadline=None)
@given(n=st.integers(1, 16), seed=st.integers(0, 2**32 - 1))
def test_a_pass_makes_the_moves_that_the_objective_says_are_best(random_neighbors, unit_vectors, n, seed):
    documents = documents_of(random_neighbors, unit_vectors, n, seed, 1.0)
    items, own, shared = placed(documents)
    _, plain, plain_shared = placed(documents)
    for _ in range(2):
        assert improve(items, own, shared, 1)[0] == improved_plainly(items, plain, plain_shared)
        assert (own.context == plain.context).all()


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
