"""From records to the rows of `documents` and `rejects`."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from typing import Any

import apache_beam as beam
import pyarrow as pa
import xxhash

from sequitur.pipeline import builds, own_modules, schemas
from sequitur.pipeline.beam import Rows
from sequitur.pipeline.builds import Build
from sequitur.pipeline.names import BAD_JSON, BAD_UTF8, NO_TEXT, TOO_LARGE
from sequitur.pipeline.sections import Ingest
from sequitur.stages.ingest.copies import Copies
from sequitur.stages.ingest.own_formats import own_records
from sequitur.stages.ingest.splits import DOCUMENT_FILES, InputFile, Split
from sequitur.stages.ingest.values import as_json, as_text, is_missing, microseconds
from sequitur.stages.shared.sources import record_files
from sequitur.stages.shared.sources.compression import Limits, reading
from sequitur.stages.shared.sources.csv_files import csv_records
from sequitur.stages.shared.sources.extraction import Extraction
from sequitur.stages.shared.sources.input_paths import file_url, modified
from sequitur.stages.shared.sources.json_files import json_records
from sequitur.stages.shared.sources.record_files import Bad
from sequitur.stages.shared.sources.table_files import arrow_records, parquet_records
from sequitur.stages.shared.sources.web_records import Page, page_file, warc_records

PART_ROWS = 32768
FIRST_BYTES = 2**16  # of a file elsewhere of which only the first records are wanted
STRINGS = [schemas.DOCUMENTS.get_field_index(name) for name in ("record_id", "text", "source", "url", "metadata")]
READERS = {"csv": csv_records, "json": json_records, "jsonl": record_files.jsonl_records}


@dataclass
class _Part:
    """The rows of a part while it grows."""

    documents: list[tuple[Any, ...]] = field(default_factory=list)
    rejects: list[tuple[Any, ...]] = field(default_factory=list)
    bytes: int = 0  # of all strings but the file's name, so that parts do not depend on where it lies
    skipped: int = 0  # records of a WARC file that are no pages
    unsampled: int = 0  # documents that `ingest.sample` leaves out
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

    Args:
        name: of the dataset.
        settings: what is read.
        rejects: the artifact.
        seed: of the sample, where `ingest.sample` asks for one.
        documents: for which the digests of files are noted that lie elsewhere, and are copied here to be read; if it is
            not given, they are read where they lie.
    """

    def __init__(
        self, name: str, settings: Ingest, rejects: Build, seed: int = 0, documents: Build | None = None
    ) -> None:
        self._name, self._settings, self._rejects, self._seed = name, settings, rejects, seed
        self._copies = Copies(documents) if documents else None
        self._of_input = settings.of_each()
        self._sample = int(settings.sample * 2**64)
        # Its process stays for all splits of a bundle: to start it takes as long as a hundred pages.
        self._extraction = Extraction(settings.extraction_seconds, int(settings.max_record_bytes))

    def finish_bundle(self) -> None:
        self._extraction.close()
        if self._copies:
            self._copies.note()

    def process(self, text: str) -> Iterator[Rows]:
        try:
            yield from self._parts(Split.from_json(text))
        except BaseException:
            self._extraction.close()
            raise

    def _parts(self, split: Split) -> Iterator[Rows]:
        part, piece = _Part(), split.resume_piece
        for position, (file, row, record) in enumerate(records_of(split, self._of_input, self._copies)):
            if position == split.most:
                break
            if position < split.resume_at:
                continue
            if part.is_full(self._settings.part_bytes):
                yield self._finish(split, piece, part, next_record=position, last=False)
                part, piece = _Part(), piece + 1
            settings = self._of_input[file.input]
            if record is None:
                part.skipped += 1
            else:
                if isinstance(record, Page):
                    record = self._extraction.record(record, settings.text_field)
                self._add(part, record, file, row, settings)
        yield self._finish(split, piece, part, next_record=-1, last=True)

    def _add(self, part: _Part, record: Mapping[str, Any] | Bad, file: InputFile, row: int, settings: Ingest) -> None:
        source = file.source
        document: tuple[Any, ...] | Bad
        time: object = None
        if not isinstance(record, Bad):
            if not settings.inputs[file.input].source:
                source = as_text(record.get(settings.source_field)) or source
            time = record.get(settings.timestamp_field)
            document = self._document(record, source, file.path, row, settings)
        else:
            document = record
        if isinstance(document, Bad):
            part.rejects.append((_utf8(source), file.path, row, document.reason, _utf8(document.detail)))
        elif self._sample < 2**64 and xxhash.xxh3_64_intdigest(document[0], self._seed) >= self._sample:
            part.unsampled += 1
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
            "unsampled": part.unsampled,
            "untimed": part.untimed,
        }
        return name, batch.replace_schema_metadata({key: str(value) for key, value in about.items()})

    def _document(
        self, record: Mapping[str, Any], source: str, file: str, row: int, settings: Ingest
    ) -> tuple[Any, ...] | Bad:
        text, limit = record.get(settings.text_field), int(settings.max_record_bytes)
        if not isinstance(text, str):
            what = "no field" if settings.text_field not in record else f"{type(text).__name__} in field"
            return Bad(NO_TEXT, f"{what} {settings.text_field!r}; fields: {', '.join(map(str, record))}"[:500])
        if not text.strip():
            return Bad(NO_TEXT, f"field {settings.text_field!r} is empty")
        try:
            if len(text) > limit // 4 and len(text.encode()) > limit:
                return Bad(TOO_LARGE, f"more than {limit:,} bytes of text")
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


