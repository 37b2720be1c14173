"""Whether two documents are versions of one: by their rarer pairs of words, and by the names that only one of them has.

Both figures are of words in succession, each a number (`version_words`). Where a script has no spaces between words,
each character taken with the next one is a word.

    population(i) = in how many documents the words of document i are, in the median: a share of those of its language
    rarity(t)     = log((min(population(a), population(b)) + 2) / (other documents with t + 1)), at least LEAST_RARITY
    overlap(a, b) = Σ rarity³(t) of the pairs of words t in both / (lesser + OTHER_PAIRS · rarest)

with the lesser of the sums over either, and the greatest rarity³ in both.

So what all documents of a language have, however rare the language is in the corpus, and what a template or a passage
gives many of them, has little weight, and a document that is part of another overlaps with it; a few words do less.

Documents made of one template for different things overlap, too; `renaming.py` tells those. Figures:
docs/decisions/0015-versions.md.
"""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from sequitur.text_core.units.arrays import read_only
from sequitur.text_core.units.hashing import mix64
from sequitur.text_core.units.offsets import offsets_of
from sequitur.text_core.units.shingles import hash_shingle, shared, token_shingle_sets
from sequitur.text_core.units.sorting import drawn, sort
from sequitur.text_core.units.strings import Strings
from sequitur.text_core.units.words import word_table

BUCKET_BITS = 22
BUCKETS = 2**BUCKET_BITS  # of hashed words and pairs, by which documents are counted
OTHER_PAIRS = 2  # of words, as rare as the rarest of either, that both are taken to have besides
LEAST_RARITY = 0.5  # of what many documents have; it decides only where nothing is rarer, as among many copies
LEAST_RENAMING = 2.0  # of documents that are about different things
SEEN_BITS = 2**17  # by the first bits of a hash: those of a document in the first cache, and few of another among them
CERTAINLY = 1 - 1e-6  # of a bound: sums in another order differ by less
_STEP = np.uint64(0x9E3779B97F4A7C15)  # SplitMix64's (Steele, Lea and Flood, OOPSLA 2014)
_SHIFT = np.uint64(64 - BUCKET_BITS)
_SEEN_SHIFT, _SEEN_WORD = np.uint64(64 - 17), np.uint64(64 - 17 + 6)


class WordPairs(NamedTuple):
    """The pairs of successive words of n documents; document i has those from `offsets[i]` to `offsets[i + 1]`."""

    hashes: npt.NDArray[np.uint64]  # ascending and distinct in a document
    known: npt.NDArray[np.int32]  # in how many documents of the corpus each is
    offsets: npt.NDArray[np.int64]  # [n + 1]
    mean: npt.NDArray[np.float64]  # [n], what is taken off their rarity where another has them not, in the mean
    rarest: npt.NDArray[np.float64]  # [n], and of the rarest


def version_words(strings: Strings) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint32]]:
    """The words of n documents as numbers: int64 offsets [n + 1], uint32 ids. Two words share one in 1 of 2³² cases.

    A word that the next one follows at once, as in scripts without spaces, is taken with it. Costs `word_table`.
    """
    words = word_table(strings)
    joined = np.zeros(len(words.hash), dtype=np.bool_)
    joined[:-1] = words.end[:-1] == words.start[1:]
    joined[words.document_offsets[1:][np.diff(words.document_offsets) > 0] - 1] = False
    hashes = np.where(joined, words.hash * _STEP + np.roll(words.hash, -1), words.hash)
    return words.document_offsets, (hashes >> np.uint64(32)).astype(np.uint32)


def document_counts(offsets: npt.NDArray[np.int64], ids: npt.NDArray[np.uint32]) -> npt.NDArray[np.int32]:
    """int32[BUCKETS]: how many of n documents hold a word or pair of each bucket. Counts of several calls add up."""
    counts = np.zeros(BUCKETS, dtype=np.int32)
    for size in (1, 2):
        hashes = token_shingle_sets(offsets, ids, size).hashes
        counts += np.bincount((hashes >> _SHIFT).astype(np.int64), minlength=BUCKETS).astype(np.int32)
    return counts


