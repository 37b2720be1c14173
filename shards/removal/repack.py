"""Contexts without some of their pieces: what is left of a row moves up, and its tail is padded."""

import numpy as np
from numpy.typing import NDArray

from sequitur.shards.contexts import Contexts, piece_rows, real_tokens
from sequitur.shards.offsets import offsets_of


def without_pieces(contexts: Contexts, going: NDArray[np.bool_], pad: int) -> Contexts:
    """`contexts` without the pieces that `going`, bool (pieces,), marks.

    Rows that lose a piece get the id `pad` from their new `num_tokens` on, and no next token, for they are not full
    any more; rows that lose all are left out; the others stay as they are. Copies the tokens; memory: about three
    times those of the rows that lose a piece, on top.
    """
    row = piece_rows(contexts)
    lost = np.zeros(len(contexts.num_tokens), dtype=np.int64)
    np.add.at(lost, row[going], contexts.doc_lens[going].astype(np.int64))
    num_tokens = (contexts.num_tokens - lost).astype(np.uint32)
    stays = num_tokens > 0
    input_ids = contexts.input_ids[stays]
    changed = stays & (lost > 0)
    input_ids[lost[stays] > 0] = _moved_up(contexts, going, changed, num_tokens, pad)
    kept = ~going
    counts = np.bincount(row[kept], minlength=len(stays))[stays]
    return Contexts(
        input_ids=input_ids,
        next_token=contexts.next_token[stays],
        next_valid=(contexts.next_valid & (lost == 0))[stays],
        num_tokens=num_tokens[stays],
        doc_offsets=offsets_of(counts).astype(np.int32),
        doc_lens=contexts.doc_lens[kept],
        doc_ids=contexts.doc_ids[kept],
        doc_starts=contexts.doc_starts[kept],
        context_id=contexts.context_id[stays],
        group_id=contexts.group_id[stays],
    )


def _moved_up(
    contexts: Contexts, going: NDArray[np.bool_], rows: NDArray[np.bool_], num_tokens: NDArray[np.uint32], pad: int
) -> NDArray[np.uint32]:
    """The tokens of `rows`, a bool mask, without those of the pieces that go: uint32 (rows, S)."""
    seq_len = contexts.input_ids.shape[1]
    position = np.arange(seq_len)
    pieces = rows[piece_rows(contexts)]
    kept = np.repeat(~going[pieces], contexts.doc_lens[pieces])
    real = real_tokens(contexts)[rows]
    out = np.full((int(rows.sum()), seq_len), pad, dtype=np.uint32)
    out[position < num_tokens[rows, None]] = contexts.input_ids[rows][real][kept]
    return out
