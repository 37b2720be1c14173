"""The characters of every document, counted: by kind, as marks, and in the chunks that white space divides.

ASCII is counted by byte, and each byte's kind looked up once a document: adding to the count of a kind, which is the
same for most letters, would wait for the addition before it.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from sequitur.text_core.units.arrays import read_only
from sequitur.text_core.units.character_kinds import KIND, KINDS, OTHER_SCRIPT, character_kinds
from sequitur.text_core.units.kernels import kernel
from sequitur.text_core.units.strings import Strings
from sequitur.text_core.units.unicode import (
    ALPHABETIC,
    NEWLINE,
    SPACELESS,
    SYMBOL,
    WHITE_SPACE,
    decode,
    unicode_tables,
)

_ASCII = 0x80
_FULL_STOP, _ELLIPSIS, _NUMBER_SIGN = 0x2E, 0x2026, 0x23
# What a code point makes of its chunk: counters in the two halves of an integer. White space makes it a new one.
_COUNTED, _ALPHABETIC, _NEW_CHUNK = np.uint64(1), np.uint64(1 << 32), np.uint64(1 << 63)
_HALF, _LOWER_HALF, _ZERO = np.uint64(32), np.uint64(0xFFFFFFFF), np.uint64(0)


class CharacterTable(NamedTuple):
    """Of n documents."""

    kinds: npt.NDArray[np.int64]  # [n, KINDS], code points by kind and case (`character_kinds.py`)
    spaceless_letters: npt.NDArray[np.int64]  # [n], of scripts that put no spaces between words
    number_signs: npt.NDArray[np.int64]  # [n]
    ellipses: npt.NDArray[np.int64]  # [n], ... (not overlapping) and …
    chunks: npt.NDArray[np.int64]  # [n], runs between white space, those of SYMBOL code points alone left out
    alphabetic_chunks: npt.NDArray[np.int64]  # [n], those with a letter (L*)


def character_table(strings: Strings) -> CharacterTable:
    """Count the characters of n documents of fewer than 2³² code points, reading the text once. 1 KiB a document."""
    documents = len(strings.offsets) - 1
    table = CharacterTable(
        np.zeros((documents, KINDS), dtype=np.int64),
        *np.zeros((len(CharacterTable._fields) - 1, documents), dtype=np.int64),
    )
    tables, kinds = unicode_tables(), character_kinds()
    roles = np.empty(_ASCII, dtype=np.uint64)
    _fill_roles(tables.classes, tables.token_kinds, roles)
    counts = np.empty(_ASCII, dtype=np.int64)
    _count_characters(strings, tables.classes, tables.token_kinds, kinds, read_only(roles, np.uint64), counts, table)
    return table


def letter_counts(characters: CharacterTable) -> npt.NDArray[np.int64]:
    """The letters (L*) of n documents: int64[n]."""
    kind = np.arange(KINDS) & KIND
    letters: npt.NDArray[np.int64] = characters.kinds[:, (kind > 0) & (kind <= OTHER_SCRIPT)].sum(axis=1)
    return letters


@kernel
def _fill_roles(
    classes: npt.NDArray[np.uint8], token_kinds: npt.NDArray[np.uint8], roles: npt.NDArray[np.uint64]
) -> None:
    for code in range(len(roles)):
        roles[code] = _role(classes[code], token_kinds[code])


@kernel
def _role(own: int, kind: int) -> np.uint64:
    if own in (WHITE_SPACE, NEWLINE):
        return _NEW_CHUNK
    if kind & ALPHABETIC:
        return _COUNTED | _ALPHABETIC
    return _ZERO if kind & SYMBOL else _COUNTED


@kernel
def _count_characters(
    strings: Strings,
    classes: npt.NDArray[np.uint8],
    token_kinds: npt.NDArray[np.uint8],
    kinds: npt.NDArray[np.uint8],
    roles: npt.NDArray[np.uint64],
    ascii_counts: npt.NDArray[np.int64],
    table: CharacterTable,
) -> None:
    offsets, data = strings
    for document in range(len(offsets) - 1):
        own = table.kinds[document]
        ascii_counts[:] = 0
        # Sums rather than branches wherever a branch could not be foretold: words are short.
        chunks, chunk = _ZERO, _ZERO  # both counters; which of them the chunk that is being read was added to
        spaceless = ellipses = full_stops = 0  # the last: how many in a row, of those not yet in an ellipsis
        position, end = offsets[document], offsets[document + 1]
        while position < end:
            byte = data[position]
            if byte < _ASCII:
                role = roles[byte]
                ascii_counts[byte] += 1
                position += 1
                full_stops = full_stops + 1 if byte == _FULL_STOP else 0
                ellipses += full_stops == 3
                full_stops = 0 if full_stops == 3 else full_stops
            else:
                code, width = decode(data, position, end)
                role = _role(classes[code], token_kinds[code])
                own[kinds[code]] += 1
                position += width
                spaceless += token_kinds[code] & SPACELESS != 0
                ellipses += code == _ELLIPSIS
                full_stops = 0
            chunks += role & ~(chunk | _NEW_CHUNK)
            chunk = _ZERO if role == _NEW_CHUNK else chunk | role
        for code in range(_ASCII):
            own[kinds[code]] += ascii_counts[code]
        table.spaceless_letters[document] = spaceless
        table.number_signs[document] = ascii_counts[_NUMBER_SIGN]
        table.ellipses[document] = ellipses
        table.chunks[document] = chunks & _LOWER_HALF
        table.alphabetic_chunks[document] = chunks >> _HALF
