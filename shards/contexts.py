"""A block of contexts as plain arrays, and its way into an Arrow record batch and back without copying.

No Python object is made per token, per piece or per row.
"""

from typing import Any, Literal, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from sequitur.shards.errors import ContextsInvalid, RowsInvalid, ShardCorrupt
from sequitur.shards.offsets import offsets_of


class Contexts(NamedTuple):
    """r contexts of S tokens. The pieces of row i are doc_lens[doc_offsets[i]:doc_offsets[i+1]], likewise
    doc_ids and doc_starts.

    A piece is a run of tokens of one document: `doc_lens` its length, `doc_ids` the document's key in the
    documents table, `doc_starts` where in the document it begins. The lengths of a row add up to its
    `num_tokens`; what follows is pad. `next_token` is the token that would follow a full row, where
    `next_valid`; short rows have none.
    """

    input_ids: NDArray[np.uint32]  # (r, S)
    next_token: NDArray[np.uint32]  # (r,)
    next_valid: NDArray[np.bool_]  # (r,)
    num_tokens: NDArray[np.uint32]  # (r,)
    doc_offsets: NDArray[np.int32]  # (r + 1,), from 0
    doc_lens: NDArray[np.uint32]  # (pieces,)
    doc_ids: NDArray[np.uint64]  # (pieces,)
    doc_starts: NDArray[np.uint32]  # (pieces,)
    context_id: NDArray[np.uint64]  # (r,)
    group_id: NDArray[np.uint64]  # (r,)


def context_batch(contexts: Contexts, schema: pa.Schema) -> pa.RecordBatch:
    """The record batch of `contexts`, sharing their memory where they are contiguous.

    Raises ContextsInvalid if dtypes, shapes or sums are not as `Contexts` says.
    """
    check_contexts(contexts, schema.field("input_ids").type.list_size)
    next_token = np.where(contexts.next_valid, contexts.next_token, np.uint32(0))  # no stray bytes under a null
    offsets = pa.array(contexts.doc_offsets)
    columns = {
        "input_ids": pa.FixedSizeListArray.from_arrays(
            pa.array(contexts.input_ids.reshape(-1)), contexts.input_ids.shape[1]
        ),
        "next_token": pa.array(next_token, mask=~contexts.next_valid),
        "num_tokens": pa.array(contexts.num_tokens),
        "doc_lens": pa.ListArray.from_arrays(offsets, pa.array(contexts.doc_lens)),
        "doc_ids": pa.ListArray.from_arrays(offsets, pa.array(contexts.doc_ids)),
        "doc_starts": pa.ListArray.from_arrays(offsets, pa.array(contexts.doc_starts)),
        "context_id": pa.array(contexts.context_id),
        "group_id": pa.array(contexts.group_id),
    }
    return pa.RecordBatch.from_arrays([columns[name] for name in schema.names], schema=schema)


def batch_contexts(batch: pa.RecordBatch) -> Contexts:
    """The arrays of a record batch with the format's columns: read-only views of its memory, but for
    `next_token`, `next_valid` and `doc_offsets`.

    Raises RowsInvalid where a column other than `next_token` holds nulls, ShardCorrupt where the piece
    columns disagree in their offsets.
    """
    for name in batch.schema.names:
        column = batch.column(name)
        nested = column.values.null_count if pa.types.is_nested(column.type) else 0
        if name != "next_token" and column.null_count + nested:
            raise RowsInvalid(f"column {name!r} holds nulls")
    next_token = batch.column("next_token")
    lens, ids, starts = (batch.column(name) for name in ("doc_lens", "doc_ids", "doc_starts"))
    doc_offsets, *others = (_view(column.offsets) - column.offsets[0].as_py() for column in (lens, ids, starts))
    if not all(np.array_equal(doc_offsets, other) for other in others):
        raise ShardCorrupt("doc_lens, doc_ids and doc_starts disagree on the pieces of a row")
    seq_len = batch.schema.field("input_ids").type.list_size
    next_valid = _view(pc.is_valid(next_token).cast(pa.uint8())).view(np.bool_)
    return Contexts(
        input_ids=_view(batch.column("input_ids").flatten()).reshape(-1, seq_len),
        next_token=np.where(next_valid, _view(next_token), np.uint32(0)),
        next_valid=next_valid,
        num_tokens=_view(batch.column("num_tokens")),
        doc_offsets=doc_offsets,
        doc_lens=_view(lens.flatten()),
        doc_ids=_view(ids.flatten()),
        doc_starts=_view(starts.flatten()),
        context_id=_view(batch.column("context_id")),
        group_id=_view(batch.column("group_id")),
    )


