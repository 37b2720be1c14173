"""FineWeb's line rules against datatrove's filter, which is given our tokens."""

from unittest.mock import patch

import pyarrow as pa
import pytest
from datatrove.data import Document
from datatrove.pipeline.filters import fineweb_quality_filter
from datatrove.utils.text import TERMINAL_PUNCTUATION
from hypothesis import given, settings
from hypothesis import strategies as st

from sequitur.text_core.signals.fineweb import REASONS, fineweb_lines, fineweb_signals, fineweb_text
from sequitur.text_core.units.character_kinds import TERMINAL, character_kinds
from sequitur.text_core.units.lines import line_table
from sequitur.text_core.units.strings import Strings, from_arrow
from sequitur.text_core.units.tokens import token_table

LINES = [
    "A line that is long enough to count.",
    "Another line which is long enough, yet without an end",
    "Short.",
    "No",
]
LINES += [
    "",
    " ",
    "\u3000\t",
    "x" * 30,
    "x" * 31,
    "é" * 30,
    "Trailing. ",
    "字。",
    "Wait…",
    "\x1c",
    "Old.\r",
    "👍",
    "¿Qué?",
]
texts = st.lists(st.sampled_from(LINES), max_size=30).map("\n".join)


def strings_of(texts: list[str]) -> Strings:
    return from_arrow(pa.array(texts, pa.large_string()))


def our_tokens(text: str, _language: str) -> list[None]:
    return [None] * len(token_table(strings_of([text])).start)


def datatrove_keeps(text: str, **limits: float) -> bool:
    rule = fineweb_quality_filter.FineWebQualityFilter(**limits)
    with patch.object(fineweb_quality_filter, "split_into_words", our_tokens):
        return rule.filter(Document(text=text, id="0")) is True


@settings(max_examples=100, deadline=None)
@given(st.lists(texts, min_size=1, max_size=4), st.sampled_from([0, 0.1, 0.12, 0.25, 0.5, 1]))
def test_verdicts_are_those_of_datatrove(documents, limit):
    strings = strings_of(documents)
    signals = fineweb_signals(strings, token_table(strings), line_table(strings))
    off = {"line_punct_thr": 0, "short_line_thr": 1, "char_duplicates_ratio": 1, "new_line_ratio": 1000}
    for i, text in enumerate(documents):
        value = {name: signals[name][i] for name in signals}
        if text.strip():
            assert datatrove_keeps(text, **off | {"line_punct_thr": limit}) == (value["line_punct_ratio"] >= limit)
            assert datatrove_keeps(text, **off | {"short_line_thr": limit}) == (value["short_line_ratio"] <= limit)
            assert datatrove_keeps(text, **off | {"char_duplicates_ratio": limit}) == (value["char_dup_ratio"] <= limit)
            assert datatrove_keeps(text, **off | {"new_line_ratio": limit}) == (
                value["newline_to_token_ratio"] <= limit
            )
        fails = value["line_punct_ratio"] < 0.12 or value["short_line_ratio"] > 0.67
        fails |= value["char_dup_ratio"] > 0.01 or value["newline_to_token_ratio"] > 0.3
        assert datatrove_keeps(text) == (not fails)


@settings(max_examples=100, deadline=None)
@given(texts)
def test_lines_are_removed_as_plain_python_removes_them(text):
    strings = strings_of(["before.", text])
    verdicts = fineweb_lines(strings)
    seen: set[str] = set()
    expected = []
    for line in text.split("\n"):
        short = len(line) <= 30 and not line.endswith(tuple(TERMINAL_PUNCTUATION))
        blank = not line.strip()
        reason = "kept" if blank else "repeated" if line in seen else "short_without_punctuation" if short else "kept"
        seen.add(line)
        expected.append((line, reason))
    assert [REASONS[reason] for reason in verdicts.reason[1:]] == [reason for _, reason in expected]
    kept = fineweb_text(strings, verdicts)
    left = kept.data[kept.offsets[1] : kept.offsets[2]].tobytes().decode()
    assert left == "\n".join(line for line, reason in expected if reason == "kept")


def test_terminal_punctuation_is_that_of_datatrove():
    kinds = character_kinds()
    assert {chr(code) for code in (kinds & TERMINAL).nonzero()[0]} == set(TERMINAL_PUNCTUATION)


def test_signals_of_a_small_document():
    text = "One line is here, and it is long.\n\nShort\nShort\nMore."
    strings = strings_of([text])
    assert {
        name: values[0] for name, values in fineweb_signals(strings, token_table(strings), line_table(strings)).items()
    } == {
        "line_punct_ratio": 2 / 4,
        "short_line_ratio": 3 / 4,
        "char_dup_ratio": 5 / (len(text) - 4),
        "newline_to_token_ratio": 4 / 14,  # One line is here , and it is long . Short Short More .
    }


@pytest.mark.filterwarnings("error")
def test_documents_without_lines_have_zeros():
    strings = strings_of(["", "\n\n", " \n\u2003"])
    for values in fineweb_signals(strings, token_table(strings), line_table(strings)).values():
        assert values.tolist() == [0, 0, 0]
    assert fineweb_signals(strings_of([]), token_table(strings_of([])), line_table(strings_of([])))[
        "char_dup_ratio"
    ].shape == (0,)


def test_lines_of_other_documents_are_no_repetitions():
    strings = strings_of(["This line has more than thirty characters"] * 2)
    assert fineweb_lines(strings).reason.tolist() == [0, 0]
