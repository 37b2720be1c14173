"""Every token placed once, and `whole` against plain Python. Run: python -m pytest tests/graph_sort/test_packing.py"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graph_sort.packing import Contexts, context_documents, stream, whole

SETTINGS = settings(max_examples=50, deadline=None)


@st.composite
def corpora(draw):
    lengths = draw(st.lists(st.integers(0, 40), max_size=40))
    permutation = draw(st.permutations(range(len(lengths))))
    return np.array(lengths, np.int64), np.array(permutation, np.int64), draw(st.integers(1, 17))


def as_lists(contexts):
    pieces = list(zip(contexts.document, contexts.start, contexts.length, strict=True))
    ends = zip(contexts.offsets, contexts.offsets[1:], strict=False)
    return [[tuple(map(int, piece)) for piece in pieces[a:b]] for a, b in ends]


def whole_in_plain_python(lengths, permutation, context_length, window):
    pieces = [
        (int(d), s, min(int(lengths[d]) - s, context_length))
        for d in permutation
        for s in range(0, int(lengths[d]), context_length)
    ]
    waiting = list(range(len(pieces)))
    contexts = []
    while waiting:
        context, filling, room = [], [], context_length
        while waiting and pieces[waiting[0]][2] <= room:
            context.append(waiting.pop(0))
            room -= pieces[context[-1]][2]
        while True:
            ahead = [i for i in waiting[1 : window + 1] if pieces[i][1] == 0 and pieces[i][2] <= room]
            if not ahead:
                break
            filling.append(max(ahead, key=lambda i: (pieces[i][2], -i)))
            waiting.remove(filling[-1])
            room -= pieces[filling[-1]][2]
        contexts.append([pieces[i] for i in context + sorted(filling)])
    return contexts


@SETTINGS
@given(corpora(), st.sampled_from([stream, whole]))
def test_every_token_is_placed_exactly_once(corpus, pack):
    lengths, permutation, context_length = corpus
    contexts = as_lists(pack(lengths, permutation, context_length))
    placed = [(d, t) for context in contexts for d, s, m in context for t in range(s, s + m)]
    assert sorted(placed) == [(d, t) for d, m in enumerate(lengths) for t in range(m)]
    assert all(0 < sum(m for _, _, m in context) <= context_length for context in contexts)


@SETTINGS
@given(corpora())
def test_stream_is_the_concatenation_cut(corpus):
    lengths, permutation, context_length = corpus
    tokens = [(int(d), t) for d in permutation for t in range(lengths[d])]
    contexts = as_lists(stream(lengths, permutation, context_length))
    read = [[(d, t) for d, s, m in context for t in range(s, s + m)] for context in contexts]
    assert read == [tokens[i : i + context_length] for i in range(0, len(tokens), context_length)]


@SETTINGS
@given(corpora(), st.integers(0, 6))
def test_whole_is_the_same_in_plain_python(corpus, window):
    lengths, permutation, context_length = corpus
    contexts = whole(lengths, permutation, context_length, window=window)
    assert as_lists(contexts) == whole_in_plain_python(lengths, permutation, context_length, window)


def test_whole_by_hand():
    # 6 fits, 7 does not; of the next two (3 and 4) the longer fits; then 7 and the 3 that was left;
    # 23 is longer than a context, so it is cut, and its tail opens the last one.
    lengths = np.array([6, 7, 3, 4, 23, 5], np.int64)
    contexts = whole(lengths, np.arange(6, dtype=np.int64), 10, window=2)
    assert as_lists(contexts) == [
        [(0, 0, 6), (3, 0, 4)],
        [(1, 0, 7), (2, 0, 3)],
        [(4, 0, 10)],
        [(4, 10, 10)],
        [(4, 20, 3), (5, 0, 5)],
    ]


def test_context_documents_once_each_in_order():
    contexts = Contexts(
        offsets=np.array([0, 4, 6], np.int64),
        document=np.array([7, 2, 7, 5, 2, 1], np.int64),
        start=np.array([0, 0, 9, 0, 3, 0], np.int64),
        length=np.full(6, 3, np.int64),
    )
    offsets, documents = context_documents(contexts)
    assert offsets.tolist() == [0, 3, 5]
    assert documents.tolist() == [7, 2, 5, 2, 1]


@pytest.mark.parametrize("pack", [stream, whole])
def test_bad_arguments_are_named(pack):
    one = np.ones(1, np.int64)
    with pytest.raises(ValueError, match="context_length"):
        pack(one, one - 1, 0)
    with pytest.raises(ValueError, match="negative length"):
        pack(-one, one - 1, 4)
    with pytest.raises(ValueError, match="the order names document 1"):
        pack(one, np.arange(2), 4)
