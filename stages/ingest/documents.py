"""From records to the rows of `documents` and `rejects`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import apache_beam as beam
import pyarrow as pa
import xxhash

from sequitur.pipeline import builds, own_modules, schemas
from sequitur.pipeline.beam import Rows
from sequitur.pipeline.builds import Build
from sequitur.pipeline.names import BAD_JSON, BAD_UTF8, NO_TEXT, TOO_LARGE
from sequitur.pipeline.sections import Ingest
from sequitur.stages.ingest.own_formats import own_records
from sequitur.stages.ingest.splits import Split
from sequitur.stages.ingest.values import as_json, as_text, is_missing, microseconds
from sequitur.stages.shared.sources import record_files
from sequitur.stages.shared.sources.compression import Limits, reading
from sequitur.stages.shared.sources.csv_files import csv_records
from sequitur.stages.shared.sources.extraction import Extraction
from sequitur.stages.shared.sources.json_files import json_records
from sequitur.stages.shared.sources.record_files import Bad
from sequitur.stages.shared.sources.table_files import arrow_records, parquet_records
from sequitur.stages.shared.sources.web_records import Page, html_page, warc_records

PART_ROWS = 32768
STRINGS = [schemas.DOCUMENTS.get_field_index(name) for name in ("record_id", "text", "source", "url", "metadata")]
READERS = {"csv": csv_records, "json": json_records, "jsonl": record_files.jsonl_records}


@dataclass
class _Part:
    """The rows of a part while it grows."""

    documents: list[tuple[Any, ...]] = field(default_factory=list)
    rejects: list[tuple[Any, ...]] = field(default_factory=list)
    bytes: int = 0  # of all strings but the file's name, so that parts do not depend on where it lies
    skipped: int = 0  # records of a WARC file that are no pages
    untimed: int = 0  # documents whose time cannot be read

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

    def __init__(self, name: str, settings: Ingest, rejects: Build) -> None:
        self._name = name
        self._settings = settings
        self._rejects = rejects
        self._limits = Limits.of(settings)

    def process(self, text: str) -> Iterator[Rows]:
        split, settings = Split.from_json(text), self._settings
        part, piece = _Part(), split.resume_piece
        with Extraction(settings.extraction_seconds, self._limits.record, settings.text_field) as extraction:
            for position, (file, row, record) in enumerate(self._records(split)):
                if position < split.resume_at:
                    continue
                if part.is_full(settings.part_bytes):
                    yield self._finish(split, piece, part, next_record=position, last=False)
                    part, piece = _Part(), piece + 1
                if record is None:
                    part.skipped += 1
                else:
                    self._add(part, extraction.record(record) if isinstance(record, Page) else record, split, file, row)
        yield self._finish(split, piece, part, next_record=-1, last=True)

    def _add(self, part: _Part, record: Mapping[str, Any] | Bad, split: Split, file: str, row: int) -> None:
        source = split.source
        document: tuple[Any, ...] | Bad
        time: object = None
        if not isinstance(record, Bad):
            source = as_text(record.get(self._settings.source_field)) or source
            time = record.get(self._settings.timestamp_field)
            document = self._document(record, source, file, row)
        else:
            document = record
        if isinstance(document, Bad):
            part.rejects.append((_utf8(source), file, row, document.reason, _utf8(document.detail)))
        else:
            part.documents.append(document)
            part.untimed += document[5] is None and not is_missing(time)
            part.bytes += sum(len(document[column].encode()) for column in STRINGS if document[column] is not None)

    def _finish(self, split: Split, piece: int, part: _Part, *, next_record: int, last: bool) -> Rows:
        name = split.part_name(piece)
        if part.rejects:
            batch = part.batch(schemas.REJECTS, part.rejects)
            builds.write_part(self._rejects, name, batch, compress=True)
        batch = part.batch(schemas.DOCUMENTS, part.documents)
        text_bytes = batch.column("text").get_total_buffer_size()
        about = {
            "next_record": next_record,
            "last": int(last),
            "text_bytes": text_bytes,
            "skipped": part.skipped,
            "untimed": part.untimed,
        }
        return name, batch.replace_schema_metadata({key: str(value) for key, value in about.items()})

    def _records(self, split: Split) -> Iterator[tuple[str, int, Page | Mapping[str, Any] | Bad | None]]:
        if split.kind == "text":
            for path in split.files:
                yield path, 0, record_files.text_record(path, self._limits, self._settings.text_field)
            return
        if split.kind == "html":
            for path in split.files:
                yield path, 0, html_page(path, self._limits)
            return
        path = split.files[0]
        records: Iterator[tuple[int, Page | Mapping[str, Any] | Bad | None]]
        if own_modules.is_own(split.kind):
            records = own_records(path, split.kind, self._limits)
        elif split.kind == "warc":
            records = warc_records(path, self._limits, self._settings)
        elif split.kind == "parquet":
            records = parquet_records(path, range(split.start, split.end), split.first_row, self._limits)
        elif split.kind == "arrow":
            records = arrow_records(path, self._limits)
        else:
            records = self._line_records(split, path)
        for row, record in records:
            yield path, row, record

    def _line_records(self, split: Split, path: str) -> record_files.Records:
        with reading(path, self._limits) as file:
            if split.start > 0:
                file.seek(split.start - 1)
                while (rest := file.readline(2**16)) and not rest.endswith(b"\n"):
                    continue
            if split.end >= 0:
                file = _Stretch(file, split.end)  # type: ignore[assignment]
            for row, record in READERS[split.kind](file, self._limits, path):
                yield split.first_row + row, record

    def _document(self, record: Mapping[str, Any], source: str, file: str, row: int) -> tuple[Any, ...] | Bad:
        settings = self._settings
        text = record.get(settings.text_field)
        if not isinstance(text, str):
            what = "no field" if settings.text_field not in record else f"{type(text).__name__} in field"
            return Bad(NO_TEXT, f"{what} {settings.text_field!r}; fields: {', '.join(map(str, record))}"[:500])
        if not text.strip():
            return Bad(NO_TEXT, f"field {settings.text_field!r} is empty")
        try:
            if len(text) > self._limits.record // 4 and len(text.encode()) > self._limits.record:
                return Bad(TOO_LARGE, f"more than {self._limits.record:,} bytes of text")
            mapped = (settings.id_field, settings.url_field, settings.source_field)
            texts = [as_text(record.get(name)) for name in mapped]
            record_id, url, _ = texts
            named = ["row", file, str(row)]
            if record_id is not None and settings.ids == "record":
                named = ["id", record_id]
            doc_id = xxhash.xxh3_128_digest("\0".join([self._name, *named]).encode())
            timestamp = microseconds(record.get(settings.timestamp_field))
            # A value that no column holds stays in the metadata: a list as an id, a time that cannot be read.
            held = {settings.text_field}
            held |= {name for name, found in zip(mapped, texts, strict=True) if found or is_missing(record.get(name))}
            if timestamp is not None or is_missing(record.get(settings.timestamp_field)):
                held.add(settings.timestamp_field)
            rest = {key: value for key, value in record.items() if key not in held}
            metadata = as_json(rest)
            document = (doc_id, record_id, text, source, url, timestamp, file, row, metadata)
            for value in document:
                if isinstance(value, str):
                    value.encode()
        except UnicodeEncodeError as error:
            return Bad(BAD_UTF8, f"an unpaired surrogate at character {error.start}")
        except (TypeError, RecursionError) as error:
            return Bad(BAD_JSON, str(error)[:200])
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


def _utf8(text: str) -> str:
    return text.encode("utf-8", "replace").decode()