def check_contexts(contexts: Contexts, seq_len: int) -> None:
    """Raise ContextsInvalid unless dtypes, shapes and sums are as `Contexts` says. Time linear in rows and
    pieces."""
    rows, pieces = len(contexts.num_tokens), len(contexts.doc_lens)
    expected = {
        "input_ids": (np.uint32, (rows, seq_len)),
        "next_token": (np.uint32, (rows,)),
        "next_valid": (np.bool_, (rows,)),
        "num_tokens": (np.uint32, (rows,)),
        "doc_offsets": (np.int32, (rows + 1,)),
        "doc_lens": (np.uint32, (pieces,)),
        "doc_ids": (np.uint64, (pieces,)),
        "doc_starts": (np.uint32, (pieces,)),
        "context_id": (np.uint64, (rows,)),
        "group_id": (np.uint64, (rows,)),
    }
    for name, (dtype, shape) in expected.items():
        array = getattr(contexts, name)
        if array.dtype != dtype or array.shape != shape:
            raise ContextsInvalid(
                f"{name} should be {np.dtype(dtype)} {shape}, found {array.dtype} {array.shape}: convert it first"
            )
    for fault in faults(contexts):
        raise ContextsInvalid(fault)


def faults(contexts: Contexts) -> list[str]:
    """The rules on lengths and pieces that these contexts break, each with the first row that breaks it."""
    seq_len = contexts.input_ids.shape[1]
    offsets = contexts.doc_offsets.astype(np.int64)
    if offsets[0] != 0 or offsets[-1] != len(contexts.doc_lens) or (np.diff(offsets) < 0).any():
        return ["doc_offsets do not rise from 0 to the number of pieces"]
    ends = offsets_of(contexts.doc_lens)
    sums = ends[offsets[1:]] - ends[offsets[:-1]]
    row_of_piece = piece_rows(contexts)
    short = contexts.num_tokens < seq_len
    rules: list[tuple[str, NDArray[Any]]] = [
        (
            "num_tokens is not 1 … S",
            np.flatnonzero((contexts.num_tokens < 1) | (contexts.num_tokens > seq_len)),
        ),
        ("doc_lens do not add up to num_tokens", np.flatnonzero(sums != contexts.num_tokens)),
        ("an empty piece", row_of_piece[contexts.doc_lens == 0]),
        ("a short row with a next_token", np.flatnonzero(short & contexts.next_valid)),
    ]
    return [f"row {rows[0]}: {rule} ({len(rows)} such)" for rule, rows in rules if len(rows)]


def real_tokens(contexts: Contexts) -> NDArray[np.bool_]:
    """Which tokens of each row are no pads, bool (r, S)."""
    return np.arange(contexts.input_ids.shape[1]) < contexts.num_tokens[:, None]


def largest_token(contexts: Contexts) -> int:
    """The largest id among the tokens, next ones too; pads are not looked at."""
    short = (contexts.num_tokens < contexts.input_ids.shape[1]).any()
    real: NDArray[np.bool_] | Literal[True] = real_tokens(contexts) if short else True
    in_rows = int(np.max(contexts.input_ids, where=real, initial=0))
    return max(in_rows, int(np.max(contexts.next_token, where=contexts.next_valid, initial=0)))


def piece_rows(contexts: Contexts) -> NDArray[np.int64]:
    """int64 row of each piece."""
    counts = np.diff(contexts.doc_offsets)
    return np.repeat(np.arange(len(counts), dtype=np.int64), counts)


def _view(column: pa.Array) -> NDArray[Any]:
    """The values of a column of integers, whatever lies under its nulls. `to_numpy`, like a scalar of Arrow, would
    import pandas where it is installed: 1.5 s and 35 MB in every process."""
    dtype = np.dtype(str(column.type))
    if not len(column):
        return np.empty(0, dtype=dtype)
    view: NDArray[Any] = np.frombuffer(column.buffers()[1], dtype, len(column), column.offset * dtype.itemsize)
    view.flags.writeable = False
    return view
