"""The shipped table against the package `regex`, which knows scripts, and this Python's `unicodedata`."""

import unicodedata

import numpy as np
import regex

from sequitur.text_core.units.character_kinds import (
    CURLY_BRACKET,
    DECIMAL,
    KIND,
    KINDS,
    LOWER_CASE,
    NUMBER,
    OTHER_SCRIPT,
    PUNCTUATION,
    SCRIPTS,
    UPPER_CASE,
    character_kinds,
)

PLANE = "".join(chr(code) for code in range(0x10000) if not 0xD800 <= code < 0xE000)


def test_letters_have_their_script():
    kinds = character_kinds() & KIND
    for number, script in enumerate(SCRIPTS, start=1):
        scripts = r"\p{Hiragana}\p{Katakana}ー\uff70" if script == "kana" else r"\p{Script=" + script + "}"
        expected = set(regex.findall(rf"(?V1)[[{scripts}]&&\p{{L}}]", PLANE))
        found = {chr(code) for code in np.flatnonzero(kinds[:0x10000] == number)}
        assert found <= expected
        assert len(expected - found) <= 20  # letters that are younger than the table
    assert kinds[ord("Ա")] == OTHER_SCRIPT


def test_kinds_are_the_general_categories():
    kinds = character_kinds()
    for code in range(0x250):  # Latin: nothing is added there any more
        kind, category = int(kinds[code]), unicodedata.category(chr(code))
        assert (kind & KIND == DECIMAL) == (category == "Nd")
        assert (kind & KIND == NUMBER) == (category in ("Nl", "No"))
        assert (kind & KIND in (PUNCTUATION, CURLY_BRACKET)) == (category[0] == "P")
        assert (0 < kind & KIND <= OTHER_SCRIPT) == (category[0] == "L")
        assert bool(kind & UPPER_CASE) == (category in ("Lu", "Lt"))
        assert bool(kind & LOWER_CASE) == (category == "Ll")
    assert kinds.max() < KINDS
    assert len(kinds) == 0x110000
