"""Writing shards and the documents table to binary file objects; the caller owns files, folders and renaming.

A shard is an Arrow IPC stream (format version 5, uncompressed): the schema message, one message per record
batch, and the end-of-stream mark FF FF FF FF 00 00 00 00. Messages follow each other without gaps. The same
rows and schema give the same bytes.
"""

import hashlib
import json
import zlib
from collections.abc import Iterable, Sequence
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from sequitur.shards.contexts import batch_contexts
from sequitur.shards.digest import add_digests, row_digest_sum
from sequitur.shards.errors import ContextsInvalid, DocsInvalid
from sequitur.shards.format import BATCH_ROWS, docs_schema, hf_features
from sequitur.shards.manifest import BatchEntry, FileEntry, ShardEntry


class Sink(Protocol):
    """What is written to: a binary file, or anything else that takes bytes."""

    def write(self, data: Any, /) -> object: ...


END_OF_STREAM = b"\xff\xff\xff\xff\x00\x00\x00\x00"
_DOCS_ROW_GROUP = 65_536


def plan_shards(rows: int, seq_len: int, target_bytes: int = 512 << 20, min_shards: int = 64) -> list[tuple[int, int]]:
    """(first row, rows) of each shard: equally many rows in all but the last, in whole batches of
    `BATCH_ROWS`.

    Shards are of at most `target_bytes`, and at least `min_shards` in number so that as many readers can
    share the split; but never so many that one falls below a full batch.
    """
    wanted = min(target_bytes // (4 * seq_len), rows // min_shards)
    shard_rows = max(wanted // BATCH_ROWS, 1) * BATCH_ROWS
    return [(first, min(shard_rows, rows - first)) for first in range(0, rows, shard_rows)]


def write_shard(sink: Sink, path: str, batches: Iterable[pa.RecordBatch], schema: pa.Schema) -> ShardEntry:
    """Write one shard to `sink` and return its manifest entry, in which it goes by `path`.

    Holds one batch at a time, twice. Raises ContextsInvalid for a batch that is empty, has more than
    `BATCH_ROWS` rows, or other columns than `schema`.
    """
    sha256 = hashlib.sha256()
    size = 0

    def emit(message: bytes | pa.Buffer) -> None:
        nonlocal size
        sink.write(message)
        sha256.update(message)
        size += len(message)

    entries: list[BatchEntry] = []
    digests: list[str] = []
    tokens = 0
    emit(schema.serialize())
    for number, batch in enumerate(batches):
        if not batch.schema.equals(schema) or not 1 <= batch.num_rows <= BATCH_ROWS:
            raise ContextsInvalid(
                f"a batch needs the shard's columns and 1 … {BATCH_ROWS} rows",
                shard=path,
                batch=number,
                offset=size,
            )
        contexts = batch_contexts(batch)
        message = batch.serialize()
        entries.append(BatchEntry(size, len(message), batch.num_rows, zlib.crc32(message)))
        digests.append(row_digest_sum(contexts.input_ids, contexts.num_tokens))
        tokens += int(contexts.num_tokens.sum(dtype="int64"))
        emit(message)
    emit(END_OF_STREAM)
    return ShardEntry(
        path=path,
        bytes=size,
        rows=sum(entry.rows for entry in entries),
        tokens=tokens,
        sha256=sha256.hexdigest(),
        row_digest=add_digests(digests),
        batches=tuple(entries),
    )


def write_docs(sink: Sink, path: str, docs: pa.Table) -> FileEntry:
    """Write one file of the documents table as Parquet and return its manifest entry, in which it goes by
    `path`.

    `docs` has the columns of `docs_schema`, in strictly ascending order of `doc_key`; over several files
    the order goes on. Raises DocsInvalid otherwise.
    """
    if not docs.schema.equals(docs_schema()):
        raise DocsInvalid("the columns are not those of docs_schema(): build the table with that schema", shard=path)
    keys = docs.column("doc_key")
    if len(keys) > 1 and not pc.all(pc.less(keys[:-1], keys[1:])).as_py():
        raise DocsInvalid("doc_key does not rise strictly: sort the table; keys may not repeat", shard=path)
    buffer = pa.BufferOutputStream()
    pq.write_table(docs, buffer, compression="zstd", row_group_size=_DOCS_ROW_GROUP)
    content = buffer.getvalue()
    sink.write(content)
    return FileEntry(path, len(content), docs.num_rows, hashlib.sha256(content).hexdigest())


def hf_files(split: str, shard_names: Sequence[str], fingerprint: str, columns: pa.Schema) -> dict[str, str]:
    """The two small files, by name, that make a split's folder one that `datasets.load_from_disk` opens.

    `shard_names` are file names within the folder; `fingerprint` is the dataset's.
    """
    state: dict[str, Any] = {
        "_data_files": [{"filename": name} for name in shard_names],
        "_fingerprint": hashlib.sha256(f"{fingerprint}:{split}".encode()).hexdigest()[:16],
        "_format_columns": None,
        "_format_kwargs": {},
        "_format_type": None,
        "_output_all_columns": False,
        "_split": split,
    }
    info = {"features": hf_features(columns)}
    return {
        "state.json": json.dumps(state, sort_keys=True, indent=1) + "\n",
        "dataset_info.json": json.dumps(info, sort_keys=True, indent=1) + "\n",
    }