def word_pairs(offsets: npt.NDArray[np.int64], ids: npt.NDArray[np.uint32], counts: npt.NDArray[np.int32]) -> WordPairs:
    """The pairs of successive words of n documents. Document i has the words `ids[offsets[i]:offsets[i + 1]]`; `counts`
    are `document_counts` of a corpus, or of a sample of it. Memory: 32 bytes a word. Cost: 20 ns a word."""
    if counts.shape != (BUCKETS,):
        raise ValueError(f"counts must be int32[{BUCKETS}], not {counts.shape}; make them by document_counts")
    hashes, own_offsets = token_shingle_sets(offsets, ids, 2)
    known = np.empty(len(hashes), np.int32)
    mean, rarest = np.empty(len(offsets) - 1), np.empty(len(offsets) - 1)
    _look_up(hashes, counts, known)
    _fill_rarities(own_offsets, known, _logarithms(known), mean, rarest)
    return WordPairs(hashes, known, own_offsets, mean, rarest)


def joined(some: Iterable[WordPairs], hashes: npt.NDArray[np.uint64], known: npt.NDArray[np.int32]) -> WordPairs:
    """Those of several lots of documents, one after the other; what is known of each pair in these arrays, which have
    room for it: there are no more pairs than words."""
    filled, of_documents = 0, []
    for one in some:
        here = slice(filled, filled := filled + len(one.hashes))
        hashes[here], known[here] = one.hashes, one.known
        of_documents.append((np.diff(one.offsets), one.mean, one.rarest))
    count, mean, rarest = map(np.concatenate, zip(*of_documents, strict=True))
    return WordPairs(hashes[:filled], known[:filled], offsets_of(count), mean, rarest)


def _logarithms(known: npt.NDArray[np.int32]) -> npt.NDArray[np.float64]:
    """By how many others have a pair, + 2, what is taken off its rarity."""
    return np.log(np.maximum(np.arange(-2, int(known.max(initial=0))), 0) + 1.0)


def overlaps(
    documents: WordPairs, population: npt.NDArray[np.int32], pairs: npt.NDArray[np.int64], least: float = 0.0
) -> npt.NDArray[np.float32]:
    """float32 [p]: the overlap of each pair of documents, int64 [p, 2]; 0 where it is below `least`.

    `population` are the documents' `populations`. Documents without words overlap with none. Cost: with `least`, a
    nanosecond or two for each word of most pairs; else ten. Raises ValueError for a document that is not there.
    """
    pairs = read_only(pairs, np.int64)
    if pairs.size and (pairs.min() < 0 or pairs.max() >= len(documents.offsets) - 1):
        raise ValueError(f"pairs must lie in [0, {len(documents.offsets) - 1}), the documents")
    found = np.zeros(len(pairs), np.float32)
    _fill_overlap(documents, _logarithms(documents.known), population, pairs, least, found)
    found[found < least] = 0
    return found


def populations(
    offsets: npt.NDArray[np.int64], ids: npt.NDArray[np.uint32], counts: npt.NDArray[np.int32]
) -> npt.NDArray[np.int32]:
    """int32 [n]: in how many documents the words of each document are, in the median; 0 where it has none. Arguments as
    of `word_pairs`."""
    population = np.zeros(len(offsets) - 1, dtype=np.int32)
    _fill_populations(offsets, ids, counts, drawn(), population)
    return population


