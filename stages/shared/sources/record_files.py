"""Records out of files: JSON Lines and plain text, none of them trusted. JSON arrays: json_files.py; CSV: csv_files.py;
Parquet and Arrow: table_files.py; web pages: web_records.py.

Every reader yields `(row, record)` in file order, where `record` is a mapping of field names to values or a `Bad` that
says why there is none. A line above the limit is passed over without being held, a compressed file never unpacks to
more than its limit, and a stream that ends early is an error, not a shorter file.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, BinaryIO

from sequitur.pipeline.errors import InputError
from sequitur.pipeline.names import BAD_JSON, BAD_UTF8, TOO_LARGE
from sequitur.stages.shared.sources.compression import Limits, compression_of, reading, told_by

ENDINGS = {
    "jsonl": (".jsonl", ".ndjson"),
    "json": (".json",),  # which are JSON Lines as often as not: see `format_in`
    "parquet": (".parquet",),
    "arrow": (".arrow", ".feather", ".ipc"),
    "csv": (".csv",),
    "text": (".txt", ".text", ".md", ".rst"),
    "warc": (".warc", ".wet"),
    "html": (".html", ".htm", ".xhtml"),
    "pdf": (".pdf",),
    "epub": (".epub",),
}
FORMATS = {ending: kind for kind, endings in ENDINGS.items() for ending in endings}
BEGINNINGS = {b"%PDF-": "pdf", b"PAR1": "parquet", b"ARROW1": "arrow", b"\xff\xff\xff\xff": "arrow", b"WARC/1.": "warc"}
EPUB = b"mimetypeapplication/epub+zip"  # the first member of the archive, unpacked (EPUB OCF 3.3, 4.2)
SNIFFED = 2**16  # bytes in which a record of JSONL is looked for
# A list of objects, or one object over several lines.
JSON_BEGINNING = re.compile(rb"\[\s*(\{|\]|$)|\{[ \t]*\r?\n\s*\"")


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


def unpacked_beginning(path: str, limits: Limits) -> bytes:
    """The first 64 KiB of a file, unpacked.

    Raises:
        InputError: the file cannot be read.
    """
    with reading(path, limits) as file:
        return file.read(SNIFFED)


def format_in(beginning: bytes, named: str | None = None) -> str | None:
    """The format that the beginning of a file tells; what its name tells, or None, where that tells none."""
    content = beginning.removeprefix(codecs.BOM_UTF8).lstrip()
    if JSON_BEGINNING.match(content):
        return "json"
    line = content.split(b"\n", 1)[0]
    if named == "json" or (
        line.startswith(b"{") and (len(line) > SNIFFED // 2 or not isinstance(parse_json(line), Bad))
    ):
        return "jsonl"
    if beginning.startswith(b"PK\3\4") and beginning[30:].startswith(EPUB):
        return "epub"
    return told_by(beginning, BEGINNINGS) or named


def lines(file: BinaryIO, limits: Limits, name: str, *, blank: bool = True) -> Iterator[tuple[int, bytes | Bad]]:
    """Lines with their index, without the line end; empty ones only if `blank`. A line above the record limit is passed
    over, not held.

    Raises:
        InputError: such a line is many, that end in carriage returns alone.
    """
    index = 0
    while line := file.readline(limits.record + 2):
        if line == b"\n":  # of which there may be millions
            if blank:
                yield index, b""
            index += 1
            continue
        content = line.removesuffix(b"\n").removesuffix(b"\r")
        if len(content) > limits.record:
            if b"\r" in content.rstrip(b"\r"):
                raise InputError(f"{name} line {index + 1}: has carriage returns in it; end lines in \\n")
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


def jsonl_records(file: BinaryIO, limits: Limits, name: str) -> Records:
    """The objects of a JSON Lines file by the index of their line; blank lines are no records.

    Raises:
        InputError: lines end in carriage returns alone, or the file is one JSON array: so several records would be in
            one line, and be counted as one reject.
    """
    for index, line in lines(file, limits, name, blank=False):
        if isinstance(line, Bad):
            yield index, line
        elif line and not line.isspace():
            record = parse_json(line)
            if isinstance(record, Bad):
                _check_is_one(line, f"{name} line {index + 1}", is_first=index == 0)
            yield index, record


def _check_is_one(line: bytes, place: str, *, is_first: bool) -> None:
    parts = [part for part in line.split(b"\r") if part.strip()]
    if len(parts) > 1 and not all(isinstance(parse_json(part), Bad) for part in parts):
        raise InputError(f"{place}: {len(parts):,} records end in a carriage return alone; end them in \\n")
    if is_first and JSON_BEGINNING.match(line.removeprefix(codecs.BOM_UTF8).lstrip()):
        raise InputError(f"{place}: begins a JSON array; set ingest.format: json")


def text_record(path: str, limits: Limits, text_field: str) -> Mapping[str, Any] | Bad:
    """A whole file as one record."""
    with reading(path, limits) as file:
        content = file.read(limits.record + 1)
    if len(content) > limits.record:
        return Bad(TOO_LARGE, f"more than {limits.record:,} bytes")
    try:
        return {text_field: content.removeprefix(codecs.BOM_UTF8).decode("utf-8")}
    except UnicodeDecodeError as error:
        return Bad(BAD_UTF8, f"byte {error.start} of the file is not UTF-8")
