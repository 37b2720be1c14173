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

Two n-grams are equal when their 64-bit hashes are: polynomials over the bytes modulo 2⁶⁴ (Karp and Rabin 1987), so that
the hash of an n-gram follows from that of the (n-1)-gram and that of one more token. Duplicate n-grams are compared
without spaces between their tokens, as datatrove joins them. A chance collision among a million n-grams has
probability 3e-8; who wants to be dropped can construct one.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from sequitur.text_core.units.lines import stripped
from sequitur.text_core.units.strings import Strings
from sequitur.text_core.units.tokens import TokenTable
from sequitur.text_core.units.unicode import unicode_tables

TOP_SIZES = (2, 3, 4)  # tokens an n-gram; Table A1
DUPLICATE_SIZES = (5, 6, 7, 8, 9, 10)

# Multiplier of the polynomials, from MMIX's linear congruential generator (Knuth); any large odd number does.
_BASE = np.uint64(6364136223846793005)
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)  # 2⁶⁴ / golden ratio: Fibonacci hashing (Knuth, TAOCP vol. 3, §6.4)
_LINE_FEED, _SPACE = 0x0A, np.uint64(0x20)


class _Scratch(NamedTuple):
    """Room for the document with the most tokens or segments; each document uses, and clears, a beginning of it."""

    slots: npt.NDArray[np.uint32]  # open addressing: 1 + the item whose hash stands here, 0 for none; a power of two
    hashes: npt.NDArray[np.uint64]  # of the segments, or of the n-grams of the current size
    counts: npt.NDArray[np.uint32]  # how often the n-gram that was first seen here occurs
    token_hashes: npt.NDArray[np.uint64]
    token_powers: npt.NDArray[np.uint64]  # _BASE to the power of the token's bytes
    chars_before: npt.NDArray[np.int64]  # code points in the tokens before this one
    repeated: npt.NDArray[np.bool_]  # whether the top n-gram may begin here: it repeats, and so does its beginning


