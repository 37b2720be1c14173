"""Packed run by run: full rows, every token once, a document's pieces as they follow each other.

Run: python -m pytest tests/graph_sort/test_packing_runs.py
"""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sequitur.graph_sort import packing_runs
from sequitur.graph_sort.graph import from_neighbors
from sequitur.graph_sort.packing import Likeness, filled
from sequitur.graph_sort.packing_runs import end_to_end, runs

SETTINGS = settings(max_examples=150, deadline=None)


def flags(size):
    return st.lists(st.booleans(), min_size=size, max_size=size).map(lambda values: np.array(values, np.bool_))


@SETTINGS
@given(st.data())
def test_runs_part_the_order_where_contexts_begin(data):
    count = data.draw(st.integers(0, 60))
    opens, fills = data.draw(flags(count)), data.draw(flags(count))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(packing_runs, "RUN", 8)
        found = list(runs(opens, fills))
    assert [place for run in found for place in range(run.start, run.stop)] == list(range(count))
    assert all(8 <= run.stop - run.start <= 16 for run in found[:-1])
    assert found[-1].stop - found[-1].start <= 16
    for before, run in pairwise(found):
        within = range(before.start + 8, before.start + 16)
        to_fill = [place for place in within if fills[place] and not fills[place - 1]]
        to_open = [place for place in within if opens[place]]
        assert run.start == [*to_fill, *to_open[:1], within[0]][0]


@SETTINGS
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 9), st.integers(1, 30)), max_size=12), st.integers(1, 20))
def test_pieces_end_to_end(pieces, size):
    columns = np.array(pieces, np.int64).reshape(-1, 3).T
    offsets, document, start, length = end_to_end(size, *columns)
    tokens = [(one, first + at) for one, first, count in pieces for at in range(count)]
    placed = zip(document.tolist(), start.tolist(), length.tolist(), strict=True)
    assert [(one, first + at) for one, first, count in placed for at in range(count)] == tokens
    rows = [int(length[a:b].sum()) for a, b in pairwise(offsets)]
    assert rows[:-1] == [size] * len(rows[:-1])
    assert sum(rows) == len(tokens)


@st.composite
def corpora(draw):
    """Lengths, an order, flags, L, and who is alike."""
    count = draw(st.integers(1, 80))
    lengths = np.array(draw(st.lists(st.integers(0, 40), min_size=count, max_size=count)), np.int64)
    order = np.array(draw(st.permutations(range(count))), np.int64)
    neighbor = np.array(draw(st.lists(st.integers(-1, count - 1), min_size=count, max_size=count)), np.int64)
    neighbor[neighbor == np.arange(count)] = -1
    graph = from_neighbors(neighbor[:, None], np.full((count, 1), 0.5, np.float32))
    alike = draw(st.sampled_from([None, Likeness(graph, np.arange(count, dtype=np.int64))]))
    opens, fills = draw(flags(count)), draw(st.one_of(st.just(np.zeros(count, np.bool_)), flags(count)))
    return lengths, order, draw(st.integers(1, 30)), opens, alike, fills


@SETTINGS
@given(corpora())
def test_rows_are_full_and_every_token_is_placed_once(corpus):
    lengths, _, size, *_ = corpus
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(packing_runs, "RUN", 8)
        contexts = filled(*corpus)
    tokens = np.diff(np.concatenate([[0], np.cumsum(contexts.length)])[contexts.offsets])
    assert (tokens[:-1] == size).all()
    assert contexts.length.size == 0 or contexts.length.min() >= 1
    for document, count in enumerate(lengths.tolist()):
        here = np.flatnonzero(contexts.document == document)
        here = here[np.argsort(contexts.start[here], kind="stable")]
        ends = np.cumsum(contexts.length[here])
        assert contexts.start[here].tolist() == [0, *ends.tolist()][: here.size]
        assert ends[-1:].tolist() == [count] * (count > 0)


def test_rows_of_a_run_are_those_of_the_run_alone(monkeypatch):
    rng = np.random.default_rng(5)
    lengths, size = rng.integers(1, 30, 64), 32
    order, opens = rng.permutation(64), np.ones(64, np.bool_)
    fills = np.zeros(64, np.bool_)
    fills[::8] = True
    monkeypatch.setattr(packing_runs, "RUN", 16)
    together = filled(lengths, order, size, opens, None, fills)
    first = next(runs(opens, fills))
    alone = filled(lengths, order[first], size, opens[first], None, fills[first])
    rows = alone.offsets.size - 2  # without its last
    assert together.offsets[: rows + 1].tolist() == alone.offsets[:-1].tolist()
    assert together.document[: alone.offsets[rows]].tolist() == alone.document[: alone.offsets[rows]].tolist()
