"""From pieces of documents to rows of tokens: which tokens each context holds, and where they lie."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


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
