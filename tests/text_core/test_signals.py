from unittest.mock import patch

import numpy as np
import pyarrow as pa
import pytest
from datatrove.data import Document
from datatrove.pipeline.filters import gopher_quality_filter
from hypothesis import given, settings
from hypothesis import strategies as st

from text_core.signals import gopher_quality_signals
from text_core.strings import from_arrow
from text_core.words import word_table

PIECES = ["a", "the ", "of ", "5", "é", "字", ".", "...", "…", "#", "-", "•", " ", "\t", "\u3000"]
PIECES += ["\n", "\r\n", "\r", "\x1c", "\u2028", "\n\n"]
texts = st.lists(st.sampled_from(PIECES), max_size=30).map("".join)


def signals_of(*texts: str) -> dict[str, np.ndarray]:
    strings = from_arrow(pa.array(texts, pa.large_string()))
    return gopher_quality_signals(strings, word_table(strings))


def datatrove_drops(text: str, **limit: float) -> bool:
    """datatrove's verdict under one limit, its tokenizer replaced by `str.split`."""
    limits = dict.fromkeys(
        (
            "min_doc_words",
            "max_doc_words",
            "min_avg_word_length",
            "max_avg_word_length",
            "max_symbol_word_ratio",
            "max_bullet_lines_ratio",
            "max_ellipsis_lines_ratio",
            "max_non_alpha_words_ratio",
            "min_stop_words",
        )
    )
    rule = gopher_quality_filter.GopherQualityFilter(**limits | limit)
    with patch.object(gopher_quality_filter, "split_into_words", lambda text, _: text.split()):
        return rule.filter(Document(text=text, id="0")) is not True


def test_a_small_document():
    text = "# The cat's café\n- and 42 dogs...\n\nwait … for 1.5 #2"
    signals = {name: values[0] for name, values in signals_of(text).items()}
    assert signals == {
        "byte_count": len(text.encode()),
        "char_count": len(text),
        "line_count": 4,
        "word_count": 11,  # The cat's café and 42 dogs wait for 1 5 2
        "mean_word_length": np.float32(31 / 11),
        "hash_to_word_ratio": np.float32(2 / 11),
        "ellipsis_to_word_ratio": np.float32(2 / 11),
        "bullet_line_ratio": np.float32(1 / 4),
        "ellipsis_line_ratio": np.float32(1 / 4),
        "alphabetic_word_ratio": np.float32(7 / 13),
        "stop_word_count": 2,
    }


@pytest.mark.filterwarnings("error")
def test_documents_without_words_have_zeros():
    signals = signals_of("", " \n ", "...")
    for name in ("word_count", "mean_word_length", "hash_to_word_ratio", "ellipsis_to_word_ratio", "stop_word_count"):
        assert signals[name].tolist() == [0, 0, 0]
    assert {name: values[0] for name, values in signals.items()} == dict.fromkeys(signals, 0)
    assert signals_of()["word_count"].shape == (0,)


@settings(max_examples=50, deadline=None)
@given(st.lists(texts, min_size=1, max_size=5))
def test_counts_are_those_of_python(documents):
    signals = signals_of(*documents)
    assert signals["byte_count"].tolist() == [len(text.encode()) for text in documents]
    assert signals["char_count"].tolist() == [len(text) for text in documents]
    assert signals["line_count"].tolist() == [len(text.splitlines()) for text in documents]
    ellipses = signals["ellipsis_to_word_ratio"] * signals["word_count"]
    expected = [text.count("...") + text.count("…") for text in documents]
    assert np.allclose(ellipses, np.where(signals["word_count"] > 0, expected, 0))


@settings(max_examples=50, deadline=None)
@given(texts.map(lambda text: f"word {text}"), st.sampled_from([0.1, 0.3, 0.5, 0.8, 0.9]))
def test_ratios_lead_to_the_verdicts_of_datatrove(text, limit):
    signals = {name: values[0] for name, values in signals_of(text).items()}
    assert (signals["bullet_line_ratio"] > np.float32(limit)) == datatrove_drops(text, max_bullet_lines_ratio=limit)
    assert (signals["ellipsis_line_ratio"] > np.float32(limit)) == datatrove_drops(text, max_ellipsis_lines_ratio=limit)
    assert (signals["alphabetic_word_ratio"] < np.float32(limit)) == datatrove_drops(
        text, max_non_alpha_words_ratio=limit
    )


@settings(max_examples=50, deadline=None)
@given(st.lists(st.sampled_from(["the", "be", "to", "of", "and", "that", "have", "with", "cat", "10"]), min_size=1))
def test_plain_words_lead_to_the_verdicts_of_datatrove(words):
    text = " ".join(words)
    signals = {name: values[0] for name, values in signals_of(text).items()}
    assert signals["word_count"] == len(words)
    assert (signals["stop_word_count"] < 2) == datatrove_drops(text, min_stop_words=2)
    assert (signals["mean_word_length"] < 3) == datatrove_drops(text, min_avg_word_length=3)


def test_stop_words_count_once_and_in_any_case():
    signals = signals_of("The the THE of", "other bee", "the be to of and that have with")
    assert signals["stop_word_count"].tolist() == [2, 0, 8]


def test_a_slice_of_an_array_has_the_signals_of_its_rows():
    array = pa.array(["first document", "# the second…\n", "• third 字"], pa.large_string())
    strings = from_arrow(array.slice(1))
    sliced = gopher_quality_signals(strings, word_table(strings))
    whole = signals_of(*array.to_pylist())
    assert {name: values.tolist() for name, values in sliced.items()} == {
        name: values[1:].tolist() for name, values in whole.items()
    }
