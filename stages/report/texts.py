"""The text that stands in the rows of an order, laid end to end for a compressor: gathered from where it lies."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numba import njit

from sequitur.graph_sort.distinct import distinct_values
from sequitur.graph_sort.packing import PackedContexts
from sequitur.pipeline import artifacts
from sequitur.pipeline.storage import Directory
from sequitur.text_core.units.offsets import offsets_of

HELD = 2**28  # bytes of a corpus that is read once and held; of a larger one what is asked for is read each time


class RowTexts(NamedTuple):
    """The text of some rows, piece after piece."""

    text: np.ndarray  # uint8, UTF-8 that may be cut inside a character
    pieces: np.ndarray  # int64 [p + 1], where each piece begins in it
    rows: np.ndarray  # int64 [r + 1], at which piece each row begins

    def of_row(self, row: int) -> list[bytes]:
        """The text of each piece of a row."""
        begins = self.pieces[self.rows[row] : self.rows[row + 1] + 1].tolist()
        return [self.text[begin:end].tobytes() for begin, end in pairwise(begins)]


class Texts:
    """The texts of a run's kept documents by ordinal, as the stages read them.

    Memory: those of a corpus of up to HELD bytes, from when they are first asked for; of a larger one, what is asked
    for, and those that are held. Any other is read anew each time: all parts that hold one are decompressed.
    """

    def __init__(self, text: Directory, selection: Directory, lengths: np.ndarray) -> None:
        """`lengths` are the tokens of each kept document, int64 [n]."""
        self._text, self._selection, self._lengths = text, selection, lengths
        self._small = artifacts.require_manifest(text).statistics["text_bytes"] <= HELD
        self._held: tuple[np.ndarray, np.ndarray, np.ndarray] | None = None  # ordinals, texts, where each begins

    def of(self, contexts: PackedContexts, chosen: np.ndarray) -> RowTexts:
        """The text of some contexts (int64). A piece of a document is the slice of its text that its tokens are of its
        tokens. Reads only parts that hold one of them; 16 bytes a piece beside the text."""
        counts = np.diff(contexts.offsets)[chosen]
        rows = offsets_of(counts)
        pieces = np.repeat(contexts.offsets[chosen] - rows[:-1], counts) + np.arange(rows[-1])
        document, start, length = (column[pieces] for column in contexts[1:])
        if self._small and self._held is None:
            self.hold(document)
        held = self._held or (document[:0], np.empty(0, np.uint8), np.zeros(1, np.int64))
        if not np.isin(document, held[0]).all():
            wanted = distinct_values(document)
            held = (wanted, *self._read(wanted))
        documents, text, begins = held
        at = np.searchsorted(documents, document)
        size, of = np.diff(begins)[at], np.maximum(self._lengths[document], 1)
        first, last = (begins[at] + size * place // of for place in (start, start + length))
        ends = offsets_of(last - first)
        gathered = np.empty(ends[-1], np.uint8)
        _gather(text, first, ends, gathered)
        return RowTexts(gathered, ends, rows)

    def hold(self, documents: np.ndarray) -> None:
        """Reads the texts of documents, int64 ascending, for what is asked of from now on; of a small corpus all."""
        wanted = np.arange(len(self._lengths), dtype=np.int64) if self._small else documents
        self._held = (wanted, *self._read(wanted))

    def _read(self, wanted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The texts of documents, int64 ordinals ascending, end to end: uint8, and where each begins, int64 [w + 1]."""
        texts, sizes, begun = [np.empty(0, np.uint8)], [np.empty(0, np.int64)], 0
        parts = (artifacts.require_manifest(directory).parts for directory in (self._text, self._selection))
        for text_part, selection_part in zip(*parts, strict=True):
            kept = artifacts.map_part(self._selection, selection_part, ["kept"]).column("kept")
            rows = np.flatnonzero(kept.to_numpy(zero_copy_only=False))
            here = wanted[slice(*np.searchsorted(wanted, [begun, begun + len(rows)]))] - begun
            if len(here):
                column = artifacts.read_part(self._text, text_part, ["text"]).column("text")
                found = pc.cast(column.take(pa.array(rows[here])), pa.large_binary())
                offsets = np.frombuffer(found.buffers()[1], np.int64)[found.offset : found.offset + len(found) + 1]
                texts.append(np.frombuffer(found.buffers()[2] or b"", np.uint8)[offsets[0] : offsets[-1]])
                sizes.append(np.diff(offsets))
            begun += len(rows)
        return np.concatenate(texts), offsets_of(np.concatenate(sizes))


@njit(cache=True, nogil=True)
def _gather(text: np.ndarray, first: np.ndarray, ends: np.ndarray, out: np.ndarray) -> None:
    """Copies pieces of a text, from int64 [p] `first` on, to where they lie in `out`, int64 [p + 1] `ends`."""
    for piece in range(first.size):
        # Views and a loop become vector instructions; assigning to a slice does not.
        source, target = text[first[piece] :], out[ends[piece] : ends[piece + 1]]
        for at in range(target.size):
            target[at] = source[at]
