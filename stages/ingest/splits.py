"""Which files there are to read, and how they are divided among workers: by their sizes alone."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import PurePosixPath
from typing import NamedTuple

import pyarrow.parquet as pq

from sequitur.pipeline.errors import InputError
from sequitur.pipeline.sections import Ingest
from sequitur.stages.shared.sources import record_files
from sequitur.stages.shared.sources.compression import COMPRESSIONS, Limits, compression_in
from sequitur.stages.shared.sources.input_paths import file_size, find_files, open_input
from sequitur.stages.shared.sources.table_files import DAMAGED, first_line

DOCUMENT_FILES = ("text", "html")  # formats of which a file is one document


@dataclass(frozen=True)
class Split:
    """Work for one worker: a stretch of one file, or several small files that are one document each.

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


class PassedOver(NamedTuple):
    """What lies beside the files that a run reads."""

    hidden: list[str]
    no_files: list[str]  # links that lead nowhere or to what is read already, sockets and the like


def find_inputs(settings: Ingest) -> list[tuple[str, str, str]]:
    """The path, format and source by default of each file to read, in reading order; looks into those whose names do
    not tell their format. A format of the user's own is the import path of its module.

    Raises:
        InputError: an input names no file, or a file of which the format cannot be told.
    """
    files: dict[str, tuple[str, str]] = {}
    for pattern in settings.inputs:
        found = find_files(pattern)
        if not found.files:
            beside = " but hidden ones" if found.hidden else ""
            raise InputError(f"{pattern}: no such file, or no file matches{beside}; correct ingest.inputs")
        for path in found.files:
            if not _is_unicode(path):
                raise InputError(f"{path!a}: the file's name is not UTF-8; rename it")
            kind = _format(path, settings, in_directory=found.in_directory)
            source = PurePosixPath(pattern if found.in_directory and kind in DOCUMENT_FILES else path).name
            files.setdefault(path, (kind, _stem(source, settings.formats)))
    return [(path, kind, source) for path, (kind, source) in files.items()]


def passed_over(settings: Ingest) -> PassedOver:
    """What lies beside the files to read."""
    every = [find_files(pattern) for pattern in settings.inputs]
    files = {path for found in every for path in found.files}
    hidden = {path for found in every for path in found.hidden}
    return PassedOver(sorted(hidden - files), sorted({path for found in every for path in found.no_files}))


def _format(path: str, settings: Ingest, *, in_directory: bool) -> str:
    if settings.format != "auto":
        return settings.format
    kind = record_files.format_of(path, settings.formats)
    if kind in (None, "json"):
        kind = record_files.format_in(path, Limits.of(settings), kind)
    if kind is None and in_directory:
        return "text"  # a directory of files: what is not a record file is a document
    if kind is None:
        raise InputError(f"{path}: neither its name nor its content tells its format; set ingest.format")
    return kind


def _is_unicode(path: str) -> bool:
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True


def _stem(name: str, own: Iterable[str]) -> str:
    known = "|".join([*COMPRESSIONS, *record_files.FORMATS, *own]).replace(".", r"\.")
    return re.sub(rf"({known})+$", "", name, flags=re.IGNORECASE) or name


def plan_splits(settings: Ingest, files: list[tuple[str, str, str]]) -> list[Split]:
    """Divides the input files into splits, by their sizes alone."""
    splits: list[Split] = []

    def add(kind: str, paths: tuple[str, ...], source: str, *stretch: int) -> None:
        splits.append(Split(len(splits), kind, paths, source, *stretch))

    batch: list[str] = []  # of files that are one document each
    batch_bytes, batch_of = 0, ("", "")
    for path, kind, source in files:
        size = file_size(path)
        if batch and ((kind, source) != batch_of or batch_bytes + size > settings.part_bytes):
            add(batch_of[0], tuple(batch), batch_of[1])
            batch, batch_bytes = [], 0
        if kind in DOCUMENT_FILES:
            batch.append(path)
            batch_bytes, batch_of = batch_bytes + size, (kind, source)
        elif kind == "jsonl" and size > settings.split_bytes and compression_in(path) is None:
            for start in range(0, size, settings.split_bytes):
                add(kind, (path,), source, start, min(start + settings.split_bytes, size))
        elif kind == "parquet":
            for first, last, row in _row_group_stretches(path, settings.split_bytes):
                add(kind, (path,), source, first, last, row)
        else:
            add(kind, (path,), source)
    if batch:
        add(batch_of[0], tuple(batch), batch_of[1])
    return splits


def _row_group_stretches(path: str, split_bytes: int) -> Iterator[tuple[int, int, int]]:
    """(first group, group after the last, first row) of each split of a Parquet file."""
    try:
        with open_input(path) as raw, pq.ParquetFile(raw) as file:
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
