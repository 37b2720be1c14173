"""BM25Chunk: each document followed by the most similar one, by words, of a buffer (Zhao et al., arXiv 2402.13991)."""

from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from sequitur.graph_sort.documents import Documents, Terms, known
from sequitur.graph_sort.orders import Order, first_of_runs, numbered, uncut

BUFFER = 4096  # documents to choose from (section 3)
QUERY_TERMS = 300  # drawn from the current document
K1, B = 1.2, 0.75


def order(documents: Documents, seed: int) -> Order:
    """Source by source: the next document is the best of a buffer by BM25, asked with terms of the current one.

    The buffer holds the next BUFFER documents of the source in a seeded random order, and is filled again when half of
    it is gone; frequencies are those within it. A query is QUERY_TERMS terms drawn at random, with their repetitions.
    Ties go to the document that came first. A source is a fragment. Raises MissingField where sources or terms are not
    known. About O(n · QUERY_TERMS · a term's documents in the buffer): some thousand documents a second.
    """
    source, terms = documents.source, documents.terms
    known(source, documents, "source")
    known(np.diff(terms.offsets), documents, "terms")
    generator = np.random.Generator(np.random.PCG64(seed))
    shuffled = generator.permutation(source.size).astype(np.int64)
    queue = shuffled[np.argsort(source[shuffled], kind="stable")]
    begins = first_of_runs(source[queue])
    starts = np.append(np.flatnonzero(begins), queue.size)
    runs = [_of_source(terms, queue[a:b], generator) for a, b in pairwise(starts)]
    permutation = np.concatenate([np.empty(0, np.int64), *runs])
    return uncut(permutation, numbered(begins))


def _of_source(terms: Terms, queue: NDArray[np.int64], generator: np.random.Generator) -> NDArray[np.int64]:
    """The documents of a source in the order that they are read."""
    found = np.empty(queue.size, np.int64)
    buffer, ahead = queue[:BUFFER], queue[BUFFER:]
    count = 0
    while buffer.size:
        take = buffer.size - BUFFER // 2 if ahead.size else buffer.size
        draws = generator.random((take, QUERY_TERMS), np.float32)
        current = found[count - 1] if count else -1
        postings = _postings(terms.offsets, terms.ids, buffer)
        taken = _choose(terms.offsets, terms.ids, buffer, postings, current, draws)
        found[count : count + take] = buffer[taken]
        count += take
        left = np.ones(buffer.size, np.bool_)
        left[taken] = False
        room = BUFFER - np.count_nonzero(left)
        buffer, ahead = np.concatenate([buffer[left], ahead[:room]]), ahead[room:]
    return found


class _Postings(NamedTuple):
    """The terms of a buffer, ascending; those at `begins[t]` … `begins[t + 1] − 1` are the documents that hold t."""

    term: NDArray[np.uint32]  # [t]
    begins: NDArray[np.int64]  # [t + 1]
    place: NDArray[np.int64]  # [p], in the buffer
    weight: NDArray[np.float64]  # [p], what the term adds to the document's score


@njit(cache=True, nogil=True)
def _postings(offsets: NDArray[np.int64], ids: NDArray[np.uint32], buffer: NDArray[np.int64]) -> _Postings:
    total = 0
    for document in buffer:
        total += offsets[document + 1] - offsets[document]
    keys = np.empty(total, np.uint64)  # term << 32 | place
    count = 0
    for place in range(buffer.size):
        for t in range(offsets[buffer[place]], offsets[buffer[place] + 1]):
            keys[count] = np.uint64(ids[t]) << np.uint64(32) | np.uint64(place)
            count += 1
    keys.sort()
    term = np.empty(total, np.uint32)
    begins = np.zeros(total + 1, np.int64)
    places = np.empty(total, np.int64)
    weight = np.empty(total, np.float64)
    pairs = terms = 0
    mean = max(total / max(buffer.size, 1), 1.0)
    for i in range(total):
        if i > 0 and keys[i] == keys[i - 1]:
            weight[pairs - 1] += 1
            continue
        here = np.uint32(keys[i] >> np.uint64(32))
        if terms == 0 or term[terms - 1] != here:
            term[terms] = here
            begins[terms] = pairs
            terms += 1
        places[pairs] = np.int64(keys[i] & np.uint64(0xFFFFFFFF))
        weight[pairs] = 1
        pairs += 1
    begins[terms] = pairs
    for t in range(terms):
        holders = begins[t + 1] - begins[t]
        # Below zero, a term that more than half of the documents hold would count against them.
        idf = max(np.log((buffer.size - holders + 0.5) / (holders + 0.5)), 0.0)
        for p in range(begins[t], begins[t + 1]):
            length = offsets[buffer[places[p]] + 1] - offsets[buffer[places[p]]]
            weight[p] = idf * weight[p] * (K1 + 1) / (weight[p] + K1 * (1 - B + B * length / mean))
    return _Postings(term[:terms].copy(), begins[: terms + 1].copy(), places[:pairs].copy(), weight[:pairs].copy())


@njit(cache=True, nogil=True)
def _choose(
    offsets: NDArray[np.int64],
    ids: NDArray[np.uint32],
    buffer: NDArray[np.int64],
    postings: _Postings,
    current: int,
    draws: NDArray[np.float32],
) -> NDArray[np.int64]:
    """Places in the buffer, one after the other; `current` is the document before the first, −1 for none."""
    taken = np.empty(draws.shape[0], np.int64)
    gone = np.zeros(buffer.size, np.bool_)
    score = np.empty(buffer.size, np.float64)
    for step in range(taken.size):
        score[:] = 0.0
        begin, end = (offsets[current], offsets[current + 1]) if current >= 0 else (0, 0)
        if end > begin:
            for draw in draws[step]:
                asked = ids[min(begin + np.int64(draw * (end - begin)), end - 1)]
                t = np.searchsorted(postings.term, asked)
                if t < postings.term.size and postings.term[t] == asked:
                    for p in range(postings.begins[t], postings.begins[t + 1]):
                        score[postings.place[p]] += postings.weight[p]
        best = -1
        for place in range(buffer.size):
            if not gone[place] and (best < 0 or score[place] > score[best]):
                best = place
        gone[best] = True
        taken[step] = best
        current = buffer[best]
    return taken
