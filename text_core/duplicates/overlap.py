"""Runs of words that documents share with given texts, to keep evaluation texts out of training data.

An n-gram is n successive words of one text, case folded: Brown et al. (2020, "Language Models are Few-Shot Learners",
appendix C) compare 13 of them. The n-grams of the texts are held as sorted 64-bit hashes behind a Bloom filter with
one hash function; a hash that is found is believed only after its words have been compared.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from sequitur.text_core.units.arrays import read_only
from sequitur.text_core.units.shingles import hash_shingle
from sequitur.text_core.units.strings import Strings
from sequitur.text_core.units.unicode import decode, unicode_tables
from sequitur.text_core.units.words import WordTable, word_table

_FILTER_BITS = 16  # for each n-gram: 6 of 100 absent ones pass


class NgramIndex(NamedTuple):
    """The k distinct n-grams of some texts of w words in all; every array may be memory-mapped."""

    size: int  # n, words in an n-gram
    hash: npt.NDArray[np.uint64]  # [k], ascending
    word: npt.NDArray[np.int64]  # [k], the first word of the n-gram, where it occurs first
    start: npt.NDArray[np.int64]  # [w], byte offset of the word into `data`
    end: npt.NDArray[np.int64]  # [w], byte offset after it
    text_offsets: npt.NDArray[np.int64]  # [texts + 1]; text i has the words text_offsets[i]:text_offsets[i + 1]
    data: npt.NDArray[np.uint8]  # UTF-8


class Overlaps(NamedTuple):
    """Of each of m documents the first n-gram that it shares with a text, −1 for none."""

    word: npt.NDArray[np.int64]  # [m], the n-gram's first word in the documents' word table
    text: npt.NDArray[np.int64]  # [m], the first text that has it


def ngram_index(texts: Strings, size: int) -> NgramIndex:
    """Find the n-grams of some texts. A text with fewer than `size` words has none.

    Takes about 30 bytes of memory a byte of text, and keeps 8. Of two n-grams with one 64-bit hash only the first is
    found; among 10 million n-grams the chance that there are such two is 1 in 400,000.
    Raises ValueError for a size below 1.
    """
    if size < 1:
        raise ValueError(f"an n-gram has at least 1 word, not {size}")
    words = word_table(texts)
    counts = np.maximum(np.diff(words.document_offsets) - size + 1, 0)
    hashes = np.empty(int(counts.sum()), dtype=np.uint64)
    places = np.empty(len(hashes), dtype=np.int64)
    _fill_ngrams(words.hash, words.document_offsets, size, hashes, places)
    distinct, first = np.unique(hashes, return_index=True)  # the index is that of the first occurrence
    return NgramIndex(
        size, distinct, places[first], words.start.copy(), words.end.copy(), words.document_offsets, texts.data
    )


def presence(hashes: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint8]:
    """The Bloom filter of some hashes, to be given to `first_overlaps`: a bit array, 2 to 4 bytes a hash."""
    bits = max(3, int(_FILTER_BITS * len(hashes) - 1).bit_length())
    bitmap = np.zeros(1 << (bits - 3), dtype=np.uint8)
    _fill_presence(read_only(hashes, np.uint64), bits, bitmap)
    return bitmap


def first_overlaps(documents: Strings, words: WordTable, index: NgramIndex, bitmap: npt.NDArray[np.uint8]) -> Overlaps:
    """Find in each of m documents, whose word table is `words`, the first n-gram of the index.

    `bitmap` is the `presence` of the index's hashes. Linear in the words: `size` multiplications each.
    """
    count = len(documents.offsets) - 1
    found = Overlaps(np.full(count, -1, dtype=np.int64), np.full(count, -1, dtype=np.int64))
    entries = np.full(count, -1, dtype=np.int64)
    _, *arrays, data = index
    hashes, places, start, end, text_offsets = (read_only(array, array.dtype) for array in arrays)
    _fill_overlaps(
        (words.hash, words.start, words.end, words.document_offsets, documents.data),
        (hashes, places, start, end, read_only(data, np.uint8)),
        read_only(bitmap, np.uint8),
        index.size,
        unicode_tables().folded,
        found.word,
        entries,
    )
    hit = np.flatnonzero(entries >= 0)
    found.text[hit] = np.searchsorted(text_offsets, places[entries[hit]], side="right") - 1
    return found


@njit(cache=True, nogil=True)
def _fill_ngrams(
    word_hashes: npt.NDArray[np.uint64],
    text_offsets: npt.NDArray[np.int64],
    size: int,
    hashes: npt.NDArray[np.uint64],
    places: npt.NDArray[np.int64],
) -> None:
    count = 0
    for text in range(len(text_offsets) - 1):
        for word in range(text_offsets[text], text_offsets[text + 1] - size + 1):
            hashes[count] = hash_shingle(word_hashes, word, size)
            places[count] = word
            count += 1


@njit(cache=True, nogil=True)
def _fill_presence(hashes: npt.NDArray[np.uint64], bits: int, bitmap: npt.NDArray[np.uint8]) -> None:
    shift = np.uint64(64 - bits)
    for i in range(len(hashes)):
        slot = hashes[i] >> shift
        bitmap[slot >> np.uint64(3)] |= np.uint8(1) << np.uint8(slot & np.uint64(7))


@njit(cache=True, nogil=True)
def _fill_overlaps(
    documents: tuple[npt.NDArray[np.uint64], ...],
    index: tuple[npt.NDArray[np.uint64], ...],
    bitmap: npt.NDArray[np.uint8],
    size: int,
    folded: npt.NDArray[np.int32],
    found: npt.NDArray[np.int64],
    entries: npt.NDArray[np.int64],
) -> None:
    word_hashes, start, end, document_offsets, data = documents
    hashes, places, text_start, text_end, text_data = index
    bits = 3
    while 1 << (bits - 3) < len(bitmap):
        bits += 1
    shift = np.uint64(64 - bits)
    for document in range(len(document_offsets) - 1):
        for word in range(document_offsets[document], document_offsets[document + 1] - size + 1):
            value = hash_shingle(word_hashes, word, size)
            slot = value >> shift
            if not bitmap[slot >> np.uint64(3)] >> np.uint8(slot & np.uint64(7)) & np.uint8(1):
                continue
            entry = np.searchsorted(hashes, value)
            if entry == len(hashes) or hashes[entry] != value:
                continue
            other = places[entry]
            same = 0
            while same < size and _same_word(
                data[start[word + same] : end[word + same]],
                text_data[text_start[other + same] : text_end[other + same]],
                folded,
            ):
                same += 1
            if same == size:
                found[document] = word
                entries[document] = entry
                break


@njit(cache=True, nogil=True)
def _same_word(a: npt.NDArray[np.uint8], b: npt.NDArray[np.uint8], folded: npt.NDArray[np.int32]) -> bool:
    """Whether two words are one, case folded and ’ taken as '."""
    i, j = 0, 0
    while i < len(a) and j < len(b):
        x, x_width = decode(a, i, len(a))
        y, y_width = decode(b, j, len(b))
        if folded[0x27 if x == 0x2019 else x] != folded[0x27 if y == 0x2019 else y]:
            return False
        i += x_width
        j += y_width
    return i == len(a) and j == len(b)
