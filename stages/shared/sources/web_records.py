"""Web pages out of WARC and WET files (ISO 28500) and of HTML files, none of them trusted.

A record of a WARC file is a page where it is

* a `response` with an HTTP status 2xx, or a `resource`, and its payload is HTML: by WARC-Identified-Payload-Type, else
  by its Content-Type, else by its first bytes;
* a `conversion`, and holds HTML or, as in WET files, plain text.

Every other one (requests, metadata, images, redirects) is no record of a corpus. Header blocks are parsed by warcio.
Its ArchiveIterator is not used: it holds a header line of any length, and ends quietly where a file is cut.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from warcio.limitreader import LimitReader
from warcio.statusandheaders import StatusAndHeaders, StatusAndHeadersParser

from sequitur.pipeline.errors import InputError
from sequitur.pipeline.names import BAD_UTF8, EXTRACTION_FAILED, TOO_LARGE
from sequitur.pipeline.sections import Ingest
from sequitur.stages.shared.sources.compression import Limits, reading
from sequitur.stages.shared.sources.record_files import Bad

HTML_TYPES = ("text/html", "application/xhtml+xml")
HEADER_BYTES = 2**20  # of a whole header block; Common Crawl's have about 1 KiB
SNIFFED_BYTES = 1024
# The tags by which the WHATWG's MIME Sniffing Standard (7.1) knows HTML, without the rare ones.
HTML_START = re.compile(
    rb"(\xef\xbb\xbf)?\s*<(!doctype html|!--|html|head|body|title|script|style|div|table|p|h1|a)\b", re.I
)
CHARSET = re.compile(r"charset\s*=\s*(?:[\"']\s*)?([\w:.-]{1,40})", re.I)


@dataclass(frozen=True)
class Page:
    """A page of HTML as it was sent, or a file of PDF or EPUB, from which no text is extracted yet."""

    content: bytes
    fields: Mapping[str, Any] = field(default_factory=dict)  # of the record to be, by the configured names
    charset: str | None = None
    codings: str = ""  # HTTP's Content-Encoding
    chunked: bool = False
    kind: str = "html"  # or pdf, epub


WebRecords = Iterator[tuple[int, Page | Mapping[str, Any] | Bad | None]]


def page_file(path: str, kind: str, limits: Limits) -> Page | Bad:
    """A whole file, of HTML, PDF or EPUB, as one page."""
    with reading(path, limits) as file:
        content = file.read(limits.record + 1)
    if len(content) > limits.record:
        return Bad(TOO_LARGE, f"more than {limits.record:,} bytes")
    return Page(content, kind=kind)


def warc_records(path: str, limits: Limits, settings: Ingest) -> WebRecords:
    """The records of a WARC file in file order; None for one that is no page. A page above the limit is not held.

    Raises:
        InputError: the file ends within a record, or something stands where a record should begin.
    """
    with reading(path, limits) as file:
        row = 0
        while (headers := _warc_headers(file, path, row)) is not None:
            length = headers.get_header("Content-Length", "")
            if not re.fullmatch("[0-9]{1,18}", length):
                raise InputError(f"{path}: record {row} does not say its length; fetch the file again")
            block = LimitReader(file, int(length))
            record = _record(headers, block, limits, settings)
            while block.limit:
                if not block.read(2**20):
                    raise _cut(path, row)
            yield row, record
            row += 1


def _cut(path: str, row: int) -> InputError:
    return InputError(f"{path}: ends early, within record {row}; the file is truncated, fetch it again")


def _warc_headers(file: BinaryIO, path: str, row: int) -> StatusAndHeaders | None:
    """The header of the next record, None at the end of the file."""
    while (first := file.readline(HEADER_BYTES)) and not first.strip():
        continue
    if not first:
        return None
    if not first.startswith(b"WARC/"):
        raise InputError(
            f"{path}: {first[:40]!r} stands where record {row} of a WARC file should begin; fetch the file again, or "
            "set ingest.format"
        )
    block = _header_block(file, first)
    if block is None:
        raise _cut(path, row)
    return StatusAndHeadersParser(["WARC/"]).parse(io.BytesIO(block))


def _header_block(file: Any, first: bytes) -> bytes | None:
    """The lines up to an empty one; None where there is none within `HEADER_BYTES`."""
    lines, size = [first], len(first)
    while lines[-1].strip():
        lines.append(file.readline(max(HEADER_BYTES - size, 0)))
        size += len(lines[-1])
        if not lines[-1]:
            return None
    return b"".join(lines)


def _record(
    headers: StatusAndHeaders, block: Any, limits: Limits, settings: Ingest
) -> Page | Mapping[str, Any] | Bad | None:
    kind = headers.get_header("WARC-Type", "").lower()
    if kind not in ("response", "resource", "conversion"):
        return None
    http = headers  # of a record that has no HTTP header, its own says the type
    if kind == "response":
        if not headers.get_header("Content-Type", "application/http").lower().startswith("application/http"):
            return None  # of DNS, say
        first = block.readline(HEADER_BYTES)
        lines = _header_block(block, first) if first.startswith(b"HTTP/") else None
        if lines is None:
            return Bad(EXTRACTION_FAILED, "no HTTP header")
        http = StatusAndHeadersParser(["HTTP/"]).parse(io.BytesIO(lines))
        if not re.match(r"\S+ +2\d\d\b", http.statusline):
            return None
    declared = http.get_header("Content-Type", "")
    content_type = _media_type(headers.get_header("WARC-Identified-Payload-Type", "")) or _media_type(declared)
    start = b""
    if not content_type:
        start = block.read(SNIFFED_BYTES)
        content_type = "text/html" if HTML_START.match(start) else ""
    is_text = kind == "conversion" and content_type == "text/plain"
    if not is_text and content_type not in HTML_TYPES:
        return None
    if block.limit + len(start) > limits.record:
        return Bad(TOO_LARGE, f"more than {limits.record:,} bytes")
    content = start + block.read(block.limit)
    fields = _fields(headers, content_type, settings)
    if is_text:
        try:
            return {**fields, settings.text_field: content.decode("utf-8-sig")}
        except UnicodeDecodeError as error:
            return Bad(BAD_UTF8, f"byte {error.start} of the record is not UTF-8")
    charset = CHARSET.search(declared)
    return Page(
        content,
        fields,
        charset[1] if charset else None,
        http.get_header("Content-Encoding", ""),
        "chunked" in http.get_header("Transfer-Encoding", "").lower(),
    )


def _media_type(value: str) -> str:
    return value.partition(";")[0].strip().lower()


def _fields(headers: StatusAndHeaders, content_type: str, settings: Ingest) -> dict[str, Any]:
    url = headers.get_header("WARC-Target-URI", "").removeprefix("<").removesuffix(">")  # as Wget 1.19 writes it
    found = {
        "content_type": content_type,
        "truncated": headers.get_header("WARC-Truncated"),
        settings.id_field: headers.get_header("WARC-Record-ID"),
        settings.url_field: url.replace(" ", "%20"),
        settings.timestamp_field: headers.get_header("WARC-Date"),
    }
    return {name: value for name, value in found.items() if value}
