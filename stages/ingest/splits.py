"""Which files there are to read, and how they are divided among workers: by their sizes and names alone."""

from __future__ import annotations

import importlib.util
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import PurePosixPath
from typing import NamedTuple

import pyarrow.parquet as pq
import xxhash

from sequitur.pipeline.errors import InputError
from sequitur.pipeline.sections import Ingest, Input
from sequitur.stages.shared.sources import record_files
from sequitur.stages.shared.sources.compression import COMPRESSIONS, Limits, compression_in
from sequitur.stages.shared.sources.input_paths import file_size, find_files, open_input
from sequitur.stages.shared.sources.other_files import other_kind
from sequitur.stages.shared.sources.table_files import DAMAGED, first_line

PDF_LIBRARY = "pypdfium2"
FILES_TOGETHER = 4096  # in one split
DOCUMENT_FILES = ("text", "html", "pdf", "epub")  # formats of which a file is one document
LEAST_FILLED = 0.25  # of a part by small files together, before one of them may begin another split
FOOTER_BYTES = 2**16  # of a Parquet file that are asked for at first


class InputFile(NamedTuple):
    """A file to read: its format, or of one of the user's own the import path of its module; its source, where its
    records name none; and by which of `ingest.inputs` it was found."""

    path: str
    kind: str
    source: str
    input: int = 0


@dataclass(frozen=True)
class Split:
    """Work for one worker: a stretch of one file, or whole files one after the other.

    `start` and `end` are bytes of a JSONL file, or row groups of a Parquet file; −1 stands for whole files.
    """

    index: int
    files: tuple[InputFile, ...]
    start: int = -1
    end: int = -1
    first_row: int = 0
    most: int = -1  # records that are read of it; −1 for all
    whole: bool = True  # whether its files are read whole
    resume_piece: int = 0
    resume_at: int = 0  # records of the split that earlier pieces hold

    @property
    def is_of_lines(self) -> bool:
        """Whether it is a stretch of lines, of which those before it must be counted."""
        return self.start >= 0 and self.files[0].kind == "jsonl"

    def part_name(self, piece: int) -> str:
        return f"part-{self.index:05}-{piece:04}.arrow"

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Split:
        content = json.loads(text)
        return cls(**{**content, "files": tuple(InputFile(*file) for file in content["files"])})


class PassedOver(NamedTuple):
    """What lies beside the files that a run reads."""

    hidden: list[str]
    no_files: list[str]  # links that lead nowhere or to what is read already, sockets and the like
    others: dict[str, str]  # of files that hold no text the kind, such as picture


def find_inputs(settings: Ingest) -> list[InputFile]:
    """The files to read, in reading order; looks into those whose names do not tell their format. A file is of the
    first input that names it. Those that hold no text are passed over.

    Raises:
        InputError: an input names no file, or one alone that holds no text.
    """
    files: dict[str, InputFile] = {}
    for number, given in enumerate(settings.inputs):
        found = find_files(given.path, given.include, given.exclude)
        of_input, are_some, is_one = settings.of(number), False, found.files == [given.path]
        for path in found.files:
            are_some = are_some or path in files
            if path in files:
                continue
            if not _is_unicode(path):
                raise InputError(f"{path!a}: the file's name is not UTF-8; rename it")
            kind, is_other = _format(path, of_input, is_one=is_one)
            if kind is None:
                raise InputError(f"{path}: neither its name nor its content tells its format; set ingest.format")
            if not is_other:
                files[path] = InputFile(path, kind, given.source or _source(path, kind, given, settings), number)
                are_some = True
            elif is_one:
                raise InputError(f"{path}: is {_with_article(kind)}; {REMEDIES.get(kind, REMEDY)}")
        if not are_some:
            beside = " but hidden ones" if found.hidden else " but such as hold no text" if found.files else ""
            raise InputError(f"{given.path}: no such file, or no file matches{beside}; correct ingest.inputs")
    return list(files.values())


def passed_over(settings: Ingest, files: Sequence[InputFile]) -> PassedOver:
    """What lies beside the files that `find_inputs` found."""
    read = {file.path for file in files}
    hidden: set[str] = set()
    no_files: set[str] = set()
    others: dict[str, str] = {}
    for number, given in enumerate(settings.inputs):
        found, of_input = find_files(given.path, given.include, given.exclude), settings.of(number)
        hidden, no_files = hidden.union(found.hidden), no_files.union(found.no_files)
        left = (path for path in found.files if path not in read)
        others |= {path: str(_format(path, of_input)[0]) for path in left if path not in others}
    return PassedOver(sorted(hidden - read), sorted(no_files), others)


REMEDY = "unpack it, or name files that hold text"
REMEDIES = {"PDF": "pip install pypdfium2 for what reads it"}


def _with_article(kind: str) -> str:
    article = "" if kind.startswith("data") else "an " if kind[0] in "aeiouAEIOU" else "a "
    return article + kind


