"""The text that stands in the rows of an order, laid end to end for a compressor: gathered from where it lies."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numba import njit

from sequitur.graph_sort.packing import PackedContexts
from sequitur.pipeline import artifacts, scratch
from sequitur.pipeline.storage import Directory
from sequitur.stages.shared.columns.arrays import true_places
from sequitur.text_core.units.offsets import offsets_of

HELD = 2**28  # bytes of a corpus that is read once and kept; of a larger one what is asked for is read each time


class RowTexts(NamedTuple):
    """The text of some rows, piece after piece."""

    text: np.ndarray  # uint8, UTF-8 that may be cut inside a character
    pieces: np.ndarray  # int64 [p + 1], where each piece begins in it
    rows: np.ndarray  # int64 [r + 1], at which piece each row begins

    def of_row(self, row: int) -> list[bytes]:
        """The text of each piece of a row."""
        begins = self.pieces[self.rows[row] : self.rows[row + 1] + 1].tolist()
        return [self.text[begin:end].tobytes() for begin, end in pairwise(begins)]


class Known(NamedTuple):
    """Texts that have been read, mapped."""

    documents: np.ndarray  # int64 [d] ordinals, ascending
    text: np.ndarray  # uint8, UTF-8: theirs, end to end
    begins: np.ndarray  # int64 [d + 1], where each begins in it
    lengths: np.ndarray  # int64 [n] tokens of each document that there is

    def of(self, contexts: PackedContexts, chosen: np.ndarray) -> RowTexts:
        """The text of some contexts (int64), whose documents are known. A piece of a document is the slice of its text
        that its tokens are of its tokens. Memory: the text, and about 100 bytes a piece."""
        counts = contexts.offsets[chosen + 1] - contexts.offsets[chosen]
        rows = offsets_of(counts)
        pieces = np.repeat(contexts.offsets[chosen] - rows[:-1], counts) + np.arange(rows[-1])
        document, start, length = (column[pieces] for column in contexts[1:])
        at = np.searchsorted(self.documents, document)
        begins, tokens = self.begins[at], np.maximum(self.lengths[document], 1)
        size = self.begins[at + 1] - begins
        first, last = (begins + size * place // tokens for place in (start, start + length))
        ends = offsets_of(last - first)
        gathered = np.empty(ends[-1], np.uint8)
        _gather(self.text, first, ends, gathered)
        return RowTexts(gathered, ends, rows)


class Texts:
    """The texts of a run's kept documents by ordinal, as the stages read them.

    They are mapped from a file (`pipeline.scratch`): those of a corpus of up to HELD bytes, from when they are first
    asked for; of a larger one, those that are held, or what is asked for. That is read anew each time: all parts that
    hold one are decompressed. Memory: a part, and a byte for each document.
    """

    def __init__(self, text: Directory, selection: Directory, lengths: np.ndarray) -> None:
        """`lengths` are the tokens of each kept document, int64 [n]."""
        self._text, self._selection, self._lengths = text, selection, lengths
        self._small = artifacts.require_manifest(text).statistics["text_bytes"] <= HELD
        self._held: Known | None = None

    def of(self, contexts: PackedContexts, chosen: np.ndarray) -> RowTexts:
        """The text of some contexts (int64), all at once."""
        return self.known(contexts, chosen).of(contexts, chosen)

    def known(self, contexts: PackedContexts, chosen: np.ndarray) -> Known:
        """The texts of the documents of some contexts (int64), and maybe of others. Reads what is not held."""
        wanted = np.zeros(len(self._lengths), np.bool_)
        mark_documents(contexts.offsets, contexts.document, chosen, wanted)
        if self._small and self._held is None:
            self.hold(wanted)
        if self._held is not None and np.count_nonzero(wanted[self._held.documents]) == np.count_nonzero(wanted):
            return self._held
        return self._read(wanted)

    def hold(self, wanted: np.ndarray) -> None:
        """Reads the texts of some documents, bool [n], for what is asked of from now on; of a small corpus all."""
        self._held = self._read(np.ones_like(wanted) if self._small else wanted)

    def _read(self, wanted: np.ndarray) -> Known:
        """The texts of some documents, bool [n]."""
        empty = scratch.beside(self._text)
        documents = true_places(wanted, empty)
        begins = empty(len(documents) + 1, np.int64)
        begins[0] = 0

        def texts() -> Iterator[np.ndarray]:
            read = begun = 0
            parts = (artifacts.require_manifest(directory).parts for directory in (self._text, self._selection))
            for text_part, selection_part in zip(*parts, strict=True):
                kept = artifacts.map_part(self._selection, selection_part, ["kept"]).column("kept")
                rows = np.flatnonzero(kept.to_numpy(zero_copy_only=False))
                rows, begun = rows[wanted[begun : begun + len(rows)]], begun + len(rows)
                if len(rows):
                    column = artifacts.read_part(self._text, text_part, ["text"]).column("text")
                    found = pc.cast(column.take(pa.array(rows)), pa.large_binary())
                    offsets = np.frombuffer(found.buffers()[1], np.int64)[found.offset : found.offset + len(found) + 1]
                    begins[read + 1 : read + len(rows) + 1] = begins[read] + offsets[1:] - offsets[0]
                    read += len(rows)
                    yield np.frombuffer(found.buffers()[2] or b"", np.uint8)[offsets[0] : offsets[-1]]

        return Known(documents, scratch.bytes_beside(self._text, texts()), begins, self._lengths)


@njit(cache=True, nogil=True)
def mark_documents(offsets: np.ndarray, document: np.ndarray, chosen: np.ndarray, marked: np.ndarray) -> None:
    """Sets `marked`, bool by ordinal, of the documents of some contexts (int64); `offsets` and `document` of all."""
    for context in chosen:
        for piece in range(offsets[context], offsets[context + 1]):
            marked[document[piece]] = True


@njit(cache=True, nogil=True)
def _gather(text: np.ndarray, first: np.ndarray, ends: np.ndarray, out: np.ndarray) -> None:
    """Copies pieces of a text, from int64 [p] `first` on, to where they lie in `out`, int64 [p + 1] `ends`."""
    for piece in range(first.size):
        # Views and a loop become vector instructions; assigning to a slice does not.
        source, target = text[first[piece] :], out[ends[piece] : ends[piece + 1]]
        for at in range(target.size):
            target[at] = source[at]
