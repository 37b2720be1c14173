"""Pieces are those of their contexts, in reading order, and rows end in pads."""

import numpy as np

from sequitur.stages.pack.context_rows import SplitPlan, followed, pad_rows, rows_of, some_rows, token_counts

PAD = 2**32 - 1


def test_rows_are_contexts_in_any_order() -> None:
    offsets = np.array([0, 2, 2, 5, 6])
    document, start, length = np.arange(6) + 10, np.arange(6) * 3, np.array([4, 4, 1, 2, 5, 7])
    group, after, at, none = np.arange(4) + 50, np.array([11, -1, 15, 12]), np.arange(4) + 70, np.zeros(4, np.int64)
    plan = SplitPlan(offsets, document, start, length, group, after, at, none, none)
    for contexts in ([1], [2, 0], [3, 1, 2, 2]):
        rows = rows_of(plan, np.array(contexts, dtype=np.int64))
        for place, context in enumerate(contexts):
            row = some_rows(rows, place, place + 1)
            pieces = slice(offsets[context], offsets[context + 1])
            assert [column.tolist() for column in row[1:4]] == [
                column[pieces].tolist() for column in (document, start, length)
            ]
            assert row.offsets.tolist() == [0, offsets[context + 1] - offsets[context]]
            assert [column.tolist() for column in row[4:]] == [
                [context],
                *([column[context]] for column in (group, after, at)),
            ]
            assert token_counts(row).tolist() == [length[pieces].sum()]
            assert followed(row, 8).tolist() == [length[pieces].sum() == 8 and after[context] >= 0]
        assert [column.tolist() for column in some_rows(rows, 0, 100)] == [column.tolist() for column in rows]


def test_rows_are_padded_from_their_last_token_on() -> None:
    rows = np.arange(20, dtype=np.uint32).reshape(4, 5)
    pad_rows(rows, np.array([5, 0, 3, 4], dtype=np.uint32), PAD)
    assert rows.tolist() == [[0, 1, 2, 3, 4], [PAD] * 5, [10, 11, 12, PAD, PAD], [15, 16, 17, 18, PAD]]
