"""Repeated spans against the definition, read off all pairs of places in small streams."""

from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sequitur.text_core.duplicates import repeated_spans
from sequitur.text_core.duplicates.repeated_spans import Spans, covered, memory_bytes

END = 9
documents = st.lists(st.lists(st.integers(0, 2), max_size=25), min_size=1, max_size=5)


def stream(documents: list[list[int]], dtype: type = np.uint16) -> tuple[np.ndarray, np.ndarray]:
    """The tokens of some documents, each with its end, and their offsets."""
    tokens = np.array([token for document in documents for token in [*document, END]], dtype=dtype)
    return tokens, np.cumsum([0, *(len(document) + 1 for document in documents)], dtype=np.int64)


def spans_of(documents: list[list[int]], length: int, dtype: type = np.uint16) -> Spans:
    return repeated_spans.repeated_spans(*stream(documents, dtype), length)


def rows(spans: Spans) -> list[tuple[int, ...]]:
    return [tuple(map(int, row)) for row in zip(*spans, strict=True)]


def repeated_places(documents: list[list[int]], length: int) -> set[tuple[int, int]]:
    """Every token of the stretches of `length` tokens that occur before, not overlapping their first occurrence."""
    first: dict[tuple[int, ...], tuple[int, int]] = {}
    places = set()
    for number, document in enumerate(documents):
        for start in range(len(document) - length + 1):
            source, source_start = first.setdefault(tuple(document[start : start + length]), (number, start))
            if (source, source_start + length) <= (number, start) or source < number:
                places |= {(number, place) for place in range(start, start + length)}
    return places


@settings(max_examples=300, deadline=None)
@given(documents, st.integers(2, 6), st.sampled_from([np.uint16, np.uint32]))
def test_spans_cover_what_occurs_before_and_agree_with_their_sources(documents, length, dtype):
    found = spans_of(documents, length, dtype)
    _, offsets = stream(documents)
    inside = covered(offsets, found.document, found.start, found.length)
    expected = repeated_places(documents, length)
    assert [
        (number, place) in expected
        for number, document in enumerate(documents)
        for place in [*range(len(document)), -1]
    ] == inside.tolist()
    ends: dict[int, int] = {}
    for number, start, size, source, source_start in rows(found):
        here, there = documents[number][start:], documents[source][source_start:]
        assert length <= size <= len(here)
        assert here[:size] == there[:size]
        assert here[size : size + 1] != there[size : size + 1] or size in (len(here), len(there))
        assert source < number or (source == number and source_start + length <= start)
        assert ends.get(number, 0) < start + size, "spans are in order, and none holds another"
        ends[number] = start + size


@settings(max_examples=100, deadline=None)
@given(documents, st.integers(2, 6))
def test_what_is_removed_stays_somewhere_before(documents, length):
    """Removing every span leaves of each stretch at least one place that spells each of its tokens."""
    found = spans_of(documents, length)
    tokens, offsets = stream(documents)
    inside = covered(offsets, found.document, found.start, found.length)
    source = np.arange(len(tokens))
    for number, start, size, before, before_start in rows(found):
        begin = offsets[number] + start
        source[begin : begin + size] = np.arange(offsets[before] + before_start, offsets[before] + before_start + size)
    assert np.array_equal(tokens[source], tokens)
    for place in np.flatnonzero(inside):
        while inside[place]:
            assert source[place] < place
            place = source[place]


def test_a_run_of_one_token_keeps_its_first_stretch():
    assert rows(spans_of([[1] * 20], 5)) == [(0, 5, 15, 0, 0)]
    assert rows(spans_of([[1, 2, 0] * 7], 5)) == [(0, 6, 15, 0, 0)]


def test_identical_documents_keep_the_first():
    document = [0, 1, 2, 2, 1, 0]
    assert rows(spans_of([document, [], document, document], 4)) == [(2, 0, 6, 0, 0), (3, 0, 6, 0, 0)]


def test_spans_at_starts_and_ends_do_not_cross_into_the_next_document():
    assert rows(spans_of([[5, 1, 2, 3], [1, 2, 3, 6], [1, 2, 3]], 3)) == [(1, 0, 3, 0, 1), (2, 0, 3, 0, 1)]
    assert rows(spans_of([[5, 1, 2], [3, 4], [5, 1, 2], [3, 4]], 4)) == [], "the end of a document is no part of it"
    assert rows(spans_of([[1, 2], [1, 2]], 3)) == []


def test_overlapping_spans_have_each_its_own_source():
    first, second = [1, 2, 3, 4], [5, 6, 7, 8]
    assert rows(spans_of([first, second, [0], [4, 5, 6], first + second], 3)) == [
        (4, 0, 4, 0, 0),
        (4, 3, 3, 3, 0),
        (4, 4, 4, 1, 0),
    ]


def test_a_stream_too_long_for_int32_gives_the_same(monkeypatch):
    rng = np.random.default_rng(5)
    many = [rng.integers(0, 3, 200).tolist() for _ in range(5)]
    expected = rows(spans_of(many, 6))
    monkeypatch.setattr(repeated_spans, "divsufsort", partial(repeated_spans.divsufsort, force64=True))
    assert len(expected) > 10
    assert rows(spans_of(many, 6)) == expected


def test_read_only_and_empty_streams():
    tokens, offsets = stream([[1, 2, 3], [1, 2, 3]])
    tokens.flags.writeable = False
    assert rows(repeated_spans.repeated_spans(tokens, offsets, 3)) == [(1, 0, 3, 0, 0)]
    assert rows(repeated_spans.repeated_spans(tokens[:0], offsets[:1], 3)) == []


def test_wrong_arguments_are_named():
    tokens, offsets = stream([[1, 2]])
    for wrong in (tokens.astype(np.int64), tokens.repeat(2)[::2]):
        with pytest.raises(ValueError, match="contiguous array of uint16 or uint32"):
            repeated_spans.repeated_spans(wrong, offsets, 3)
    with pytest.raises(ValueError, match="at least 2"):
        repeated_spans.repeated_spans(tokens, offsets, 1)


def test_memory_is_ten_bytes_a_token_and_grows_where_int32_ends():
    assert memory_bytes(1000, 2) == 10_000
    assert memory_bytes(2**30, 2) == 18 * 2**30
