# ruff: noqa: RUF001 (the confusable characters are what is tested)
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
import regex
from hypothesis import given, settings
from hypothesis import strategies as st

from sequitur.text_core.units.strings import from_arrow
from sequitur.text_core.units.words import WordTable, word_table

# The definition again, as a regular expression.
UNSPACED = r"[[\p{Han}\p{Hiragana}\p{Katakana}ー\uac00-\ud7a3\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]&&\p{L}]"
LETTER = rf"[\p{{L}}--{UNSPACED}]"
MARK = r"[\p{M}\u200c\u200d\u00ad]"
WORD = regex.compile(rf"(?V1){UNSPACED}{MARK}*|(?:{LETTER}{MARK}*(?:['’](?={LETTER}))?|\p{{N}}{MARK}*)+")

PIECES = [*"abZéßжא'’5٣²字かー한ㅋไยั한_.-# \n\t…😀❤", "e\u0301", "\ufe0f", "\u200d", "\u00ad", "don't", "l’été"]
texts = st.lists(st.sampled_from(PIECES), max_size=40).map("".join)


def words_of(texts: list[str]) -> tuple[WordTable, list[list[str]]]:
    strings = from_arrow(pa.array(texts, pa.large_string()))
    table = word_table(strings)
    words = [strings.data[i:j].tobytes().decode() for i, j in zip(table.start, table.end, strict=True)]
    offsets = table.document_offsets
    return table, [words[i:j] for i, j in pairwise(offsets)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        (" \n\t ", []),
        ("Don't stop: it’s 3rd_gen, isn't?", ["Don't", "stop", "it’s", "3rd", "gen", "isn't"]),
        ("'quoted' dogs' 5'10 a''b", ["quoted", "dogs", "5", "10", "a", "b"]),
        ("cafe\u0301 l’e\u0301te\u0301", ["cafe\u0301", "l’e\u0301te\u0301"]),
        ("漢字かなABC한국어 단어", ["漢", "字", "か", "な", "ABC", "한", "국", "어", "단", "어"]),
        ("ภาษาไทย วั", ["ภ", "า", "ษ", "า", "ไ", "ท", "ย", "วั"]),
        ("می\u200cخواهم", ["می\u200cخواهم"]),
        ("❤\ufe0f 👩\u200d🚀 \u0301x", ["x"]),
        ("3.14 1,000", ["3", "14", "1", "000"]),
    ],
)
def test_examples(text, expected):
    assert words_of([text])[1] == [expected]


@settings(max_examples=50, deadline=None)
@given(st.lists(texts, max_size=5))
def test_words_are_those_of_the_regular_expression(documents):
    assert words_of(documents)[1] == [WORD.findall(document) for document in documents]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.binary(max_size=30), max_size=4))
def test_bytes_that_are_not_utf8_do_no_harm(documents):
    binary = pa.array(documents, pa.large_binary())
    table = word_table(from_arrow(pa.Array.from_buffers(pa.large_string(), len(binary), binary.buffers())))
    bounds = np.stack((table.start, table.end), axis=1).ravel()
    assert (np.diff(bounds) >= 0).all()
    assert (table.start < table.end).all()
    assert (bounds <= sum(map(len, documents))).all()


def test_ten_megabytes_without_a_space_are_one_word():
    table, _ = words_of(["x" * 10_000_000])
    assert table.end[0] - table.start[0] == 10_000_000


def test_hash_ignores_case_and_the_form_of_the_apostrophe():
    table, _ = words_of(["Don't DON’T don't ΣΊΣΥΦΟΣ σίσυφος"])
    assert len(set(table.hash[:3])) == 1
    assert table.hash[3] == table.hash[4]


def test_hash_tells_words_apart_and_uses_all_bits():
    letters = "abcdefghijklmnopqrstuvwxyz0123456789"
    short = [a + b + c for a in letters for b in letters for c in letters]
    table, _ = words_of([" ".join(short)])
    assert len(np.unique(table.hash)) == len(short)
    bits = np.unpackbits(table.hash.view(np.uint8).reshape(-1, 8), axis=1)
    assert np.abs(bits.mean(axis=0) - 0.5).max() < 0.02


def test_hash_is_finished_fnv_1a():
    """In Python's integers. Signatures that users have stored depend on it."""

    def fnv_1a(word: str) -> int:
        value = 0xCBF29CE484222325
        for character in word:
            value = (value ^ ord(character)) * 0x100000001B3 % 2**64
        for multiplier in (0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53):
            value = (value ^ value >> 33) * multiplier % 2**64
        return value ^ value >> 33

    assert words_of(["Sequitur 字"])[0].hash.tolist() == [fnv_1a("sequitur"), fnv_1a("字")]
