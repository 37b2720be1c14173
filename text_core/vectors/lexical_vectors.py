"""Documents as vectors of the words and word pairs that they hold: hashed TF-IDF, projected at random.

    x(i)[t] = share(t) · √idf(t) if term t occurs in document i, else 0
    idf(t)  = log((n + 1) / number of documents with t, of the n that were counted)
    vector  = x R, to unit length;  R[t] has SIGNS entries ±1/√SIGNS at places and with signs that the hash of t decides

A term is a word (share 1) or two successive words (PAIR_SHARE). So the dot product of two documents adds up the idf of
the words that they share, each once: what is repeated within one document says nothing of the other.

R is never stored. The dot product of two vectors estimates the cosine of the unprojected x without bias, with an error
of about 1/√dimensions, whatever the number of terms (Charikar, Chen and Farach-Colton 2004, "Finding frequent items in
data streams"; Kane and Nelson 2014, "Sparser Johnson-Lindenstrauss transforms").
Figures: docs/decisions/0010-lexical-share.md.
"""

import numpy as np
import numpy.typing as npt

from sequitur.text_core.units.arrays import read_only
from sequitur.text_core.units.hash_table import HashTable, clear, find, hash_table
from sequitur.text_core.units.hashing import mix64
from sequitur.text_core.units.kernels import kernel
from sequitur.text_core.units.shingles import hash_shingle
from sequitur.text_core.units.strings import Strings
from sequitur.text_core.units.words import word_table

BUCKET_BITS = 20
BUCKETS = 2**BUCKET_BITS  # of hashed terms, by which documents are counted; the projection goes by the whole hash
PAIR_SHARE = 0.3
MAX_WORDS = 2**17  # of a document that are read: about 800 kB of English, and 4 MiB of hashes and of their table
SIGNS = 4  # entries of a term's row of the projection; the kernel draws two from each hash
_STEP = np.uint64(0x9E3779B97F4A7C15)  # SplitMix64's (Steele, Lea and Flood, OOPSLA 2014)
_BUCKET_SHIFT = np.uint64(64 - BUCKET_BITS)


def document_frequencies(strings: Strings) -> npt.NDArray[np.int64]:
    """int64[BUCKETS]: how many of n documents hold a term of each bucket. Counts of several parts add up.

    Tens of megabytes a second.
    """
    words = word_table(strings)
    counts = np.zeros(BUCKETS, dtype=np.int64)
    table, terms = _terms(words.document_offsets)
    _count_documents(words.hash, words.document_offsets, table, terms, np.full(BUCKETS, -1, dtype=np.int64), counts)
    return counts


def term_weights(frequencies: npt.NDArray[np.int64], documents: int) -> npt.NDArray[np.float32]:
    """√idf of each bucket, float32[BUCKETS], after `document_frequencies` of so many documents."""
    idf = np.log((documents + 1) / np.maximum(frequencies, 1))
    return np.sqrt(idf).astype(np.float32)


def lexical_vectors(strings: Strings, weights: npt.NDArray[np.float32], dimensions: int) -> npt.NDArray[np.float32]:
    """float32 [n, dimensions], of unit length, or zero where a document holds no term of any weight.

    `weights` are `term_weights`. The same bits whatever documents stand beside one. Tens of megabytes a second.
    Raises ValueError for weights of another shape, and for dimensions below 1.
    """
    if weights.shape != (BUCKETS,):
        raise ValueError(f"weights must be float32[{BUCKETS}], not {weights.shape}; make them by term_weights")
    if dimensions < 1:
        raise ValueError(f"dimensions must be at least 1, not {dimensions}")
    words = word_table(strings)
    vectors = np.zeros((len(words.document_offsets) - 1, dimensions), dtype=np.float32)
    table, terms = _terms(words.document_offsets)
    weights, sums = read_only(weights, np.float32), np.empty(dimensions, dtype=np.float64)
    _fill_vectors(words.hash, words.document_offsets, weights, table, terms, sums, vectors)
    return vectors


def _terms(document_offsets: npt.NDArray[np.int64]) -> tuple[HashTable, npt.NDArray[np.uint64]]:
    """Room for the terms of any one of the documents: the words and pairs that are read of it."""
    most = 2 * min(int(np.diff(document_offsets).max(initial=1)), MAX_WORDS)
    return hash_table(most), np.empty(most, dtype=np.uint64)


@kernel
def _is_new(table: HashTable, shift: np.uint64, terms: npt.NDArray[np.uint64], count: int) -> bool:
    """Whether the term at `count` is none of those before it; then it belongs to them from now on."""
    slot = find(table, shift, terms, count)
    if table.slots[slot]:
        return False
    table.slots[slot] = count + 1
    return True


@kernel
def _count_documents(
    hashes: npt.NDArray[np.uint64],
    document_offsets: npt.NDArray[np.int64],
    table: HashTable,
    terms: npt.NDArray[np.uint64],
    last: npt.NDArray[np.int64],
    counts: npt.NDArray[np.int64],
) -> None:
    """`last` is, of each bucket, the last document counted: two terms of one document may share a bucket."""
    for document in range(len(document_offsets) - 1):
        first = document_offsets[document]
        end = min(document_offsets[document + 1], first + MAX_WORDS)
        shift, count = clear(table, 2 * (end - first)), 0
        for word in range(first, end):
            for size in range(1, min(3, end - word + 1)):
                term = hashes[word] if size == 1 else hash_shingle(hashes, word, 2)
                terms[count] = term
                if _is_new(table, shift, terms, count):
                    count += 1
                    bucket = term >> _BUCKET_SHIFT
                    counts[bucket] += last[bucket] != document
                    last[bucket] = document


@kernel
def _fill_vectors(
    hashes: npt.NDArray[np.uint64],
    document_offsets: npt.NDArray[np.int64],
    weights: npt.NDArray[np.float32],
    table: HashTable,
    terms: npt.NDArray[np.uint64],
    sums: npt.NDArray[np.float64],
    vectors: npt.NDArray[np.float32],
) -> None:
    """Terms are added in the order in which they first occur, in float64, so that the sums are the same everywhere."""
    dimensions = vectors.shape[1]
    for document in range(len(document_offsets) - 1):
        first = document_offsets[document]
        end = min(document_offsets[document + 1], first + MAX_WORDS)
        shift, count = clear(table, 2 * (end - first)), 0
        for i in range(dimensions):
            sums[i] = 0
        for word in range(first, end):
            for size in range(1, min(3, end - word + 1)):
                term = hashes[word] if size == 1 else hash_shingle(hashes, word, 2)
                terms[count] = term
                if _is_new(table, shift, terms, count):
                    count += 1
                    weight = np.float64(weights[term >> _BUCKET_SHIFT])
                    _add(term, weight if size == 1 else PAIR_SHARE * weight, sums)
        length = 0.0
        for value in sums:
            length += value * value
        if length > 0:
            length = np.sqrt(length)
            for i in range(dimensions):
                vectors[document, i] = np.float32(sums[i] / length)


@kernel
def _add(term: np.uint64, weight: float, sums: npt.NDArray[np.float64]) -> None:
    """Add a term's row of the projection, times √SIGNS: each 32 bits of a hash are a sign and a place."""
    dimensions = np.uint64(len(sums))
    for pair in range(SIGNS // 2):
        bits = mix64(term + np.uint64(pair + 1) * _STEP)
        for half in (bits >> np.uint64(32), bits & np.uint64(0xFFFFFFFF)):
            place = ((half >> np.uint64(1)) * dimensions) >> np.uint64(31)
            sums[place] += weight if half & np.uint64(1) else -weight
