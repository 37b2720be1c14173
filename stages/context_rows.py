"""From pieces of documents to rows of tokens: which tokens each context holds, and where they lie."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from sequitur.pipeline import artifacts
from sequitur.pipeline.storage import Directory
from sequitur.stages.memory import copy_tokens

TOKEN_BYTES = 4


class SplitPlan(NamedTuple):
    """Which pieces of documents each context of a split holds, and in which order the contexts are written."""

    offsets: np.ndarray  # int64 [c + 1], into the pieces
    document: np.ndarray  # int64 [p] ordinals
    start: np.ndarray  # int64 [p] token offset of the piece in its document
    length: np.ndarray  # int64 [p] tokens
    group: np.ndarray  # int64 [c] path of each context's first document
    next_document: np.ndarray  # int64 [c] document whose token follows each context; −1 where none does
    next_start: np.ndarray  # int64 [c] offset of that token in its document
    reading_order: np.ndarray  # int64 [c]; row r of the split is context reading_order[r]


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

    def gather(self, plan: SplitPlan, contexts: np.ndarray, out: np.ndarray) -> None:
        """Writes the tokens of each of `contexts` (int64) into a row of `out`, uint32 [len(contexts), S], C order.

        What a context does not fill of its row is left as it is. Half as fast as copying memory, or faster.
        """
        pieces, target = _lay_out(plan.offsets, plan.length, contexts, out.shape[1])
        self._copy(plan.document[pieces], plan.start[pieces], plan.length[pieces], target, out.reshape(-1))

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


def pieces_of(plan: SplitPlan, contexts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The pieces of some contexts in reading order, and for each the position of its context among them."""
    counts = plan.offsets[contexts + 1] - plan.offsets[contexts]
    row = np.repeat(np.arange(len(contexts)), counts)
    within = np.arange(len(row)) - np.repeat(np.cumsum(counts) - counts, counts)
    return plan.offsets[contexts][row] + within, row


def pad_rows(input_ids: np.ndarray, num_tokens: np.ndarray, pad: int) -> None:
    """Fills each row of `input_ids`, uint32 [r, S], with `pad` from its `num_tokens`, uint32 [r], on."""
    for row in np.flatnonzero(num_tokens < input_ids.shape[1]):
        input_ids[row, num_tokens[row] :] = pad


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
