"""The n-grams that a document repeats, in code points: the most frequent of a size, and all that stood before.

Two n-grams are equal when their 64-bit hashes are. Frequent ones are compared token by token. Those that stood before
are compared without spaces between their tokens, as datatrove joins them: by polynomials over the bytes modulo 2⁶⁴
(Karp and Rabin 1987), so that the hash of every n-gram follows from sums at its two ends.

An n-gram of PREFIX code points or more can only be one of several equal ones where its first PREFIX bytes stand at the
beginning of another token, too. One pass over these finds the few tokens at which the sizes are looked for at all.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from sequitur.text_core.units.arrays import read_only
from sequitur.text_core.units.hash_table import HashTable, clear, find
from sequitur.text_core.units.hashing import POLYNOMIAL_BASE, mix64, word_at
from sequitur.text_core.units.kernels import kernel
from sequitur.text_core.units.tokens import TokenTable

TOP_SIZES = (2, 3, 4)  # tokens an n-gram; Rae et al. 2021, Table A1
DUPLICATE_SIZES = (5, 6, 7, 8, 9, 10)
SIZES = len(TOP_SIZES) + len(DUPLICATE_SIZES)
PREFIX = 16  # bytes: two words of the processor, and what five tokens have

_BASE = POLYNOMIAL_BASE
_WORD = np.uint64(64)  # bits
_MOST = 63  # bytes whose power is looked up
_POWERS = read_only([pow(int(_BASE), i, 2**64) for i in range(_MOST + 1)], np.uint64)
_INVERSES = read_only([pow(int(_BASE), -i, 2**64) for i in range(_MOST + 1)], np.uint64)


class NGrams(NamedTuple):
    """Room for the document with the most tokens; each document uses a beginning of it."""

    hashes: npt.NDArray[np.uint64]  # of the tokens' prefixes, or of the n-grams of the current size
    counts: npt.NDArray[np.uint32]  # how often the n-gram that was first seen here occurs
    sums: npt.NDArray[np.uint64]  # of the hashes of this token and those after it, each over a power of _BASE
    scales: npt.NDArray[np.uint64]  # that power of this token: _BASE to the number of bytes in it and those after it
    chars_from: npt.NDArray[np.int64]  # code points in this token and those after it
    repeated: npt.NDArray[np.bool_]  # whether what begins here begins elsewhere, too
    asked: npt.NDArray[np.uint32]  # the tokens at which an n-gram of the current size may be one of several equal ones


def room_for(most: int) -> NGrams:
    """For documents of at most so many tokens, fewer than 2³² - 1: 41 bytes each."""
    return NGrams(
        np.empty(most, dtype=np.uint64),
        np.empty(most, dtype=np.uint32),
        np.empty(most + 1, dtype=np.uint64),
        np.empty(most, dtype=np.uint64),
        np.empty(most + 1, dtype=np.int64),
        np.empty(most, dtype=np.bool_),
        np.empty(most, dtype=np.uint32),
    )


@kernel
def count_chars(
    data: npt.NDArray[np.uint8],
    tokens: TokenTable,
    document: int,
    table: HashTable,
    room: NGrams,
    chars: npt.NDArray[np.int64],
) -> None:
    """The code points in a document's n-grams of the SIZES, int64[SIZES]: in the top ones, then in duplicates.

    The top n-gram is the most frequent one, of several the first seen, with a space between two tokens. Duplicates are
    found from left to right: at an n-gram that was seen before, n tokens are passed over, else one.
    """
    count = _read_tokens(tokens, document, room)
    asked_count = _ask_all(room, count)
    row = 0
    for size in TOP_SIZES:
        chars[row], asked_count = _top_chars(tokens, document, table, room, asked_count, size)
        row += 1
    _sum_up(data, tokens, document, room)
    _find_repeated_prefixes(table, room, count)
    asked_count = _ask_all(room, count)
    for size in DUPLICATE_SIZES:
        asked_count = _ask_on(room, asked_count, size, count)
        chars[row] = _duplicate_chars(table, room, asked_count, size)
        row += 1


@kernel
def _read_tokens(tokens: TokenTable, document: int, room: NGrams) -> int:
    """Take over the hashes and lengths of a document's tokens; return how many there are."""
    token_hashes, token_chars, offsets = tokens.hash, tokens.chars, tokens.document_offsets
    hashes, chars_from = room.hashes, room.chars_from
    first = offsets[document]
    count: int = offsets[document + 1] - first
    chars_from[count] = 0
    for token in range(count - 1, -1, -1):
        hashes[token] = mix64(token_hashes[first + token])
        chars_from[token] = chars_from[token + 1] + token_chars[first + token]
    return count


@kernel
def _ask_all(room: NGrams, count: int) -> int:
    asked = room.asked
    for token in range(count):
        asked[token] = token
    return count


