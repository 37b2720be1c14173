"""The tokens of documents and of pieces of them, gathered from where they lie."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import pyarrow as pa
from numba import njit

from sequitur.graph_sort.threads import on_threads
from sequitur.pipeline import artifacts, scratch
from sequitur.pipeline.artifacts import Part
from sequitur.pipeline.errors import CorruptPart
from sequitur.pipeline.storage import Directory
from sequitur.text_core.units.offsets import offsets_of


class PieceTable(Protocol):
    """Which pieces of documents each context holds."""

    @property
    def offsets(self) -> np.ndarray:
        """int64 [c + 1], into the pieces."""

    @property
    def document(self) -> np.ndarray:
        """int64 [p] ordinals."""

    @property
    def start(self) -> np.ndarray:
        """int64 [p] token offset of the piece in its document."""

    @property
    def length(self) -> np.ndarray:
        """int64 [p] tokens."""


class TokenStore:
    """Memory-mapped tokens of all parts, found by ordinal; so are 16 bytes a document where there are many.

    With `check` every byte is read and compared with the manifest first, on `threads`; without it, where documents
    begin and end is still checked, so that no damage leads outside a part.

    Raises:
        CorruptPart: a part is not what was written.
    """

    def __init__(self, directory: Directory, *, check: bool, threads: int = 1) -> None:
        read = artifacts.read_part if check else artifacts.map_part

        def read_column(part: Part) -> tuple[np.ndarray, pa.LargeListArray]:
            column = read(directory, part, ["input_ids"]).column("input_ids")
            return checked_offsets(directory, part, column), column

        parts, empty = artifacts.require_manifest(directory).parts, scratch.beside(directory)
        self._values = []  # of each part
        self._first = offsets_of([part.rows for part in parts])  # ordinal of its first document, and how many there are
        self._begins, self._lengths = (empty(int(self._first[-1]), np.int64) for _ in range(2))
        for number, (offsets, column) in enumerate(on_threads(threads, read_column, parts)):
            here = slice(self._first[number], self._first[number + 1])
            self._values.append(column.values.to_numpy())
            self._begins[here], self._lengths[here] = offsets[:-1], np.diff(offsets)

    def lengths(self) -> np.ndarray:
        """int64 tokens of each document, by ordinal."""
        return self._lengths

    def of(self, ordinals: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The tokens of some documents (int64), one after the other: int64 offsets [n + 1], uint32 ids.

        Memory: 4 bytes a token.
        """
        return self.tails(ordinals, self._lengths[ordinals])

    def tails(self, ordinals: np.ndarray, lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """`of` the last tokens of documents alone, int64 `lengths` [n] of each."""
        offsets = offsets_of(lengths)
        ids = np.empty(offsets[-1], dtype=np.uint32)
        self._copy(ordinals, self._lengths[ordinals] - lengths, lengths, offsets[:-1], ids)
        return offsets, ids

    def heads(self, ordinals: np.ndarray, lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """`of` the first tokens of documents alone, int64 `lengths` [n] of each."""
        offsets = offsets_of(lengths)
        ids = np.empty(offsets[-1], dtype=np.uint32)
        self._copy(ordinals, np.zeros_like(lengths), lengths, offsets[:-1], ids)
        return offsets, ids

    def gather(self, pieces: PieceTable, contexts: np.ndarray, out: np.ndarray) -> None:
        """Writes the tokens of each of `contexts` (int64) into a row of `out`, uint32 [len(contexts), S], C order.

        What a context does not fill of its row is left as it is. About half as fast as copying memory, where some
        hundred pieces come from each part.
        """
        some, target = _lay_out(pieces.offsets, pieces.length, contexts, out.shape[1])
        self._copy(pieces.document[some], pieces.start[some], pieces.length[some], target, out.reshape(-1))

    def pieces(self, document: np.ndarray, start: np.ndarray, length: np.ndarray) -> np.ndarray:
        """The tokens of pieces of documents (int64 ordinals, offsets and lengths), end to end: uint32."""
        ends = offsets_of(length)
        out = np.empty(ends[-1], dtype=np.uint32)
        self._copy(document, start, length, ends[:-1], out)
        return out

    def tokens_at(self, document: np.ndarray, start: np.ndarray) -> np.ndarray:
        """The token of each document (int64 ordinals) at an offset (int64): uint32."""
        out = np.empty(len(document), dtype=np.uint32)
        self._copy(document, start, np.ones(len(document), dtype=np.int64), np.arange(len(document)), out)
        return out

    def _copy(
        self, document: np.ndarray, start: np.ndarray, length: np.ndarray, target: np.ndarray, out: np.ndarray
    ) -> None:
        """Copies pieces to where they begin in `out`, part by part.

        Raises:
            IndexError: a piece does not lie in its document, or not in `out`.
        """
        if ((start < 0) | (length < 0) | (start + length > self._lengths[document])).any():
            raise IndexError("a piece lies outside its document")
        ends, order, source = _by_part(document, start, self._begins, self._first)
        for number in np.flatnonzero(np.diff(ends)).tolist():
            here = order[ends[number] : ends[number + 1]]
            if not copy_runs(self._values[number], here, source, length, target, out):
                raise IndexError("a piece lies outside its part, or outside the rows")


def checked_offsets(directory: Directory, part: Part, column: pa.LargeListArray) -> np.ndarray:
    """int64 [n + 1]: where in a part's tokens each of its documents begins, and the last ends.

    Raises:
        CorruptPart: they do not ascend within the tokens.
    """
    try:
        column.validate(full=True)  # the offsets ascend within the values, and these lie in the file
    except pa.ArrowInvalid as error:
        raise CorruptPart(artifacts.damage(directory, part, str(error).partition("\n")[0])) from error
    offsets: np.ndarray = column.offsets.to_numpy()
    return offsets


@njit(cache=True, nogil=True)
def _by_part(
    document: np.ndarray, start: np.ndarray, begins: np.ndarray, first: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """int64: offsets [parts + 1] into the pieces in order of their parts, this order, and where in its part each is.

    Args:
        document: int64 [p] ordinals, of the n there are.
        start: int64 [p] token offset of each piece in its document.
        begins: int64 [n] where in its part each document begins.
        first: int64 [parts + 1] ordinal of the first document of each part, and n.
    """
    ends, part = np.zeros(first.size, np.int64), np.empty(document.size, np.int64)
    order, source = np.empty(document.size, np.int64), np.empty(document.size, np.int64)
    for piece in range(document.size):
        part[piece] = np.searchsorted(first, document[piece], side="right") - 1
        source[piece] = begins[document[piece]] + start[piece]
        ends[part[piece] + 1] += 1
    ends = np.cumsum(ends)
    place = ends[:-1].copy()
    for piece in range(document.size):
        order[place[part[piece]]] = piece
        place[part[piece]] += 1
    return ends, order, source


@njit(cache=True, nogil=True)
def copy_runs(
    values: np.ndarray, pieces: np.ndarray, source: np.ndarray, length: np.ndarray, target: np.ndarray, out: np.ndarray
) -> bool:
    """Copies `pieces` of a part: `length` tokens each, from `source` of its `values` to `target` of `out`; int64 [p].

    Ends at a piece that does not lie in both, and says whether there was none.
    """
    for piece in pieces:
        begin, end = source[piece], source[piece] + length[piece]
        first, last = target[piece], target[piece] + length[piece]
        if begin < 0 or end < begin or end > values.size or first < 0 or last > out.size:
            return False
        # Views and a loop become vector instructions; assigning to a slice does not.
        tokens, copy = values[begin:end], out[first:last]
        for token in range(tokens.size):
            copy[token] = tokens[token]
    return True


@njit(cache=True, nogil=True)
def _lay_out(
    offsets: np.ndarray, length: np.ndarray, contexts: np.ndarray, row_length: int
) -> tuple[np.ndarray, np.ndarray]:
    """int64: the pieces of some contexts, and where each begins in the contexts' rows laid end to end."""
    count = 0
    for context in contexts:
        count += offsets[context + 1] - offsets[context]
    pieces, target = np.empty(count, np.int64), np.empty(count, np.int64)
    at = 0
    for row in range(contexts.size):
        place = row * row_length
        for piece in range(offsets[contexts[row]], offsets[contexts[row] + 1]):
            pieces[at], target[at] = piece, place
            place += length[piece]
            at += 1
    return pieces, target
