from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sequitur.text_core.units.shingles import ShingleSets, jaccard, shingle_sets, token_shingle_sets
from sequitur.text_core.units.strings import from_arrow
from sequitur.text_core.units.words import word_table

documents = st.lists(st.lists(st.sampled_from("abc"), max_size=12), min_size=1, max_size=4)


def shingles_of(documents: list[list[str]], size: int) -> ShingleSets:
    texts = [" ".join(words) for words in documents]
    return shingle_sets(word_table(from_arrow(pa.array(texts, pa.large_string()))), size)


def sets_of(documents: list[list[str]], size: int) -> list[set[tuple[str, ...]]]:
    """The same by Python's sets: tuples of words."""
    return [
        {tuple(words[i : i + size]) for i in range(max(1, len(words) - size + 1))} if words else set()
        for words in documents
    ]


@settings(max_examples=50, deadline=None)
@given(documents, st.integers(1, 6))
def test_sets_are_distinct_ascending_and_as_large_as_pythons(documents, size):
    hashes, offsets = shingles_of(documents, size)
    rows = [hashes[i:j].tolist() for i, j in pairwise(offsets)]
    assert rows == [sorted(set(row)) for row in rows]
    assert [len(row) for row in rows] == [len(shingles) for shingles in sets_of(documents, size)]


@settings(max_examples=50, deadline=None)
@given(documents, documents, st.integers(1, 6))
def test_jaccard_is_that_of_pythons_sets(left, right, size):
    pairs = np.array([(i, j) for i in range(len(left)) for j in range(len(right))], dtype=np.int64)
    a, b = sets_of(left, size), sets_of(right, size)
    expected = [len(a[i] & b[j]) / len(a[i] | b[j]) if a[i] | b[j] else 0.0 for i, j in pairs]
    assert jaccard(shingles_of(left, size), shingles_of(right, size), pairs).tolist() == expected


@settings(max_examples=30, deadline=None)
@given(st.lists(st.lists(st.integers(0, 2), max_size=12), min_size=2, max_size=4), st.integers(1, 6))
def test_jaccard_of_tokens_is_that_of_pythons_sets(documents, size):
    offsets = np.cumsum([0, *map(len, documents)])
    sets = token_shingle_sets(offsets, np.array([token for row in documents for token in row], np.uint32), size)
    a, b = sets_of(documents, size)[:2]
    assert jaccard(sets, sets, np.array([[0, 1]])).tolist() == [len(a & b) / len(a | b) if a | b else 0.0]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.lists(st.integers(0, 30), max_size=40), min_size=1, max_size=4), st.sampled_from([1, 2, 8]))
def test_a_sample_of_tokens_shingles_is_of_the_same_hashes(documents, every):
    offsets = np.cumsum([0, *map(len, documents)])
    ids = np.array([token for row in documents for token in row], np.uint32)
    whole, some = token_shingle_sets(offsets, ids, 2), token_shingle_sets(offsets, ids, 2, every)
    for i in range(len(documents)):
        own = whole.hashes[whole.offsets[i] : whole.offsets[i + 1]]
        assert some.hashes[some.offsets[i] : some.offsets[i + 1]].tolist() == own[own % np.uint64(every) == 0].tolist()


def test_word_order_tells_shingles_apart():
    sets = shingles_of([["a", "b", "c"], ["c", "b", "a"], ["a", "c", "b"]], 3)
    assert jaccard(sets, sets, np.array([[0, 1], [0, 2], [1, 2]])).tolist() == [0, 0, 0]


def test_no_pairs_and_pairs_that_are_not_there():
    sets = shingles_of([["a"], ["b"]], 5)
    assert jaccard(sets, sets, np.empty((0, 2), dtype=np.int64)).shape == (0,)
    for pair in ([0, 2], [-1, 0]):
        with pytest.raises(ValueError, match="pairs must lie in"):
            jaccard(sets, sets, np.array([pair]))
    with pytest.raises(ValueError, match="at least 1"):
        shingles_of([["a"]], 0)
