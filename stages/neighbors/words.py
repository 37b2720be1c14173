"""The words of all kept documents, which confirm close pairs: read once, by a job; compared in this process."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import apache_beam as beam
import numpy as np
import pyarrow as pa
from numba import njit

from sequitur.graph_sort.threads import AHEAD, on_threads
from sequitur.pipeline import artifacts, builds, schemas, scratch
from sequitur.pipeline.beam import Rows
from sequitur.pipeline.names import NEIGHBORS, SELECTION
from sequitur.pipeline.seeds import derived_seed
from sequitur.pipeline.stage import Run
from sequitur.pipeline.storage import Directory
from sequitur.stages.shared.columns.token_store import TokenStore
from sequitur.text_core.duplicates.renaming import renamings
from sequitur.text_core.duplicates.versions import (
    BUCKETS,
    LEAST_RENAMING,
    document_counts,
    joined,
    overlaps,
    populations,
    version_words,
    word_pairs,
)
from sequitur.text_core.units.strings import from_arrow

WORDS = "neighbors/_words"  # as `tokens`, of numbers of words: `version_words`
COUNTED, COUNTED_WORDS = 2**15, 2**24  # documents, drawn by seed, and words of them by which it is known what is rare
WORDS_AT_ONCE = 2**24  # of documents that are compared with each other
WORDS_OF_THREAD = 2**21  # that a thread reads
PAIRS_AT_ONCE = 2**15  # that it compares
BYTES_A_SECOND = 5e7  # of text on one core, about: words alone are read at twice that


def read(run: Run) -> None:
    """Makes the working artifact WORDS. An interrupted run goes on with the parts that are there."""
    text, selection, target = run.artifact(run.text), run.artifact(SELECTION), run.artifact(WORDS)
    fingerprint = artifacts.fingerprint_of(WORDS, 1, {}, {"neighbors": run.build(NEIGHBORS).fingerprint})
    if artifacts.is_finished(target, fingerprint):
        return
    build = builds.begin(target, fingerprint)
    columns = {text: ["text"], selection: ["kept", "ordinal"]}
    seconds = artifacts.require_manifest(text).statistics["text_bytes"] / BYTES_A_SECOND
    run.jobs.map_parts(columns, ReadWords(), build, step="neighbors: reading words", seconds=seconds)
    builds.finish(build, {}, {}, {})


@beam.typehints.with_input_types(Rows)
@beam.typehints.with_output_types(Rows)
class ReadWords(beam.DoFn):
    """Text, `kept` and `ordinal` of a part → the words of its kept documents, in succession."""

    def process(self, rows: Rows) -> Iterator[Rows]:
        name, batch = rows
        batch = batch.filter(batch.column("kept"))
        column = pa.LargeListArray.from_arrays(*map(pa.array, version_words(from_arrow(batch.column("text")))))
        yield name, pa.record_batch([batch.column("ordinal"), column], schema=schemas.TOKENS)


class Likeness(NamedTuple):
    """Of p pairs of documents."""

    overlap: np.ndarray  # float32 [p], 0 to 1; 0 where it is not enough
    renaming: np.ndarray  # float32 [p], −∞ where it was not looked for


class Words:
    """Compares documents by their words.

    Memory: 8 bytes a document while they are counted; for each of WORDS_OF_THREAD words, or of the longest document, 60
    on each thread, and 12 of what waits there. Mapped are 4 bytes a document, and 12 for each of WORDS_AT_ONCE words,
    or of the longest pair of documents.

    Args:
        root: of the run, for which `read` has been called.
        least: the overlap of duplicates.
        seed: the configured one.
        threads: how many compare.
    """

    def __init__(self, root: Directory, least: float, seed: int, threads: int = 1) -> None:
        self._store, self._least, self._threads = TokenStore(root / WORDS, check=False), least, threads
        self._counts = self._count(np.random.Generator(np.random.PCG64(derived_seed(seed, "neighbors", "words"))))
        self._empty = scratch.beside(root)
        self._population = self._populations(self._empty(len(self._store.lengths()), np.int32))
        self._room = np.empty(0, np.uint64), np.empty(0, np.int32)  # for hashes of pairs of words, and their counts

    def _count(self, generator: np.random.Generator) -> np.ndarray:
        lengths = self._store.lengths()
        drawn = generator.permutation(len(lengths))[:COUNTED].copy()
        drawn = np.sort(drawn[np.cumsum(lengths[drawn]) <= COUNTED_WORDS])
        counts = np.zeros(BUCKETS, dtype=np.int32)
        words_of = self._store.of
        for some in on_threads(
            self._threads, lambda some: document_counts(*words_of(drawn[some])), _blocks(lengths[drawn])
        ):
            counts += some
        return counts

    def _populations(self, population: np.ndarray) -> np.ndarray:
        """Fills the int32 [n] of all documents: each is compared with many."""
        words_of = self._store.of

        def fill(some: slice) -> None:
            population[some] = populations(*words_of(np.arange(some.start, some.stop)), self._counts)

        for _ in on_threads(self._threads, fill, _blocks(self._store.lengths())):
            pass
        return population

    def likeness(self, edges: np.ndarray) -> Likeness:
        """Of each pair of ordinals, int64 [e, 2]: its overlap, where that is enough, else 0; and there its renaming."""
        found = Likeness(np.zeros(len(edges), np.float32), np.full(len(edges), -np.inf, np.float32))
        for some in self._blocks_of_pairs(edges):
            found.overlap[some] = self._overlaps(edges[some])
        alike = np.flatnonzero(found.overlap)
        blocks = [alike[some] for some in self._blocks_of_pairs(edges[alike], WORDS_OF_THREAD)]
        for some, renaming in zip(
            blocks, on_threads(self._threads, lambda some: self._renamings(edges[some]), blocks), strict=True
        ):
            found.renaming[some] = renaming
        return found

    def _blocks_of_pairs(self, edges: np.ndarray, most_words: int = WORDS_AT_ONCE) -> list[np.ndarray]:
        """int64 places of the pairs whose documents are read together."""
        if not len(edges):
            return []
        everyone, compact = np.unique(edges, return_inverse=True)
        compact = compact.reshape(-1, 2)
        sequence = _by_groups(compact, len(everyone))
        begins = _begins_of_blocks(compact[sequence], self._store.lengths()[everyone], most_words)
        return np.split(sequence, begins[1:-1])

    def _overlaps(self, edges: np.ndarray) -> np.ndarray:
        ordinals, pairs = np.unique(edges, return_inverse=True)
        pairs, words_of = pairs.reshape(-1, 2).astype(np.int64), self._store.of
        lengths = self._store.lengths()[ordinals]
        if len(self._room[0]) < (most := int(lengths.sum())):
            self._room = self._empty(most, np.uint64), self._empty(most, np.int32)
        made = on_threads(
            self._threads, lambda some: word_pairs(*words_of(ordinals[some]), self._counts), _blocks(lengths)
        )
        documents, population = joined(made, *self._room), self._population[ordinals]
        some_pairs = np.split(pairs, range(PAIRS_AT_ONCE, len(pairs), PAIRS_AT_ONCE))
        found = on_threads(self._threads, lambda some: overlaps(documents, population, some, self._least), some_pairs)
        return np.concatenate(list(found))

    def _renamings(self, edges: np.ndarray) -> np.ndarray:
        ordinals, pairs = np.unique(edges, return_inverse=True)
        return renamings(*self._store.of(ordinals), pairs.reshape(-1, 2).astype(np.int64))

    def confirm(self, edges: np.ndarray) -> np.ndarray:
        """bool [e]: whether the documents of each pair are versions of one, and not of one template for two things."""
        found = self.likeness(edges)
        confirmed: np.ndarray = (found.overlap >= self._least) & (found.renaming < LEAST_RENAMING)
        return confirmed


def memory_bytes(threads: int) -> int:
    """What comparing documents of usual length takes, but for some bytes of each."""
    waiting = AHEAD if threads > 1 else 0
    return threads * max((60 + 12 * waiting) * WORDS_OF_THREAD, 4 * waiting * BUCKETS) + 20 * BUCKETS


def mapped_bytes(text_bytes: int) -> int:
    """What is mapped while so much text is compared."""
    return 12 * min(WORDS_AT_ONCE, text_bytes // 2)


def disk_bytes(text_bytes: int) -> int:
    """What the words of so much text take: 4 bytes each, and no word is shorter than a byte and a space."""
    return 2 * text_bytes


def _blocks(words: np.ndarray) -> Iterator[slice]:
    """Items of so many words each, as many together as a thread reads."""
    begin = 0
    while begin < len(words):
        ends = np.cumsum(words[begin : begin + PAIRS_AT_ONCE])
        count = max(1, int(np.searchsorted(ends, WORDS_OF_THREAD, side="right")))
        yield slice(begin, min(begin + count, len(words)))
        begin += count


def _by_groups(pairs: np.ndarray, documents: int) -> np.ndarray:
    """int64 [p]: a sequence of pairs, int64 [p, 2] of so many documents, in which each document is in few blocks: those
    that pairs join come together (reverse Cuthill–McKee). O(p log p)."""
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import reverse_cuthill_mckee

    joined = csr_array((np.ones(len(pairs), np.int8), pairs.T), shape=(documents, documents))
    rank = np.empty(documents, np.int64)
    rank[reverse_cuthill_mckee(joined + joined.T, symmetric_mode=True)] = np.arange(documents)
    ranks = np.sort(rank[pairs], axis=1)
    return np.lexsort((ranks[:, 1], ranks[:, 0]))


@njit(cache=True, nogil=True)
def _begins_of_blocks(pairs: np.ndarray, words: np.ndarray, most_words: int) -> np.ndarray:
    """int64 [b + 1]: where blocks of pairs begin and the last ends. The documents of each have at most so many words,
    or it is one pair. A document of many pairs is read once in a block.

    Args:
        pairs: int64 [p, 2], of two documents each.
        words: int64 [n], of each document.
        most_words: of the documents of a block.
    """
    begins, count, held = np.zeros(len(pairs) + 1, np.int64), 0, 0
    block_of = np.full(len(words), -1, np.int64)
    for pair in range(len(pairs)):
        a, b = pairs[pair, 0], pairs[pair, 1]
        more = (words[a] if block_of[a] != count else 0) + (words[b] if block_of[b] != count else 0)
        if pair != begins[count] and held + more > most_words:
            count, held, more = count + 1, 0, words[a] + words[b]
            begins[count] = pair
        held += more
        block_of[a] = block_of[b] = count
    count += 1 if len(pairs) else 0
    begins[count] = len(pairs)
    return begins[: count + 1]