Found = Iterator[tuple[InputFile, int, Page | Mapping[str, Any] | Bad | None]]


def records_of(split: Split, settings: Sequence[Ingest], copies: Copies | None = None) -> Found:
    """The records of a split: each with its file, its row there, and what it holds, or why it is none; None for those
    of a WARC file that are no pages.

    Args:
        split: what to read.
        settings: for each of `ingest.inputs` those for its files.
        copies: copy files that lie elsewhere; else they are read where they lie.

    Raises:
        InputError: a file cannot be read to its end.
    """
    for file in split.files:
        own = settings[file.input]
        with copies.of(file, split) if copies else nullcontext() as copy:
            for row, record in _of_file(file, split, own, replace(Limits.of(own), copy=copy)):
                yield file, row, record


def first_records(
    file: InputFile, settings: Ingest, copy: str | None = None
) -> Generator[Page | Mapping[str, Any] | Bad | None]:
    """The records of one file, or of a Parquet file those of its first row group, as `records_of` gives them; read from
    its `copy`, if there is one."""
    start = (0, 1) if file.kind == "parquet" else ()
    limits = replace(Limits.of(settings), first=FIRST_BYTES, copy=copy)
    return (record for _, record in _of_file(file, Split(0, (file,), *start), settings, limits))


def _of_file(
    file: InputFile, split: Split, settings: Ingest, limits: Limits
) -> Iterator[tuple[int, Page | Mapping[str, Any] | Bad | None]]:
    path, kind = file.path, file.kind
    if kind in DOCUMENT_FILES:
        yield 0, _with_place(_whole_file(path, kind, limits, settings), path, settings)
    elif own_modules.is_own(kind):
        yield from own_records(path, kind, limits)
    elif kind == "warc":
        yield from warc_records(path, limits, settings)
    elif kind == "parquet":
        groups = None if split.start < 0 else range(split.start, split.end)
        yield from parquet_records(path, groups, split.first_row, limits)
    elif kind == "arrow":
        yield from arrow_records(path, limits)
    else:
        yield from _line_records(file, split, limits)


def _whole_file(path: str, kind: str, limits: Limits, settings: Ingest) -> Page | Mapping[str, Any] | Bad:
    if kind == "text":
        return record_files.text_record(path, limits, settings.text_field)
    return page_file(path, kind, limits)


def _with_place(found: Page | Mapping[str, Any] | Bad, path: str, settings: Ingest) -> Page | Mapping[str, Any] | Bad:
    """The record of a whole file, with its place as URL, and the time at which it was written last."""
    if isinstance(found, Bad):
        return found
    fields = {settings.url_field: file_url(path), settings.timestamp_field: modified(path)}
    if isinstance(found, Page):
        return replace(found, fields={**fields, **found.fields})
    return {**fields, **found}


def _line_records(file: InputFile, split: Split, limits: Limits) -> record_files.Records:
    with reading(file.path, limits, max(split.start - 1, 0), split.end) as opened:
        if split.start > 0:
            while (rest := opened.readline(2**16)) and not rest.endswith(b"\n"):
                continue
        if split.end >= 0:
            opened = _Stretch(opened, split.end)  # type: ignore[assignment]
        for row, record in READERS[file.kind](opened, limits, file.path):
            yield split.first_row + row, record


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
