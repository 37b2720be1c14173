"""Reading pieces of a shard file, each checked against the manifest and named when it is not as it says."""

import os
import stat
import zlib
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from sequitur.shards.contexts import Contexts, batch_contexts
from sequitur.shards.errors import (
    FileUnreadable,
    SchemaMismatch,
    ShardCorrupt,
    ShardError,
    ShardMisplaced,
    ShardMissing,
    ShardTruncated,
)
from sequitur.shards.format import context_columns
from sequitur.shards.manifest import BatchEntry, ShardEntry

_HEAD_BYTES = 1 << 16  # more than any schema

COLUMNS = ("input_ids", "next_token", "num_tokens", "doc_lens", "doc_ids", "doc_starts", "context_id", "group_id")
LAYOUT = np.dtype([(name, np.int64) for name in (*COLUMNS, "next_valid", "doc_offsets")])
"""Where the values of each column of a record batch begin, in bytes from the start of the file; `next_valid` is the
validity bitmap of `next_token`, 0 if it has none; `doc_offsets` counts from the values' beginning."""


class Place(NamedTuple):
    """Which shard a file must say that it is: `shard` as in "3/64"."""

    split: str
    shard: str
    run_id: str

    def __str__(self) -> str:
        return f"shard {self.shard} of {self.split!r}, run {self.run_id!r}"


def unreadable(path: str, error: OSError) -> FileUnreadable:
    """The named error of a file that the system does not let us read."""
    remedy = "mend its permissions" if isinstance(error, PermissionError) else "copy it again"
    return FileUnreadable(f"cannot be read ({error.strerror or error}): {remedy}", shard=path)


def file_size(root: Path, path: str) -> int:
    """The bytes of a file. Raises ShardMissing where there is none, and FileUnreadable for a directory, a pipe, a
    device, or what the system does not let us look at."""
    try:
        found = (root / path).stat()
    except FileNotFoundError as error:
        raise ShardMissing("is listed in the manifest but not there: copy it again", shard=path) from error
    except OSError as error:
        raise unreadable(path, error) from error
    if not stat.S_ISREG(found.st_mode):
        raise FileUnreadable("cannot be read (not a regular file): copy it again", shard=path)
    return found.st_size


def check_size(root: Path, path: str, size: int) -> None:
    """Raise ShardMissing, ShardTruncated or, if it is too long, ShardCorrupt, unless the file has `size`
    bytes."""
    found = file_size(root, path)
    if found < size:
        raise ShardTruncated(f"{found} bytes instead of {size}: copy it again", shard=path, offset=found)
    if found > size:
        raise ShardCorrupt(f"{found} bytes instead of {size}: copy it again", shard=path, offset=size)


def check_shard_size(root: Path, shard: ShardEntry, seq_len: int, place: Place) -> None:
    """As `check_size`, but ShardMisplaced if the file's own schema says that it is another shard."""
    try:
        check_size(root, shard.path, shard.bytes)
    except (ShardTruncated, ShardCorrupt):
        with suppress(OSError, ShardCorrupt), (root / shard.path).open("rb") as file:
            read_schema(file.read(_HEAD_BYTES), shard.path, seq_len, place)
        raise


def map_shard(root: Path, shard: ShardEntry, seq_len: int, place: Place) -> pa.Buffer:
    """A read-only memory map of a shard of the right size. Holds no file descriptor. Raises as `check_shard_size`, and
    FileUnreadable."""
    check_shard_size(root, shard, seq_len, place)  # a slice beyond the end of a map would kill the process
    try:
        with pa.memory_map(str(root / shard.path)) as file:
            return file.read_buffer()
    except OSError as error:
        raise unreadable(shard.path, error) from error


def open_shard(root: Path, path: str) -> BinaryIO:
    """A file, unbuffered. Raises ShardMissing and FileUnreadable."""
    file_size(root, path)
    try:
        return (root / path).open("rb", buffering=0)
    except OSError as error:
        raise unreadable(path, error) from error


def read_at(file: BinaryIO, path: str, offset: int, size: int) -> bytes:
    """`size` bytes at `offset` of an open file, of whose position it takes no account: threads may share it."""
    content = b""
    while len(content) < size:
        # one call of the system gives 2 GiB at most, and on some file systems less
        part = os.pread(file.fileno(), size - len(content), offset + len(content))
        if not part:
            raise ShardTruncated(f"ends before byte {offset + size}: copy it again", shard=path, offset=offset)
        content = content + part if content else part
    return content


def read_schema(head: pa.Buffer | bytes, path: str, seq_len: int, place: Place) -> pa.Schema:
    """The schema from a shard's first bytes. Raises ShardCorrupt, SchemaMismatch, or ShardMisplaced if it
    belongs to another place than `place`."""
    try:
        schema = pa.ipc.read_schema(pa.py_buffer(head))
    except (pa.ArrowException, OSError) as error:
        raise ShardCorrupt(f"its schema is unreadable ({error}): copy it again", shard=path, offset=0) from error
    if not schema.equals(context_columns(seq_len)):
        raise SchemaMismatch(f"its columns are not those of contexts of {seq_len} tokens", shard=path, offset=0)
    metadata = schema.metadata or {}
    keys = (b"sequitur.split", b"sequitur.shard", b"sequitur.run_id")
    found = tuple(metadata.get(key, b"").decode("utf-8", "replace") for key in keys)
    if found != place:
        raise ShardMisplaced(f"says that it is {Place(*found)}, not {place}: rename or copy it", shard=path)
    return schema


