"""A look into the input files before any is read whole: what their first records hold, and whether that is text.

`ingest` looks before it spends a minute, so that a field's wrong name ends the run at once; `sequitur inspect` shows
what is seen.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, nullcontext
from dataclasses import dataclass
from itertools import islice
from typing import Any

import pyarrow.parquet as pq

from sequitur.pipeline.errors import InputError, SequiturError, TooManyRejects
from sequitur.pipeline.sections import Ingest
from sequitur.stages.ingest.copies import copied
from sequitur.stages.ingest.documents import first_records
from sequitur.stages.ingest.splits import DOCUMENT_FILES, FOOTER_BYTES, InputFile
from sequitur.stages.ingest.whole_inputs import Digests
from sequitur.stages.shared.sources.compression import compression_in
from sequitur.stages.shared.sources.input_paths import file_size, is_elsewhere, open_input
from sequitur.stages.shared.sources.record_files import Bad
from sequitur.stages.shared.sources.table_files import DAMAGED
from sequitur.stages.shared.sources.web_records import Page

COPIED_BYTES = 2**17  # of a file that lies elsewhere: one that is not larger is fetched whole, by one request
RECORDS = 8  # of a file that are looked at
MOST_DOCUMENT_FILES = 4000  # of files that are one document each so many, spread evenly: they have no fields
THREADS = 8  # files that lie elsewhere are waited for
UNPACKED = 5  # bytes that a packed one stands for, as `ingest` estimates
WARC_RECORD = 10_000  # packed bytes of a record of a crawl that is a page, and of the requests beside it


@dataclass(frozen=True)
class Look:
    """What the beginning of a file holds."""

    file: InputFile
    size: int  # bytes on storage
    compression: str | None
    records: Sequence[Mapping[str, Any]] = ()  # the first ones, each a mapping of fields to values
    pages: Sequence[Page] = ()  # of HTML, and PDF, in their place
    bad: Sequence[Bad] = ()
    rows: int = 0  # of the whole file, by estimate
    problem: str = ""  # why it cannot be read, in one line

    @property
    def fields(self) -> tuple[str, ...]:
        """The names of the records' fields, in the order of the first that has each."""
        return tuple(dict.fromkeys(str(name) for record in self.records for name in record))

    def texts(self, settings: Ingest) -> list[str]:
        """What stands in the records' field for text, where that is a text."""
        values = (record.get(settings.text_field) for record in self.records)
        return [value for value in values if isinstance(value, str) and value.strip()]

    def has_field(self, settings: Ingest) -> bool:
        """Whether a record that was looked at has the field for text; true where there are none with fields."""
        return not self.records or settings.text_field in self.fields

    def share_without_text(self, settings: Ingest) -> float:
        """Of the records that were looked at the share of which no document could be made; 0 where there is none."""
        seen = len(self.records) + len(self.pages) + len(self.bad)
        return 1 - (len(self.texts(settings)) + len(self.pages)) / seen if seen else 0.0


