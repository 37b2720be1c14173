"""The tokens of documents and of pieces of them, gathered from where they lie."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numba import njit

from sequitur.pipeline import artifacts
from sequitur.pipeline.storage import Directory
from sequitur.stages.shared.columns.memory import copy_tokens

TOKEN_BYTES = 4


class Pieces(Protocol):
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
    """Memory-mapped tokens of all parts, found by ordinal. Memory: 16 bytes a document.

    With `check` every byte is read and compared with the manifest first; gathering trusts what it finds.
    """

    def __init__(self, directory: Directory, *, check: bool) -> None:
        read = artifacts.read_part if check else artifacts.map_part
        self._values = []  # held, for what lies at the addresses
        addresses, lengths = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
        for part in artifacts.require_manifest(directory).parts:
            column = read(directory, part, ["input_ids"]).column("input_ids")
            offsets, values = column.offsets.to_numpy(), column.values.to_numpy()
            self._values.append(values)
            addresses.append(values.ctypes.data + TOKEN_BYTES * offsets[:-1])
            lengths.append(np.diff(offsets))
        self._addresses = np.concatenate(addresses)  # of each document's first token
        self._lengths = np.concatenate(lengths)

    def lengths(self) -> np.ndarray:
        """int64 tokens of each document, by ordinal."""
        return self._lengths

    def of(self, ordinals: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The tokens of some documents (int64), one after the other: int64 offsets [n + 1], uint32 ids.

        Memory: 4 bytes a token.
        """
        lengths = self._lengths[ordinals]
        offsets = np.append(0, np.cumsum(lengths))
        ids = np.empty(offsets[-1], dtype=np.uint32)
        self._copy(ordinals, np.zeros(len(ordinals), dtype=np.int64), lengths, offsets[:-1], ids)
        return offsets, ids

    def gather(self, pieces: Pieces, contexts: np.ndarray, out: np.ndarray) -> None:
        """Writes the tokens of each of `contexts` (int64) into a row of `out`, uint32 [len(contexts), S], C order.

        What a context does not fill of its row is left as it is. Half as fast as copying memory, or faster.
        """
        some, target = _lay_out(pieces.offsets, pieces.length, contexts, out.shape[1])
        self._copy(pieces.document[some], pieces.start[some], pieces.length[some], target, out.reshape(-1))

    def tokens_at(self, document: np.ndarray, start: np.ndarray) -> np.ndarray:
        """The token of each document (int64 ordinals) at an offset (int64): uint32."""
        out = np.empty(len(document), dtype=np.uint32)
        self._copy(document, start, np.ones(len(document), dtype=np.int64), np.arange(len(document)), out)
        return out

    def _copy(
        self, document: np.ndarray, start: np.ndarray, length: np.ndarray, target: np.ndarray, out: np.ndarray
    ) -> None:
        """Copies pieces to where they begin in `out`."""
        copy_tokens(self._addresses[document] + TOKEN_BYTES * start, length, target, out)


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
