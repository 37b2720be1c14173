"""Every token placed once, and the policies against plain Python."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sequitur.graph_sort.packing import (
    POLICIES,
    best_fit,
    bucket_lengths,
    buckets,
    by_length,
    row_lengths,
    stream,
    whole,
)

SETTINGS = settings(max_examples=50, deadline=None)


@st.composite
def corpora(draw, longest=40):
    lengths = draw(st.lists(st.integers(0, longest), max_size=40))
    permutation = draw(st.permutations(range(len(lengths))))
    return np.array(lengths, np.int64), np.array(permutation, np.int64), draw(st.integers(1, 17))


def as_lists(contexts):
    pieces = list(zip(contexts.document, contexts.start, contexts.length, strict=True))
    ends = zip(contexts.offsets, contexts.offsets[1:], strict=False)
    return [[tuple(map(int, piece)) for piece in pieces[a:b]] for a, b in ends]


def cut_in_plain_python(lengths, permutation, context_length):
    return [
        (int(d), s, min(int(lengths[d]) - s, context_length))
        for d in permutation
        for s in range(0, int(lengths[d]), context_length)
    ]


def whole_in_plain_python(lengths, permutation, context_length, window):
    pieces = cut_in_plain_python(lengths, permutation, context_length)
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


def best_fit_in_plain_python(lengths, permutation, context_length, window, longest_first):
    """Looks at every context for every piece."""
    pieces = cut_in_plain_python(lengths, permutation, context_length)
    places = np.cumsum([0, *(piece[2] for piece in pieces)]).tolist()[:-1]
    if longest_first:
        places = [place - place % (longest_first * context_length) for place in places]
    come = range(len(pieces))
    if longest_first:
        come = sorted(come, key=lambda i: (places[i], -pieces[i][2], i))
    contexts = []  # [room, when it came to its fill, where it was opened, pieces]
    for when, i in enumerate(come):
        fits = [c for c in contexts if c[0] >= pieces[i][2] and places[i] <= c[2] + window * context_length]
        if fits:
            context = min(fits, key=lambda c: (c[0], -c[1]))
        else:
            context = [context_length, 0, places[i], []]
            contexts.append(context)
        context[0] -= pieces[i][2]
        context[1] = when
        context[3].append(i)
    return [[pieces[i] for i in sorted(c[3])] for c in sorted(contexts, key=lambda c: min(c[3]))]


@SETTINGS
@given(corpora(), st.sampled_from(sorted(POLICIES)), st.data())
def test_every_token_is_placed_exactly_once(corpus, policy, data):
    lengths, permutation, context_length = corpus
    opens = np.array(data.draw(st.lists(st.booleans(), min_size=lengths.size, max_size=lengths.size)), np.bool_)
    contexts = as_lists(POLICIES[policy](lengths, permutation, context_length, opens))
    placed = [(d, t) for context in contexts for d, s, m in context for t in range(s, s + m)]
    assert sorted(placed) == [(d, t) for d, m in enumerate(lengths) for t in range(m)]
    assert all(0 < sum(m for _, _, m in context) <= context_length for context in contexts)


@SETTINGS
@given(corpora(), st.sampled_from(sorted(POLICIES)), st.data())
def test_a_document_is_placed_as_often_as_the_order_names_it(corpus, policy, data):
    lengths, permutation, context_length = corpus
    if lengths.size == 0:
        return
    names = data.draw(st.lists(st.sampled_from(permutation.tolist()), max_size=60))
    repeating = np.array(names, np.int64)
    contexts = as_lists(POLICIES[policy](lengths, repeating, context_length, np.zeros(len(names), np.bool_)))
    placed = [(d, t) for context in contexts for d, s, m in context for t in range(s, s + m)]
    assert sorted(placed) == sorted((d, t) for d in names for t in range(lengths[d]))
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


def test_whole_begins_a_context_where_the_order_does():
    lengths = np.array([2, 3, 2, 1, 9, 1], np.int64)
    opens = np.array([False, False, True, False, False, True])
    contexts = whole(lengths, np.arange(6, dtype=np.int64), 10, opens)
    assert as_lists(contexts) == [[(0, 0, 2), (1, 0, 3)], [(2, 0, 2), (3, 0, 1)], [(4, 0, 9)], [(5, 0, 1)]]


@SETTINGS
@given(corpora(), st.integers(0, 6), st.integers(0, 4))
def test_best_fit_is_the_same_in_plain_python(corpus, window, longest_first):
    lengths, permutation, context_length = corpus
    contexts = best_fit(lengths, permutation, context_length, window=window, longest_first=longest_first)
    expected = best_fit_in_plain_python(lengths, permutation, context_length, window, longest_first)
    assert as_lists(contexts) == expected


def test_best_fit_needs_few_contexts():
    """At most 11/9 of the fewest, and 1, where the longest come first (Johnson et al. 1974)."""
    rng = np.random.default_rng(3)
    fills = [rng.multinomial(1000, rng.dirichlet(np.ones(6))) for _ in range(300)]  # 300 full contexts, cut up
    lengths = rng.permutation(np.concatenate(fills)).astype(np.int64)
    everything = best_fit(lengths, np.arange(lengths.size), 1000, window=10**6, longest_first=10**6)
    assert 300 <= everything.offsets.size - 1 <= 11 / 9 * 300 + 1
    assert everything.offsets.size <= best_fit(lengths, np.arange(lengths.size), 1000).offsets.size <= 330


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


def test_best_fit_by_hand():
    # 6 and 7 open contexts; 3 fills the fuller; 23 is cut, its tail of 3 finds room beside the 6; 5 opens one.
    lengths = np.array([6, 7, 3, 23, 5], np.int64)
    assert as_lists(best_fit(lengths, np.arange(5, dtype=np.int64), 10)) == [
        [(0, 0, 6), (3, 20, 3)],
        [(1, 0, 7), (2, 0, 3)],
        [(3, 0, 10)],
        [(3, 10, 10)],
        [(4, 0, 5)],
    ]


def test_buckets_by_hand():
    lengths = np.array([300, 31, 0, 32], np.int64)
    contexts = buckets(lengths, np.array([3, 2, 0, 1], np.int64), 200)
    assert bucket_lengths(200).tolist() == row_lengths("buckets", 200).tolist() == [32, 64, 128]
    assert as_lists(contexts) == [
        [(3, 0, 32)],
        [(0, 0, 128)],
        [(0, 128, 128)],
        [(0, 256, 32)],
        [(0, 288, 12)],
        [(1, 0, 31)],
    ]
    parted = by_length(contexts, bucket_lengths(200))
    assert {length: as_lists(part) for length, part in parted.items()} == {
        32: [[(3, 0, 32)], [(0, 256, 32)], [(0, 288, 12)], [(1, 0, 31)]],
        128: [[(0, 0, 128)], [(0, 128, 128)]],
    }


@SETTINGS
@given(corpora(longest=2000), st.integers(1, 700))
def test_buckets_are_powers_of_two(corpus, context_length):
    lengths, permutation, _ = corpus
    sizes = set(bucket_lengths(context_length).tolist())
    smallest = min(sizes)
    assert all(size & (size - 1) == 0 and size <= context_length for size in sizes)
    contexts = as_lists(buckets(lengths, permutation, context_length))
    assert all(len(context) == 1 for context in contexts)
    ends = {d: s + m for context in contexts for d, s, m in context}
    for ((d, s, m),) in contexts:
        assert m in sizes or (m < smallest and s + m == lengths[d])
    assert ends == {d: m for d, m in enumerate(lengths.tolist()) if m}


@SETTINGS
@given(corpora(longest=300), st.sampled_from(sorted(POLICIES)))
def test_contexts_by_length_are_all_contexts(corpus, policy):
    lengths, permutation, _ = corpus
    contexts = POLICIES[policy](lengths, permutation, 128, np.zeros(lengths.size, np.bool_))
    parted = by_length(contexts, row_lengths(policy, 128))
    assert sorted(map(tuple, as_lists(contexts))) == sorted(
        tuple(context) for part in parted.values() for context in as_lists(part)
    )
    for length, part in parted.items():
        for context in as_lists(part):
            assert sum(m for _, _, m in context) <= length


@pytest.mark.parametrize("pack", [stream, whole, best_fit, buckets])
def test_bad_arguments_are_named(pack):
    one = np.ones(1, np.int64)
    with pytest.raises(ValueError, match="context_length"):
        pack(one, one - 1, 0)
    with pytest.raises(ValueError, match="negative length"):
        pack(-one, one - 1, 4)
    with pytest.raises(ValueError, match="the order names document 1"):
        pack(one, np.arange(2), 4)
