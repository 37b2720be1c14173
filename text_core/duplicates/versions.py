"""Whether two documents are versions of one: by their rarer pairs of words, and by the names that only one of them has.

Both figures are of words in succession, each a number (`version_words`). Where a script has no spaces between words,
each character taken with the next one is a word.

    population(i) = in how many documents the words of document i are, in the median: a share of those of its language
    rarity(t)     = log((min(population(a), population(b)) + 2) / (other documents with t + 1)), at least LEAST_RARITY
    overlap(a, b) = Σ rarity³(t) of the pairs of words t in both / (lesser + OTHER_PAIRS · rarest)

with the lesser of the sums over either, and the greatest rarity³ in both.

So what all documents of a language have, however rare the language is in the corpus, and what a template or a passage
gives many of them, has little weight, and a document that is part of another overlaps with it; a few words do less.

Documents made of one template for different things overlap, too. Where they differ, a name is gone everywhere at once,
which chance edits seldom do: if they change a word with a chance of p, one that stands at n places goes from m of them
with a chance below C(n, m) · p^m. With w different words in a, and k of them gone,

    renaming(a → b) = max over k of Σ −log(C(n, m) · p^m) over the k least probable − log C(w, k)
    renaming(a, b)  = renaming(a → b) + renaming(b → a), each at least UNTOLD

counted where a stretch of a that b has not is no longer than those around it that b has; p is the share of these words
in both. It is minus the logarithm of the chance that edits of any words would do it. Figures:
docs/decisions/0015-versions.md.
"""

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from sequitur.text_core.units.arrays import read_only
from sequitur.text_core.units.hashing import mix64
from sequitur.text_core.units.shingles import ShingleSets, hash_shingle, token_shingle_sets
from sequitur.text_core.units.sorting import drawn, sort, sort_hashes
from sequitur.text_core.units.strings import Strings
from sequitur.text_core.units.words import word_table

BUCKET_BITS = 22
BUCKETS = 2**BUCKET_BITS  # of hashed words and pairs, by which documents are counted
OTHER_PAIRS = 2  # of words, as rare as the rarest of either, that both are taken to have besides
LEAST_RARITY = 0.5  # of what many documents have; it decides only where nothing is rarer, as among many copies
LONGEST_GAP = 8  # words between two places where documents agree again; longer ones are other text, not other names
UNTOLD = -4.0  # of a side on which no name is gone
LEAST_RENAMING = 2.0  # of documents that are about different things
_STEP = np.uint64(0x9E3779B97F4A7C15)  # SplitMix64's (Steele, Lea and Flood, OOPSLA 2014)
_SHIFT = np.uint64(64 - BUCKET_BITS)


class Likeness(NamedTuple):
    """Of p pairs of documents."""

    overlap: npt.NDArray[np.float32]  # [p], 0 to 1
    renaming: npt.NDArray[np.float32]  # [p], −∞ where it was not looked for


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


def likeness(
    offsets: npt.NDArray[np.int64],
    ids: npt.NDArray[np.uint32],
    counts: npt.NDArray[np.int32],
    pairs: npt.NDArray[np.int64],
    least: float = 0.0,
    population: npt.NDArray[np.int32] | None = None,
) -> Likeness:
    """The overlap of each pair of documents, and the renaming of those that overlap by `least` or more.

    Document i has the words `ids[offsets[i]:offsets[i + 1]]`; `pairs` is int64 [p, 2] of documents; `counts` are
    `document_counts` of a corpus, or of a sample of it; `population` are the documents' `populations`, where they are
    known. Documents without words overlap with none. Memory: 60 bytes a
    word. Cost: some microseconds a pair of 200 words. Raises ValueError for a document that is not there.
    """
    if counts.shape != (BUCKETS,):
        raise ValueError(f"counts must be int32[{BUCKETS}], not {counts.shape}; make them by document_counts")
    pairs = read_only(pairs, np.int64)
    if pairs.size and (pairs.min() < 0 or pairs.max() >= len(offsets) - 1):
        raise ValueError(f"pairs must lie in [0, {len(offsets) - 1}), the documents")
    sets = token_shingle_sets(offsets, ids, 2)
    known = np.empty(len(sets.hashes), np.int32)
    most = _look_up(sets.hashes, counts, known)
    rarity = np.log(np.maximum(np.arange(-2, most), 0) + 1.0)  # by how many others have it, + 2
    if population is None:
        population = populations(offsets, ids, counts)
    found = Likeness(np.zeros(len(pairs), np.float32), np.full(len(pairs), -np.inf, np.float32))
    _fill_overlap(sets, known, rarity, population, pairs, found.overlap)
    alike = np.flatnonzero((found.overlap >= least) & (found.overlap > 0))
    words, following = np.empty(len(ids), np.uint64), np.empty(len(ids), np.uint64)
    ordered, involved = np.empty(len(ids), np.uint64), np.unique(pairs[alike])
    _read(offsets, ids, involved, drawn(), words, following, ordered)
    renaming = np.empty(len(alike), np.float32)
    _fill_renaming(offsets, words, following, ordered, sets, pairs[alike], drawn(), renaming)
    found.renaming[alike] = renaming
    return found


