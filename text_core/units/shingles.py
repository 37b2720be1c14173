"""Shingles: the sets of overlapping word sequences whose Jaccard similarity is what MinHash estimates."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from sequitur.text_core.units.arrays import read_only
from sequitur.text_core.units.hashing import mix64
from sequitur.text_core.units.sorting import drawn, sort_hashes
from sequitur.text_core.units.words import WordTable

# Multiplier of the polynomial over a shingle's word hashes: 2⁶⁴ divided by the golden ratio, as in SplitMix64
# (Steele, Lea and Flood, OOPSLA 2014). Any odd constant does: the word hashes are well mixed already.
_SHINGLE_BASE = np.uint64(0x9E3779B97F4A7C15)


class ShingleSets(NamedTuple):
    """The shingles of n documents; document i has `hashes[offsets[i]:offsets[i + 1]]`, ascending and distinct."""

    hashes: npt.NDArray[np.uint64]
    offsets: npt.NDArray[np.int64]  # [n + 1]


def shingle_sets(words: WordTable, size: int = 5) -> ShingleSets:
    """The set of `size`-word shingles of each document, as 64-bit hashes; sorts each document's shingles.

    A document with fewer words is one shingle of all of them; one without words has the empty set.
    """
    if size < 1:
        raise ValueError(f"shingle size must be at least 1 word, not {size}")
    hashes = np.empty(len(words.hash), dtype=np.uint64)
    offsets = np.zeros(len(words.document_offsets), dtype=np.int64)
    _fill_shingles(words.hash, words.document_offsets, size, np.uint64(1), drawn(), hashes, offsets)
    return ShingleSets(hashes[: offsets[-1]], offsets)


def token_shingle_sets(
    offsets: npt.NDArray[np.int64], ids: npt.NDArray[np.uint32], size: int, every: int = 1
) -> ShingleSets:
    """`shingle_sets` of tokens: document i has `ids[offsets[i]:offsets[i + 1]]`, `offsets` [n + 1]. Of the hashes those
    alone that `every` divides, which are a sample of as many."""
    words = np.empty(len(ids), dtype=np.uint64)
    mix_words(ids, words)
    hashes = np.empty(len(ids), dtype=np.uint64)
    own_offsets = np.zeros(len(offsets), dtype=np.int64)
    _fill_shingles(words, offsets, size, np.uint64(every), drawn(), hashes, own_offsets)
    return ShingleSets(hashes[: own_offsets[-1]], own_offsets)


def jaccard(a: ShingleSets, b: ShingleSets, pairs: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """|A ∩ B| / |A ∪ B| for each of p pairs (document of `a`, document of `b`), int64[p, 2]: float64[p] in [0, 1].

    Two empty sets have similarity 0: documents without words are no evidence of duplication. Linear in the sizes
    of the sets. Raises ValueError for a document that is not there.
    """
    pairs = read_only(pairs, np.int64)
    similarities = np.empty(len(pairs), dtype=np.float64)
    if not len(pairs):
        return similarities
    if pairs.min() < 0 or pairs[:, 0].max() >= len(a.offsets) - 1 or pairs[:, 1].max() >= len(b.offsets) - 1:
        raise ValueError(
            f"pairs must lie in [0, {len(a.offsets) - 1}) and [0, {len(b.offsets) - 1}), the documents of a and of b"
        )
    _fill_jaccard(a, b, pairs, similarities)
    return similarities


@njit(cache=True, nogil=True)
def mix_words(ids: npt.NDArray[np.uint32], mixed: npt.NDArray[np.uint64]) -> None:
    """Fills the hash of each word, given by its number."""
    for i in range(len(ids)):
        mixed[i] = mix64(np.uint64(ids[i]) + np.uint64(1))  # 0 would stay 0


@njit(cache=True, nogil=True)
def hash_shingle(word_hashes: npt.NDArray[np.uint64], first: int, size: int) -> np.uint64:
    """The hash of the `size` words from `first` on: a polynomial in the word hashes mod 2⁶⁴, mixed."""
    value = np.uint64(0)
    for word in range(first, first + size):
        value = value * _SHINGLE_BASE + word_hashes[word]
    mixed: np.uint64 = mix64(value)
    return mixed


@njit(cache=True, nogil=True)
def _fill_shingles(
    word_hashes: npt.NDArray[np.uint64],
    document_offsets: npt.NDArray[np.int64],
    size: int,
    every: np.uint64,
    drawn: np.uint64,
    hashes: npt.NDArray[np.uint64],
    offsets: npt.NDArray[np.int64],
) -> None:
    written = 0
    for document in range(len(document_offsets) - 1):
        first = document_offsets[document]
        length = min(size, document_offsets[document + 1] - first)
        shingles = document_offsets[document + 1] - first - length + 1 if length else 0
        kept = 0
        for i in range(shingles):
            hashes[written + kept] = hash_shingle(word_hashes, first + i, length)
            kept += every == 1 or hashes[written + kept] % every == 0  # dividing costs more than hashing
        own = hashes[written : written + kept]
        sort_hashes(own, drawn)
        for i in range(kept):
            if i == 0 or own[i] != own[i - 1]:
                hashes[written] = own[i]
                written += 1
        offsets[document + 1] = written


@njit(cache=True, nogil=True)
def _fill_jaccard(
    a: ShingleSets, b: ShingleSets, pairs: npt.NDArray[np.int64], similarities: npt.NDArray[np.float64]
) -> None:
    a_hashes, a_offsets = a
    b_hashes, b_offsets = b
    for pair in range(len(pairs)):
        i, a_end = a_offsets[pairs[pair, 0]], a_offsets[pairs[pair, 0] + 1]
        j, b_end = b_offsets[pairs[pair, 1]], b_offsets[pairs[pair, 1] + 1]
        total = a_end - i + b_end - j
        common = 0
        while i < a_end and j < b_end:
            x, y = a_hashes[i], b_hashes[j]
            common += x == y
            i += x <= y
            j += y <= x
        similarities[pair] = common / (total - common) if total else 0.0


@njit(cache=True, nogil=True)
def shared(a: npt.NDArray[np.uint64], b: npt.NDArray[np.uint64]) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Which of some hashes, ascending and distinct, are among others of the kind, and which of those among these.
    Without a branch that depends on them: it could not be foretold, and would cost more than all else."""
    in_b, in_a = np.zeros(len(a), np.bool_), np.zeros(len(b), np.bool_)
    i = j = 0
    while i < len(a) and j < len(b):
        x, y = a[i], b[j]
        in_b[i] = in_a[j] = x == y
        i += x <= y
        j += y <= x
    return in_b, in_a