def check_crc(message: pa.Buffer | bytes, shard: ShardEntry, batch: int) -> None:
    """Raise ShardCorrupt unless the CRC-32 of a batch's message is the manifest's. About 4 GB/s."""
    found, expected = zlib.crc32(message), shard.batches[batch].crc32
    if found != expected:
        raise _corrupt(f"its CRC-32 is {found:08x}, not {expected:08x}: copy the shard again", shard, batch)


def parse_batch(message: pa.Buffer, schema: pa.Schema, shard: ShardEntry, batch: int) -> Contexts:
    """The arrays of a record batch, views of its message. Raises ShardCorrupt, or RowsInvalid for nulls."""
    return _contexts(_record_batch(message, schema, shard, batch), shard, batch)


def batch_layout(message: pa.Buffer, schema: pa.Schema, shard: ShardEntry, batch: int) -> tuple[NDArray[Any], Contexts]:
    """Where in its file the values of a record batch lie, one item of dtype `LAYOUT`; and its arrays, as `parse_batch`.

    Raises ShardCorrupt as well where a buffer is compressed, and so lies nowhere, or does not begin at a multiple of
    4 bytes.
    """
    record_batch = _record_batch(message, schema, shard, batch)
    contexts = _contexts(record_batch, shard, batch)
    found = np.zeros((), dtype=LAYOUT)
    entry = shard.batches[batch]
    base = entry.offset - message.address
    lens_first = record_batch.column("doc_lens").offsets[0].as_py()
    buffers = {name: record_batch.column(name).buffers() for name in COLUMNS}
    for name, of_column in buffers.items():
        found[name] = of_column[-1].address + base
    for name, item in (("doc_lens", 4), ("doc_ids", 8), ("doc_starts", 4)):
        # all are addressed by the offsets of doc_lens, which need not begin at 0
        first = record_batch.column(name).offsets[0].as_py()
        found[name] += (first - lens_first) * item
    found["doc_offsets"] = buffers["doc_lens"][1].address + base
    places = [buffer for of_column in buffers.values() for buffer in of_column if buffer is not None]
    if (valid := buffers["next_token"][0]) is not None:
        found["next_valid"] = valid.address + base
    for buffer in places:
        offset = buffer.address + base
        if offset < entry.offset or offset + buffer.size > entry.offset + entry.bytes or offset % 4:
            raise _corrupt("its buffers are compressed or not aligned: copy the shard again", shard, batch)
    return found, contexts


def _record_batch(message: pa.Buffer, schema: pa.Schema, shard: ShardEntry, batch: int) -> pa.RecordBatch:
    try:
        record_batch = pa.ipc.read_record_batch(message, schema)
        record_batch.validate()
    except (pa.ArrowException, OSError, EOFError) as error:
        raise _corrupt(f"unreadable ({error}): copy the shard again", shard, batch) from error
    expected = shard.batches[batch].rows
    if record_batch.num_rows != expected:
        raise _corrupt(f"{record_batch.num_rows} rows, not {expected}: copy the shard again", shard, batch)
    return record_batch


def _contexts(record_batch: pa.RecordBatch, shard: ShardEntry, batch: int) -> Contexts:
    try:
        return batch_contexts(record_batch)
    except ShardError as error:
        offset = shard.batches[batch].offset
        raise type(error)(str(error), shard=shard.path, batch=batch, offset=offset) from error


def read_sparse_message(file: BinaryIO, path: str, entry: BatchEntry, seq_len: int) -> pa.Buffer:
    """A batch's message with zeros for its token ids.

    An encapsulated IPC message is FF FF FF FF, the metadata's length as int32, the metadata, then the body.
    The body starts with the values of the first column, `input_ids`; columns without nulls have no validity
    buffer. The zeros are pages never touched: they take address space, not memory.
    """
    prefix = read_at(file, path, entry.offset, 8)
    body = 8 + int.from_bytes(prefix[4:], "little")
    tail = body + -(-entry.rows * seq_len * 4 // 8) * 8  # buffers are padded to 8 bytes
    if not 8 < body < tail <= entry.bytes:
        raise ShardCorrupt("its message does not hold its rows: copy it again", shard=path, offset=entry.offset)
    message = np.zeros(entry.bytes, dtype=np.uint8)
    message[:body] = np.frombuffer(read_at(file, path, entry.offset, body), dtype=np.uint8)
    message[tail:] = np.frombuffer(read_at(file, path, entry.offset + tail, entry.bytes - tail), dtype=np.uint8)
    return pa.py_buffer(message)


def _corrupt(fault: str, shard: ShardEntry, batch: int) -> ShardCorrupt:
    return ShardCorrupt(fault, shard=shard.path, batch=batch, offset=shard.batches[batch].offset)
