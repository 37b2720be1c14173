"""Fillers are of about the tokens that are wanted, spread as documents are, and go to contexts that are like them.

Run: python -m pytest tests/graph_sort/test_fillers.py
"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sequitur.graph_sort.fillers import (
    CONSIDERED,
    LACKING,
    LEAST_ROOM,
    MOST_ROOM,
    PASSES,
    ROOM,
    assign,
    choose,
    share_of_room,
)
from sequitur.graph_sort.graph import Graph, from_neighbors

SETTINGS = settings(max_examples=60, deadline=None)


def cliques(count, size):
    """A graph of `count` groups of `size` documents, each the neighbour of all others of its group."""
    member = np.arange(count * size).reshape(count, size)
    neighbor = np.array([np.delete(group, i) for group in member for i in range(size)])
    return from_neighbors(neighbor, np.full(neighbor.shape, 0.5, np.float32))


@SETTINGS
@given(st.lists(st.integers(1, 99), min_size=1, max_size=40), st.floats(0, 0.3), st.integers(0, 99))
def test_they_are_of_about_the_tokens_wanted(sizes, share, seed):
    size = np.array(sizes, np.int64)
    rng = np.random.default_rng(seed)
    neighbor = np.sort(rng.integers(-1, size.size, (size.size, 3)))
    neighbor[neighbor == np.arange(size.size)[:, None]] = -1
    neighbor[:, 1:][neighbor[:, 1:] == neighbor[:, :-1]] = -1  # no document is a neighbour twice
    graph = from_neighbors(neighbor, np.ones(neighbor.shape, np.float32))
    cut = rng.random(size.size) < 0.3
    chosen = choose(graph, size, cut, 100, share)
    budget = share * size.sum()
    assert size[chosen].sum() - size[chosen].max(initial=0) / 2 <= budget + 0.5
    missing = budget - size[chosen].sum()
    assert missing <= 0 or (size[~chosen] // 2 > missing).all()  # none would fit in the budget any more
    assert (choose(graph, size, cut, 100, share) == chosen).all()


def test_what_is_cut_anyhow_comes_first_and_then_half_a_context():
    none = Graph(np.zeros(6, np.int64), np.empty(0, np.int64), np.empty(0, np.float32))
    size, cut = np.array([90, 10, 45, 55, 52], np.int64), np.array([True, False, False, False, False])
    ranks = [np.flatnonzero(choose(none, size, cut, 100, tokens / 252)).tolist() for tokens in (90, 142, 190)]
    assert ranks == [[0], [0, 4], [0, 2, 4]]


def test_they_are_spread_over_what_is_related():
    size = np.tile(np.array([50, 50, 30, 30, 40], np.int64), 20)
    chosen = choose(cliques(20, 5), size, np.zeros(100, np.bool_), 100, 0.25)
    assert (chosen.reshape(20, 5).sum(axis=1) == 1).all()


def test_contexts_that_hold_fewer_documents_leave_more_room():
    long, medium, short = (share_of_room(np.full(100, size), 8192) for size in (6000, 820, 20))
    assert (long, short) == (MOST_ROOM, LEAST_ROOM)
    assert medium == pytest.approx(ROOM * 820 / 8192)


def assigned_in_plain_python(direction, size, sums, room):
    """Weighs every change by the whole sum that it is to raise."""
    likeness = (sums @ direction.T.astype(np.int64)).astype(float)
    ranked = np.argsort(-likeness, axis=1, kind="stable")[:, :CONSIDERED]
    unit = likeness / np.sqrt(np.maximum(room, 1))[:, None]
    cost = LACKING * np.median(np.abs(unit.max(axis=1)))

    def total(chosen, rise):
        lacking = np.maximum(np.bincount(chosen, room, size.size) - size, 0).sum()
        return sum(unit[c, f] * room[c] for c, f in enumerate(chosen)) - cost * rise / PASSES * lacking

    chosen = ranked[:, 0].copy()
    for rise in range(1, PASSES + 1):
        for c in range(room.size):
            worth = {f: total([*chosen[:c], f, *chosen[c + 1 :]], rise) for f in ranked[c].tolist()}
            best = max(worth, key=lambda f: worth[f])
            if worth[best] > worth[chosen[c]] + 1e-6:
                chosen[c] = best
    return chosen


@SETTINGS
@given(st.integers(0, 12), st.integers(1, 6), st.integers(0, 2**32 - 1))
def test_assignment_is_that_of_plain_python(contexts, fillers, seed):
    rng = np.random.default_rng(seed)
    direction = rng.integers(-30_000, 30_000, (fillers, 3)).astype(np.int16)
    sums, room = rng.integers(-(2**30), 2**30, (contexts, 3)), rng.integers(0, 200, contexts)
    size = rng.integers(1, 400, fillers)
    chosen, alike = assign(direction, size, sums, room)
    likeness = sums @ direction.T.astype(np.int64)
    assert (alike == likeness[np.arange(contexts), chosen]).all()
    if contexts:
        assert (chosen == assigned_in_plain_python(direction, size, sums, room)).all()


def test_a_filler_that_is_asked_for_too_much_is_left_to_those_most_like_it():
    direction = np.array([[1000, 0], [900, 100]], np.int16)
    sums = np.array([[1000, 0], [990, 900], [990, 800], [990, 0]], np.int64)  # all are most like the first
    chosen, _ = assign(direction, np.array([100, 100]), sums, np.array([50, 50, 50, 50]))
    assert chosen.tolist() == [0, 1, 1, 0]
