"""The distinct words of a sample, as the fitted model's words are found, how often each occurs, and in which texts."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from scipy.sparse import csr_array

from sequitur.text_core.units.hash_table import HashTable, clear, hash_table
from sequitur.text_core.units.hashing import mix64
from sequitur.text_core.units.kernels import kernel
from sequitur.text_core.units.offsets import offsets_of
from sequitur.text_core.units.strings import from_arrow
from sequitur.text_core.units.words import FNV_BASIS, FNV_PRIME
from sequitur.text_core.vectors.model_words import most_signs, normal, read_signs, word_tables

_ALL_BITS = np.uint64(0xFFFFFFFFFFFFFFFF)


class WordCounts(NamedTuple):
    """d distinct words in the order in which they first occur, and the w words of n texts."""

    counts: npt.NDArray[np.int64]  # [d]
    offsets: npt.NDArray[np.int64]  # [d + 1], into `codes`
    codes: npt.NDArray[np.int32]  # code points of the distinct words
    words: npt.NDArray[np.int32]  # [w], which of the distinct words each is
    text_offsets: npt.NDArray[np.int64]  # [n + 1], where the words of a text begin


def count_words(text: pa.LargeStringArray) -> WordCounts:
    """Of n texts, all in memory. Cost: some 10 ns a byte; 12 to 20 bytes a word, and 4 a character of distinct ones."""
    strings = from_arrow(normal(text))
    becomes, _, expansions = word_tables()
    signs = np.empty(most_signs(strings), dtype=np.int32)
    text_offsets = np.zeros(len(text) + 1, dtype=np.int64)
    most_codes = _count(*strings, becomes, expansions, signs, text_offsets)
    most = int(text_offsets[-1])
    found = WordCounts(
        np.zeros(most, dtype=np.int64),
        np.zeros(most + 1, dtype=np.int64),
        np.empty(most_codes, dtype=np.int32),
        np.empty(most, dtype=np.int32),
        text_offsets,
    )
    hashes, table = np.empty(most, dtype=np.uint64), hash_table(max(most, 1))
    distinct = _fill_counts(*strings, becomes, expansions, signs, table, hashes, found)
    return WordCounts(
        found.counts[:distinct],
        found.offsets[: distinct + 1],
        found.codes[: found.offsets[distinct]],
        found.words,
        text_offsets,
    )


def frequent_words(counted: WordCounts, least: int, most: int) -> tuple[npt.NDArray[np.int64], list[str]]:
    """The words that occur `least` times or more, `most` of them, by falling count, then by name.

    Returns:
        int64 [k], which of the distinct words they are; and their names.
    """
    rows = np.flatnonzero(counted.counts >= least)
    if len(rows) > most:  # only those with the lowest count are chosen by name
        lowest = np.partition(counted.counts[rows], len(rows) - most)[len(rows) - most]
        rows = rows[counted.counts[rows] >= lowest]
    every, offsets = counted.codes.tobytes().decode("utf-32-le"), counted.offsets
    names = [every[offsets[row] : offsets[row + 1]] for row in rows]
    falling = (-counted.counts[rows]).tolist()
    order = sorted(range(len(rows)), key=lambda at: (falling[at], names[at]))[:most]
    return rows[order], [names[at] for at in order]


def occurrences(counted: WordCounts, rows: npt.NDArray[np.int64]) -> csr_array:
    """float32 [n, k]: 1 where a text holds one of k of the distinct words, `rows`."""
    column = np.full(len(counted.counts), -1, dtype=np.int32)
    column[rows] = np.arange(len(rows))
    columns, held = np.empty(len(counted.words), dtype=np.int32), np.zeros(len(counted.text_offsets) - 1, np.int64)
    last = np.full(len(rows), -1, dtype=np.int64)
    count = _fill_occurrences(counted.words, counted.text_offsets, column, last, columns, held)
    matrix = csr_array(
        (np.ones(count, dtype=np.float32), columns[:count].copy(), offsets_of(held)), shape=(len(held), len(rows))
    )
    matrix.sort_indices()
    return matrix


@kernel
def _count(
    offsets: npt.NDArray[np.int64],
    data: npt.NDArray[np.uint8],
    becomes: npt.NDArray[np.int32],
    expansions: npt.NDArray[np.int32],
    signs: npt.NDArray[np.int32],
    text_offsets: npt.NDArray[np.int64],
) -> int:
    """Fill the offsets of the words; return how many code points all words have."""
    words, codes = 0, 0
    for text in range(len(text_offsets) - 1):
        last = np.int32(0)
        for sign in signs[: read_signs(data, offsets[text], offsets[text + 1], becomes, expansions, signs)]:
            words += int(sign < 0 or (sign > 0 and last <= 0))
            codes += int(sign != 0)
            last = sign
        text_offsets[text + 1] = words
    return codes


@kernel
def _fill_counts(
    offsets: npt.NDArray[np.int64],
    data: npt.NDArray[np.uint8],
    becomes: npt.NDArray[np.int32],
    expansions: npt.NDArray[np.int32],
    signs: npt.NDArray[np.int32],
    table: HashTable,
    hashes: npt.NDArray[np.uint64],
    found: WordCounts,
) -> int:
    """Return the number of distinct words."""
    counts, word_offsets, codes, words, text_offsets = found
    shift = clear(table, len(words))
    distinct, word = 0, 0
    for text in range(len(text_offsets) - 1):
        count = read_signs(data, offsets[text], offsets[text + 1], becomes, expansions, signs)
        end = 0
        while end < count:
            first = end
            end += 1
            if signs[first] == 0:
                continue
            while signs[first] > 0 and end < count and signs[end] > 0:
                end += 1
            value, start = FNV_BASIS, word_offsets[distinct]
            for at in range(first, end):
                codes[start + at - first] = abs(signs[at])
                value = (value ^ np.uint64(abs(signs[at]))) * FNV_PRIME
            hashes[distinct] = mix64(value)
            word_offsets[distinct + 1] = start + end - first
            known = _find(table, shift, hashes, word_offsets, codes, distinct)
            distinct += known == distinct
            counts[known] += 1
            words[word] = known
            word += 1
    return distinct


@kernel
def _find(
    table: HashTable,
    shift: np.uint64,
    hashes: npt.NDArray[np.uint64],
    offsets: npt.NDArray[np.int64],
    codes: npt.NDArray[np.int32],
    word: int,
) -> int:
    """The first word of these code points: `word` itself, which is then put in the table, or one before it."""
    slots = table.slots
    slot, last = np.int64((hashes[word] * table.factor) >> shift), np.int64(_ALL_BITS >> shift)
    start, length = offsets[word], offsets[word + 1] - offsets[word]
    while slots[slot]:
        known = np.int64(slots[slot]) - 1
        if hashes[known] == hashes[word] and offsets[known + 1] - offsets[known] == length:
            at = 0
            while at < length and codes[offsets[known] + at] == codes[start + at]:
                at += 1
            if at == length:
                return int(known)
        slot = (slot + 1) & last
    slots[slot] = word + 1
    return word


@kernel
def _fill_occurrences(
    words: npt.NDArray[np.int32],
    text_offsets: npt.NDArray[np.int64],
    column: npt.NDArray[np.int32],
    last: npt.NDArray[np.int64],
    columns: npt.NDArray[np.int32],
    held: npt.NDArray[np.int64],
) -> int:
    """`last` is, of each column, the last text that was seen to hold its word."""
    count = 0
    for text in range(len(held)):
        for word in words[text_offsets[text] : text_offsets[text + 1]]:
            row = column[word]
            if row >= 0 and last[row] != text:
                last[row] = text
                columns[count] = row
                count += 1
                held[text] += 1
    return count
