"""ingest: raw files → `documents`, and `rejects` for the records that could not be read.

    input    one row per record of the input files, in the order of the configuration and of the files
    output   `documents` in parts of about `ingest.part_bytes` of text; `rejects` with file, row and reason
    dropped  records that are too large, not UTF-8, not a JSON object or CSV row, or without text; each is counted,
             and the run fails when they are more than `ingest.max_reject_share` of all
    cost     one pass over the files (two over large uncompressed JSONL: its lines are counted first)

The files are divided into *splits* by their sizes alone, so parts are the same whatever the number of workers.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import PurePosixPath
from typing import Any

import apache_beam as beam
import fsspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import xxhash

from pipeline import artifacts, schemas
from pipeline.beam import Rows, WritePart
from pipeline.config import Ingest
from pipeline.errors import InputError, TooManyRejects
from pipeline.stage import Estimate, Run, Stage
from pipeline.storage import Directory, expand
from stages import record_files
from stages.arrays import problems_beside
from stages.record_files import Bad, Limits

PART_ROWS = 32768
REJECTS = "rejects"
LINES = "_lines"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FIRST_TIME, LAST_TIME = -62_135_596_800_000_000, 253_402_300_799_999_999  # the years 1 … 9999, in microseconds
BYTES_PER_SECOND = 10e6  # of zstd-compressed JSONL on one core, measured; plain JSONL is faster


@dataclass(frozen=True)
class Split:
    """Work for one worker: a stretch of one file, or several small text files.

    `start` and `end` are bytes of a JSONL file, or row groups of a Parquet file; −1 stands for the whole file.
    """

    index: int
    kind: str
    files: tuple[str, ...]
    source: str
    start: int = -1
    end: int = -1
    first_row: int = 0
    resume_piece: int = 0
    resume_at: int = 0  # records of the split that earlier pieces hold

    def part_name(self, piece: int) -> str:
        return f"part-{self.index:05}-{piece:04}.arrow"

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Split:
        content = json.loads(text)
        return cls(**{**content, "files": tuple(content["files"])})


def input_files(settings: Ingest) -> list[tuple[str, str, str]]:
    """The files to read as (path, format, source by default), in reading order, each once.

    Raises:
        InputError: an input names no file, or a file of which the format cannot be told.
    """
    found: dict[str, tuple[str, str]] = {}
    for pattern in settings.inputs:
        paths = expand(pattern)
        if not paths:
            raise InputError(f"{pattern}: no such file, or no file matches; correct ingest.inputs")
        file_system, root = fsspec.core.url_to_fs(pattern)
        in_directory = file_system.isdir(root)
        for path in paths:
            kind = settings.format if settings.format != "auto" else record_files.format_of(path)
            if kind is None and in_directory:
                kind = "text"  # a directory of files: what is not a record file is a document
            if kind is None:
                raise InputError(f"{path}: its name does not tell its format; set ingest.format")
            source = PurePosixPath(pattern if in_directory and kind == "text" else path).name
            if not _is_unicode(path):
                raise InputError(f"{path!a}: the file's name is not UTF-8; rename it")
            found.setdefault(path, (kind, _stem(source)))
    return [(path, kind, source) for path, (kind, source) in found.items()]


def _is_unicode(path: str) -> bool:
    return path == _utf8(path)


def _stem(name: str) -> str:
    known = "|".join([*record_files.COMPRESSIONS, *record_files.FORMATS]).replace(".", r"\.")
    return re.sub(rf"({known})+$", "", name, flags=re.IGNORECASE) or name


def plan_splits(settings: Ingest, files: list[tuple[str, str, str]]) -> list[Split]:
    """Divides the input files into splits, by their sizes alone."""
    splits: list[Split] = []

    def add(kind: str, paths: tuple[str, ...], source: str, *stretch: int) -> None:
        splits.append(Split(len(splits), kind, paths, source, *stretch))

    texts: list[str] = []
    text_bytes, text_source = 0, ""
    for path, kind, source in files:
        size = file_size(path)
        if texts and (kind != "text" or source != text_source or text_bytes + size > settings.part_bytes):
            add("text", tuple(texts), text_source)
            texts, text_bytes = [], 0
        if kind == "text":
            texts.append(path)
            text_bytes, text_source = text_bytes + size, source
        elif kind == "jsonl" and record_files.compression_of(path) is None and size > settings.split_bytes:
            for start in range(0, size, settings.split_bytes):
                add(kind, (path,), source, start, min(start + settings.split_bytes, size))
        elif kind == "parquet":
            for first, last, row in _row_group_stretches(path, settings.split_bytes):
                add(kind, (path,), source, first, last, row)
        else:
            add(kind, (path,), source)
    if texts:
        add("text", tuple(texts), text_source)
    return splits


def file_size(path: str) -> int:
    fs, name = fsspec.core.url_to_fs(path)
    try:
        return int(fs.size(name) or 0)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}; check the path and its permissions") from error


def _row_group_stretches(path: str, split_bytes: int) -> Iterator[tuple[int, int, int]]:
    """(first group, group after the last, first row) of each split of a Parquet file."""
    try:
        with fsspec.open(path, "rb") as raw, pq.ParquetFile(raw) as file:
            groups = [file.metadata.row_group(index) for index in range(file.metadata.num_row_groups)]
    except (OSError, pa.ArrowInvalid) as error:
        raise InputError(
            f"{path}: not a readable Parquet file ({str(error).splitlines()[0]}); fetch it again"
        ) from error
    first = size = row = next_row = 0
    for index, group in enumerate(groups):
        if index > first and size + group.total_byte_size > split_bytes:
            yield first, index, row
            first, size, row = index, 0, next_row
        size += group.total_byte_size
        next_row += group.num_rows
    yield first, len(groups), row


class CountLines(beam.DoFn):
    """Notes how many lines begin in a stretch of an uncompressed file."""

    def __init__(self, notes: Directory) -> None:
        self._notes = notes

    def process(self, text: str) -> Iterator[int]:
        split = Split.from_json(text)
        # A line begins at the start of the file and after every newline.
        begun, position, last = int(split.start == 0), max(split.start - 1, 0), split.end - 1
        with fsspec.open(split.files[0], "rb") as file:
            file.seek(position)
            while position < last and (block := file.read(min(2**22, last - position))):
                begun += block.count(b"\n")
                position += len(block)
        self._notes.write_json(f"{split.index:05}.json", begun)
        yield begun


@dataclass
class _Part:
    """The rows of a part while it grows."""

    documents: list[tuple[Any, ...]] = field(default_factory=list)
    rejects: list[tuple[Any, ...]] = field(default_factory=list)
    bytes: int = 0  # of text and metadata

    def is_full(self, part_bytes: int) -> bool:
        return self.bytes >= part_bytes or max(len(self.documents), len(self.rejects)) >= PART_ROWS

    def batch(self, schema: pa.Schema, rows: list[tuple[Any, ...]]) -> pa.RecordBatch:
        arrays = [_array([row[index] for row in rows], kind.type) for index, kind in enumerate(schema)]
        return pa.record_batch(arrays, schema=schema)


def _array(values: Any, kind: pa.DataType) -> pa.Array:
    if pa.types.is_dictionary(kind):
        encoded = pa.array(values, pa.string()).dictionary_encode()
        return pa.DictionaryArray.from_arrays(encoded.indices, encoded.dictionary).cast(kind)
    return pa.array(values, kind)


class ReadSplit(beam.DoFn):
    """A split → the parts of `documents`; writes the parts of `rejects` beside them.

    The rejects of a part are written before the part itself, so that a part never stands without them. Each part's
    metadata says at which record of the split the next one begins, and whether it is the split's last.
    """

    def __init__(self, name: str, settings: Ingest, rejects: Directory) -> None:
        self._name = name
        self._settings = settings
        self._rejects = rejects
        self._limits = Limits(int(settings.max_record_bytes), int(settings.max_decompressed_bytes))

    def process(self, text: str) -> Iterator[Rows]:
        split = Split.from_json(text)
        part, piece = _Part(), split.resume_piece
        for position, (file, row, record) in enumerate(self._records(split)):
            if position < split.resume_at:
                continue
            if part.is_full(self._settings.part_bytes):
                yield self._finish(split, piece, part, next_record=position, last=False)
                part, piece = _Part(), piece + 1
            source = split.source
            document: tuple[Any, ...] | Bad
            if not isinstance(record, Bad):
                source = _text_or(record.get(self._settings.source_field), source)
                document = self._document(record, source, file, row)
            else:
                document = record
            if isinstance(document, Bad):
                part.rejects.append((_utf8(source), file, row, document.reason, _utf8(document.detail)))
            else:
                part.documents.append(document)
                part.bytes += len(document[2].encode()) + len(document[-1].encode())
        yield self._finish(split, piece, part, next_record=-1, last=True)

    def _finish(self, split: Split, piece: int, part: _Part, *, next_record: int, last: bool) -> Rows:
        name = split.part_name(piece)
        if part.rejects:
            batch = part.batch(schemas.REJECTS, part.rejects)
            artifacts.write_part(self._rejects, name, batch, compress=True)
        batch = part.batch(schemas.DOCUMENTS, part.documents)
        text_bytes = batch.column("text").get_total_buffer_size()
        about = {"next_record": next_record, "last": int(last), "text_bytes": text_bytes}
        return name, batch.replace_schema_metadata({key: str(value) for key, value in about.items()})

    def _records(self, split: Split) -> Iterator[tuple[str, int, Mapping[str, Any] | Bad]]:
        if split.kind == "text":
            for path in split.files:
                yield path, 0, record_files.text_record(path, self._limits, self._settings.text_field)
            return
        path = split.files[0]
        if split.kind == "parquet":
            records = record_files.parquet_records(path, range(split.start, split.end), split.first_row, self._limits)
        elif split.kind == "arrow":
            records = record_files.arrow_records(path, self._limits)
        else:
            records = self._line_records(split, path)
        for row, record in records:
            yield path, row, record

    def _line_records(self, split: Split, path: str) -> record_files.Records:
        read = record_files.jsonl_records if split.kind == "jsonl" else record_files.csv_records
        with record_files.reading(path, self._limits) as file:
            if split.start > 0:
                file.seek(split.start - 1)
                while (rest := file.readline(2**16)) and not rest.endswith(b"\n"):
                    continue
            if split.end >= 0:
                file = _Stretch(file, split.end)  # type: ignore[assignment]
            for row, record in read(file, self._limits):
                yield split.first_row + row, record

    def _document(self, record: Mapping[str, Any], source: str, file: str, row: int) -> tuple[Any, ...] | Bad:
        settings = self._settings
        text = record.get(settings.text_field)
        if not isinstance(text, str):
            what = "no field" if settings.text_field not in record else f"{type(text).__name__} in field"
            return Bad("no_text", f"{what} {settings.text_field!r}; fields: {', '.join(map(str, record))}"[:500])
        if not text.strip():
            return Bad("no_text", f"field {settings.text_field!r} is empty")
        record_id = _text_or(record.get(settings.id_field), "")
        try:
            if len(text) > self._limits.record // 4 and len(text.encode()) > self._limits.record:
                return Bad("too_large", f"more than {self._limits.record:,} bytes of text")
            name = ["id", record_id] if record_id else ["row", file, str(row)]
            doc_id = xxhash.xxh3_128_digest("\0".join([self._name, *name]).encode())
            timestamp = _microseconds(record.get(settings.timestamp_field))
            url = _text_or(record.get(settings.url_field), "") or None
            mapped = (settings.text_field, settings.id_field, settings.source_field, settings.url_field)
            rest = {key: value for key, value in record.items() if key not in mapped}
            if timestamp is not None:
                rest.pop(settings.timestamp_field, None)
            metadata = _json(rest)
            document = (doc_id, record_id or None, text, source, url, timestamp, file, row, metadata)
            for value in document:
                if isinstance(value, str):
                    value.encode()
        except UnicodeEncodeError as error:
            return Bad("bad_utf8", f"an unpaired surrogate at character {error.start}")
        except (TypeError, RecursionError) as error:
            return Bad("bad_json", str(error)[:200])
        return document


class _Stretch:
    """A file that ends after the last line which begins before byte `end`."""

    def __init__(self, file: Any, end: int) -> None:
        self._file, self._end = file, end
        self._within = False

    def readline(self, size: int) -> bytes:
        if not self._within and self._file.tell() >= self._end:
            return b""
        line: bytes = self._file.readline(size)
        self._within = not line.endswith(b"\n")  # a long line is read in pieces; its end belongs to this stretch
        return line


def _text_or(value: object, default: str) -> str:
    if isinstance(value, str):
        return value or default
    if isinstance(value, bool) or value is None:
        return default
    return str(value) if isinstance(value, int | float) and math.isfinite(value) else default


def _json(fields: Mapping[str, Any]) -> str:
    """Fields as JSON, what JSON has not as text, and NaN and infinities as null."""
    text = json.dumps(fields, sort_keys=True, ensure_ascii=False, default=str)
    if "NaN" in text or "Infinity" in text:  # also where these words are text: rare enough
        clean = json.loads(text, parse_constant=lambda name: None)
        text = json.dumps(clean, sort_keys=True, ensure_ascii=False)
    return text


def _utf8(text: str) -> str:
    return text.encode("utf-8", "replace").decode()


def _microseconds(value: object) -> int | None:
    """A time as microseconds since 1970 in UTC; None where the value tells none."""
    try:
        if isinstance(value, str):
            value = datetime.fromisoformat(value)
        if isinstance(value, datetime):
            moment = value if value.tzinfo else value.replace(tzinfo=UTC)
            return (moment - EPOCH) // timedelta(microseconds=1)
        if isinstance(value, int | float) and not isinstance(value, bool):
            microseconds = round(value * 1e6)
            return microseconds if FIRST_TIME <= microseconds <= LAST_TIME else None
    except (ValueError, OverflowError):
        return None
    return None


def parameters(run: Run) -> Mapping[str, Any]:
    """The settings, and of each input file its size and a hash of its first and last 64 KiB."""
    settings = run.config.ingest
    mapped = settings.model_dump(mode="json", exclude={"inputs", "max_reject_share"})
    return {
        "name": run.config.name,
        "files": [_identity(*entry) for entry in input_files(settings)],
        **mapped,
    }


def _identity(path: str, kind: str, source: str) -> list[Any]:
    size = file_size(path)
    try:
        with fsspec.open(path, "rb") as file:
            ends = file.read(2**16)
            if size > 2**16:
                file.seek(max(size - 2**16, 2**16))
                ends += file.read(2**16)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}; check the path and its permissions") from error
    return [path, kind, source, size, xxhash.xxh3_128_hexdigest(ends)]


def estimate(run: Run) -> Estimate:
    settings = run.config.ingest
    files = input_files(settings)
    unpacked = sum(
        file_size(path) * (5 if record_files.compression_of(path) or kind == "parquet" else 1)
        for path, kind, _ in files
    )
    # A part lives as Python strings, as Arrow buffers and as the bytes of its file; a record as bytes and as values.
    each = 6 * settings.part_bytes + 4 * min(settings.max_record_bytes, unpacked)
    return Estimate(memory=0, disk=unpacked, each_worker=each, elements=len(plan_splits(settings, files)))


def work(run: Run) -> Mapping[str, Any]:
    settings, documents, rejects = run.config.ingest, run.artifact("documents"), run.artifact(REJECTS)
    mark = artifacts.read_building(documents)
    artifacts.begin(rejects, mark)
    splits = _with_first_rows(run, plan_splits(settings, input_files(settings)))
    left = [split for split in (_resumed(documents, split) for split in splits) if split is not None]
    if left:

        def build(pipeline: beam.Pipeline) -> None:
            _ = (
                pipeline
                | "Splits" >> beam.Create([split.to_json() for split in left])
                | "Spread" >> beam.Reshuffle()
                | "Read" >> beam.ParDo(ReadSplit(run.config.name, settings, rejects)).with_output_types(Rows)
                | "Write" >> beam.ParDo(WritePart(documents, compress=True))
            )

        size = sum(file_size(path) for path in {path for split in splits for path in split.files})
        guess = max(len(splits), size // settings.part_bytes)
        with run.watching("documents", guess, "ingest: reading"):
            run.runner.run(build, len(left), size / BYTES_PER_SECOND)
    refused = sum(part.rows for part in artifacts.written_parts(rejects))
    artifacts.finish(rejects, mark, {}, {}, {"rows": refused})
    parts = artifacts.written_parts(documents)
    kept = sum(part.rows for part in parts)
    _check_rejects(run, kept, refused)
    documents.remove(LINES)
    text_bytes = sum(int(artifacts.part_metadata(documents, part)["text_bytes"]) for part in parts)
    return {"records": kept + refused, "documents": kept, "rejected": refused, "text_bytes": text_bytes}


def _with_first_rows(run: Run, splits: list[Split]) -> list[Split]:
    """Counts the lines of JSONL files that are split, so that each split knows its first row."""
    notes = run.artifact("documents") / LINES
    stretches = [split for split in splits if split.kind == "jsonl" and split.start >= 0]
    known = set(notes.names())
    left = [split.to_json() for split in stretches if f"{split.index:05}.json" not in known]
    if left:
        run.progress.step("ingest: counting lines")

        def build(pipeline: beam.Pipeline) -> None:
            counted = pipeline | "Stretches" >> beam.Create(left) | "Spread" >> beam.Reshuffle()
            _ = counted | "Count" >> beam.ParDo(CountLines(notes))

        run.runner.run(build, len(left), sum(split.end - split.start for split in stretches) / 1e9)
    rows: dict[str, int] = {}
    numbered = []
    for split in splits:
        if split.kind == "jsonl" and split.start >= 0:
            before = rows.get(split.files[0], 0)
            rows[split.files[0]] = before + notes.read_json(f"{split.index:05}.json")
            numbered.append(Split(**{**asdict(split), "first_row": before}))
        else:
            numbered.append(split)
    return numbered


def _resumed(documents: Directory, split: Split) -> Split | None:
    """The split from where an interrupted run left it; None where it is done."""
    done = {part.name: part for part in artifacts.written_parts(documents)}
    piece, position = 0, 0
    while (part := done.get(split.part_name(piece))) is not None:
        metadata = artifacts.part_metadata(documents, part)
        if metadata["last"] == "1":
            return None
        piece, position = piece + 1, int(metadata["next_record"])
    return Split(**{**asdict(split), "resume_piece": piece, "resume_at": position})


def _check_rejects(run: Run, kept: int, refused: int) -> None:
    settings, total = run.config.ingest, kept + refused
    if total == 0:
        raise InputError(f"{', '.join(settings.inputs)}: no records in the input; nothing to do")
    if refused <= settings.max_reject_share * total:
        return
    rejects = artifacts.read_columns(run.artifact(REJECTS), ["source_file", "source_row", "reason", "detail"])
    counts = pc.value_counts(pc.cast(rejects["reason"], pa.string())).to_pylist()
    most = max(counts, key=lambda entry: entry["counts"])
    first = rejects.filter(pc.equal(pc.cast(rejects["reason"], pa.string()), most["values"])).slice(0, 1).to_pylist()[0]
    remedy = (
        "set ingest.text_field"
        if most["values"] == "no_text" and kept == 0
        else f"see {run.artifact(REJECTS).url}, mend the input or raise ingest.max_reject_share"
    )
    raise TooManyRejects(
        f"{refused:,} of {total:,} records ({refused / total:.1%}) could not be read, more than "
        f"ingest.max_reject_share = {settings.max_reject_share:.1%}; {most['counts']:,} for {most['values']}, the "
        f"first in {first['source_file']} row {first['source_row']} ({first['detail']}); {remedy}"
    )


def verify(run: Run) -> Iterable[str]:
    yield from artifacts.schema_problems(run.artifact("documents"), schemas.DOCUMENTS)
    yield from problems_beside(run, REJECTS, schemas.REJECTS, "documents")


STAGE = Stage("ingest", "documents", 1, (), parameters, estimate, work, verify)
