# ruff: noqa: RUF001 (the confusable characters are what is tested)
"""Overlaps against Python's lists of words."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sequitur.text_core.duplicates.overlap import NgramIndex, first_overlaps, ngram_index, presence
from sequitur.text_core.units.strings import Strings, from_arrow
from sequitur.text_core.units.words import word_table

columns = st.lists(st.lists(st.sampled_from(["a", "b", "c"]), max_size=12), max_size=5)


def strings(texts: list[str]) -> Strings:
    return from_arrow(pa.array(texts, pa.large_string()))


def overlaps(documents: list[str], index: NgramIndex) -> list[tuple[int, int]]:
    """Of each document the first word of the n-gram, counted in the document, and the text; −1 for none."""
    column = strings(documents)
    words = word_table(column)
    found = first_overlaps(column, words, index, presence(index.hash))
    starts = np.where(found.word >= 0, words.document_offsets[:-1], 0)
    return list(zip((found.word - starts).tolist(), found.text.tolist(), strict=True))


def expected(documents: list[list[str]], texts: list[list[str]], size: int) -> list[tuple[int, int]]:
    first: dict[tuple[str, ...], int] = {}
    for number, text in enumerate(texts):
        for start in range(len(text) - size + 1):
            first.setdefault(tuple(text[start : start + size]), number)
    ngrams = [[tuple(document[i : i + size]) for i in range(len(document) - size + 1)] for document in documents]
    return [
        next(((start, first[ngram]) for start, ngram in enumerate(of_one) if ngram in first), (-1, -1))
        for of_one in ngrams
    ]


@settings(max_examples=200, deadline=None)
@given(columns, columns, st.integers(1, 5))
def test_the_first_shared_ngram_and_its_first_text(documents, texts, size):
    index = ngram_index(strings([" ".join(text) for text in texts]), size)
    assert overlaps([" ".join(document) for document in documents], index) == expected(documents, texts, size)


def test_many_ngrams_are_all_found_and_no_other():
    rng = np.random.default_rng(2)
    texts = [" ".join(f"w{word}" for word in rng.integers(0, 100_000, 40)) for _ in range(300)]
    index = ngram_index(strings(texts), 8)
    assert len(index.hash) == 300 * 33
    pieces = [" ".join(text.split()[20:28]) for text in texts]
    assert overlaps(pieces, index) == [(0, number) for number in range(300)]
    assert overlaps([f"{piece[:-1]}x" for piece in pieces], index) == [(-1, -1)] * 300


def test_case_marks_of_punctuation_and_apostrophes_do_not_matter_and_accents_do():
    index = ngram_index(strings(["It’s the ÉCOLE of straße, 12 men"]), 5)
    assert overlaps(["well: it's   THE école—of Straße!", "it's the ecole of straße 12"], index) == [(1, 0), (-1, -1)]


def test_ngrams_do_not_run_from_one_text_or_document_into_the_next():
    index = ngram_index(strings(["a b", "", "c d", "x"]), 3)
    assert len(index.hash) == 0
    assert overlaps(["a b c d", ""], index) == [(-1, -1), (-1, -1)]
    assert overlaps(["a b", "c"], ngram_index(strings(["a b c"]), 3)) == [(-1, -1), (-1, -1)]
    assert overlaps([], index) == []


def test_slices_and_read_only_columns():
    whole = pa.array(["before", "one two three", "four five six", "after"], pa.large_string())
    index = ngram_index(from_arrow(whole.slice(1, 2)), 3)
    assert overlaps(["zero one two three", "four five six", "before"], index) == [(1, 0), (0, 1), (-1, -1)]


def test_words_decide_where_hashes_collide():
    index = ngram_index(strings(["one two three"]), 3)
    column = strings(["four five six", "one two three"])
    words = word_table(column)
    words.hash[:3] = words.hash[3:]
    found = first_overlaps(column, words, index, presence(index.hash))
    assert found.word.tolist() == [-1, 3]


def test_the_filter_lets_all_its_hashes_pass_and_few_others():
    rng = np.random.default_rng(1)
    hashes, others = rng.integers(0, 2**64, (2, 5000), dtype=np.uint64)
    bitmap = presence(hashes)

    def passes(values: np.ndarray) -> np.ndarray:
        slots = values >> np.uint64(64 - (8 * len(bitmap) - 1).bit_length())
        return bitmap[slots >> np.uint64(3)] >> (slots & np.uint64(7)) & 1

    assert passes(hashes).all()
    assert 0.01 < passes(others).mean() < 0.08
    assert presence(hashes[:0]).tolist() == [0]


def test_an_ngram_without_words():
    with pytest.raises(ValueError, match="at least 1 word"):
        ngram_index(strings(["a"]), 0)