def repetition_signals(strings: Strings, tokens: TokenTable) -> dict[str, npt.NDArray[np.float64]]:
    """The signals of the table above for n documents, each an array [n]; `tokens` is `token_table(strings)`.

    Linear in the text: nine hash-table passes over the tokens of a document, two over its bytes. 45 bytes are reserved
    for each token of the longest document, which may have 2³² - 2 of them.
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
    most = int(max(np.diff(tokens.document_offsets).max(initial=0), _most_segments(strings)))
    scratch = _Scratch(
        np.empty(_slot_count(most), dtype=np.uint32),
        np.empty(most, dtype=np.uint64),
        np.empty(most, dtype=np.uint32),
        np.empty(most, dtype=np.uint64),
        np.empty(most, dtype=np.uint64),
        np.empty(most + 1, dtype=np.int64),
        np.empty(most, dtype=np.bool_),
    )
    _fill_signals(strings, tokens, unicode_tables().classes, scratch, signals)
    return dict(zip(names, signals, strict=True))


@njit(cache=True, nogil=True)
def _slot_count(items: int) -> int:
    """The power of two of which `items` fill between a third and two thirds."""
    slots = 2
    while slots < items + (items >> 1):
        slots *= 2
    return slots


@njit(cache=True, nogil=True)
def _most_segments(strings: Strings) -> int:
    offsets, data = strings
    most = 0
    for document in range(len(offsets) - 1):
        segments = 1
        for position in range(offsets[document], offsets[document + 1]):
            segments += data[position] == _LINE_FEED
        most = max(most, segments)
    return most


@njit(cache=True, nogil=True)
def _fill_signals(
    strings: Strings,
    tokens: TokenTable,
    classes: npt.NDArray[np.uint8],
    scratch: _Scratch,
    signals: npt.NDArray[np.float64],
) -> None:
    offsets, data = strings
    for document in range(len(offsets) - 1):
        start, end = offsets[document], offsets[document + 1]
        chars = _count_chars(data, start, end)
        if not chars:
            continue
        segments, duplicates, duplicate_chars = _duplicate_segments(data, start, end, 1, scratch)
        signals[0, document] = duplicates / segments
        signals[1, document] = duplicate_chars / chars
        start, end = stripped(data, start, end, classes)
        segments, duplicates, duplicate_chars = _duplicate_segments(data, start, end, 2, scratch)
        signals[2, document] = duplicates / segments
        signals[3, document] = duplicate_chars / chars
        count = _read_tokens(data, tokens, document, scratch)
        row = 4
        scratch.repeated[:count] = True
        for size in range(1, TOP_SIZES[-1] + 1):
            _extend(scratch, count, size, True)
            if size >= TOP_SIZES[0]:
                signals[row, document] = _top_chars(scratch, count, size) / chars
                row += 1
        for size in range(1, DUPLICATE_SIZES[-1] + 1):
            _extend(scratch, count, size, False)
            if size >= DUPLICATE_SIZES[0]:
                signals[row, document] = _duplicate_chars(scratch, count, size) / chars
                row += 1


@njit(cache=True, nogil=True)
def _count_chars(data: npt.NDArray[np.uint8], start: int, end: int) -> int:
    chars = 0
    for position in range(start, end):
        chars += data[position] & 0xC0 != 0x80  # every byte but the continuations begins a code point
    return chars


@njit(cache=True, nogil=True)
def _duplicate_segments(
    data: npt.NDArray[np.uint8], start: int, end: int, breaks: int, scratch: _Scratch
) -> tuple[int, int, int]:
    """Of the text between runs of at least `breaks` line feeds: segments, those seen before, and their code points."""
    slots, hashes, _, _, _, chars, _ = scratch
    segments = 0
    value = np.uint64(0)
    length = 0
    position = start
    while position < end:
        byte = data[position]
        position += 1
        if byte == _LINE_FEED:
            run = 1
            while position < end and data[position] == _LINE_FEED:
                position += 1
                run += 1
            if run >= breaks:
                hashes[segments] = value
                chars[segments] = length
                segments += 1
                value = np.uint64(0)
                length = 0
                continue
        value = value * _BASE + np.uint64(byte) + np.uint64(1)
        length += byte & 0xC0 != 0x80
    hashes[segments] = value
    chars[segments] = length
    segments += 1
    shift = _clear(slots, segments)
    duplicates = duplicate_chars = 0
    for segment in range(segments):
        slot = _find(slots, shift, hashes, segment)
        if slots[slot]:
            duplicates += 1
            duplicate_chars += chars[segment]
        else:
            slots[slot] = segment + 1
    return segments, duplicates, duplicate_chars


@njit(cache=True, nogil=True)
def _clear(slots: npt.NDArray[np.uint32], items: int) -> np.uint64:
    """Empty as many slots as `items` need; return by how much a hash is shifted to one of them."""
    count = _slot_count(items)
    slots[:count] = 0
    shift = 64
    while count > 1:
        count >>= 1
        shift -= 1
    return np.uint64(shift)


@njit(cache=True, nogil=True)
def _find(slots: npt.NDArray[np.uint32], shift: np.uint64, hashes: npt.NDArray[np.uint64], item: int) -> np.int64:
    """The slot of the first item with the same hash, or the empty one to put this item in."""
    slot = np.int64((hashes[item] * _GOLDEN) >> shift)
    last = np.int64(np.uint64(0xFFFFFFFFFFFFFFFF) >> shift)
    while slots[slot] and hashes[slots[slot] - 1] != hashes[item]:
        slot = (slot + 1) & last
    return slot


@njit(cache=True, nogil=True)
def _read_tokens(data: npt.NDArray[np.uint8], tokens: TokenTable, document: int, scratch: _Scratch) -> int:
    """Hash the tokens of a document, all n-grams of size 0 with them; return how many there are."""
    _, starts, ends, token_chars, _, _, document_offsets = tokens
    _, _, _, token_hashes, token_powers, chars_before, _ = scratch
    first = document_offsets[document]
    count: int = document_offsets[document + 1] - first
    chars_before[0] = 0
    for token in range(count):
        value, power = np.uint64(0), np.uint64(1)
        for position in range(starts[first + token], ends[first + token]):
            value = value * _BASE + np.uint64(data[position]) + np.uint64(1)
            power *= _BASE
        token_hashes[token] = value
        token_powers[token] = power
        chars_before[token + 1] = chars_before[token] + token_chars[first + token]
    return count


@njit(cache=True, nogil=True)
def _extend(scratch: _Scratch, count: int, size: int, spaced: bool) -> None:
    """Turn the hashes of the (size - 1)-grams into those of the `size`-grams, with spaces between tokens or without."""
    _, hashes, _, token_hashes, token_powers, _, _ = scratch
    if size == 1:
        hashes[:count] = token_hashes[:count]
        return
    base, space = (_BASE, _SPACE) if spaced else (np.uint64(1), np.uint64(0))
    for i in range(count - size + 1):
        hashes[i] = (hashes[i] * base + space) * token_powers[i + size - 1] + token_hashes[i + size - 1]


@njit(cache=True, nogil=True)
def _top_chars(scratch: _Scratch, count: int, size: int) -> int:
    """Occurrences of the most frequent n-gram, the first seen among equals, times its code points.

    `repeated` is of the n-grams that are one token shorter, and becomes that of these.
    """
    slots, hashes, counts, _, _, chars_before, repeated = scratch
    n_grams = count - size + 1
    if n_grams < 1:
        return 0
    shift = _clear(slots, n_grams)
    best = np.int64(0)
    counts[0] = 1
    for i in range(n_grams):
        if not repeated[i]:
            continue
        slot = _find(slots, shift, hashes, i)
        if not slots[slot]:
            slots[slot] = i + 1
            counts[i] = 1
            repeated[i] = False  # so far
            continue
        first = np.int64(slots[slot]) - 1
        repeated[first] = True
        counts[first] += np.uint32(1)
        if counts[first] > counts[best] or (counts[first] == counts[best] and first < best):
            best = first
    chars = chars_before[best + size] - chars_before[best] + size - 1
    top_chars: int = np.int64(counts[best]) * chars
    return top_chars


@njit(cache=True, nogil=True)
def _duplicate_chars(scratch: _Scratch, count: int, size: int) -> int:
    """Code points in n-grams that occurred before; a found one is passed over whole."""
    slots, hashes, _, _, _, chars_before, _ = scratch
    n_grams = count - size + 1
    if n_grams < 1:
        return 0
    shift = _clear(slots, n_grams)
    chars = 0
    i = 0
    while i < n_grams:
        slot = _find(slots, shift, hashes, i)
        if slots[slot]:
            chars += chars_before[i + size] - chars_before[i]
            i += size
        else:
            slots[slot] = i + 1
            i += 1
    return chars
