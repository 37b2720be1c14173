"""What an order of documents, and the contexts cut from it, are worth: cosines, leakage, and bookkeeping.

All vectors are unit vectors [n, d], float16 or float32, document ids their rows; they are read block by
block. A document that stands in a context as several pieces counts there once, where it first appears. A mean
over nothing (of pairs, where every context holds one document) is NaN. Sums are float64, in a fixed order.
Held are 8 bytes a context and a block, where nothing else is said.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from sequitur.graph_sort.best_fit import stable_order
from sequitur.graph_sort.context_documents import blocks, document_offsets, documents_of
from sequitur.graph_sort.distinct import distinct_values
from sequitur.graph_sort.graph import Graph
from sequitur.graph_sort.offsets import offsets_of
from sequitur.graph_sort.packing import PackedContexts
from sequitur.graph_sort.threads import on_threads
from sequitur.graph_sort.vectors import Vectors, dot, rows_as_float32

NEAR_DUPLICATE = 0.95
_BLOCK = 16_384  # rows of vectors, or pieces, in memory at a time; a longer context is a block of its own


class Coherence(NamedTuple):
    """How alike the documents d_1 … d_m of a context are; c is the cosine of two."""

    adjacency: float  # mean of c(d_i, d_i+1), over all consecutive pairs
    best_previous: float  # mean of max over j < i of c(d_j, d_i), over all documents but the first of a context
    pairwise: float  # mean of c(d_i, d_j), over all pairs of all contexts
    near_duplicate_rate: float  # share of documents with an earlier one of their context at the threshold or above


class Leakage(NamedTuple):
    """How alike contexts are that are read one after the other; at chance where `neighboring` ≈ `chance`."""

    neighboring: float  # mean cosine of documents of one context with documents of the next
    chance: float  # what is to be expected of it over all reading orders of these contexts
    chance_error: float  # its standard deviation over all reading orders

    @property
    def z(self) -> float:
        """Standard errors by which `neighboring` exceeds chance; NaN where every reading order gives the same."""
        return _mean(self.neighboring - self.chance, self.chance_error)


class TokenUse(NamedTuple):
    """What became of the tokens."""

    truncation: float  # share of the placed documents that are split: a piece of them does not begin with them
    padding: float  # share of contexts × context_length that holds no token
    repeats: int  # documents of which a token is placed twice: always 0


def coherence(contexts: PackedContexts, vectors: Vectors, near_duplicate: float = NEAR_DUPLICATE) -> Coherence:
    """Coherence of the documents within contexts. O(Σ m²d), m documents in a context of any length."""
    offsets = document_offsets(contexts)
    sums = np.zeros(3, np.float64)
    pairs = near_duplicates = 0
    for first, last in blocks(offsets, _BLOCK):
        here, documents = documents_of(contexts, np.arange(first, last))
        block_sums, block_pairs, block_near = _sum_cosines(here, rows_as_float32(vectors, documents), near_duplicate)
        sums += block_sums
        pairs += block_pairs
        near_duplicates += block_near
    followers = int(offsets[-1]) - (offsets.size - 1)
    return Coherence(
        adjacency=_mean(sums[0], followers),
        best_previous=_mean(sums[1], followers),
        pairwise=_mean(sums[2], pairs),
        near_duplicate_rate=_mean(near_duplicates, int(offsets[-1])),
    )


def leakage(contexts: PackedContexts, vectors: Vectors, *reading_orders: NDArray[np.int64]) -> Leakage:
    """Mean cosine between contexts that a reading order puts side by side.

    Each of `reading_orders` (int64[c], context indices, in all each once at most) is read by itself: pairs lie within
    one. The mean over all cross pairs of two contexts is the dot product A of their mean vectors m. Of the sum T of A
    over the c − 1 consecutive pairs of a random reading order, mean and variance are exact: with S = Σ A_ij,
    Q = Σ A_ij² and R_i = Σ_j A_ij, all over i ≠ j, E T = S/c and E T² = ((c − 1)·Q + S² − 2 Σ R_i²) / (c(c − 1)), from
    counting the pairs of places that share two, one or no contexts. S, Q and R follow from moments of m, without a
    c × c matrix. O((n + cd)·d) time; 8·d² bytes, 32 bytes a context, and a block.
    """
    offsets = document_offsets(contexts)
    together = expected = variance = 0.0
    pairs = 0
    for reading_order in reading_orders:
        count = reading_order.size
        if count < 2:
            continue
        moments = _Moments(vectors.shape[1])
        before = np.empty((0, vectors.shape[1]), np.float64)
        for means in _means_in_order(contexts, offsets, vectors, reading_order):
            rows = np.concatenate([before, means])
            together += float(np.einsum("cd,cd->", rows[1:], rows[:-1]))
            before = means[-1:]
            moments.add(means)
        total, squares, row_squares = moments.sums()
        pairs += count - 1
        expected += total / count
        variance += (count * (count - 1) * squares + total**2 - 2 * count * row_squares) / (count**2 * (count - 1))
    return Leakage(_mean(together, pairs), _mean(expected, pairs), _mean(max(variance, 0.0) ** 0.5, pairs))


def _means_in_order(
    contexts: PackedContexts, offsets: NDArray[np.int64], vectors: Vectors, reading_order: NDArray[np.int64]
) -> Iterator[NDArray[np.float64]]:
    """Mean vectors of the contexts in reading order, float64 [b, d], block by block; `offsets` of their documents."""
    counts = np.diff(offsets)[reading_order]
    for first, last in blocks(offsets_of(counts), _BLOCK):
        here, documents = documents_of(contexts, reading_order[first:last])
        yield _sum_rows(here, rows_as_float32(vectors, documents)) / counts[first:last, None]


class _Moments:
    """Of vectors m, added block by block: Σ m, Σ m mᵀ, Σ |m|² m, Σ |m|² and Σ |m|⁴."""

    def __init__(self, dimensions: int) -> None:
        self.vector, self.matrix = np.zeros(dimensions), np.zeros((dimensions, dimensions))
        self.weighted, self.squares, self.fourths = np.zeros(dimensions), 0.0, 0.0

    def add(self, means: NDArray[np.float64]) -> None:
        norms = np.einsum("cd,cd->c", means, means)
        self.vector += means.sum(axis=0)
        self.matrix += means.T @ means
        self.weighted += norms @ means
        self.squares += float(norms.sum())
        self.fourths += float(norms @ norms)

    def sums(self) -> tuple[float, float, float]:
        """Σ A_ij, Σ A_ij² and Σ_i (Σ_j A_ij)², over i ≠ j, where A_ij = m_i · m_j."""
        total = float(self.vector @ self.vector) - self.squares
        squares = float(np.einsum("de,de->", self.matrix, self.matrix)) - self.fourths
        rows = float(self.vector @ self.matrix @ self.vector) - 2 * float(self.vector @ self.weighted) + self.fourths
        return total, squares, rows


def placement(contexts: PackedContexts, context_length: int | NDArray[np.int64]) -> TokenUse:
    """Truncation, padding and repeats; `context_length` is that of all contexts, or of each.

    O(p) for p pieces, and O(q log q) for the q pieces of documents whose pieces do not come in their order. Memory: 11
    bytes a document, a byte a piece, and about 60 for each of these q.
    """
    placed, split, unordered = _piece_by_piece(*contexts[1:])
    some = np.flatnonzero(unordered[contexts.document])
    document, start, length = (column[some] for column in contexts[1:])
    by_start = np.lexsort((start, document))
    document, start, end = document[by_start], start[by_start], (start + length)[by_start]
    overlaps = (document[1:] == document[:-1]) & (start[1:] < end[:-1])
    room = int(np.broadcast_to(context_length, contexts.offsets.size - 1).sum(dtype=np.int64))
    return TokenUse(
        truncation=_mean(np.count_nonzero(split), np.count_nonzero(placed)),
        padding=_mean(room - int(contexts.length.sum()), room),
        repeats=int(distinct_values(document[1:][overlaps]).size),
    )


@njit(cache=True, nogil=True)
def _piece_by_piece(
    document: NDArray[np.int64], start: NDArray[np.int64], length: NDArray[np.int64]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_], NDArray[np.bool_]]:
    """Which documents are placed, of which a piece does not begin with them, and of which one begins before the end of
    the piece that came before it: only of these a token can be placed twice."""
    count = 0
    for one in document:
        count = max(count, one + 1)
    placed, split, unordered = np.zeros(count, np.bool_), np.zeros(count, np.bool_), np.zeros(count, np.bool_)
    end = np.zeros(count, np.int64)
    for piece in range(document.size):
        one = document[piece]
        placed[one] = True
        split[one] |= start[piece] > 0
        unordered[one] |= start[piece] < end[one]
        end[one] = start[piece] + length[piece]
    return placed, split, unordered


def same_group_share(contexts: PackedContexts, group: NDArray[np.int64]) -> float:
    """Share of consecutive pairs that are of one group (int64[n]; −1 is unknown, its pairs are ignored)."""
    alike = pairs = 0
    for first, last in blocks(contexts.offsets, _BLOCK):
        offsets, documents = documents_of(contexts, np.arange(first, last))
        codes = group[documents]
        known = (codes[1:] >= 0) & (codes[:-1] >= 0)
        known[offsets[1:-1] - 1] = False  # a pair across two contexts
        alike += int(np.count_nonzero(known & (codes[1:] == codes[:-1])))
        pairs += int(np.count_nonzero(known))
    return _mean(alike, pairs)


def met_before(context: NDArray[np.int64], earlier: NDArray[np.int64]) -> float:
    """The share of the pairs of documents that share a context which did in one of the earlier epochs.

    `context` [n] is that of each document, `earlier` [e, n] that of each epoch before; −1 for none. Nan if there is no
    pair. O(e · Σ m²) for m documents in a context; 32 bytes a document.
    """
    here = np.flatnonzero(context >= 0)
    of_here = context[here]
    offsets = offsets_of(np.bincount(of_here))
    met, pairs = _count_met(offsets, here[stable_order(of_here, offsets.size - 1)], earlier)
    return _mean(met, pairs)


@njit(cache=True, nogil=True)
def _count_met(
    offsets: NDArray[np.int64], documents: NDArray[np.int64], earlier: NDArray[np.int64]
) -> tuple[np.int64, np.int64]:
    met, pairs = np.int64(0), np.int64(0)
    for c in range(offsets.size - 1):
        for a in documents[offsets[c] : offsets[c + 1]]:
            for b in documents[offsets[c] : offsets[c + 1]]:
                if b == a:
                    break
                pairs += 1
                for e in range(earlier.shape[0]):
                    if earlier[e, a] >= 0 and earlier[e, a] == earlier[e, b]:
                        met += 1
                        break
    return met, pairs


def bound(graph: Graph) -> float:
    """Σ over documents of (best + second-best edge)/2, over n − 1: no path of graph edges averages more.

    Each document has at most two edges of a path. A missing or negative edge counts 0: it may be left out. Memory: 4
    bytes a document.
    """
    n = graph.offsets.size - 1
    total = 0.0
    for rank in range(2):
        weight, count = np.empty(n, np.float32), 0  # summed in one go, in numpy's order
        for begin in range(0, n, _BLOCK):
            offsets = graph.offsets[begin : begin + _BLOCK + 1]
            edge = offsets[:-1][np.diff(offsets) > rank] + rank
            weight[count : count + edge.size] = np.maximum(graph.weight[edge], 0)
            count += edge.size
        total += float(weight[:count].sum(dtype=np.float64))
    return _mean(total / 2, n - 1)


def path_weight_share(graph: Graph, vectors: Vectors, permutation: NDArray[np.int64]) -> float:
    """Mean cosine of consecutive documents of the permutation, as a share of `bound(graph)`."""
    return _mean(_mean_of(consecutive_cosines(vectors, permutation)), bound(graph))


def consecutive_cosines(vectors: Vectors, permutation: NDArray[np.int64], threads: int = 1) -> NDArray[np.float32]:
    """Cosine of permutation[i] and permutation[i + 1]: float32[n − 1] ([0] where n = 0). Of the vectors each of the
    threads holds a block."""

    cosines = np.empty(max(permutation.size - 1, 0), np.float32)

    def fill(begin: int) -> None:
        rows = rows_as_float32(vectors, permutation[begin : begin + _BLOCK + 1])
        cosines[begin : begin + _BLOCK] = _dot_next(rows)

    for _ in on_threads(threads, fill, range(0, cosines.size, _BLOCK)):
        pass
    return cosines


def _mean(total: float | np.integer, count: float | np.integer) -> float:
    return float(total / count) if count > 0 else float("nan")


def _mean_of(values: NDArray[np.float32]) -> float:
    return _mean(values.sum(dtype=np.float64), values.size)


@njit(cache=True, nogil=True)
def _sum_cosines(
    offsets: NDArray[np.int64], rows: NDArray[np.float32], near_duplicate: float
) -> tuple[NDArray[np.float64], int, int]:
    """Sums of consecutive, best previous and all cosines; counts of pairs and of near-duplicates."""
    sums = np.zeros(3, np.float64)
    pairs = 0
    near = 0
    for context in range(offsets.size - 1):
        begin = offsets[context]
        for i in range(begin + 1, offsets[context + 1]):
            best = -np.inf
            cosine = 0.0
            for j in range(begin, i):
                cosine = dot(rows[j], rows[i])
                best = max(best, cosine)
                sums[2] += cosine
            sums[0] += cosine  # that of i − 1, the last
            sums[1] += best
            pairs += i - begin
            near += best >= near_duplicate
    return sums, pairs, near


@njit(cache=True, nogil=True)
def _sum_rows(offsets: NDArray[np.int64], rows: NDArray[np.float32]) -> NDArray[np.float64]:
    """The sum of the rows of each context, float64 [c, d]; a third of the time of `np.add.reduceat`."""
    sums = np.zeros((offsets.size - 1, rows.shape[1]), np.float64)
    for context in range(offsets.size - 1):
        total = sums[context]
        for row in range(offsets[context], offsets[context + 1]):
            one = rows[row]
            for at in range(one.size):
                total[at] += one[at]
    return sums


@njit(cache=True, nogil=True)
def _dot_next(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    cosines = np.empty(rows.shape[0] - 1, np.float32)
    for i in range(cosines.size):
        cosines[i] = dot(rows[i], rows[i + 1])
    return cosines
