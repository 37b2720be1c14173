"""Signals of the Gopher repetition rules (Rae et al. 2021, arXiv 2112.11446, Table A1), one value a document.

Where the paper leaves room, the reading is that of datatrove 0.10 (`filters/gopher_repetition_filter.py`). "Token" is a
token of `tokens.py`. A "line" is an element of `re.split("\\n+", text)`, a "paragraph" one of
`re.split("\\n{2,}", text.strip())`. A line or paragraph is a duplicate when an equal one stands before it. The top
n-gram is the most frequent one, of several the first seen, be it seen once; its chars are those of all its
occurrences, with a space between two tokens. Duplicate n-grams are found from left to right: at an n-gram that was
seen before, n tokens are passed over, else one; their chars are those of their tokens, without spaces. "chars" alone
is the document's code points. The signals are float64, as datatrove divides: rounded to float32, a share a hair above
a threshold would pass it. An empty document has zeros everywhere, where datatrove drops it: that takes a rule on
`char_count`.

| signal | dtype | formula | source |
|---|---|---|---|
| duplicate_line_fraction | float64 | duplicate lines / lines | Table A1 |
| duplicate_line_char_fraction | float64 | chars in duplicate lines / chars | Table A1 |
| duplicate_paragraph_fraction | float64 | duplicate paragraphs / paragraphs | Table A1 |
| duplicate_paragraph_char_fraction | float64 | chars in duplicate paragraphs / chars | Table A1 |
| top_2_gram_char_fraction | float64 | chars of the top 2-gram / chars | Table A1, datatrove |
| top_3_gram_char_fraction | float64 | chars of the top 3-gram / chars | Table A1, datatrove |
| top_4_gram_char_fraction | float64 | chars of the top 4-gram / chars | Table A1, datatrove |
| duplicate_5_gram_char_fraction | float64 | chars in duplicate 5-grams / chars | Table A1, datatrove |
| duplicate_6_gram_char_fraction | float64 | chars in duplicate 6-grams / chars | Table A1, datatrove |
| duplicate_7_gram_char_fraction | float64 | chars in duplicate 7-grams / chars | Table A1, datatrove |
| duplicate_8_gram_char_fraction | float64 | chars in duplicate 8-grams / chars | Table A1, datatrove |
| duplicate_9_gram_char_fraction | float64 | chars in duplicate 9-grams / chars | Table A1, datatrove |
| duplicate_10_gram_char_fraction | float64 | chars in duplicate 10-grams / chars | Table A1, datatrove |

Lines, paragraphs and n-grams are equal when their 64-bit hashes are (`ngrams.py`). A chance collision among a million
has probability 3e-8; who wants to be dropped can construct one.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from sequitur.text_core.signals import ngrams
from sequitur.text_core.signals.ngrams import DUPLICATE_SIZES, SIZES, TOP_SIZES, NGrams
from sequitur.text_core.units.hash_table import HashTable, clear, find, hash_table
from sequitur.text_core.units.hashing import POLYNOMIAL_BASE
from sequitur.text_core.units.kernels import kernel
from sequitur.text_core.units.lines import LineTable, hash_line, stripped
from sequitur.text_core.units.strings import Strings
from sequitur.text_core.units.tokens import TokenTable
from sequitur.text_core.units.unicode import unicode_tables


class _Segments(NamedTuple):
    """Room for the document with the most lines; each document uses a beginning of it."""

    hashes: npt.NDArray[np.uint64]
    chars: npt.NDArray[np.int64]  # code points


def repetition_signals(strings: Strings, tokens: TokenTable, lines: LineTable) -> dict[str, npt.NDArray[np.float64]]:
    """The signals of the table above for n documents, each an array [n]; the tables are those of the strings.

    Linear in the text: one pass over the tokens' beginnings, two hash-table passes over all tokens, and eight over
    those at which repeated n-grams begin. Up to 53 bytes are reserved for each token of the longest document, and 28
    for each line of it; it may have 2³² - 2.
    """
    names = [
        "duplicate_line_fraction",
        "duplicate_line_char_fraction",
        "duplicate_paragraph_fraction",
        "duplicate_paragraph_char_fraction",
        *(f"top_{n}_gram_char_fraction" for n in TOP_SIZES),
        *(f"duplicate_{n}_gram_char_fraction" for n in DUPLICATE_SIZES),
    ]
    signals = np.zeros((len(names), len(strings.offsets) - 1), dtype=np.float64)
    most_tokens, most_lines = (int(np.diff(table.document_offsets).max(initial=0)) for table in (tokens, lines))
    segments = _Segments(np.empty(most_lines, dtype=np.uint64), np.empty(most_lines, dtype=np.int64))
    table = hash_table(max(most_tokens, most_lines))
    room, ngram_chars = ngrams.room_for(most_tokens), np.empty(SIZES, dtype=np.int64)
    _fill_signals(strings, tokens, lines, unicode_tables().classes, table, segments, room, ngram_chars, signals)
    return dict(zip(names, signals, strict=True))


@kernel
def _fill_signals(
    strings: Strings,
    tokens: TokenTable,
    lines: LineTable,
    classes: npt.NDArray[np.uint8],
    table: HashTable,
    segments: _Segments,
    room: NGrams,
    ngram_chars: npt.NDArray[np.int64],
    signals: npt.NDArray[np.float64],
) -> None:
    offsets, data = strings
    line_chars, line_offsets = lines.chars, lines.document_offsets
    for document in range(len(offsets) - 1):
        first, last = line_offsets[document], line_offsets[document + 1]
        chars = last - first - 1  # the line feeds
        for line in range(first, last):
            chars += line_chars[line]
        if not chars:
            continue
        count = _read_lines(lines, first, last, segments)
        duplicates, duplicate_chars = _duplicate_segments(table, segments, count)
        signals[0, document] = duplicates / count
        signals[1, document] = duplicate_chars / chars
        start, end = stripped(data, offsets[document], offsets[document + 1], classes)
        count = _read_paragraphs(data, start, end, lines, first, segments)
        duplicates, duplicate_chars = _duplicate_segments(table, segments, count)
        signals[2, document] = duplicates / count
        signals[3, document] = duplicate_chars / chars
        ngrams.count_chars(data, tokens, document, table, room, ngram_chars)
        for size in range(SIZES):
            signals[4 + size, document] = ngram_chars[size] / chars


@kernel
def _read_lines(lines: LineTable, first: int, last: int, segments: _Segments) -> int:
    """The segments between runs of line feeds: all lines but empty ones, which stand at the text's ends alone."""
    line_hashes, _, _, line_chars, _ = lines
    hashes, chars = segments
    count = 0
    for line in range(first, last):
        if line_chars[line] or line in (first, last - 1):
            hashes[count] = line_hashes[line]
            chars[count] = line_chars[line]
            count += 1
    return count


