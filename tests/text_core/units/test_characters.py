"""The counts of characters against plain Python."""

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from sequitur.text_core.units.character_kinds import KINDS, character_kinds
from sequitur.text_core.units.characters import character_table, letter_counts
from sequitur.text_core.units.strings import from_arrow
from sequitur.text_core.units.unicode import SPACELESS, SYMBOL, unicode_tables

PIECES = [
    "a",
    "Z",
    "é",
    "Ж",
    "字",
    "ไ",
    "한",
    "\u0f40",
    "\u0f0b",
    "5",
    "½",
    "#",
    ".",
    "...",
    "…",
    "-",
    "{",
    "!",
    "→",
    "\0",
]
PIECES += [" ", "  ", "\n", "\r\n", "\t", "\u00a0", "\u2028", "\u3000", "\x1c"]
texts = st.lists(st.sampled_from(PIECES), max_size=40).map("".join)


def holds_more_than_symbols(chunk: str) -> bool:
    kinds = unicode_tables().token_kinds
    return any(character.isalpha() or not kinds[ord(character)] & SYMBOL for character in chunk)


@settings(max_examples=300, deadline=None)
@given(st.lists(texts, max_size=4))
def test_counts_are_those_of_plain_python(documents: list[str]) -> None:
    table = character_table(from_arrow(pa.array(["before", *documents], pa.large_string()).slice(1)))

    kinds, token_kinds = character_kinds(), unicode_tables().token_kinds
    for row, text in enumerate(documents):
        codes = [ord(character) for character in text]
        assert table.kinds[row].tolist() == np.bincount(kinds[codes], minlength=KINDS).tolist()
        assert table.spaceless_letters[row] == sum(token_kinds[code] & SPACELESS != 0 for code in codes)
        assert table.number_signs[row] == text.count("#")
        assert table.ellipses[row] == text.count("...") + text.count("…")
        assert table.chunks[row] == sum(map(holds_more_than_symbols, text.split()))
        assert table.alphabetic_chunks[row] == sum(any(map(str.isalpha, chunk)) for chunk in text.split())
    assert letter_counts(table).tolist() == [sum(map(str.isalpha, text)) for text in documents]


def test_no_documents_have_no_counts() -> None:
    table = character_table(from_arrow(pa.array([], pa.large_string())))

    assert table.kinds.shape == (0, KINDS)
    assert letter_counts(table).tolist() == []
