"""Signals of the Gopher quality rules (Rae et al. 2021, arXiv 2112.11446, appendix A1.1), one value a document.

Where the paper leaves room, the reading is that of datatrove 0.10 (`filters/gopher_quality_filter.py`). "Word" is a
word of `words.py`; "token" a run of code points that are not white space; "line" one of `str.splitlines()`, blank
lines included. A ratio of nothing to nothing is 0, so an empty document has zeros everywhere.

| signal | dtype | formula | source |
|---|---|---|---|
| byte_count | int64 | bytes of UTF-8 | – |
| char_count | int64 | code points | – |
| line_count | int64 | lines | – |
| word_count | int64 | words; they hold no punctuation, as datatrove's "non-symbol words" | A1.1 |
| mean_word_length | float32 | code points in words / words | A1.1 |
| hash_to_word_ratio | float32 | number of # / words | A1.1 |
| ellipsis_to_word_ratio | float32 | number of ... (not overlapping) and … / words | A1.1, datatrove |
| bullet_line_ratio | float32 | lines whose first code point after white space is • or - / lines | A1.1, datatrove |
| ellipsis_line_ratio | float32 | lines that end, white space aside, with ... or … / lines | A1.1, datatrove |
| alphabetic_word_ratio | float32 | tokens with a letter (L*) / tokens | A1.1 |
| stop_word_count | int64 | distinct words among the, be, to, of, and, that, have, with; any case | A1.1, datatrove |
"""

import functools
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from numba import njit

from text_core.strings import Strings, from_arrow
from text_core.unicode import LETTER, NEWLINE, WHITE_SPACE, decode, unicode_tables
from text_core.words import WordTable, word_table

STOP_WORDS = ("the", "be", "to", "of", "and", "that", "have", "with")  # Rae et al. 2021, A1.1

_FULL_STOP, _ELLIPSIS, _NUMBER_SIGN, _HYPHEN, _BULLET = 0x2E, 0x2026, 0x23, 0x2D, 0x2022
_LINE_FEED, _CARRIAGE_RETURN = 0x0A, 0x0D


class _Counts(NamedTuple):
    """int64[n] each."""

    chars: npt.NDArray[np.int64]
    lines: npt.NDArray[np.int64]
    bullet_lines: npt.NDArray[np.int64]
    ellipsis_lines: npt.NDArray[np.int64]
    hashes: npt.NDArray[np.int64]
    ellipses: npt.NDArray[np.int64]
    tokens: npt.NDArray[np.int64]
    alphabetic_tokens: npt.NDArray[np.int64]
    word_chars: npt.NDArray[np.int64]
    stop_words: npt.NDArray[np.int64]


def gopher_quality_signals(strings: Strings, words: WordTable) -> dict[str, npt.NDArray[Any]]:
    """The signals of the table above for n documents, each an array [n]; `words` is `word_table(strings)`.

    Reads the text once, and the words once more.
    """
    counts = _Counts(*np.zeros((len(_Counts._fields), len(strings.offsets) - 1), dtype=np.int64))
    _count_characters(strings, unicode_tables().classes, counts)
    _count_words(strings, words, _stop_word_hashes(), counts)
    word_count = np.diff(words.document_offsets)
    return {
        "byte_count": np.diff(strings.offsets),
        "char_count": counts.chars,
        "line_count": counts.lines,
        "word_count": word_count,
        "mean_word_length": _ratio(counts.word_chars, word_count),
        "hash_to_word_ratio": _ratio(counts.hashes, word_count),
        "ellipsis_to_word_ratio": _ratio(counts.ellipses, word_count),
        "bullet_line_ratio": _ratio(counts.bullet_lines, counts.lines),
        "ellipsis_line_ratio": _ratio(counts.ellipsis_lines, counts.lines),
        "alphabetic_word_ratio": _ratio(counts.alphabetic_tokens, counts.tokens),
        "stop_word_count": counts.stop_words,
    }


@functools.cache
def _stop_word_hashes() -> npt.NDArray[np.uint64]:
    return word_table(from_arrow(pa.array(STOP_WORDS, pa.large_string()))).hash


def _ratio(numerator: npt.NDArray[np.int64], denominator: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
    zeros = np.zeros(len(numerator), dtype=np.float64)
    return np.divide(numerator, denominator, out=zeros, where=denominator > 0).astype(np.float32)


@njit(cache=True, nogil=True)
def _count_characters(strings: Strings, classes: npt.NDArray[np.uint8], counts: _Counts) -> None:
    offsets, data = strings
    for document in range(len(offsets) - 1):
        position = offsets[document]
        while position < offsets[document + 1]:
            position = _count_line(data, position, offsets[document + 1], classes, counts, document)


@njit(cache=True, nogil=True)
def _count_line(
    data: npt.NDArray[np.uint8],
    position: int,
    end: int,
    classes: npt.NDArray[np.uint8],
    counts: _Counts,
    document: int,
) -> int:
    """Add the line that begins at `position` to the counts of its document; return where the next one begins."""
    chars = hashes = ellipses = tokens = alphabetic_tokens = 0
    full_stops = 0  # in the run that ends here
    in_token = alphabetic = bullet = ends_with_ellipsis = False
    while position < end:
        code, width = decode(data, position, end)
        kind = classes[code]
        position += width
        chars += 1
        if kind == NEWLINE:
            if code == _CARRIAGE_RETURN and position < end and data[position] == _LINE_FEED:
                position += 1
                chars += 1
            break
        if kind == WHITE_SPACE:
            in_token = False
            full_stops = 0
            continue
        if not in_token:
            in_token = True
            alphabetic = False
            tokens += 1
            bullet |= tokens == 1 and code in (_HYPHEN, _BULLET)
        if kind >= LETTER and not alphabetic:
            alphabetic = True
            alphabetic_tokens += 1
        hashes += code == _NUMBER_SIGN
        full_stops = full_stops + 1 if code == _FULL_STOP else 0
        ellipses += code == _ELLIPSIS or (full_stops > 0 and full_stops % 3 == 0)
        ends_with_ellipsis = code == _ELLIPSIS or full_stops >= 3
    counts.chars[document] += chars
    counts.lines[document] += 1
    counts.bullet_lines[document] += bullet
    counts.ellipsis_lines[document] += ends_with_ellipsis
    counts.hashes[document] += hashes
    counts.ellipses[document] += ellipses
    counts.tokens[document] += tokens
    counts.alphabetic_tokens[document] += alphabetic_tokens
    return position


@njit(cache=True, nogil=True)
def _count_words(strings: Strings, words: WordTable, stop_word_hashes: npt.NDArray[np.uint64], counts: _Counts) -> None:
    data = strings.data
    hashes, starts, ends, document_offsets = words
    for document in range(len(document_offsets) - 1):
        chars = 0
        found = 0  # one bit a stop word
        for word in range(document_offsets[document], document_offsets[document + 1]):
            for position in range(starts[word], ends[word]):
                chars += data[position] & 0xC0 != 0x80  # every byte but the continuations begins a code point
            for stop_word in range(len(stop_word_hashes)):
                if hashes[word] == stop_word_hashes[stop_word]:
                    found |= 1 << stop_word
        counts.word_chars[document] = chars
        while found:
            counts.stop_words[document] += found & 1
            found >>= 1