def _format(path: str, settings: Ingest, *, is_one: bool = False) -> tuple[str | None, bool]:
    """The format of a file, or what kind of file it is that holds no text, and True. None where it cannot be told, and
    is not one of several: of these what is not a record file is a document."""
    if settings.format != "auto":
        return settings.format, False
    kind = record_files.format_of(path, settings.formats)
    if kind in (None, "json"):
        beginning = record_files.unpacked_beginning(path, Limits.of(settings))
        kind = record_files.format_in(beginning, kind)
        other = other_kind(beginning) if kind is None else None
        if other:
            return other, True
    if kind == "pdf" and importlib.util.find_spec(PDF_LIBRARY) is None:
        return "PDF", True
    return kind or (None if is_one else "text"), False


def _is_unicode(path: str) -> bool:
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True


def _source(path: str, kind: str, given: Input, settings: Ingest) -> str:
    """The name of a record file; of files that are one document each that of the directory or glob they are of."""
    name = PurePosixPath(path).name
    if kind in DOCUMENT_FILES and path != given.path:
        name = PurePosixPath(given.fixed).name or name
    known = "|".join([*COMPRESSIONS, *record_files.FORMATS, *settings.formats]).replace(".", r"\.")
    return re.sub(rf"({known})+$", "", name, flags=re.IGNORECASE) or name


def plan_splits(settings: Ingest, files: Sequence[InputFile]) -> list[Split]:
    """Divides the input files into splits, by their sizes and names alone: large ones by themselves, and in stretches
    where their format allows, small ones several together."""
    splits: list[Split] = []

    def add(
        paths: Sequence[InputFile], start: int = -1, end: int = -1, first_row: int = 0, *, whole: bool = True
    ) -> None:
        splits.append(Split(len(splits), tuple(paths), start, end, first_row, whole=whole))

    together: list[InputFile] = []
    together_bytes = 0
    for file in files:
        size = file_size(file.path)
        full = together_bytes + size > settings.part_bytes or len(together) == FILES_TOGETHER
        filled = max(together_bytes / settings.part_bytes, len(together) / FILES_TOGETHER)
        if together and (full or (filled >= LEAST_FILLED and _begins_anew(file, settings.part_bytes, size))):
            add(together)
            together, together_bytes = [], 0
        if size <= min(settings.part_bytes, settings.split_bytes) or file.kind in DOCUMENT_FILES:
            together.append(file)
            together_bytes += size
            continue
        if together:
            add(together)
            together, together_bytes = [], 0
        if settings.limit is None and file.kind == "parquet":
            stretches = list(_row_group_stretches(file.path, settings.split_bytes))
            for first, last, row in stretches:
                add([file], first, last, row, whole=len(stretches) == 1)
        elif settings.limit is None and _is_long_jsonl(file, size, settings.split_bytes):
            for start in range(0, size, settings.split_bytes):
                add([file], start, min(start + settings.split_bytes, size), whole=False)
        else:
            add([file])
    if together:
        add(together)
    return splits if settings.limit is None else _limited(splits, settings.limit)


def _begins_anew(file: InputFile, part_bytes: int, size: int) -> bool:
    """Whether a small file is the first of a split, though there is room beside those before it.

    By a hash of its name and size, so that a file more or less divides only those around it anew: once a split is
    filled by LEAST_FILLED, as much again may be expected of it.
    """
    named = f"{PurePosixPath(file.path).name} {size}"
    share = max(size / part_bytes, 1 / FILES_TOGETHER)
    return xxhash.xxh3_64_intdigest(named) / 2**64 < share / LEAST_FILLED


def _is_long_jsonl(file: InputFile, size: int, split_bytes: int) -> bool:
    return file.kind == "jsonl" and size > split_bytes and compression_in(file.path) is None


def _limited(splits: list[Split], limit: int) -> list[Split]:
    """Splits that are spread evenly, with so many records in all at most."""
    count = min(limit, len(splits))
    chosen = [splits[place * len(splits) // count] for place in range(count)]
    bounds = [place * limit // count for place in range(count + 1)]
    return [replace(split, index=place, most=bounds[place + 1] - bounds[place]) for place, split in enumerate(chosen)]


def _row_group_stretches(path: str, split_bytes: int) -> Iterator[tuple[int, int, int]]:
    """(first group, group after the last, first row) of each split of a Parquet file."""
    try:
        with open_input(path, FOOTER_BYTES) as raw, pq.ParquetFile(raw) as file:
            groups = [file.metadata.row_group(index) for index in range(file.metadata.num_row_groups)]
    except DAMAGED as error:
        raise InputError(f"{path}: not a readable Parquet file ({first_line(error)}); fetch it again") from error
    first = size = row = next_row = 0
    for index, group in enumerate(groups):
        if index > first and size + group.total_byte_size > split_bytes:
            yield first, index, row
            first, size, row = index, 0, next_row
        size += group.total_byte_size
        next_row += group.num_rows
    yield first, len(groups), row
