"""Pieces are those of their contexts, in reading order, and rows end in pads."""

import numpy as np

from sequitur.stages.pack.context_rows import SplitPlan, pad_rows, pieces_of

PAD = 2**32 - 1


def test_pieces_of_contexts_in_any_order() -> None:
    offsets = np.array([0, 2, 2, 5, 6])
    none = np.zeros(4, dtype=np.int64)
    document = np.arange(6) + 10
    plan = SplitPlan(offsets, document, np.zeros(6, np.int64), np.ones(6, np.int64), none, none, none, none, none)
    for contexts in ([], [1], [2, 0], [3, 1, 2, 2]):
        expected = [
            (piece, place)
            for place, context in enumerate(contexts)
            for piece in range(offsets[context], offsets[context + 1])
        ]
        pieces, row = pieces_of(plan, np.array(contexts, dtype=np.int64))
        assert list(zip(pieces.tolist(), row.tolist(), strict=True)) == expected


def test_rows_are_padded_from_their_last_token_on() -> None:
    rows = np.arange(20, dtype=np.uint32).reshape(4, 5)
    pad_rows(rows, np.array([5, 0, 3, 4], dtype=np.uint32), PAD)
    assert rows.tolist() == [[0, 1, 2, 3, 4], [PAD] * 5, [10, 11, 12, PAD, PAD], [15, 16, 17, 18, PAD]]
