# ruff: noqa: RUF001 (the confusable characters are what is tested)
import unicodedata

import numpy as np
import pytest
from datatrove.utils.text import PUNCTUATION_SET, TERMINAL_PUNCTUATION
from hypothesis import given, settings
from hypothesis import strategies as st

from sequitur.text_core.units import unicode
from sequitur.text_core.units.unicode import decode, encode, read_tables, unicode_tables, write_tables


def test_regeneration_gives_the_shipped_tables(tmp_path):
    """Exactly so where this Python has the same Unicode version; elsewhere only new characters may differ."""
    write_tables(tmp_path / "tables.npz")
    shipped, regenerated = unicode_tables(), read_tables(tmp_path / "tables.npz")
    assigned = shipped.classes != unicode.OTHER
    changed = (shipped.classes != regenerated.classes) | (shipped.folded != regenerated.folded)
    changed |= shipped.token_kinds != regenerated.token_kinds
    if unicodedata.unidata_version == unicode.UNICODE_VERSION:
        assert not changed.any()
    assert np.count_nonzero(changed & assigned) < 20


@pytest.mark.parametrize(
    ("characters", "expected"),
    [
        ("aZéßжאकㅋªʼཀ", unicode.LETTER),
        ("字々あーアｱ한ไကខລᥐᦀᨠꪀꦄᬅ", unicode.UNSPACED),
        ("0٣५²½Ⅳ", unicode.NUMBER),
        ("\u0301\u20e3\u0e31\u200d\u00ad", unicode.MARK),
        ("'’", unicode.APOSTROPHE),
        (" \t\u00a0\u3000\x1f", unicode.WHITE_SPACE),
        ("\n\r\v\f\x1c\x85\u2028\u2029", unicode.NEWLINE),
        ("_-.,#•…😀\x00\ufffd", unicode.OTHER),
    ],
)
def test_classes(characters, expected):
    assert {character: unicode_tables().classes[ord(character)] for character in characters} == dict.fromkeys(
        characters, expected
    )


@pytest.mark.parametrize(
    ("characters", "expected"),
    [
        ("/\\|@^~-\u0663\u00b1\u2192", unicode.PLAIN),
        (" \n\u3000\u0f0b", unicode.SPACE),
        ("字한…😀─\ufffd", unicode.ALONE),
        ("!()_#*&'’“»。—", unicode.EDGE),
        ("+%§=$€", unicode.OPENER),
        (".", unicode.FULL_STOP),
        ("09", unicode.DIGIT),
        ("aéжאªʼ", unicode.LOWER),
        ("AÉЖǅ", unicode.UPPER),
        ("\u0301\u200d\ufe0f", unicode.ATTACHED),
    ],
)
def test_token_classes(characters, expected):
    kinds = unicode_tables().token_kinds
    assert {character: kinds[ord(character)] & unicode.TOKEN_CLASS for character in characters} == dict.fromkeys(
        characters, expected
    )


def test_symbols_are_those_of_datatrove():
    kinds = unicode_tables().token_kinds
    assert {chr(code) for code in np.flatnonzero(kinds & unicode.SYMBOL)} == PUNCTUATION_SET
    assert set(unicode.TERMINAL_PUNCTUATION) == TERMINAL_PUNCTUATION
    assert (kinds & unicode.ALPHABETIC != 0).tolist() == (unicode_tables().classes >= unicode.LETTER).tolist()


def test_scripts_that_put_no_spaces_between_words():
    kinds = unicode_tables().token_kinds
    spaceless = {character for character in "字あーアไကខລཀᥐꦄa한жक0་。" if kinds[ord(character)] & unicode.SPACELESS}
    assert spaceless == set("字あーアไကខລཀᥐꦄ")


def test_folding_is_simple_and_idempotent():
    folded = unicode_tables().folded
    examples = {"A": "a", "É": "é", "Σ": "σ", "ς": "σ", "ẞ": "ß", "ß": "ß", "İ": "İ", "ı": "ı", "ᾈ": "ᾀ", "K": "k"}
    assert {character: chr(folded[ord(character)]) for character in examples} == examples
    assert (folded[folded] == folded).all()


@settings(max_examples=50, deadline=None)
@given(st.text(min_size=1))
def test_utf8_is_decoded_and_encoded_as_python_does(text):
    data = np.frombuffer(text.encode(), dtype=np.uint8)
    written = np.zeros(len(data), dtype=np.uint8)
    position, codes = 0, []
    while position < len(data):
        code, width = decode(data, position, len(data))
        assert encode(code, written, position) == position + width
        codes.append(code)
        position += width
    assert codes == [ord(character) for character in text]
    assert written.tobytes() == text.encode()


@pytest.mark.parametrize(
    "stray", [b"\x80", b"\xc1\x81", b"\xe5\xad", b"\xe5a\x97", b"\xf4\x90\x80\x80", b"\xff", b"\xc3"]
)
def test_a_stray_byte_is_one_replacement_character(stray):
    data = np.frombuffer(stray, dtype=np.uint8)
    assert decode(data, 0, len(data)) == (0xFFFD, 1)