@kernel
def _top_chars(
    tokens: TokenTable, document: int, table: HashTable, room: NGrams, asked_count: int, size: int
) -> tuple[int, int]:
    """Occurrences of the most frequent n-gram, the first seen among equals, times its code points.

    Also how many tokens are still asked: those at which a repeated n-gram begins. A longer one begins with it.
    """
    slots = table.slots
    hashes, counts, _, _, chars_from, repeated, asked = room
    first, last = tokens.document_offsets[document], tokens.document_offsets[document + 1]
    if last - first < size:
        return 0, 0
    while asked_count and first + asked[asked_count - 1] + size > last:
        asked_count -= 1
    token_hashes = tokens.hash
    shift = clear(table, asked_count)
    best = np.int64(0)
    counts[0] = 1
    for place in range(asked_count):
        i = np.int64(asked[place])
        hashes[i] = hashes[i] * _BASE + mix64(token_hashes[first + i + size - 1])
        slot = find(table, shift, hashes, i)
        repeated[i] = slots[slot] != 0
        if not repeated[i]:
            slots[slot] = i + 1
            counts[i] = 1
            continue
        same = np.int64(slots[slot]) - 1
        repeated[same] = True
        counts[same] += np.uint32(1)
        if counts[same] > counts[best] or (counts[same] == counts[best] and same < best):
            best = same
    chars = chars_from[best] - chars_from[best + size] + size - 1
    top_chars: int = np.int64(counts[best]) * chars
    still = 0
    for place in range(asked_count):
        asked[still] = asked[place]
        still += repeated[asked[place]]
    return top_chars, still


@kernel
def _sum_up(data: npt.NDArray[np.uint8], tokens: TokenTable, document: int, room: NGrams) -> None:
    """Sum up the hashes of a document's tokens, from the last to the first, and hash the PREFIX bytes at each token."""
    token_hashes, starts, ends, _, _, _, offsets = tokens
    hashes, _, sums, scales, _, _, _ = room
    first = offsets[document]
    count = offsets[document + 1] - first
    total, low, high = np.uint64(0), np.uint64(0), np.uint64(0)
    power = inverse = np.uint64(1)
    sums[count] = total
    for token in range(count - 1, -1, -1):
        start = starts[first + token]
        size = ends[first + token] - start
        left = size
        while left > _MOST:
            power *= _POWERS[_MOST]
            inverse *= _INVERSES[_MOST]
            left -= _MOST
        power *= _POWERS[left]
        inverse *= _INVERSES[left]
        total += token_hashes[first + token] * inverse
        sums[token] = total
        scales[token] = power
        if size < 8:
            bits = np.uint64(8 * size)
            high = high << bits | low >> (_WORD - bits)
            low = low << bits | word_at(data, start, size)
        else:
            high = low if size == 8 else word_at(data, start + 8, min(size - 8, 8))
            if 8 < size < 16:
                high |= low << np.uint64(8 * (size - 8))
            low = word_at(data, start, 8)
        hashes[token] = low + high * _BASE


@kernel
def _find_repeated_prefixes(table: HashTable, room: NGrams, count: int) -> None:
    slots, hashes, repeated = table.slots, room.hashes, room.repeated
    shift = clear(table, count)
    for i in range(count):
        slot = find(table, shift, hashes, i)
        repeated[i] = slots[slot] != 0
        if repeated[i]:
            repeated[slots[slot] - 1] = True
        else:
            slots[slot] = i + 1


@kernel
def _ask_on(room: NGrams, asked_count: int, size: int, count: int) -> int:
    """Ask no longer where the n-gram is too long for what it begins with to be repeated, or ends behind the text."""
    chars_from, repeated, asked = room.chars_from, room.repeated, room.asked
    still = 0
    for place in range(asked_count):
        i = np.int64(asked[place])
        if i + size > count:
            break
        asked[still] = i
        still += repeated[i] or chars_from[i] - chars_from[i + size] < PREFIX
    return still


@kernel
def _duplicate_chars(table: HashTable, room: NGrams, asked_count: int, size: int) -> int:
    """Code points in n-grams that occurred before; a found one is passed over whole."""
    slots = table.slots
    hashes, _, sums, scales, chars_from, _, asked = room
    shift = clear(table, asked_count)
    chars = 0
    passed = 0  # the tokens before it are passed over
    for place in range(asked_count):
        i = np.int64(asked[place])
        if i < passed:
            continue
        hashes[i] = (sums[i] - sums[i + size]) * scales[i]
        slot = find(table, shift, hashes, i)
        if slots[slot]:
            chars += chars_from[i] - chars_from[i + size]
            passed = int(i + size)
        else:
            slots[slot] = i + 1
    return chars
