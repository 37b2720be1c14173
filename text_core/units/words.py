"""The words of every document: where they begin and end, and a hash of each.

A word is a maximal run of letters, marks and numbers that does not begin with a mark; an apostrophe (' or ’)
stays inside between two letters. This is UAX #29 ("Unicode Text Segmentation", word boundaries) for scripts that
space their words, except that `_`, and `.` or `,` between digits, separate. In Hangul syllables, and in Han, Kana,
Thai, Lao, Khmer, Myanmar and others (`unicode.py`), where finding words takes a dictionary, each letter with its marks
is a word; a run of single Hangul jamo is one. Shingles, vectors and word lists go by these; ratios and n-grams by the
tokens of `tokens.py`. Texts are compared in NFC (`strings.composed`).
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from sequitur.text_core.units.hashing import mix64
from sequitur.text_core.units.kernels import kernel
from sequitur.text_core.units.strings import Strings
from sequitur.text_core.units.unicode import (
    APOSTROPHE,
    LETTER,
    MARK,
    NUMBER,
    UNSPACED,
    UnicodeTables,
    decode,
    unicode_tables,
)

# FNV-1a, 64 bits (Fowler, Noll and Vo, 1991), taken over code points instead of octets
FNV_BASIS = np.uint64(0xCBF29CE484222325)
FNV_PRIME = np.uint64(0x100000001B3)


class WordTable(NamedTuple):
    """w words of n documents, in text order; document i has words `document_offsets[i]:document_offsets[i + 1]`."""

    hash: npt.NDArray[np.uint64]  # [w], of the case-folded word, ’ taken as '
    start: npt.NDArray[np.int64]  # [w], byte offset into `Strings.data`
    end: npt.NDArray[np.int64]  # [w], byte offset after the word
    document_offsets: npt.NDArray[np.int64]  # [n + 1]


def word_table(strings: Strings) -> WordTable:
    """Find and hash the words of n documents, in one pass over the bytes.

    The hash is FNV-1a over the case-folded code points, finished by `mix64`. 24 bytes a word are used; 12 for
    every byte of text are reserved, most of them never touched.
    """
    documents = len(strings.offsets) - 1
    # Between two words lies a separator, or one of them is an UNSPACED letter of at least 3 bytes:
    # b bytes hold at most (b + 1) / 2 words.
    most_words = int(strings.offsets[-1] - strings.offsets[0] + documents + 1) // 2
    table = WordTable(
        np.empty(most_words, dtype=np.uint64),
        np.empty(most_words, dtype=np.int64),
        np.empty(most_words, dtype=np.int64),
        np.zeros(documents + 1, dtype=np.int64),
    )
    count = _fill_words(strings, unicode_tables(), table)
    return WordTable(table.hash[:count], table.start[:count], table.end[:count], table.document_offsets)


@kernel
def _fill_words(strings: Strings, tables: UnicodeTables, table: WordTable) -> int:
    offsets, data = strings  # unpacked: numba counts references at each access to a tuple's array
    classes, folded, _ = tables
    hashes, starts, ends, document_offsets = table
    count = 0
    for document in range(len(offsets) - 1):
        position = offsets[document]
        end = offsets[document + 1]
        while position < end:
            code, width = decode(data, position, end)
            if classes[code] < NUMBER:
                position += width
                continue
            starts[count] = position
            position, hashes[count] = _read_word(data, position, end, classes, folded)
            ends[count] = position
            count += 1
        document_offsets[document + 1] = count
    return count


@kernel
def _read_word(
    data: npt.NDArray[np.uint8],
    position: int,
    end: int,
    classes: npt.NDArray[np.uint8],
    folded: npt.NDArray[np.int32],
) -> tuple[int, np.uint64]:
    """The end and the hash of the word that begins at `position`."""
    code, width = decode(data, position, end)
    base = classes[code]  # the class of the last code point that is no mark
    value = (FNV_BASIS ^ np.uint64(folded[code])) * FNV_PRIME
    position += width
    while position < end:
        code, width = decode(data, position, end)
        kind = classes[code]
        if kind in (LETTER, NUMBER):
            if base == UNSPACED:
                break
            base = kind
        elif kind == APOSTROPHE:
            after = position + width
            if base != LETTER or after >= end or classes[decode(data, after, end)[0]] != LETTER:
                break
            code = 0x27
        elif kind != MARK:
            break
        value = (value ^ np.uint64(folded[code])) * FNV_PRIME
        position += width
    return position, mix64(value)