@kernel
def _read_paragraphs(
    data: npt.NDArray[np.uint8], start: int, end: int, lines: LineTable, line: int, segments: _Segments
) -> int:
    """The segments of the stripped text [start, end) between empty lines; `line` is one of its first or before it."""
    line_hashes, line_starts, line_ends, line_chars, _ = lines
    hashes, chars = segments
    if start == end:
        hashes[0] = chars[0] = 0
        return 1
    while line_ends[line] <= start:
        line += 1
    count = 0
    inside = False
    while line < len(line_starts) and line_starts[line] < end:
        value, length = line_hashes[line], line_chars[line]
        if line_starts[line] < start or line_ends[line] > end:
            value, length = hash_line(data, max(start, line_starts[line]), min(end, line_ends[line]))
        line += 1
        if not length:
            count += inside
            inside = False
        elif inside:
            hashes[count] = hashes[count] * POLYNOMIAL_BASE + value
            chars[count] += 1 + length
        else:
            hashes[count] = value
            chars[count] = length
            inside = True
    return count + inside


@kernel
def _duplicate_segments(table: HashTable, segments: _Segments, count: int) -> tuple[int, int]:
    """How many segments were seen before, and their code points."""
    slots = table.slots
    hashes, chars = segments
    shift = clear(table, count)
    duplicates = duplicate_chars = 0
    for segment in range(count):
        slot = find(table, shift, hashes, segment)
        if slots[slot]:
            duplicates += 1
            duplicate_chars += chars[segment]
        else:
            slots[slot] = segment + 1
    return duplicates, duplicate_chars