def populations(
    offsets: npt.NDArray[np.int64], ids: npt.NDArray[np.uint32], counts: npt.NDArray[np.int32]
) -> npt.NDArray[np.int32]:
    """int32 [n]: in how many documents the words of each document are, in the median; 0 where it has none. Arguments as
    of `likeness`."""
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
def _read(
    offsets: npt.NDArray[np.int64],
    ids: npt.NDArray[np.uint32],
    documents: npt.NDArray[np.int64],
    drawn: np.uint64,
    words: npt.NDArray[np.uint64],
    following: npt.NDArray[np.uint64],
    ordered: npt.NDArray[np.uint64],
) -> None:
    """Fills, of some documents, the hash of each word, that of it and the next one (0 at the end of a document), and
    the hashes of words ascending."""
    for document in documents:
        first, end = offsets[document], offsets[document + 1]
        for word in range(first, end):
            words[word] = mix64(np.uint64(ids[word]) + np.uint64(1))
            ordered[word] = words[word]
        for word in range(first, end):
            following[word] = hash_shingle(words, word, 2) if word + 1 < end else np.uint64(0)
        sort_hashes(ordered[first:end], drawn)


@njit(cache=True, nogil=True)
def _look_up(hashes: npt.NDArray[np.uint64], counts: npt.NDArray[np.int32], known: npt.NDArray[np.int32]) -> int:
    """Fills the count of the bucket of each hash; the largest, 0 where there is none."""
    most = 0
    for i in range(len(hashes)):
        known[i] = counts[hashes[i] >> _SHIFT]
        most = max(most, known[i])
    return most


@njit(cache=True, nogil=True)
def _fill_overlap(
    sets: ShingleSets,
    known: npt.NDArray[np.int32],
    rarity: npt.NDArray[np.float64],
    population: npt.NDArray[np.int32],
    pairs: npt.NDArray[np.int64],
    overlap: npt.NDArray[np.float32],
) -> None:
    hashes, offsets = sets
    for pair in range(len(pairs)):
        a, b = pairs[pair, 0], pairs[pair, 1]
        most = np.log(min(population[a], population[b]) + 2.0)
        i, j = offsets[a], offsets[b]
        of_a = of_b = of_both = rarest = 0.0
        while i < offsets[a + 1] or j < offsets[b + 1]:
            in_a = i < offsets[a + 1] and (j == offsets[b + 1] or hashes[i] <= hashes[j])
            in_b = j < offsets[b + 1] and (i == offsets[a + 1] or hashes[j] <= hashes[i])
            besides = rarity[known[i if in_a else j] + (0 if in_a and in_b else 1)]
            weight = max(LEAST_RARITY, most - besides) ** 3
            rarest = max(rarest, weight)
            of_a += weight if in_a else 0.0
            of_b += weight if in_b else 0.0
            of_both += weight if in_a and in_b else 0.0
            i += in_a
            j += in_b
        lesser = min(of_a, of_b)
        overlap[pair] = of_both / (lesser + OTHER_PAIRS * rarest) if lesser > 0 else 0.0


