import re
from unittest.mock import patch

import numpy as np
import pyarrow as pa
import pytest
from datatrove.data import Document
from datatrove.pipeline.filters import gopher_repetition_filter as datatrove
from hypothesis import given, settings
from hypothesis import strategies as st

from sequitur.text_core.signals.ngrams import DUPLICATE_SIZES, TOP_SIZES
from sequitur.text_core.signals.repetition import repetition_signals
from sequitur.text_core.units.lines import line_table
from sequitur.text_core.units.strings import from_arrow
from sequitur.text_core.units.tokens import token_table

PIECES = [
    "a ",
    "b ",
    "ab ",
    "aa ",
    "é ",
    "字",
    ".",
    "- ",
    "--",
    " ",
    "\u3000",
    "\n",
    "\n\n",
    "a b a b ",
    "a\n",
    "b\n\n",
]
# What follows on itself: n-grams long enough to be told by their beginnings, with tokens that divide it elsewhere.
LONG_PIECES = ["abcdefgh", "ab cdefgh ", "abcdefg h ", "abcd ", "efgh ", "éü字éü", " ", "\n", ". "]
texts = st.one_of(*(st.lists(st.sampled_from(pieces), max_size=60).map("".join) for pieces in (PIECES, LONG_PIECES)))

# Signal to the limit of datatrove's default filter (Table A1), in the order in which it looks.
LIMITS = {
    "duplicate_paragraph_fraction": 0.3,
    "duplicate_paragraph_char_fraction": 0.2,
    "duplicate_line_fraction": 0.3,
    "duplicate_line_char_fraction": 0.2,
    "top_2_gram_char_fraction": 0.2,
    "top_3_gram_char_fraction": 0.18,
    "top_4_gram_char_fraction": 0.16,
    "duplicate_5_gram_char_fraction": 0.15,
    "duplicate_6_gram_char_fraction": 0.14,
    "duplicate_7_gram_char_fraction": 0.13,
    "duplicate_8_gram_char_fraction": 0.12,
    "duplicate_9_gram_char_fraction": 0.11,
    "duplicate_10_gram_char_fraction": 0.1,
}


def signals_of(*texts: str) -> dict[str, np.ndarray]:
    strings = from_arrow(pa.array(texts, pa.large_string()))
    return repetition_signals(strings, token_table(strings), line_table(strings))


def by_datatrove(text: str, words: list[str]) -> dict[str, float]:
    """The signals from datatrove's own functions, divided as its filter divides."""
    paragraphs, lines = re.split(r"\n{2,}", text.strip()), re.split("\n+", text)
    chars = len(text)
    paragraph_count, paragraph_chars = datatrove.find_duplicates(paragraphs)
    line_count, line_chars = datatrove.find_duplicates(lines)
    tops = {n: datatrove.get_n_grams(words, n) for n in TOP_SIZES}
    return {
        "duplicate_line_fraction": line_count / len(lines),
        "duplicate_line_char_fraction": line_chars / chars,
        "duplicate_paragraph_fraction": paragraph_count / len(paragraphs),
        "duplicate_paragraph_char_fraction": paragraph_chars / chars,
        **{f"top_{n}_gram_char_fraction": datatrove.find_top_duplicate(x) / chars if x else 0 for n, x in tops.items()},
        **{
            f"duplicate_{n}_gram_char_fraction": datatrove.find_all_duplicate(words, n) / chars for n in DUPLICATE_SIZES
        },
    }


def drops(signals: dict[str, np.ndarray]) -> list[bool]:
    over = np.array([signals[name] > limit for name, limit in LIMITS.items()])
    return over.any(axis=0).tolist()


def datatrove_drops(texts: list[str], words: list[list[str]]) -> list[bool]:
    """The verdicts of datatrove's filter, given the words of each text."""
    rule = datatrove.GopherRepetitionFilter()
    dropped = []
    for text, own in zip(texts, words, strict=True):
        with patch.object(datatrove, "split_into_words", lambda *_, own=own: own):
            dropped.append(rule.filter(Document(text=text, id="0")) is not True)
    return dropped


@settings(max_examples=200, deadline=None)
@given(st.lists(texts.filter(bool), min_size=1, max_size=4))
def test_signals_are_those_of_datatrove(own_tokens, documents):
    tokens = own_tokens(from_arrow(pa.array(documents, pa.large_string())))
    signals = signals_of(*documents)
    expected = [by_datatrove(text, words) for text, words in zip(documents, tokens, strict=True)]
    assert list(signals) == list(expected[0])
    assert {name: values.tolist() for name, values in signals.items()} == {
        name: [one[name] for one in expected] for name in signals
    }


def test_verdicts_on_real_text_are_those_of_datatrove(demo_texts, own_tokens, spacy_tokens):
    """Given the same words, all; with those of spaCy, but for documents within a few tokens of a threshold."""
    strings = from_arrow(pa.array(demo_texts, pa.large_string()))
    ours = drops(signals_of(*demo_texts))
    assert ours == datatrove_drops(demo_texts, own_tokens(strings))
    assert 0.05 < np.mean(ours) < 0.5
    assert np.mean(np.equal(ours, datatrove_drops(demo_texts, spacy_tokens))) >= 0.98


def test_a_small_document():
    signals = {name: values[0] for name, values in signals_of("one two\none two\n\nthree\n\none two").items()}
    assert signals["duplicate_line_fraction"] == 2 / 4
    assert signals["duplicate_line_char_fraction"] == 14 / 31
    assert signals["duplicate_paragraph_fraction"] == 0  # "one two\none two" is another paragraph than "one two"
    assert signals["top_2_gram_char_fraction"] == 3 * len("one two") / 31
    assert signals["top_3_gram_char_fraction"] == len("one two one") / 31  # each occurs once: the first counts
    assert signals["duplicate_5_gram_char_fraction"] == 0


@pytest.mark.filterwarnings("error")
def test_documents_without_words():
    signals = signals_of("", " \n\n ", "\n", "word")
    assert {values[0] for values in signals.values()} == {0}
    assert signals["duplicate_line_fraction"].tolist() == [0, 0.5, 0.5, 0]
    assert signals["top_2_gram_char_fraction"].tolist() == [0] * 4
    assert {values.shape for values in signals_of().values()} == {(0,)}


def test_ten_megabytes_of_one_line_and_of_ten_million_lines():
    signals = signals_of("x" * 10_000_000, "x\n" * 5_000_000)
    assert signals["duplicate_line_fraction"].tolist() == [0, 4_999_999 / 5_000_001]
    assert signals["duplicate_5_gram_char_fraction"][0] == 0
    assert signals["duplicate_5_gram_char_fraction"][1] == pytest.approx(0.5, abs=1e-5)


def test_a_document_does_not_see_the_one_before_it():
    text = "a line of some words that is long enough for ten tokens\n"
    assert signals_of(text, text, text * 2, text)["duplicate_10_gram_char_fraction"].tolist()[::3] == [0, 0]


def test_a_slice_of_an_array_has_the_signals_of_its_rows():
    array = pa.array(["first first", "# the\n# the\n", "• third 字"], pa.large_string())
    strings = from_arrow(array.slice(1))
    sliced = repetition_signals(strings, token_table(strings), line_table(strings))
    whole = signals_of(*array.to_pylist())
    assert {name: values.tolist() for name, values in sliced.items()} == {
        name: values[1:].tolist() for name, values in whole.items()
    }
