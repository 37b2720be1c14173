"""Contexts follow what fills them, related ones next to each other; superfluous ones are dissolved.

Run: python -m pytest tests/graph_sort/test_context_groups.py
"""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from sequitur.graph_sort.bisection import directions
from sequitur.graph_sort.context_groups import chain, without_excess
from sequitur.graph_sort.fillers import assign
from sequitur.graph_sort.graph import from_neighbors

SETTINGS = settings(max_examples=60, deadline=None)


@SETTINGS
@given(st.lists(st.integers(0, 9), min_size=1, max_size=30), st.integers(1, 12), st.integers(0, 99))
def test_contexts_of_few_documents_are_dissolved_where_there_are_too_many(context, wanted, seed):
    context = np.array(context, np.int64)
    size = np.random.default_rng(seed).integers(1, 9, context.size)
    number = without_excess(context, size, wanted)
    worth = {c: ((context == c).sum(), size[context == c].sum(), c) for c in np.unique(context).tolist()}
    kept = sorted(sorted(worth, key=lambda c: worth[c])[max(len(worth) - wanted, 0) :])
    assert number.tolist() == [kept.index(c) if c in kept else -1 for c in context.tolist()]


@st.composite
def contexts_with_fillers(draw):
    n = draw(st.integers(1, 40))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    _, context = np.unique(rng.integers(0, draw(st.integers(1, n)), n), return_inverse=True)
    fillers = rng.random(n) < draw(st.sampled_from([0, 0.3]))
    fillers[0] = False
    context[fillers] = -1
    _, renumbered = np.unique(context[~fillers], return_inverse=True)
    context[~fillers] = renumbered
    neighbor = np.where(rng.random((n, 3)) < 0.5, (np.arange(n)[:, None] + rng.integers(1, n + 1, (n, 3))) % n, -1)
    neighbor[neighbor == np.arange(n)[:, None]] = -1
    graph = from_neighbors(neighbor, rng.random((n, 3)).astype(np.float32))
    return graph, context, rng.integers(-9999, 9999, (n, 4)).astype(np.int16), rng.integers(1, 9, n)


@SETTINGS
@given(contexts_with_fillers())
def test_each_filler_is_followed_by_the_contexts_that_it_is_for(drawn):
    graph, context, vector, size = drawn
    runs = chain(graph, context, vector, size, 400)
    fillers = np.flatnonzero(context < 0)
    assert np.array_equal(np.unique(runs.run), np.arange(context.max() + 1 + fillers.size))
    assert np.isin(np.diff(runs.path), (0, 1)).all()
    of_context = np.array([runs.run[context == c][0] for c in range(context.max() + 1)])
    assert all(np.unique(runs.run[context == c]).size == 1 for c in range(context.max() + 1))
    if not fillers.size:
        assert (runs.filler == -1).all()
        return
    sums = np.array([vector[context == c].sum(axis=0, dtype=np.int64) for c in range(context.max() + 1)])
    room = 400 - np.array([size[context == c].sum() for c in range(context.max() + 1)])
    chosen, alike = assign(directions(vector[fillers].astype(np.int64)), size[fillers], sums, room)
    assert (runs.filler[of_context] == fillers[chosen]).all()
    assert (runs.filler[runs.run[fillers]] == -1).all()
    for i, filler in enumerate(fillers):
        own = np.flatnonzero(chosen == i)
        follow = own[np.argsort(-alike[own], kind="stable")]
        first = runs.run[filler]
        assert of_context[follow].tolist() == list(range(first + 1, first + 1 + own.size))
        assert np.unique(runs.path[first : first + 1 + own.size]).size == 1
