"""Documents as means of word rows, scaled to unit length: the fitted model, run over Arrow buffers.

    vector(i) = Σ row(token) over the tokens of text i, to unit length; zero where the sum is

What sentence-transformers computes of the same rows by `StaticEmbedding` and `Normalize`, with its tokens: a word that
is a token is itself; another one of MAX_CHARACTERS at most is the longest token that it begins with, then the longest
`##` token that goes on, and so on to its end, or nothing where that does not come out (WordPiece).

Sums are in float64, in the order of the text, so that the bits are the same whatever documents stand beside one.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sequitur.text_core.units.arrays import read_only
from sequitur.text_core.units.hash_table import HashTable, clear, hash_table
from sequitur.text_core.units.hashing import mix64
from sequitur.text_core.units.kernels import kernel
from sequitur.text_core.units.offsets import offsets_of
from sequitur.text_core.units.strings import from_arrow
from sequitur.text_core.units.words import FNV_BASIS, FNV_PRIME
from sequitur.text_core.vectors.model_words import most_signs, normal, read_signs, word_tables

CONTINUES = "##"
UNKNOWN = "[UNK]"  # the token of row 0, which is zero, for a word that is made of no tokens
MAX_CHARACTERS = 100  # of a word that is not a token, the library's limit; of a longer one nothing is read
_PREFIX = 4  # characters; where no token begins with these, as in digits and hashes, longer ones are not looked up
_PREFIX_SHIFT = np.uint64(44)  # of a hash, to one of 2²⁰ bits
_CONTINUED_BASIS = np.uint64(0x84222325CBF29CE4)  # where the hash of a `##` token begins
_ALL_BITS = np.uint64(0xFFFFFFFFFFFFFFFF)


class Vocabulary(NamedTuple):
    """v tokens, found by their code points; token i has `codes[offsets[i]:offsets[i + 1]]`, without `##`."""

    table: HashTable
    shift: np.uint64
    hashes: npt.NDArray[np.uint64]  # [v]
    continues: npt.NDArray[np.bool_]  # [v]
    offsets: npt.NDArray[np.int64]  # [v + 1]
    codes: npt.NDArray[np.int32]
    longest: int  # code points
    prefixes: npt.NDArray[np.uint8]  # a bit for each hash of the first _PREFIX code points of a token


class _Scratch(NamedTuple):
    """What a text is worked on in."""

    signs: npt.NDArray[np.int32]
    pieces: npt.NDArray[np.int64]  # tokens of a word
    times: npt.NDArray[np.int64]  # [v], how often each token occurs
    found: npt.NDArray[np.int64]  # the tokens that do, with room for one that is not new
    sums: npt.NDArray[np.float64]  # [d]


def vocabulary_of(tokens: Sequence[str]) -> Vocabulary:
    """Of tokens that are all different. Raises UnicodeEncodeError for one with half of a surrogate pair."""
    continues = np.array([token.startswith(CONTINUES) for token in tokens], dtype=np.bool_)
    bare = [token.removeprefix(CONTINUES) for token in tokens]
    offsets = offsets_of([len(token) for token in bare])
    codes = read_only(np.frombuffer("".join(bare).encode("utf-32-le"), dtype=np.int32), np.int32)
    hashes, table = np.zeros(len(tokens), dtype=np.uint64), hash_table(max(len(tokens), 1))
    prefixes = np.zeros(2**20 // 8, dtype=np.uint8)
    shift = _fill_table(table, hashes, continues, offsets, codes, prefixes)
    return Vocabulary(table, shift, hashes, continues, offsets, codes, int(np.diff(offsets).max(initial=0)), prefixes)


def word_means(
    text: pa.LargeStringArray, vocabulary: Vocabulary, rows: npt.NDArray[np.float32]
) -> npt.NDArray[np.float32]:
    """float32 [n, d], of unit length or zero, of n texts; `rows`, float32 [v, d], are the tokens'.

    Tens of megabytes a second of text for which the table of `model_words.py` suffices. Memory: the result, and 8
    bytes for each byte of the longest text. Raises ValueError where there is not a row for each token.
    """
    if len(rows) != len(vocabulary.hashes):
        raise ValueError(f"{len(rows)} rows for {len(vocabulary.hashes)} tokens: give each its row")
    strings = from_arrow(normal(text))
    becomes, _, expansions = word_tables()
    vectors = np.zeros((len(text), rows.shape[1]), dtype=np.float32)
    most = most_signs(strings)
    scratch = _Scratch(
        np.empty(most, dtype=np.int32),
        np.empty(MAX_CHARACTERS, dtype=np.int64),
        np.zeros(len(rows), dtype=np.int64),
        np.empty(min(most, len(rows)) + 1, dtype=np.int64),
        np.empty(rows.shape[1], dtype=np.float64),
    )
    _fill_means(*strings, becomes, expansions, vocabulary, read_only(rows, np.float32), scratch, vectors)
    return vectors


@kernel
def _fill_table(
    table: HashTable,
    hashes: npt.NDArray[np.uint64],
    continues: npt.NDArray[np.bool_],
    offsets: npt.NDArray[np.int64],
    codes: npt.NDArray[np.int32],
    prefixes: npt.NDArray[np.uint8],
) -> np.uint64:
    shift = clear(table, len(hashes))
    last = np.int64(_ALL_BITS >> shift)
    for token in range(len(hashes)):
        value = _CONTINUED_BASIS if continues[token] else FNV_BASIS
        for at in range(offsets[token], offsets[token + 1]):
            value = (value ^ np.uint64(codes[at])) * FNV_PRIME
            if at - offsets[token] == _PREFIX - 1:
                bit = mix64(value) >> _PREFIX_SHIFT
                prefixes[bit >> np.uint64(3)] |= np.uint8(1) << np.uint8(bit & np.uint64(7))
        hashes[token] = mix64(value)
        slot = np.int64((hashes[token] * table.factor) >> shift)
        while table.slots[slot]:
            slot = (slot + 1) & last
        table.slots[slot] = token + 1
    return np.uint64(shift)


@kernel
def _token(
    vocabulary: Vocabulary, value: np.uint64, signs: npt.NDArray[np.int32], first: int, end: int, goes_on: bool
) -> int:
    """The token of some signs, whose hash before it is mixed is `value`; -1 where they are none."""
    table, shift, hashes, continues, offsets, codes, _, _ = vocabulary
    value = mix64(value)
    slot = np.int64((value * table.factor) >> shift)
    last = np.int64(_ALL_BITS >> shift)
    while table.slots[slot]:
        token = np.int64(table.slots[slot]) - 1
        start = offsets[token]
        if hashes[token] == value and continues[token] == goes_on and offsets[token + 1] - start == end - first:
            at = first
            while at < end and codes[start + at - first] == signs[at]:
                at += 1
            if at == end:
                return int(token)
        slot = (slot + 1) & last
    return -1


@kernel
def _fill_means(
    offsets: npt.NDArray[np.int64],
    data: npt.NDArray[np.uint8],
    becomes: npt.NDArray[np.int32],
    expansions: npt.NDArray[np.int32],
    vocabulary: Vocabulary,
    rows: npt.NDArray[np.float32],
    scratch: _Scratch,
    vectors: npt.NDArray[np.float32],
) -> None:
    signs, pieces, times, found, sums = scratch
    dimensions = len(sums)
    for text in range(len(vectors)):
        count = read_signs(data, offsets[text], offsets[text + 1], becomes, expansions, signs)
        end, distinct = 0, 0
        while end < count:
            first, value = end, FNV_BASIS
            end += 1
            if signs[first] == 0:
                continue
            if signs[first] < 0:
                signs[first] = -signs[first]
                value = (value ^ np.uint64(signs[first])) * FNV_PRIME
            else:
                end = first
                while end < count and signs[end] > 0:
                    value = (value ^ np.uint64(signs[end])) * FNV_PRIME
                    end += 1
            if end - first > MAX_CHARACTERS:
                continue
            pieces[0] = _token(vocabulary, value, signs, first, end, False)
            size = 1 if pieces[0] >= 0 else _split(vocabulary, signs, first, end, pieces)
            for token in pieces[:size]:
                found[distinct] = token
                distinct += times[token] == 0
                times[token] += 1
        for i in range(dimensions):
            sums[i] = 0
        _add_rows(rows, found[:distinct], times, sums)
        length = 0.0
        for total in sums:
            length += total * total
        if length > 0:
            length = np.sqrt(length)
            for i in range(dimensions):
                vectors[text, i] = np.float32(sums[i] / length)


@kernel
def _add_rows(
    rows: npt.NDArray[np.float32],
    tokens: npt.NDArray[np.int64],
    times: npt.NDArray[np.int64],
    sums: npt.NDArray[np.float64],
) -> None:
    """Add the rows of some tokens, in their order, each as many `times` as it occurs; and set these to 0."""
    at = 0
    while at < len(tokens):
        one, a = tokens[at], np.float64(times[tokens[at]])
        times[one] = 0
        if at + 4 > len(tokens):
            at += 1
            for i in range(len(sums)):
                sums[i] += a * rows[one, i]
            continue
        two, three, four = tokens[at + 1], tokens[at + 2], tokens[at + 3]
        b, c, d = np.float64(times[two]), np.float64(times[three]), np.float64(times[four])
        times[two], times[three], times[four] = 0, 0, 0
        at += 4
        for i in range(len(sums)):  # of four rows at a time, so that the sums are read and written once for them
            sums[i] = sums[i] + a * rows[one, i] + b * rows[two, i] + c * rows[three, i] + d * rows[four, i]


@kernel
def _split(
    vocabulary: Vocabulary, signs: npt.NDArray[np.int32], first: int, end: int, pieces: npt.NDArray[np.int64]
) -> int:
    """Write the tokens of which a word is made, which is none itself; how many they are, 0 where it is not made so."""
    count, start = 0, first
    while start < end:
        value = FNV_BASIS if start == first else _CONTINUED_BASIS
        found, after = -1, start
        for at in range(start, min(end, start + vocabulary.longest)):
            value = (value ^ np.uint64(signs[at])) * FNV_PRIME
            if at - start == _PREFIX - 1:
                bit = mix64(value) >> _PREFIX_SHIFT
                if not vocabulary.prefixes[bit >> np.uint64(3)] >> np.uint8(bit & np.uint64(7)) & np.uint8(1):
                    break
            token = _token(vocabulary, value, signs, start, at + 1, start > first)
            if token >= 0:
                found, after = token, at + 1
        if found < 0:
            return 0
        pieces[count] = found
        count += 1
        start = after
    return count
