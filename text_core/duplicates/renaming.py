"""Names that only one of two documents has: what tells documents made of one template from versions of one.

Where documents made of one template for different things differ, a name is gone everywhere at once, which chance edits
seldom do: if they change a word with a chance of p, one that stands at n places goes from m of them with a chance below
C(n, m) · p^m. With w different words in a, and k of them gone,

    renaming(a → b) = max over k of Σ −log(C(n, m) · p^m) over the k least probable − log C(w, k)
    renaming(a, b)  = renaming(a → b) + renaming(b → a), each at least UNTOLD

counted where a stretch of a that b has not is no longer than those around it that b has; p is the share of these words
in both. It is minus the logarithm of the chance that edits of any words would do it.
"""

import math

import numpy as np
import numpy.typing as npt
from numba import njit

from sequitur.text_core.units.shingles import ShingleSets, hash_shingle, mix_words, shared, token_shingle_sets
from sequitur.text_core.units.sorting import drawn, sort, sort_hashes

LONGEST_GAP = 8  # words between two places where documents agree again; longer ones are other text, not other names
UNTOLD = -4.0  # of a side on which no name is gone


def renamings(
    offsets: npt.NDArray[np.int64], ids: npt.NDArray[np.uint32], pairs: npt.NDArray[np.int64]
) -> npt.NDArray[np.float32]:
    """float32 [p]: the renaming of each pair of documents, int64 [p, 2].

    Document i has the words `ids[offsets[i]:offsets[i + 1]]`. Memory: 60 bytes a word. Cost: some microseconds a pair
    of 200 words.
    """
    sets = token_shingle_sets(offsets, ids, 2)
    words, ordered = np.empty(len(ids), np.uint64), np.empty(len(ids), np.uint64)
    pair_at, renaming = np.empty(len(ids), np.int32), np.empty(len(pairs), np.float32)
    mix_words(ids, words)
    _read(offsets, words, sets, drawn(), ordered, pair_at)
    _fill_renaming(offsets, words, ordered, pair_at, sets, pairs, drawn(), renaming)
    return renaming


@njit(cache=True, nogil=True)
def _read(
    offsets: npt.NDArray[np.int64],
    words: npt.NDArray[np.uint64],
    sets: ShingleSets,
    drawn: np.uint64,
    ordered: npt.NDArray[np.uint64],
    pair_at: npt.NDArray[np.int32],
) -> None:
    """Fills, of each document, its words' hashes ascending, and which of its pairs begins at each word but the last."""
    hashes, starts = sets
    ordered[:] = words
    for document in range(len(offsets) - 1):
        first, end = offsets[document], offsets[document + 1]
        own = hashes[starts[document] : starts[document + 1]]
        for word in range(first, end - 1):
            pair_at[word] = np.searchsorted(own, hash_shingle(words, word, 2))
        sort_hashes(ordered[first:end], drawn)


@njit(cache=True, nogil=True)
def _fill_renaming(
    offsets: npt.NDArray[np.int64],
    words: npt.NDArray[np.uint64],
    ordered: npt.NDArray[np.uint64],
    pair_at: npt.NDArray[np.int32],
    sets: ShingleSets,
    pairs: npt.NDArray[np.int64],
    drawn: np.uint64,
    renaming: npt.NDArray[np.float32],
) -> None:
    hashes, starts = sets
    for pair in range(len(pairs)):
        a, b = pairs[pair, 0], pairs[pair, 1]
        in_both = shared(hashes[starts[a] : starts[a + 1]], hashes[starts[b] : starts[b + 1]])
        total = 0.0
        for side in range(2):
            a, b = pairs[pair, side], pairs[pair, 1 - side]
            one = _renaming(
                words[offsets[a] : offsets[a + 1]],
                ordered[offsets[a] : offsets[a + 1]],
                ordered[offsets[b] : offsets[b + 1]],
                pair_at[offsets[a] : offsets[a + 1]],
                in_both[side],
                drawn,
            )
            total += max(one, UNTOLD)
        renaming[pair] = total


@njit(cache=True, nogil=True)
def _renaming(
    words: npt.NDArray[np.uint64],
    own: npt.NDArray[np.uint64],
    others: npt.NDArray[np.uint64],
    pair_at: npt.NDArray[np.int32],
    in_both: npt.NDArray[np.bool_],
    drawn: np.uint64,
) -> float:
    """How improbable it is that edits took words of a document from so many places; −∞ where they took none.

    Args:
        words: its words, in succession.
        own: its words, ascending.
        others: the words of the other document, ascending.
        pair_at: which of its pairs begins at each word but the last.
        in_both: which of its pairs the other document has.
        drawn: what is sorted by.
    """
    n = len(words)
    agrees = np.zeros(n, np.bool_)
    for word in range(n - 1):
        if in_both[pair_at[word]]:
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
