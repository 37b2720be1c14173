"""From pieces of documents to rows of tokens: which tokens each context holds, and where they lie."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from sequitur.text_core.units.offsets import offsets_of


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
    epochs: np.ndarray  # int64, contexts of each epoch, which follow each other


def end_to_end(plans: Sequence[SplitPlan]) -> SplitPlan:
    """Plans of a split for one epoch each as one for all, the contexts numbered on."""
    if len(plans) == 1:
        return plans[0]
    columns = {name: np.concatenate([getattr(plan, name) for plan in plans]) for name in SplitPlan._fields}
    contexts = offsets_of([len(plan.reading_order) for plan in plans])
    columns["offsets"] = offsets_of(np.concatenate([np.diff(plan.offsets) for plan in plans]))
    columns["reading_order"] += np.repeat(contexts[:-1], np.diff(contexts))
    return SplitPlan(**columns)


def first_epoch(plan: SplitPlan) -> SplitPlan:
    """The contexts of the first epoch alone, and their pieces; they stand in the order in which they are numbered."""
    contexts = int(plan.epochs[0])
    pieces = int(plan.offsets[contexts])
    of_pieces = ("document", "start", "length")
    columns = {name: getattr(plan, name)[: pieces if name in of_pieces else contexts] for name in SplitPlan._fields}
    return SplitPlan(**columns | {"offsets": plan.offsets[: contexts + 1], "epochs": plan.epochs[:1]})


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
