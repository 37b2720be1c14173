"""The columns of every artifact: the contract between stages.

`documents`, `refined`, `signals` and `selection` are row-aligned, part by part. Everything after `selection` speaks of
ordinals. The columns of `signals` beyond the fixed ones are named by `text_core.signals.all_signals`; those of `shards`
by `shards.format`.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

ID = pa.binary(16)
NAME = pa.dictionary(pa.int32(), pa.string())


def _required(name: str, kind: pa.DataType) -> pa.Field:
    return pa.field(name, kind, nullable=False)


DOCUMENTS = pa.schema(
    [
        _required("doc_id", ID),  # xxh3-128 of dataset name and record id, or of dataset name, file and row
        pa.field("record_id", pa.string()),
        _required("text", pa.large_string()),
        _required("source", NAME),
        pa.field("url", pa.string()),
        pa.field("timestamp", pa.timestamp("us", tz="UTC")),
        _required("source_file", NAME),
        _required("source_row", pa.int64()),  # records before it in its file, counted from 0
        _required("metadata", pa.string()),  # JSON object of the remaining fields
    ]
)

REFINED = pa.schema([_required("text", pa.large_string())])

CHANGES = pa.schema(
    [
        _required("doc_id", ID),
        _required("row", pa.int64()),  # of the document in the part of the same name
        _required("operation", NAME),
        _required("count", pa.int64()),  # lines removed, strings replaced
        _required("characters_removed", pa.int64()),
        _required("characters_added", pa.int64()),
    ]
)

REJECTS = pa.schema(
    [
        _required("source", NAME),
        _required("source_file", NAME),
        _required("source_row", pa.int64()),
        _required("reason", NAME),
        _required("detail", pa.string()),
    ]
)

SELECTION = pa.schema(
    [
        _required("kept", pa.bool_()),
        pa.field("reason", NAME),  # the rule, or the kind of duplicate; null for kept documents
        pa.field("duplicate_of", ID),  # the document that stays in its place
        pa.field("evidence", ID),  # the document whose comparison with this one caused the removal
        pa.field("similarity", pa.float32()),  # true Jaccard similarity of that pair; 1 for exact duplicates
        pa.field("ordinal", pa.int64()),  # rank of a kept document by part and row
    ]
)

CONTAMINATION = pa.schema(
    [
        _required("doc_id", ID),
        _required("source", NAME),
        _required("ngram", pa.large_string()),
        _required("evaluation_file", NAME),
        _required("evaluation_row", pa.int64()),
        pa.field("evaluation_id", pa.string()),
        _required("dropped", pa.bool_()),  # for this reason: another one may have dropped it before
    ]
)

TOKENS = pa.schema([_required("ordinal", pa.int64()), _required("input_ids", pa.large_list(pa.uint32()))])

SPANS = pa.schema(
    [
        _required("ordinal", pa.int64()),
        _required("start", pa.int64()),
        _required("length", pa.int64()),
        _required("duplicate_of", pa.int64()),
        _required("duplicate_start", pa.int64()),
    ]
)

DUPLICATES = pa.schema(
    [
        _required("ordinal", pa.int64()),
        _required("duplicate_of", pa.int64()),
        _required("cosine", pa.float32()),  # by the model's own vectors
        pa.field("overlap", pa.float32()),  # of their rarer word pairs; null where words need not confirm
        pa.field("jaccard", pa.float32()),  # of their sets of token n-grams; null where it is not asked for
    ]
)

UNSELECTED = pa.schema(
    [
        _required("ordinal", pa.int64()),
        _required("score", pa.float32()),  # cosine to the nearest document that stays, or to the nearest target
    ]
)

ORDER = pa.schema(
    [
        _required("ordinal", pa.int64()),
        _required("path", pa.int64()),  # fragment of the order, counted from 0 in reading order
        _required("opens", pa.bool_()),  # whether the document is meant to begin a context
        _required("fills", pa.bool_()),  # whether it is to fill the contexts that follow it
        _required("family", pa.int64()),  # number of the shard family, ascending; 0 where there are none
        pa.field("cosine_to_previous", pa.float32()),  # null for the first document of a family
    ]
)


def vectors(dimensions: int) -> pa.Schema:
    """`vector` has unit length, or is all zero where the model found nothing to go by."""
    return pa.schema([_required("ordinal", pa.int64()), _required("vector", pa.list_(pa.float16(), dimensions))])


def neighbors(k: int) -> pa.Schema:
    """Best first, −1 for none, never the document itself; only documents that stay."""
    return pa.schema(
        [
            _required("ordinal", pa.int64()),
            _required("neighbor", pa.list_(pa.int64(), k)),
            _required("cosine", pa.list_(pa.float32(), k)),
        ]
    )


def list_matrix(array: pa.FixedSizeListArray) -> np.ndarray:
    """A fixed-size-list column as a numpy array of shape [rows, size], without a copy."""
    size = array.type.list_size
    values = array.values.to_numpy(zero_copy_only=True)
    rows: np.ndarray = values[array.offset * size : (array.offset + len(array)) * size].reshape(len(array), size)
    return rows