@njit(cache=True, nogil=True)
def _fill_renaming(
    offsets: npt.NDArray[np.int64],
    words: npt.NDArray[np.uint64],
    following: npt.NDArray[np.uint64],
    ordered: npt.NDArray[np.uint64],
    sets: ShingleSets,
    pairs: npt.NDArray[np.int64],
    drawn: np.uint64,
    renaming: npt.NDArray[np.float32],
) -> None:
    hashes, starts = sets
    for pair in range(len(pairs)):
        total = 0.0
        for side in range(2):
            a, b = pairs[pair, side], pairs[pair, 1 - side]
            one = _renaming(
                words[offsets[a] : offsets[a + 1]],
                following[offsets[a] : offsets[a + 1]],
                ordered[offsets[a] : offsets[a + 1]],
                ordered[offsets[b] : offsets[b + 1]],
                hashes[starts[b] : starts[b + 1]],
                drawn,
            )
            total += max(one, UNTOLD)
        renaming[pair] = total


@njit(cache=True, nogil=True)
def _renaming(
    words: npt.NDArray[np.uint64],
    following: npt.NDArray[np.uint64],
    own: npt.NDArray[np.uint64],
    others: npt.NDArray[np.uint64],
    pairs: npt.NDArray[np.uint64],
    drawn: np.uint64,
) -> float:
    """How improbable it is that edits took words of a document from so many places; −∞ where they took none.

    Args:
        words: its words, in succession.
        following: the pairs that begin at each.
        own: its words, ascending.
        others: the words of the other document, ascending.
        pairs: the pairs of the other document, ascending and distinct.
        drawn: what is sorted by.
    """
    n = len(words)
    agrees = np.zeros(n, np.bool_)
    for word in range(n - 1):
        at = np.searchsorted(pairs, following[word])
        if at < len(pairs) and pairs[at] == following[word]:
            agrees[word] = agrees[word + 1] = True
    changed = np.empty(n, np.uint64)  # the words of each gap
    agreeing, gaps, count, before, word = 0, 0, 0, n, 0
    while word < n:
        end = _end(agrees, word, False)
        after = _end(agrees, end, True) - end if end < n else n
        if word < end <= word + min(LONGEST_GAP, before, after):
            gaps += end - word
            changed[count : count + end - word] = words[word:end]
            count += end - word
        agreeing += after if end < n else 0
        before, word = after, end + after
    if gaps == 0:
        return -np.inf
    rate = math.log((agreeing + gaps) / gaps)
    distinct = 1
    for word in range(1, n):
        distinct += own[word] != own[word - 1]
    some = changed[:count]
    sort(some, drawn)
    chances, gone, begin = np.empty(count), 0, 0
    while begin < count:
        end = np.searchsorted(some, some[begin], side="right")
        there = _times(own, some[begin])
        times = min(end - begin, there - _times(others, some[begin]))
        if times > 1:
            chances[gone] = times * rate - _log_ways(there, times)
            gone += 1
        begin = end
    best, total = -np.inf, 0.0
    sort(chances[:gone], drawn)
    for number in range(1, gone + 1):
        total += chances[gone - number]
        best = max(best, total - _log_ways(distinct, number))
    return best


@njit(cache=True, nogil=True)
def _log_ways(n: int, m: int) -> float:
    """The logarithm of the number of ways to choose m of n."""
    return math.lgamma(n + 1) - math.lgamma(m + 1) - math.lgamma(n - m + 1)


@njit(cache=True, nogil=True)
def _end(flags: npt.NDArray[np.bool_], begin: int, flag: bool) -> int:
    """The end of the run of `flag` that begins there."""
    while begin < len(flags) and flags[begin] == flag:
        begin += 1
    return begin


@njit(cache=True, nogil=True)
def _times(ordered: npt.NDArray[np.uint64], value: np.uint64) -> int:
    return int(np.searchsorted(ordered, value, side="right") - np.searchsorted(ordered, value))
