"""Records out of files: JSONL, Parquet, Arrow IPC and plain text, none of them trusted. CSV: csv_files.py; web pages:
web_records.py.

Every reader yields `(row, record)` in file order, where `record` is a mapping of field names to values or a `Bad` that
says why there is none. A line above the limit is passed over without being held, a compressed file never unpacks to
more than its limit, and a stream that ends early is an error, not a shorter file.
"""

from __future__ import annotations

import io
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, BinaryIO

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq

from sequitur.pipeline.errors import InputError
from sequitur.pipeline.names import BAD_JSON, BAD_UTF8, BAD_VALUE, TOO_LARGE
from sequitur.stages.shared.sources.compression import Limits, compression_of, reading

ENDINGS = {
    "jsonl": (".jsonl", ".ndjson", ".json"),
    "parquet": (".parquet",),
    "arrow": (".arrow", ".feather", ".ipc"),
    "csv": (".csv",),
    "text": (".txt", ".text", ".md", ".rst"),
    "warc": (".warc", ".wet"),
    "html": (".html", ".htm", ".xhtml"),
}
FORMATS = {ending: kind for kind, endings in ENDINGS.items() for ending in endings}
BEGINNINGS = {b"PAR1": "parquet", b"ARROW1": "arrow", b"WARC/1.": "warc"}
SNIFFED = 2**16  # bytes in which a record of JSONL is looked for
# What pyarrow raises for a file that is none, or damaged; ValueError for names that are not UTF-8.
DAMAGED = (OSError, MemoryError, ValueError, pa.ArrowException)


@dataclass(frozen=True)
class Bad:
    """Why a record could not be read."""

    reason: str
    detail: str


Records = Iterator[tuple[int, Mapping[str, Any] | Bad]]


def format_of(path: str, own: Mapping[str, str] | None = None) -> str | None:
    """The format that a file's name tells, None where it tells none; `own`, formats by ending, go before ours."""
    name = PurePosixPath(path)
    if compression_of(path):
        name = name.with_suffix("")
    return {**FORMATS, **(own or {})}.get(name.suffix.lower())


def format_in(path: str, limits: Limits) -> str | None:
    """The format that a file's content tells, None where it tells none.

    Raises:
        InputError: the file cannot be read.
    """
    with reading(path, limits) as file:
        beginning = file.read(SNIFFED)
    for first, kind in BEGINNINGS.items():
        if beginning.startswith(first):
            return kind
    line = beginning.removeprefix(b"\xef\xbb\xbf").lstrip().split(b"\n", 1)[0]
    return "jsonl" if line.startswith(b"{") and (len(line) > SNIFFED // 2 or _is_object(line)) else None


def _is_object(line: bytes) -> bool:
    return not isinstance(parse_json(line), Bad)


def lines(file: BinaryIO, limits: Limits) -> Iterator[tuple[int, bytes | Bad]]:
    """Lines with their index, without the line end. A line above the record limit is passed over, not held."""
    index = 0
    while line := file.readline(limits.record + 2):
        content = line.removesuffix(b"\n").removesuffix(b"\r")
        if len(content) > limits.record:
            while not line.endswith(b"\n") and (line := file.readline(2**16)):
                pass
            yield index, Bad(TOO_LARGE, f"more than {limits.record:,} bytes")
        else:
            yield index, content
        index += 1


def parse_json(line: bytes) -> Mapping[str, Any] | Bad:
    """A line of JSONL as a record. A byte order mark is passed over, also where files were put one after the other."""
    try:
        record = json.loads(line.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        return Bad(BAD_UTF8, f"byte {error.start} of the record is not UTF-8")
    except (ValueError, RecursionError) as error:
        return Bad(BAD_JSON, str(error)[:200])
    if not isinstance(record, dict):
        return Bad(BAD_JSON, f"a JSON {type(record).__name__} where an object belongs")
    return record


def jsonl_records(file: BinaryIO, limits: Limits) -> Records:
    for index, line in lines(file, limits):
        if isinstance(line, Bad):
            yield index, line
        elif line and not line.isspace():
            yield index, parse_json(line)


def table_records(batches: Iterator[pa.RecordBatch], first_row: int) -> Records:
    """The rows of Arrow record batches, converted a thousand at a time."""
    row = first_row
    for batch in batches:
        for start in range(0, batch.num_rows, 1000):
            for record in _records(batch.slice(start, 1000)):
                yield row, record
                row += 1


def _records(batch: pa.RecordBatch) -> list[Mapping[str, Any] | Bad]:
    try:
        return list(batch.to_pylist())
    except (ValueError, OverflowError) as error:  # text that is not UTF-8, a time that Python has not
        if batch.num_rows > 1:
            return [record for row in range(batch.num_rows) for record in _records(batch.slice(row, 1))]
        return [Bad(BAD_UTF8 if isinstance(error, UnicodeError) else BAD_VALUE, str(error)[:200])]


def parquet_records(path: str, groups: range, first_row: int, limits: Limits) -> Records:
    """The rows of some row groups of a Parquet file."""
    try:
        with fsspec.open(path, "rb") as raw, pq.ParquetFile(raw) as file:
            _check_names(path, file.schema_arrow)
            size = sum(file.metadata.row_group(group).total_byte_size for group in groups)
            if size > limits.decompressed:
                raise InputError(f"{path}: unpacks to {size:,} bytes; raise ingest.max_decompressed_bytes to read it")
            yield from table_records(file.iter_batches(batch_size=1000, row_groups=list(groups)), first_row)
    except DAMAGED as error:
        raise InputError(f"{path}: not a readable Parquet file ({first_line(error)}); fetch it again") from error


def arrow_records(path: str, limits: Limits) -> Records:
    """The rows of an Arrow IPC file or stream; a compressed one is unpacked into memory."""
    with reading(path, limits) as file:
        source = io.BytesIO(file.read()) if compression_of(path) else file
        try:
            yield from table_records(_arrow_batches(path, source), 0)
        except DAMAGED as error:
            raise InputError(f"{path}: not a readable Arrow file ({first_line(error)}); fetch it again") from error


def _check_names(path: str, schema: pa.Schema) -> None:
    twice = [name for name, count in Counter(schema.names).items() if count > 1]
    if twice:
        raise InputError(f"{path}: has two columns {twice[0]!r}; rename one of them")


def _arrow_batches(path: str, source: BinaryIO) -> Iterator[pa.RecordBatch]:
    is_file = source.read(6) == b"ARROW1"
    source.seek(0)
    opened = pa.ipc.open_file(source) if is_file else pa.ipc.open_stream(source)
    _check_names(path, opened.schema)
    for batch in map(opened.get_batch, range(opened.num_record_batches)) if is_file else opened:
        batch.validate(full=True)  # damaged offsets would be followed out of the buffers
        yield batch


def text_record(path: str, limits: Limits, text_field: str) -> Mapping[str, Any] | Bad:
    """A whole file as one record."""
    with reading(path, limits) as file:
        content = file.read(limits.record + 1)
    if len(content) > limits.record:
        return Bad(TOO_LARGE, f"more than {limits.record:,} bytes")
    try:
        return {text_field: content.removeprefix(b"\xef\xbb\xbf").decode("utf-8")}
    except UnicodeDecodeError as error:
        return Bad(BAD_UTF8, f"byte {error.start} of the file is not UTF-8")


def first_line(error: BaseException) -> str:
    """What an error says, in short."""
    return str(error).strip().split("\n", 1)[0][:200]
