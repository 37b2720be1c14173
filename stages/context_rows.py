"""From pieces of documents to rows of tokens: which tokens each context holds, and where they lie."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from pipeline import artifacts
from pipeline.storage import Directory


class SplitPlan(NamedTuple):
    """Which pieces of documents each context of a split holds, and in which order the contexts are written."""

    offsets: np.ndarray  # int64 [c + 1], into the pieces
    document: np.ndarray  # int64 [p] ordinals
    start: np.ndarray  # int64 [p] token offset of the piece in its document
    length: np.ndarray  # int64 [p] tokens
    group: np.ndarray  # int64 [c] path of each context's first document
    reading_order: np.ndarray  # int64 [c]; row r of the split is context reading_order[r]


class TokenStore:
    """Memory-mapped tokens of all parts, found by ordinal.

    With `check` every byte is read and compared with the manifest first; gathering trusts what it finds.
    """

    def __init__(self, directory: Directory, *, check: bool) -> None:
        read = artifacts.read_part if check else artifacts.map_part
        self._parts = []
        starts = [0]
        for part in artifacts.require_manifest(directory).parts:
            column = read(directory, part, ["input_ids"]).column("input_ids")
            self._parts.append((column.offsets.to_numpy(), column.values.to_numpy()))
            starts.append(starts[-1] + part.rows)
        self._starts = np.array(starts, dtype=np.int64)

    def lengths(self) -> np.ndarray:
        """int64 tokens of each document, by ordinal."""
        return np.concatenate([np.empty(0, np.int64), *(np.diff(offsets) for offsets, _ in self._parts)])

    def of(self, ordinals: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The tokens of some documents (int64, ascending), one after the other: int64 offsets [n + 1], uint32 ids.

        Memory: 4 bytes a token.
        """
        lengths = self.lengths()[ordinals]
        offsets = np.append(0, np.cumsum(lengths))
        ids = np.empty(offsets[-1], dtype=np.uint32)
        part = np.searchsorted(self._starts, ordinals, side="right") - 1
        for index in np.unique(part):
            here = part == index
            starts, values = self._parts[index]
            begin = starts[ordinals[here] - self._starts[index]]
            _copy(values, begin, lengths[here], offsets[:-1][here], ids)
        return offsets, ids

    def gather(self, plan: SplitPlan, contexts: np.ndarray, out: np.ndarray) -> None:
        """Writes the tokens of each of `contexts` (int64) into a row of `out`, uint32 [len(contexts), S]."""
        pieces, row = pieces_of(plan, contexts)
        target = row * out.shape[1] + _offsets_within(plan.length[pieces], row)
        part = np.searchsorted(self._starts, plan.document[pieces], side="right") - 1
        for index in np.unique(part):
            here = part == index
            offsets, values = self._parts[index]
            begin = offsets[plan.document[pieces[here]] - self._starts[index]] + plan.start[pieces[here]]
            _copy(values, begin, plan.length[pieces[here]], target[here], out.reshape(-1))

    def first_tokens(self, plan: SplitPlan, contexts: np.ndarray) -> np.ndarray:
        """uint32 first token of each of `contexts`."""
        first = plan.offsets[contexts]
        only_first = plan._replace(
            offsets=np.arange(len(contexts) + 1, dtype=np.int64),
            document=plan.document[first],
            start=plan.start[first],
            length=np.ones(len(contexts), dtype=np.int64),
        )
        out = np.empty((len(contexts), 1), dtype=np.uint32)
        self.gather(only_first, np.arange(len(contexts)), out)
        return out[:, 0]


def pieces_of(plan: SplitPlan, contexts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The pieces of some contexts in reading order, and for each the position of its context among them."""
    counts = np.diff(plan.offsets)[contexts]
    row = np.repeat(np.arange(len(contexts)), counts)
    within = np.arange(len(row)) - np.repeat(np.cumsum(counts) - counts, counts)
    return plan.offsets[contexts][row] + within, row


def _offsets_within(length: np.ndarray, row: np.ndarray) -> np.ndarray:
    """Where each piece begins in its row."""
    ends = np.cumsum(length)
    row_start = np.append(0, ends)[np.searchsorted(row, row)]
    return ends - length - row_start


@njit(cache=True, nogil=True)
def _copy(values: np.ndarray, begin: np.ndarray, length: np.ndarray, target: np.ndarray, out: np.ndarray) -> None:
    for piece in range(begin.size):
        for token in range(length[piece]):
            out[target[piece] + token] = values[begin[piece] + token]