@njit(cache=True, nogil=True)
def _fill_populations(
    offsets: npt.NDArray[np.int64],
    ids: npt.NDArray[np.uint32],
    counts: npt.NDArray[np.int32],
    drawn: np.uint64,
    population: npt.NDArray[np.int32],
) -> None:
    one = np.empty(1, np.uint64)
    for document in range(len(offsets) - 1):
        first, end = offsets[document], offsets[document + 1]
        if first == end:
            continue
        common = np.empty(end - first, np.int32)
        for word in range(first, end):
            one[0] = mix64(np.uint64(ids[word]) + np.uint64(1))
            common[word - first] = counts[hash_shingle(one, 0, 1) >> _SHIFT]
        sort(common, drawn)
        population[document] = common[len(common) // 2]


@njit(cache=True, nogil=True)
def _look_up(hashes: npt.NDArray[np.uint64], counts: npt.NDArray[np.int32], known: npt.NDArray[np.int32]) -> None:
    """Fills the count of the bucket of each hash."""
    for i in range(len(hashes)):
        known[i] = counts[hashes[i] >> _SHIFT]


@njit(cache=True, nogil=True)
def _fill_overlap(
    documents: WordPairs,
    rarity: npt.NDArray[np.float64],
    population: npt.NDArray[np.int32],
    pairs: npt.NDArray[np.int64],
    least: float,
    overlap: npt.NDArray[np.float32],
) -> None:
    """Few pairs of a corpus reach `least`, and most others fall far short of it. So what is in both, or may be, is
    weighed first, by reading one of them, against what each has at least: as many pairs of the mean rarity, for a
    weight is convex in the rarity (Jensen's inequality)."""
    hashes, known, offsets, mean, rarest = documents
    held, seen = -1, np.zeros(SEEN_BITS // 64, np.uint64)
    for pair in range(len(pairs)):
        a, b = pairs[pair, 0], pairs[pair, 1]
        of_a, of_b = hashes[offsets[a] : offsets[a + 1]], hashes[offsets[b] : offsets[b + 1]]
        most = np.log(min(population[a], population[b]) + 2.0)
        if least > 0:
            if held != a and held != b:
                held = b if pair + 1 < len(pairs) and (pairs[pair + 1] == b).any() else a
                _see(of_a if held == a else of_b, seen)
            lesser = min(len(of_a) * _weight(most, mean[a]), len(of_b) * _weight(most, mean[b]))
            alone = max(_weight(most, rarest[a]), _weight(most, rarest[b]))
            other = b if held == a else a
            begin, end = offsets[other], offsets[other + 1]
            of_both = _most_of_both(seen, hashes[begin:end], known[begin:end], rarity, most)
            if of_both < least * CERTAINLY * (lesser + OTHER_PAIRS * alone):
                continue
        overlap[pair] = _overlap(
            of_a, of_b, known[offsets[a] : offsets[a + 1]], known[offsets[b] : offsets[b + 1]], rarity, most
        )


@njit(cache=True, nogil=True)
def _weight(most: float, rarity: float) -> float:
    return max(LEAST_RARITY, most - rarity) ** 3


@njit(cache=True, nogil=True)
def _fill_rarities(
    offsets: npt.NDArray[np.int64],
    known: npt.NDArray[np.int32],
    rarity: npt.NDArray[np.float64],
    mean: npt.NDArray[np.float64],
    rarest: npt.NDArray[np.float64],
) -> None:
    for document in range(len(offsets) - 1):
        total, lowest = 0.0, np.inf
        for count in known[offsets[document] : offsets[document + 1]]:
            total += rarity[count + 1]
            lowest = min(lowest, rarity[count + 1])
        mean[document], rarest[document] = total / max(offsets[document + 1] - offsets[document], 1), lowest


@njit(cache=True, nogil=True)
def _see(hashes: npt.NDArray[np.uint64], seen: npt.NDArray[np.uint64]) -> None:
    """Sets the bits of some hashes, and no others."""
    seen[:] = 0
    for value in hashes:
        seen[value >> _SEEN_WORD] |= np.uint64(1) << ((value >> _SEEN_SHIFT) & np.uint64(63))


@njit(cache=True, nogil=True)
def _most_of_both(
    seen: npt.NDArray[np.uint64],
    hashes: npt.NDArray[np.uint64],
    known: npt.NDArray[np.int32],
    rarity: npt.NDArray[np.float64],
    most: float,
) -> float:
    """At least the sum of the weights of those hashes that another document has, too, whose bits are `seen`."""
    total = 0.0
    for i in range(len(hashes)):
        if seen[hashes[i] >> _SEEN_WORD] >> ((hashes[i] >> _SEEN_SHIFT) & np.uint64(63)) & np.uint64(1):
            total += _weight(most, rarity[known[i]])
    return total


@njit(cache=True, nogil=True)
def _overlap(
    a: npt.NDArray[np.uint64],
    b: npt.NDArray[np.uint64],
    known_of_a: npt.NDArray[np.int32],
    known_of_b: npt.NDArray[np.int32],
    rarity: npt.NDArray[np.float64],
    most: float,
) -> float:
    of_a, of_b = shared(a, b)
    sums, of_both, rarest = np.zeros(2), 0.0, 0.0
    for side in range(2):
        known, in_both = (known_of_a, of_a) if side == 0 else (known_of_b, of_b)
        of_both = 0.0  # the same on either side
        for i in range(len(known)):
            weight = _weight(most, rarity[known[i] + 1 - in_both[i]])
            rarest = max(rarest, weight)
            sums[side] += weight
            of_both += weight if in_both[i] else 0.0
    lesser = sums.min()
    return of_both / (lesser + OTHER_PAIRS * rarest) if lesser > 0 else 0.0
