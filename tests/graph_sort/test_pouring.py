"""Contexts that an order made, filled by what it says fills them: full rows, every token once, nothing else moved.

Run: python -m pytest tests/graph_sort/test_pouring.py
"""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from sequitur.graph_sort.packing import POLICIES, filled

SETTINGS = settings(max_examples=150, deadline=None)


def as_lists(contexts):
    pieces = list(zip(*(column.tolist() for column in contexts[1:]), strict=True))
    return [pieces[a:b] for a, b in zip(contexts.offsets, contexts.offsets[1:], strict=False)]


@st.composite
def orders(draw):
    """Lengths, an order that may name documents more than once, L, where contexts begin, and which documents fill."""
    lengths = np.array(draw(st.lists(st.integers(0, 40), min_size=1, max_size=30)), np.int64)
    names = st.lists(st.integers(0, lengths.size - 1), max_size=40)
    permutation = np.array(draw(st.one_of(st.permutations(range(lengths.size)), names)), np.int64)
    flags = st.lists(st.booleans(), min_size=permutation.size, max_size=permutation.size)
    opens, fills = (np.array(draw(flags), np.bool_) for _ in range(2))
    return lengths, permutation, draw(st.integers(1, 30)), opens, fills


@st.composite
def made_orders(draw):
    """The same of an order whose contexts fit, tails of long documents and all."""
    size = draw(st.integers(2, 30))
    contexts = draw(st.lists(st.lists(st.integers(1, size - 1), min_size=1, max_size=5), min_size=1, max_size=12))
    lengths, opens, fills = [], [], []
    for context in contexts:
        fitting = np.array(context)[np.cumsum(context) <= size].tolist()
        lengths += [tail + size * draw(st.integers(0, 2)) for tail in fitting]
        opens += [True] + [False] * (len(fitting) - 1)
        fills += [len(fitting) == 1 and draw(st.booleans())] + [False] * (len(fitting) - 1)
    everyone = np.arange(len(lengths), dtype=np.int64)
    return np.array(lengths, np.int64), everyone, size, np.array(opens), np.array(fills)


def poured_in_plain_python(lengths, size, opens, fills):
    """Rows of (document, tokens), where what fills is enough."""
    rows, owned, fillers = [], [], []
    begins = np.flatnonzero(opens).tolist()
    for first, last in zip(begins, [*begins[1:], lengths.size], strict=True):
        if fills[first]:
            fillers.append((first, len(rows)))
        if not fills[first]:
            rows.append([(d, lengths[d] % size) for d in range(first, last)])
    room = [size - sum(tokens for _, tokens in row) for row in rows]
    ends = [first for _, first in fillers[1:]] + [len(rows)]
    before, after = [[] for _ in rows], [[] for _ in rows]
    owned = []
    for (d, first), end in zip(fillers, ends, strict=True):
        left = lengths[d] % size
        for r in range(first, end):
            tokens = min(left, room[r])
            if tokens:
                before[r].append((d, tokens))
            left, room[r] = left - tokens, room[r] - tokens
        owned.append((left, d, first))
    further = []
    for left, d, first in sorted(owned, key=lambda one: one[0]):
        at = min(first, len(rows) - 1)
        while left:
            r = min((r for r in range(len(rows)) if room[r]), key=lambda r: (abs(r - at), r), default=None)
            if r is None:
                further += [d] * left
                break
            tokens = min(left, room[r])
            after[r].append((d, tokens))
            left, room[r] = left - tokens, room[r] - tokens
    if np.count_nonzero(room) + bool(len(further) % size) > 1:
        return None  # too little fills: others are dissolved
    rows = [b + row + a for b, row, a in zip(before, rows, after, strict=True)]
    for begin in range(0, len(further), size):
        some = further[begin : begin + size]
        rows.append([(d, some.count(d)) for d in dict.fromkeys(some)])
    rows += [[(d, size)] for d in range(lengths.size) for _ in range(lengths[d] // size)]
    return sorted(rows, key=lambda row: sum(tokens for _, tokens in row) < size)


@SETTINGS
@given(made_orders())
def test_it_is_the_same_in_plain_python(order):
    lengths, everyone, size, opens, fills = order
    expected = poured_in_plain_python(lengths, size, opens, fills) if fills.any() else None
    if expected is not None:
        found = as_lists(filled(lengths, everyone, size, opens, None, fills))
        assert [[(d, tokens) for d, _, tokens in row] for row in found] == expected


@SETTINGS
@given(st.one_of(orders(), made_orders()))
def test_every_row_but_the_last_is_full_and_every_token_placed_once(order):
    lengths, permutation, size, opens, fills = order
    rows = as_lists(filled(lengths, permutation, size, opens, None, fills))
    total = int(lengths[permutation].sum())
    assert sorted(sum(m for _, _, m in row) for row in rows)[1:] == [size] * (-(-total // size) - 1)
    assert all(m > 0 for row in rows for _, _, m in row)
    placed = [(d, t) for row in rows for d, s, m in row for t in range(s, s + m)]
    assert sorted(placed) == sorted((d, t) for d in permutation.tolist() for t in range(lengths[d]))
    if fills.any() and np.unique(permutation).size == permutation.size:  # pieces in rows that ascend
        for d in range(lengths.size):
            starts = [s for row in rows for other, s, _ in row if other == d]
            assert starts == sorted(starts)


@SETTINGS
@given(made_orders())
def test_nothing_fills_where_nothing_is_said_to(order):
    lengths, everyone, size, opens, _ = order
    nothing = np.zeros(lengths.size, np.bool_)
    found = filled(lengths, everyone, size, opens, None, nothing)
    assert as_lists(found) == as_lists(filled(lengths, everyone, size, opens))


@SETTINGS
@given(orders())
def test_policies_that_do_not_fill_leave_it_aside(order):
    for name in set(POLICIES) - {"filled"}:
        assert as_lists(POLICIES[name](*order[:4], None, order[4])) == as_lists(POLICIES[name](*order[:4]))


def test_by_hand():
    """0 and 5 fill; 0 is for the two contexts that follow, of 4 + 5 and of the first 3 of 13, with 2; 5 is for 6."""
    lengths = np.array([4, 4, 5, 13, 2, 14, 8], np.int64)
    opens = np.array([True, True, False, True, False, True, True])
    fills = np.array([True, False, False, False, False, True, False])
    assert as_lists(filled(lengths, np.arange(7), 10, opens, None, fills)) == [
        [(0, 0, 1), (1, 0, 4), (2, 0, 5)],
        [(0, 1, 3), (3, 0, 3), (4, 0, 2), (5, 0, 2)],  # what is left of 5 goes to the nearest that has room
        [(5, 2, 2), (6, 0, 8)],
        [(3, 3, 10)],
        [(5, 4, 10)],
    ]