def look_into(settings: Ingest, files: Sequence[InputFile]) -> Iterator[Look]:
    """A look into each record file, and into as many of the others as `MOST_DOCUMENT_FILES`, in their order.

    Costs a millisecond for a local file, most of it for opening it.
    """
    alone = [file for file in files if file.kind in DOCUMENT_FILES]
    step = max(1, -(-len(alone) // MOST_DOCUMENT_FILES))
    left_out = set(alone) - set(alone[::step])
    of_input = settings.of_each()
    chosen = [file for file in files if file not in left_out]
    sizes = [_known_size(file.path) for file in chosen]
    with ThreadPoolExecutor(THREADS) as threads:
        yield from threads.map(lambda file, size: _look(file, of_input[file.input], size), chosen, sizes)


def _known_size(path: str) -> int | None:
    """Of a file that lies elsewhere, whose size the listing told this thread; None where that is not so."""
    if not is_elsewhere(path):
        return None
    try:
        return file_size(path)
    except InputError:
        return None


def _look(file: InputFile, settings: Ingest, known: int | None) -> Look:
    size, compression, problem = known or 0, None, ""
    records: list[Mapping[str, Any]] = []
    pages: list[Page] = []
    bad: list[Bad] = []
    try:
        size = file_size(file.path) if known is None else known
        copy = copied(file.path, Digests()) if known is not None and known <= COPIED_BYTES else nullcontext()
        with copy as at_hand, closing(first_records(file, settings, at_hand)) as found:
            compression = compression_in(at_hand or file.path, file.path)
            for record in islice(found, 8 * RECORDS if file.kind == "warc" else RECORDS):
                if isinstance(record, Bad):
                    bad.append(record)
                elif isinstance(record, Page):
                    pages.append(record)
                elif record is not None:
                    records.append(record)
    except SequiturError as error:
        problem = str(error)
    rows = _rows(file, size * (UNPACKED if compression else 1), [*records, *bad])
    return Look(file, size, compression, records, pages, bad, rows, problem)


def _rows(file: InputFile, unpacked: int, seen: Sequence[Mapping[str, Any] | Bad]) -> int:
    """About how many records a file has, by the size of those that were seen."""
    if file.kind in DOCUMENT_FILES:
        return 1
    if file.kind == "warc":
        return -(-unpacked // (UNPACKED * WARC_RECORD))
    if file.kind == "parquet":
        try:
            with open_input(file.path, FOOTER_BYTES) as raw, pq.ParquetFile(raw) as footer:
                return int(footer.metadata.num_rows)
        except DAMAGED:
            return 0
    sizes = [_size(record) for record in seen if not isinstance(record, Bad)]
    if len(seen) < RECORDS:
        return len(seen)
    return round(unpacked * len(sizes) / sum(sizes)) if sizes else RECORDS


def _size(record: Mapping[str, Any]) -> int:
    return sum(len(str(name)) + len(str(value).encode("utf-8", "replace")) + 6 for name, value in record.items()) + 2


def check(settings: Ingest, looks: Iterable[Look]) -> Iterator[str]:
    """A line for each kind of files of which no record that was looked at has a text.

    Raises:
        InputError: a file cannot be read.
        TooManyRejects: more than `ingest.max_reject_share` of all records, by estimate, are in files without the field
            for text.
    """
    of_input = settings.of_each()
    wrong: dict[tuple[str, ...], list[Look]] = {}
    rows = refused = 0
    for look in looks:
        if look.problem:
            raise InputError(look.problem)
        own, about = of_input[look.file.input], max(look.rows, 1)
        rows, refused = rows + about, refused + (0 if look.has_field(own) else about)
        if look.share_without_text(own) == 1:
            wrong.setdefault((look.file.kind, *look.fields), []).append(look)
    lines = [_said(looks, of_input[looks[0].file.input]) for looks in wrong.values()]
    if refused > settings.max_reject_share * rows:
        raise TooManyRejects(
            f"{next(line for line in lines if NO_FIELD in line)}; about {refused:,} of {rows:,} records are in files "
            f"without it, more than ingest.max_reject_share = {settings.max_reject_share:.1%}"
        )
    yield from lines


NO_FIELD = "no field"


def _said(looks: Sequence[Look], settings: Ingest) -> str:
    first, others = looks[0], len(looks) - 1
    where = first.file.path + (f" and {others:,} more files like it" if others else "")
    if not first.records:
        return f"{where}: no record can be read ({first.bad[0].detail})"
    if first.has_field(settings):
        return f"{where}: the first records have no text in their field {settings.text_field!r}"
    names = ", ".join(first.fields[:20])
    guess = suggested(first.records, settings).get("text_field")
    remedy = f"set text_field: {guess}" if guess else "leave them out by exclude"
    return f"{where}: {NO_FIELD} {settings.text_field!r}; fields: {names}; {remedy} for this input"


NAMES = {
    "text_field": "text content body raw_content document article page_content markdown content_text",
    "id_field": "id doc_id docid document_id uuid guid _id key",
    "url_field": "url link uri source_url web_url permalink href",
    "timestamp_field": "timestamp date created created_at published published_at pub_date time datetime updated_at",
    "source_field": "source site dataset subset",
}
WORDS = 3
LEAST_CHARACTERS = 40  # of a field on average that is taken for the text though its name does not say so


def suggested(records: Sequence[Mapping[str, Any]], settings: Ingest) -> dict[str, str]:
    """The fields that records seem to have for text, id, URL, time and source, where they are not those of the
    settings: by their names, whatever their case; of text else the longest that is prose."""
    names = Counter(str(name) for record in records for name, value in record.items() if value not in (None, ""))
    by_lower: dict[str, str] = {}
    for name in names:
        by_lower.setdefault(name.lower(), name)
    found = {}
    for setting, usual in NAMES.items():
        if getattr(settings, setting) in names:
            continue
        present = (by_lower[name] for name in usual.split() if name in by_lower)
        if chosen := next((name for name in present if setting != "text_field" or _mean_length(name, records)), ""):
            found[setting] = chosen
    if "text_field" not in found and settings.text_field not in names:
        lengths = {name: _mean_length(name, records) for name in names if _is_prose(name, records)}
        longest = max(lengths, key=lambda name: (lengths[name], name), default="")
        if longest and lengths[longest] >= LEAST_CHARACTERS:
            found["text_field"] = longest
    return found


def _is_prose(name: str, records: Sequence[Mapping[str, Any]]) -> bool:
    """Whether a field's values are of several words, which numbers, hashes and paths are not; or not in ASCII."""
    values = [value for record in records if isinstance(value := record.get(name), str) and value]
    return any(not value.isascii() or len(value.split()) > WORDS for value in values)


def _mean_length(name: str, records: Sequence[Mapping[str, Any]]) -> float:
    return sum(len(value) for record in records if isinstance(value := record.get(name), str)) / len(records)
