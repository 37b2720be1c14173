"""From pieces of documents to rows of tokens: which tokens each context holds, and where they lie."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from sequitur.graph_sort.graph import Empty
from sequitur.shards.contexts import Contexts
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


class Rows(NamedTuple):
    """Rows of a split, as they are written one after the other, and the pieces of documents that they hold."""

    offsets: np.ndarray  # int64 [r + 1], into the pieces
    document: np.ndarray  # int64 [p] ordinals
    start: np.ndarray  # int64 [p] token offset of the piece in its document
    length: np.ndarray  # int64 [p] tokens
    context: np.ndarray  # int64 [r] number of the context that the row is
    group: np.ndarray  # int64 [r], as of a plan, and so the rest
    next_document: np.ndarray  # int64 [r]
    next_start: np.ndarray  # int64 [r]


def end_to_end(plans: Sequence[SplitPlan], empty: Empty = np.empty) -> SplitPlan:
    """Plans of a split for one epoch each as one for all, in arrays from `empty`, the contexts numbered on."""
    if len(plans) == 1:
        return plans[0]
    columns = {name: [getattr(plan, name) for plan in plans] for name in SplitPlan._fields}
    joined = {name: np.concatenate(some, out=empty(sum(map(len, some)), np.int64)) for name, some in columns.items()}
    contexts = offsets_of([len(plan.reading_order) for plan in plans])
    joined["offsets"] = offsets_of(np.concatenate([np.diff(plan.offsets) for plan in plans]))
    joined["reading_order"] += np.repeat(contexts[:-1], np.diff(contexts))
    return SplitPlan(**joined)


def first_epoch(plan: SplitPlan) -> SplitPlan:
    """The contexts of the first epoch alone, and their pieces; they stand in the order in which they are numbered."""
    contexts = int(plan.epochs[0])
    pieces = int(plan.offsets[contexts])
    of_pieces = ("document", "start", "length")
    columns = {name: getattr(plan, name)[: pieces if name in of_pieces else contexts] for name in SplitPlan._fields}
    return SplitPlan(**columns | {"offsets": plan.offsets[: contexts + 1], "epochs": plan.epochs[:1]})


def rows_of(plan: SplitPlan, contexts: np.ndarray) -> Rows:
    """Some contexts (int64) of a plan as rows, in the order in which they are given."""
    counts = plan.offsets[contexts + 1] - plan.offsets[contexts]
    offsets = offsets_of(counts)
    pieces = np.repeat(plan.offsets[contexts] - offsets[:-1], counts) + np.arange(offsets[-1])
    of_pieces = (plan.document[pieces], plan.start[pieces], plan.length[pieces])
    return Rows(
        offsets, *of_pieces, contexts, plan.group[contexts], plan.next_document[contexts], plan.next_start[contexts]
    )


def some_rows(rows: Rows, first: int, last: int) -> Rows:
    """Rows `first` … `last − 1`, or to the end."""
    offsets = rows.offsets[first : last + 1]
    pieces, here = slice(offsets[0], offsets[-1]), slice(first, last)
    of_pieces = (rows.document[pieces], rows.start[pieces], rows.length[pieces])
    return Rows(offsets - offsets[0], *of_pieces, *(column[here] for column in rows[4:]))


def token_counts(rows: Rows) -> np.ndarray:
    """int64 [r]: tokens of each row."""
    return np.diff(offsets_of(rows.length)[rows.offsets])


def followed(rows: Rows, size: int) -> np.ndarray:
    """bool [r]: which rows of `size` tokens are full, and have a token that would follow."""
    mask: np.ndarray = (token_counts(rows) == size) & (rows.next_document >= 0)
    return mask


def contexts_of(rows: Rows, input_ids: np.ndarray, next_token: np.ndarray, pad: int) -> Contexts:
    """Rows as they are written.

    Args:
        rows: r of them, of S tokens.
        input_ids: uint32 [r, S], the tokens of the pieces; what is behind them is filled with `pad`.
        next_token: uint32 [r], 0 where none follows.
        pad: the id.
    """
    num_tokens = token_counts(rows).astype(np.uint32)
    pad_rows(input_ids, num_tokens, pad)
    return Contexts(
        input_ids=input_ids,
        next_token=next_token,
        next_valid=followed(rows, input_ids.shape[1]),
        num_tokens=num_tokens,
        doc_offsets=rows.offsets.astype(np.int32),
        doc_lens=rows.length.astype(np.uint32),
        doc_ids=rows.document.astype(np.uint64),
        doc_starts=rows.start.astype(np.uint32),
        context_id=rows.context.astype(np.uint64),
        group_id=rows.group.astype(np.uint64),
    )


def pad_rows(input_ids: np.ndarray, num_tokens: np.ndarray, pad: int) -> None:
    """Fills each row of `input_ids`, uint32 [r, S], with `pad` from its `num_tokens`, uint32 [r], on."""
    for row in np.flatnonzero(num_tokens < input_ids.shape[1]):
        input_ids[row, num_tokens[row] :] = pad
