# ruff: noqa: RUF001 (the confusable characters are what is tested)
from difflib import SequenceMatcher

import numpy as np
import pyarrow as pa
import pytest
from datatrove.utils.text import PUNCTUATION_SET, split_into_words
from hypothesis import given, settings
from hypothesis import strategies as st

from sequitur.text_core.units.strings import Strings, from_arrow
from sequitur.text_core.units.tokens import token_table

PIECES = [
    *"aZ5é字한'’.,:;()[]<>/=-_#+%$~@…—😀❤|\\ \n\t",
    "\u0301",
    "\ufe0f",
    "don't",
    "://",
    "...",
    "--",
    "x.org",
    "''s",
]
texts = st.lists(st.sampled_from(PIECES), max_size=40).map("".join)


def strings_of(*texts: str) -> Strings:
    return from_arrow(pa.array(texts, pa.large_string()))


@pytest.mark.parametrize(
    "text",
    [
        "",
        " \n\t ",
        "don't it's I'm we'll they've you're he'd can’t it’s John's dogs' 'quoted' (don't) \"it's\".",
        "... -- ---- a--b state-of-the-art wait... .... hi…there …… .. . ,, !! ?! a—b a – b",
        "1,000.50 3.14 10% $5 $100.00 €5 20° 3-4 1/2 2.0.1 v1.2 10,000, 3+4 -5 +3 ±2 3rd 5x5 C++ 10+",
        "http://www.example.com/foo?a=b&c=d-e. foo@bar.com, www.x.org/a_b <https://x.org/a-b/c=d> git.org/x/y=z",
        "snake_case __init__ `code` **bold** *it* [link](http://x.org/a-b) self.foo(bar=1) foo.bar[0]: f(x):",
        "x=1 x=y a+b a<b a>b a:b a,b 1,b a|b a\\b a~b a&b a@b #tag @user word/word path/file.txt /usr/bin --help",
        '<div class="x"> {a: b} -> => := != == ||| *** ### ~~~~ |---| end.Next e.g. i.e. U.S. USA. v. ok',
        "“quoted” ‘q’ «q» ¿que? 😀😀 é e\u0301 naïve-ish Ünder/über 10.1007/x",
    ],
)
def test_english_is_split_as_spacy_does(text, own_tokens):
    assert own_tokens(strings_of(text)) == [split_into_words(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("漢字。かな ABC한국어", ["漢", "字", "。", "か", "な", "ABC", "한", "국", "어"]),
        ("ภาษา วั", ["ภ", "า", "ษ", "า", "วั"]),
        ("❤\ufe0f 👩\u200d🚀→x", ["❤\ufe0f", "👩\u200d", "🚀", "→x"]),
        ("cannot id and/or :)", ["cannot", "id", "and", "/", "or", ":", ")"]),
        ("10MB Mr. e\u0301.", ["10MB", "Mr", ".", "e\u0301", "."]),
    ],
)
def test_what_is_split_otherwise(text, expected, own_tokens):
    """Unspaced scripts by letter, marks with what they follow; spaCy's lists of exceptions and units are left out."""
    assert own_tokens(strings_of(text)) == [expected]


def test_real_text_is_split_as_spacy_does(demo_texts, own_tokens, spacy_tokens):
    same = total = 0
    for own, theirs in zip(own_tokens(strings_of(*demo_texts)), spacy_tokens, strict=True):
        total += len(theirs)
        same += sum(block.size for block in SequenceMatcher(None, own, theirs, autojunk=False).get_matching_blocks())
    assert same >= 0.98 * total


@settings(max_examples=100, deadline=None)
@given(st.lists(texts, max_size=4))
def test_tokens_hold_every_character_but_white_space(documents):
    strings = strings_of(*documents)
    table = token_table(strings)
    covered = np.zeros(len(strings.data), dtype=np.int64)
    for start, end in zip(table.start, table.end, strict=True):
        covered[start:end] += 1
    characters = "".join(documents)
    assert covered.tolist() == [int(not c.isspace()) for c in characters for _ in c.encode()]


@settings(max_examples=100, deadline=None)
@given(texts)
def test_columns_are_those_of_python(text):
    strings = strings_of(text)
    table = token_table(strings)
    tokens = [strings.data[i:j].tobytes().decode() for i, j in zip(table.start, table.end, strict=True)]
    assert table.chars.tolist() == [len(token) for token in tokens]
    assert table.is_word.tolist() == [any(c not in PUNCTUATION_SET for c in token) for token in tokens]
    assert table.is_alphabetic.tolist() == [any(c.isalpha() for c in token) for token in tokens]
    assert len(set(table.hash.tolist())) == len(set(tokens))
    assert table.document_offsets.tolist() == [0, len(tokens)]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.binary(max_size=30), max_size=4))
def test_bytes_that_are_not_utf8_do_no_harm(documents):
    binary = pa.array(documents, pa.large_binary())
    table = token_table(from_arrow(pa.Array.from_buffers(pa.large_string(), len(binary), binary.buffers())))
    bounds = np.stack((table.start, table.end), axis=1).ravel()
    assert (np.diff(bounds) >= 0).all()
    assert (table.start < table.end).all()
    assert (bounds <= sum(map(len, documents))).all()


@pytest.mark.parametrize(
    ("unit", "tokens"),
    [("x", 1), ("(", 10_000_000), (".", 1), ("a-", 10_000_000), ("'s", 10_000_000), ("字", 3_333_333)],
)
def test_ten_megabytes_without_a_space(unit, tokens):
    table = token_table(strings_of(unit * (10_000_000 // len(unit.encode()))))
    assert len(table.hash) <= tokens
    assert table.chars.sum() == 10_000_000 // len(unit.encode()) * len(unit)


def test_a_slice_of_an_array_has_the_tokens_of_its_rows():
    array = pa.array(["first document", "the second...", "third 字"], pa.large_string())
    table, whole = token_table(from_arrow(array.slice(1))), token_table(from_arrow(array))
    assert table.hash.tolist() == whole.hash[2:].tolist()
    assert table.document_offsets.tolist() == [0, 3, 5]
    assert len(token_table(from_arrow(array.slice(0, 0))).hash) == 0
