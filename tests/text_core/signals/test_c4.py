"""C4's line rules against datatrove's filter, which is given our sentences."""

from itertools import pairwise
from unittest.mock import patch

import numpy as np
import pyarrow as pa
import pytest
from datatrove.data import Document
from datatrove.pipeline.filters import c4_filters
from hypothesis import given, settings
from hypothesis import strategies as st

from sequitur.text_core.signals.c4 import REASONS, c4_lines, c4_signals, c4_text
from sequitur.text_core.units.lines import split_lines
from sequitur.text_core.units.sentences import sentence_counts
from sequitur.text_core.units.strings import Strings, from_arrow
from sequitur.text_core.units.tokens import token_table

BREAKS = ["\n", "\r\n", "\r", "\x0b", "\x0c", "\x1c", "\x1d", "\x1e", "\x85", "\u2028", "\u2029", "\n\n"]
PIECES = [
    "one two three",
    "Seven",
    "é",
    "字。",
    " ",
    "\t",
    "\u3000",
    "\x1f",
    "\xa0",
    ".",
    "!",
    "?",
    '"',
    "'",
    "...",
    "…",
]
PIECES += ["[", "]", "[1]", "[]", "[٣]", "[²]", "[edit]", "[citation needed]", "[1", "{", "}", "w" * 1000, "x", "e.g."]
PIECES += [
    "Lorem Ipsum",
    "lorem[2] ipsum",
    "JavaScript",
    "java[3]script",
    "Terms of Use",
    "uses Coo\u212aies",
    "policy",
]
PIECES += ["privacy ", "use cookies", "use of cookies", "cookie policy", "\u2029", "\x00", "e\u0301"]
sentence = st.sampled_from(["It is so. ", "Is it? ", 'He said "no!" ', "One [12] two three."])
piece = st.one_of(sentence, sentence, st.sampled_from(BREAKS), st.sampled_from(PIECES))
texts = st.lists(piece, max_size=40).map("".join)


def strings_of(texts: list[str]) -> Strings:
    return from_arrow(pa.array(texts, pa.large_string()))


def read_back(strings: Strings) -> list[str]:
    offsets = strings.offsets.tolist()
    return [strings.data[i:j].tobytes().decode() for i, j in pairwise(offsets)]


def our_sentences(text: str, _language: str) -> list[None]:
    strings = strings_of([text])
    return [None] * max(1, int(sentence_counts(strings, token_table(strings))[0]))


def datatrove_filter(text: str) -> tuple[bool, str, dict[str, int]]:
    """Verdict, the text that is left, and how many lines fell to each reason."""
    document = Document(text=text, id="0")
    rule = c4_filters.C4QualityFilter()
    with patch.object(c4_filters, "split_into_sentences", our_sentences):
        kept = rule.filter(document) is True
    return kept, document.text, {name: int(value.total) for name, value in rule.stats.stats.items()}


@settings(max_examples=300, deadline=None)
@given(st.lists(texts, min_size=1, max_size=4))
def test_verdicts_and_texts_are_those_of_datatrove(documents):
    strings = strings_of(documents)
    signals = c4_signals(strings, token_table(strings), split_lines(strings))
    ours = (signals["c4_sentence_count"] >= 5) & (signals["c4_lorem_ipsum_lines"] == 0)
    ours &= signals["c4_curly_bracket_lines"] == 0
    rewritten = read_back(c4_text(strings, c4_lines(strings, split_lines(strings))))
    for text, kept, text_left in zip(documents, ours, rewritten, strict=True):
        expected, expected_text, _ = datatrove_filter(text)
        assert kept == expected
        if expected:
            assert text_left == expected_text


@settings(max_examples=200, deadline=None)
@given(texts)
def test_reasons_are_those_that_datatrove_counts(text):
    strings = strings_of([text])
    verdicts = c4_lines(strings, split_lines(strings))
    reasons = [REASONS[reason] for reason in verdicts.reason]
    _, _, counted = datatrove_filter(text)
    fatal = [i for i, reason in enumerate(reasons) if reason in ("lorem_ipsum", "curly_bracket")]
    reached = reasons[: fatal[0]] if fatal else reasons  # datatrove stops there
    names = {"no_terminal_punctuation": "line-filter-no_terminal_punc", "kept": "line-kept"}
    for reason in REASONS:
        assert reached.count(reason) == counted.get(names.get(reason, f"line-filter-{reason}"), 0)


@given(texts)
def test_lines_are_those_of_python(text):
    strings = strings_of(["before", text])
    verdicts = c4_lines(strings, split_lines(strings))
    spans = zip(verdicts.start[1:], verdicts.end[1:], strict=True)
    assert [strings.data[i:j].tobytes().decode() for i, j in spans] == [line.strip() for line in text.splitlines()]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("This one is kept.", "kept"),
        ('"This one too!"', "kept"),
        ("No end", "no_terminal_punctuation"),
        ("It trails off...", "no_terminal_punctuation"),
        ("It trails off…", "no_terminal_punctuation"),
        ("A citation at the end.[12]", "kept"),
        ("A footnote at the end.[a]", "no_terminal_punctuation"),
        ("[1].", "too_few_words"),
        ("Too few.", "too_few_words"),
        ("three [1] words.", "kept"),
        (f"a b {'é' * 999}.", "kept"),
        (f"a b {'é' * 1000}.", "too_long_word"),
        ("We say LOREM IPSUM here.", "lorem_ipsum"),
        ("Please enable JavaScript now.", "javascript"),
        ("if (x) { return true; }.", "curly_bracket"),
        ("Read our Privacy Policy here.", "policy"),
        ("This site uses cookies always.", "policy"),
        ("", "no_terminal_punctuation"),
    ],
)
def test_a_line(line, reason):
    strings = strings_of([f"{line}\n"])
    verdicts = c4_lines(strings, split_lines(strings))
    assert [REASONS[value] for value in verdicts.reason] == [reason]


def test_signals_of_a_small_document():
    text = "Home | About\nThis is it. And so on.\r\n\r\n Is this [1] it?[2] Yes, e.g. this.[edit]\nCode is { here.\n"
    strings = strings_of([text, ""])
    signals = c4_signals(strings, token_table(strings), split_lines(strings))
    assert {name: values.tolist() for name, values in signals.items()} == {
        "c4_sentence_count": [4, 0],
        "c4_lorem_ipsum_lines": [0, 0],
        "c4_curly_bracket_lines": [1, 0],
        "c4_kept_line_share": [np.float32(2 / 5), 0],
    }
    assert read_back(c4_text(strings, c4_lines(strings, split_lines(strings)))) == [
        "This is it. And so on.\nIs this  it? Yes, e.g. this.",
        "",
    ]


def test_no_documents():
    strings = strings_of([])
    assert c4_signals(strings, token_table(strings), split_lines(strings))["c4_sentence_count"].shape == (0,)
    assert len(c4_text(strings, c4_lines(strings, split_lines(strings))).offsets) == 1


def test_a_slice_has_the_signals_of_its_rows():
    array = pa.array(["It is so. ", "One. Two three.[1] Four.\nNo", "\n\nWhat is this?"], pa.large_string())
    strings = from_arrow(array.slice(1))
    assert c4_signals(strings, token_table(strings), split_lines(strings))["c4_sentence_count"].tolist() == [3, 1]
    assert read_back(c4_text(strings, c4_lines(strings, split_lines(strings)))) == [
        "One. Two three. Four.",
        "What is this?",
    ]
