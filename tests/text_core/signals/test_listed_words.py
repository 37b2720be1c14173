# ruff: noqa: RUF001 (the apostrophe is what is tested)
"""Listed words against a search in lists of words."""

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from sequitur.text_core.signals.listed_words import listed_word_signals, read_list
from sequitur.text_core.units.strings import from_arrow
from sequitur.text_core.units.words import word_table

words = st.sampled_from(["a", "b", "c", "dd"])
phrases = st.lists(words, max_size=4)


def shares(lines: list[str], *texts: str) -> list[float]:
    table = word_table(from_arrow(pa.array(texts, pa.large_string())))
    return listed_word_signals(table, read_list(lines))["listed_word_share"].tolist()


@given(st.lists(phrases, max_size=6), st.lists(st.lists(words, max_size=25), min_size=1, max_size=3))
def test_shares_are_those_of_a_plain_search(entries, documents):
    expected = []
    for document in documents:
        listed = np.zeros(len(document), dtype=bool)
        for entry in entries:
            for first in range(len(document)):
                if entry and document[first : first + len(entry)] == entry:
                    listed[first : first + len(entry)] = True
        expected.append(np.float32(listed.mean()) if document else 0)
    assert shares([" ".join(entry) for entry in entries], *map(" ".join, documents)) == expected


def test_case_and_what_stands_between_words_do_not_matter():
    lines = ["Bad Word\n", "STRASSE", "l'été"]
    assert shares(lines, "A bad, WORD here", "bad\nword", "Bad", "Strasse straße", "L’ÉTÉ") == [0.5, 1, 0, 0.5, 1]


def test_lines_without_words_and_repetitions_are_ignored_and_counted():
    listed = read_list(["", "  \n", "--- !!!", "\u200b\ufeff", "one", "ONE", "one two", "one-two", "字"])
    assert (listed.entries, listed.ignored) == (3, 6)
    assert shares(["", "..."], "one two", "") == [0, 0]
    assert shares([], "one two", "") == [0, 0]


def test_a_list_of_long_phrases_with_one_beginning_stays_cheap():
    lines = [" ".join(["a"] * length) + " b" for length in range(1, 200)]
    assert shares(lines, "a " * 50_000, "a " * 300 + "b") == [0, np.float32(200 / 301)]
