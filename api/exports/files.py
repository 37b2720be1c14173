"""Rows in files of bounded size, in the formats that others read: zstd-compressed Parquet and JSON lines.

    train-00000.parquet, train-00001.parquet, …     of each name, in the order of the rows
    train-00000.jsonl.zst, …

A file takes no more rows once it holds FILE_BYTES, uncompressed. Equal batches give equal bytes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import zstandard

FILE_BYTES = 1 << 28  # uncompressed
GROUP_BYTES, GROUP_ROWS = 1 << 25, 1 << 16  # of a Parquet row group, uncompressed
ZSTD_LEVEL = 3
TIME = "%Y-%m-%dT%H:%M:%SZ"


class Writer(Protocol):
    """One file that is being written. `bytes` are those written so far, uncompressed."""

    bytes: int

    def write(self, table: pa.Table) -> None: ...

    def close(self) -> None: ...


class ParquetFile:
    """A Parquet file; each table becomes a row group."""

    suffix = ".parquet"

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self.bytes = 0
        self._writer = pq.ParquetWriter(path, schema, compression="zstd", compression_level=ZSTD_LEVEL)

    def write(self, table: pa.Table) -> None:
        self._writer.write_table(table, row_group_size=len(table))
        self.bytes += table.nbytes

    def close(self) -> None:
        self._writer.close()


class JsonLinesFile:
    """JSON lines in one zstd frame. Every line has every key; what JSON has no number for is null."""

    suffix = ".jsonl.zst"

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self.bytes = 0
        self._file = path.open("wb")
        self._stream = zstandard.ZstdCompressor(level=ZSTD_LEVEL).stream_writer(self._file, closefd=True)

    def write(self, table: pa.Table) -> None:
        columns = {name: _json_column(column) for name, column in zip(table.column_names, table.columns, strict=True)}
        for row in pa.table(columns).to_pylist():
            line = json.dumps(row, ensure_ascii=False, allow_nan=False).encode() + b"\n"
            self._stream.write(line)
            self.bytes += len(line)

    def close(self) -> None:
        self._stream.close()


WRITERS: Mapping[str, type[ParquetFile] | type[JsonLinesFile]] = {"parquet": ParquetFile, "jsonl": JsonLinesFile}


class Files:
    """The files of a folder, of one format; rows are added under a name, which begins the names of their files.

    Memory: for each name, rows of a row group. A context, at whose end the files are complete.
    """

    def __init__(self, folder: Path, form: str) -> None:
        self._folder, self._kind = folder, WRITERS[form]
        self._held: dict[str, list[pa.RecordBatch]] = {}
        self._open: dict[str, Writer] = {}
        self._count: dict[str, int] = {}

    def __enter__(self) -> Files:
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        if kind is None:
            for name in self._held:
                self._flush(name)
        for writer in self._open.values():
            writer.close()

    def add(self, name: str, batch: pa.RecordBatch) -> None:
        """Adds rows to the files of a name."""
        for start in range(0, len(batch), GROUP_ROWS):
            held = self._held.setdefault(name, [])
            held.append(batch.slice(start, GROUP_ROWS))
            if sum(one.nbytes for one in held) >= GROUP_BYTES or sum(map(len, held)) >= GROUP_ROWS:
                self._flush(name)

    def _flush(self, name: str) -> None:
        if not (held := self._held[name]):
            return
        if name not in self._open:
            number = self._count.get(name, 0)
            self._count[name] = number + 1
            path = self._folder / f"{name}-{number:05}{self._kind.suffix}"
            self._open[name] = self._kind(path, held[0].schema)
        writer = self._open[name]
        writer.write(pa.Table.from_batches(held))
        held.clear()
        if writer.bytes >= FILE_BYTES:
            del self._open[name]
            writer.close()


def _json_column(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """A column with the values that JSON has: times as text, numbers in as few digits as tell them apart."""
    kind = column.type
    if pa.types.is_timestamp(kind):
        return pc.strftime(column, TIME)
    if pa.types.is_list(kind) or pa.types.is_fixed_size_list(kind):
        return _shortest(column, pa.list_) if pa.types.is_floating(kind.value_type) else column
    if pa.types.is_floating(kind):
        return pc.if_else(pc.is_finite(column), _shortest(column, lambda one: one), None)
    return column


def _shortest(column: pa.ChunkedArray, of: Callable[[pa.DataType], pa.DataType]) -> pa.ChunkedArray:
    """Numbers of half or single precision as doubles that are written with the fewest digits."""
    single = column.cast(of(pa.float32()))
    return column if column.type == of(pa.float64()) else single.cast(of(pa.string())).cast(of(pa.float64()))
