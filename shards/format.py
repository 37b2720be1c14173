"""The columns of the format: constants, Arrow schemas and what a shard says about itself.

A split is a folder of Arrow IPC *streams*, uncompressed, of at most `BATCH_ROWS` contexts per record batch.
The stream container is the one that Hugging Face datasets memory-maps; `manifest.json` holds the byte
offsets that make its rows randomly accessible.
"""

import json
from dataclasses import asdict, dataclass
from typing import Any

import pyarrow as pa

FORMAT = "sequitur-arrow"
FORMAT_VERSION = 1
CONTAINER = "ipc_stream"
INPUT_IDS_DTYPE = "uint32"
BATCH_ROWS = 1024
LONGEST_CONTEXT = 1 << 20  # tokens
MANIFEST_NAME = "manifest.json"
FAMILIES_NAME = "families.json"
TOKENIZER_NAME = "tokenizer.json"
SALVAGE_NAME = "salvage.json"

BYTES_TOKENIZER = "bytes"
"""Name of the tokenizer without a file: ids 0 … 255 are UTF-8 bytes, 256 ends a document."""


@dataclass(frozen=True)
class TokenizerInfo:
    """Which tokenizer made the ids: `sha256` is of the tokenizer.json in the root (of nothing for
    `bytes`)."""

    name: str
    revision: str | None
    sha256: str
    vocab_size: int


@dataclass(frozen=True)
class SpecialIds:
    """Token ids with a role. `pad` fills the tail of short rows; readers mask it by position, so any id
    will do."""

    bos: int | None
    eos: int | None
    pad: int


@dataclass(frozen=True)
class Boundaries:
    """Which special tokens the pieces already hold."""

    eos_after_doc: bool
    bos_at_doc_start: bool


@dataclass(frozen=True)
class Header:
    """What is known of a dataset before its first row; part of every manifest, and of every shard's schema.

    `run_id` must be derived from the configuration and the inputs, not drawn: it is inside the shards, which
    are to be the same bytes each time. `seq_len` is S, the tokens of a context.
    """

    created_by: str
    run_id: str
    config_sha256: str
    seq_len: int
    tokenizer: TokenizerInfo
    special_ids: SpecialIds
    boundaries: Boundaries
    attention_default: str = "full"
    token_dtype: str = INPUT_IDS_DTYPE
    format: str = FORMAT
    format_version: int = FORMAT_VERSION
    container: str = CONTAINER


def shard_name(shard: int, n_shards: int, extension: int = 0) -> str:
    """File name of shard `shard` (from 0) within its split's folder; of an `extension`, from 1 on, one that sorts
    behind all before it."""
    return f"data-{_of_extension(extension)}{shard:05d}-of-{n_shards:05d}.arrow"


def docs_name(file: int, n_files: int, extension: int = 0) -> str:
    """Path of file `file` (from 0) of the documents table, from the root."""
    return f"docs/docs-{_of_extension(extension)}{file:05d}-of-{n_files:05d}.parquet"


def _of_extension(number: int) -> str:
    return f"x{number:05d}-" if number else ""


def context_columns(seq_len: int) -> pa.Schema:
    """The columns of a shard, without metadata. All are nullable, as Hugging Face datasets demands; only
    `next_token` may hold nulls."""
    return pa.schema(
        [
            pa.field("input_ids", pa.list_(pa.uint32(), seq_len)),
            pa.field("next_token", pa.uint32()),
            pa.field("num_tokens", pa.uint32()),
            pa.field("doc_lens", pa.list_(pa.uint32())),
            pa.field("doc_ids", pa.list_(pa.uint64())),
            pa.field("doc_starts", pa.list_(pa.uint32())),
            pa.field("context_id", pa.uint64()),
            pa.field("group_id", pa.uint64()),
        ]
    )


def context_schema(header: Header, split: str, shard: int, n_shards: int) -> pa.Schema:
    """The schema of shard `shard` of `n_shards` of a split: the columns, and metadata that name the shard
    and let `datasets.load_from_disk` open it unconverted."""
    columns = context_columns(header.seq_len)
    metadata = {
        "sequitur.format_version": str(header.format_version),
        "sequitur.run_id": header.run_id,
        "sequitur.split": split,
        "sequitur.shard": f"{shard}/{n_shards}",
        "sequitur.seq_len": str(header.seq_len),
        "sequitur.tokenizer": canonical_json(asdict(header.tokenizer)),
        "sequitur.special_ids": canonical_json(asdict(header.special_ids)),
        "sequitur.attention_default": header.attention_default,
        "huggingface": canonical_json({"info": {"features": hf_features(columns)}}),
    }
    return columns.with_metadata(metadata)


def docs_schema() -> pa.Schema:
    """The columns of `docs/`, one row per placed document, in strictly ascending order of `doc_key` over
    all files.

    `doc_key` is what `doc_ids` holds; `doc_id` the 32 hex digits of the document's own id; `n_tokens`
    counts all its tokens, special ones included; `title` and `license` are what the record says; `path` is the
    order's path; `cosine_to_previous` compares with the document before it in its context, by the vectors of the
    embedding model without what the words add to them; null at a context's start.
    """
    return pa.schema(
        [
            pa.field("doc_key", pa.uint64(), nullable=False),
            pa.field("doc_id", pa.string(), nullable=False),
            pa.field("record_id", pa.string()),
            pa.field("source", pa.string(), nullable=False),
            pa.field("url", pa.string()),
            pa.field("title", pa.string()),
            pa.field("language", pa.string()),
            pa.field("license", pa.string()),
            pa.field("source_file", pa.string(), nullable=False),
            pa.field("source_row", pa.int64(), nullable=False),
            pa.field("n_tokens", pa.int64(), nullable=False),
            pa.field("path", pa.int64(), nullable=False),
            pa.field("cosine_to_previous", pa.float32()),
            pa.field("split", pa.string(), nullable=False),
        ]
    )


def hf_features(columns: pa.Schema) -> dict[str, Any]:
    """The Hugging Face `Features` JSON (datasets ≥ 4) of primitive and list columns."""
    return {field.name: _hf_feature(field.type) for field in columns}


def _hf_feature(type_: pa.DataType) -> dict[str, Any]:
    if pa.types.is_fixed_size_list(type_):
        return {"feature": _hf_feature(type_.value_type), "length": type_.list_size, "_type": "List"}
    if pa.types.is_list(type_):
        return {"feature": _hf_feature(type_.value_type), "_type": "List"}
    return {"dtype": str(type_), "_type": "Value"}


def canonical_json(value: Any) -> str:
    """JSON with sorted keys and no spaces: equal values give equal bytes, fit for hashing."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
