"""The documents tables of the shards: where each placed document came from, and what it met in its context."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any, NamedTuple, cast

import apache_beam as beam
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sequitur.graph_sort import metrics
from sequitur.graph_sort.graph import Empty
from sequitur.graph_sort.threads import on_threads
from sequitur.pipeline import artifacts, scratch
from sequitur.pipeline.artifacts import HashingSink, Part
from sequitur.pipeline.beam import side_by_side
from sequitur.pipeline.builds import Build
from sequitur.pipeline.errors import CorruptPart
from sequitur.pipeline.jobs import Jobs
from sequitur.pipeline.names import DOCUMENTS, SELECTION, SIGNALS, TOKENS, VECTORS
from sequitur.pipeline.notes import Noted, Together
from sequitur.pipeline.storage import Directory
from sequitur.shards.format import docs_schema
from sequitur.shards.json_files import from_json
from sequitur.shards.manifest import FileEntry
from sequitur.shards.writer import write_docs
from sequitur.stages.pack.context_rows import first_epoch
from sequitur.stages.pack.shard_sets import ShardSet, placed_in
from sequitur.stages.pack.shard_tasks import plan_folder, read_records, records
from sequitur.stages.pack.shard_writing import published
from sequitur.stages.shared.columns.arrays import by_blocks, true_places
from sequitur.stages.shared.columns.groups import string_fields
from sequitur.stages.shared.columns.stored_vectors import StoredVectors
from sequitur.text_core.units.offsets import offsets_of

COLUMNS = {
    DOCUMENTS: ["doc_id", "record_id", "source", "url", "source_file", "source_row", "metadata"],
    SIGNALS: ["language"],
    SELECTION: ["ordinal"],
}
FIELDS = ("title", "license")  # of the records, where they are strings

PLACED = np.dtype([("ordinal", "<i8"), ("tokens", "<i8"), ("path", "<i8"), ("cosine", "<f4"), ("split", "<u4")])
BLOCK_ROWS = 2**20  # of records that are written at a time


class Placed(NamedTuple):
    """The documents of a dataset, once each."""

    ordinals: np.ndarray  # int64 [m], ascending
    split: np.ndarray  # uint32 [m], index into the dataset's splits
    cosine: (
        np.ndarray
    )  # float32 [m], the model's own, to the one before where it first stands; NaN at a context's start


class Table(NamedTuple):
    """A dataset's documents table, as those see it who write a file of it."""

    directory: str  # of the dataset, below `shards`
    splits: tuple[str, ...]
    files: int

    def path(self, number: int) -> str:
        """Of a file, from the dataset's root."""
        return f"docs/docs-{number:05}-of-{self.files:05}.parquet"

    def full_path(self, number: int) -> str:
        """Of a file, from `shards`."""
        return f"{self.directory}/{self.path(number)}" if self.directory else self.path(number)


class DocsFile(NamedTuple):
    """One file of a documents table: what a part of `documents` has of the records of the dataset."""

    part: int
    table: int
    number: int  # of the file
    first: int  # record
    last: int


class WriteDocs(beam.DoFn):
    """The files that are made of some parts of `documents` → their paths, after they were written, on threads."""

    def __init__(
        self, build: Build, root: Directory, tables: Sequence[Table], begins: np.ndarray, threads: int
    ) -> None:
        self._build, self._tables, self._begins, self._threads = build, tables, begins, threads
        self._in = [root / name for name in (DOCUMENTS, SIGNALS, SELECTION)]
        self._fingerprints = [artifacts.require_manifest(directory).fingerprint for directory in self._in]

    def setup(self) -> None:
        both = zip(self._in, self._fingerprints, strict=True)
        self._parts = [artifacts.require_manifest(directory, fingerprint).parts for directory, fingerprint in both]

    def start_bundle(self) -> None:
        self._notes = Together(self._build.files)

    def process(self, element: Sequence[Sequence[tuple[int, int, int, int, int]]]) -> Iterator[str]:
        for noted in on_threads(self._threads, self._files_of, element):
            for part, about in noted:
                self._notes.add(part, about)
                yield part.name

    def _files_of(self, part: Sequence[tuple[int, int, int, int, int]]) -> list[Noted]:
        files = [DocsFile(*one) for one in part]
        index = files[0].part
        batches = (
            artifacts.fetch_part(directory, parts[index], columns)
            for directory, parts, columns in zip(self._in, self._parts, COLUMNS.values(), strict=True)
        )
        batch = side_by_side(batches)
        kept = batch.filter(batch.column("ordinal").is_valid())
        if not np.array_equal(kept.column("ordinal").to_numpy(), np.arange(*self._begins[index : index + 2])):
            raise CorruptPart(artifacts.damage(self._in[-1], self._parts[-1][index], "not the ordinals of tokens"))
        found = []
        for file in files:
            table = self._tables[file.table]
            placed = read_records(plan_folder(self._build), _records_name(table), PLACED, file.first, file.last)
            rows = pa.array(placed["ordinal"] - self._begins[index])
            found.append(self._write(table, file.number, _docs_table(kept.take(rows), placed, table.splits)))
        return found

    def _write(self, table: Table, number: int, rows: pa.Table) -> Noted:
        path = table.full_path(number)
        folder, _, name = path.rpartition("/")
        with (self._build.files / folder).writing(name) as file:
            sink = HashingSink(file)
            entry = write_docs(sink, table.path(number), rows)
        return Part(path, 0, entry.bytes, sink.hash.hexdigest()), asdict(entry)

    def finish_bundle(self) -> None:
        self._notes.write()


def write_docs_tables(
    jobs: Jobs, root: Directory, build: Build, sets: Sequence[ShardSet], order: pa.Table, lengths: np.ndarray
) -> list[list[FileEntry]]:
    """The documents table of each dataset, one file for each part of `documents` that has a document in it; the shards
    are being built.

    A Beam job over the parts of `documents`. Memory: 16 bytes for each document of a dataset, and 40 mapped; 16 more
    mapped for each that there is.
    """
    empty = scratch.beside(root)
    path = empty(len(lengths), np.int64)
    path[:] = -1
    path[order["ordinal"].to_numpy()[::-1]] = order["path"].to_numpy()[::-1]  # of a repeated document the first
    vectors = cast(np.ndarray, StoredVectors(root / VECTORS, own=True))  # all that is asked of them
    begins = offsets_of([part.rows for part in artifacts.require_manifest(root / TOKENS).parts])
    tables, files = list[Table](), list[DocsFile]()
    for shard_set in sets:
        placed = _placed(shard_set, len(lengths), vectors, jobs.runner.threads, empty)
        ends = np.searchsorted(placed.ordinals, begins)
        parts = np.flatnonzero(np.diff(ends)).tolist()
        files += [DocsFile(part, len(tables), at, *ends[part : part + 2].tolist()) for at, part in enumerate(parts)]
        tables.append(Table(shard_set.directory, tuple(shard_set.plans), len(parts)))
        with plan_folder(build).writing(_records_name(tables[-1])) as file:
            for first in range(0, len(placed.ordinals), BLOCK_ROWS):
                ordinals, split, cosine = (column[first : first + BLOCK_ROWS] for column in placed)
                file.write(records(PLACED, ordinals, lengths[ordinals], path[ordinals], cosine, split).tobytes())
    written = published(build)
    left: dict[int, list[tuple[int, ...]]] = {}
    for one in files:
        if tables[one.table].full_path(one.number) not in written:
            left.setdefault(one.part, []).append(tuple(one))
    if left:
        # As with shards: on this machine one element is all parts, which threads write.
        here, of_parts = jobs.runner.is_local, list(left.values())
        elements = [of_parts] if here else [[files_of] for files_of in of_parts]
        write = WriteDocs(build, root, tables, begins, jobs.runner.threads if here else 1)

        def job(pipeline: beam.Pipeline) -> None:
            spread = pipeline | "Parts" >> beam.Create(elements) | "Spread" >> beam.Reshuffle()
            _ = spread | "Write" >> beam.ParDo(write)

        with jobs.watching(build, len(files), "pack: documents table", "files", lambda noted: (_count(noted), "")):
            jobs.runner.run(job, len(elements))
        written = published(build)
    entries: list[list[FileEntry]] = [[] for _ in sets]
    for one in files:
        entries[one.table].append(from_json(FileEntry, written[tables[one.table].full_path(one.number)]))
    return entries


def _count(noted: Mapping[Part, Mapping[str, Any]]) -> int:
    """How many files of documents tables are noted."""
    return sum("/docs/" in f"/{part.name}" for part in noted)


def _records_name(table: Table) -> str:
    return f"{table.directory.replace('/', '--')}--docs"


def _placed(shard_set: ShardSet, documents: int, vectors: np.ndarray, threads: int, empty: Empty) -> Placed:
    """Of so many in all; in arrays from `empty`."""
    ordinals = true_places(placed_in(shard_set.plans.values(), documents), empty)
    split, cosine = empty(len(ordinals), np.uint32), empty(len(ordinals), np.float32)
    cosine[:] = np.nan
    row_of = empty(documents, np.int64)  # of those that are placed
    row_of[ordinals] = np.arange(len(ordinals))
    for number, plan in enumerate(shard_set.plans.values()):
        row = by_blocks(row_of.__getitem__, plan.document, np.int64, empty)
        split[row] = number
        if len(plan.offsets) - 1 == len(row):  # every context is one piece: nothing meets
            continue
        plan = first_epoch(plan)
        row = row[: len(plan.document)]
        met = metrics.consecutive_cosines(vectors, plan.document, threads)
        follows = plan.start == 0
        follows[plan.offsets[:-1]] = False
        pieces = np.flatnonzero(follows)[::-1]  # the first one last, which stays
        cosine[row[pieces]] = met[pieces - 1]
    return Placed(ordinals, split, cosine)


def _docs_table(batch: pa.RecordBatch, placed: np.ndarray, splits: Sequence[str]) -> pa.Table:
    """The rows of `placed`, records, whose documents are those of `batch`."""
    columns = {
        "doc_key": pa.array(placed["ordinal"].astype(np.uint64)),
        "doc_id": _in_hex(batch.column("doc_id")),
        "record_id": batch.column("record_id"),
        "source": pc.cast(batch.column("source"), pa.string()),
        "url": batch.column("url"),
        "language": pc.cast(batch.column("language"), pa.string()),
        **dict(zip(FIELDS, string_fields(batch.column("metadata"), FIELDS), strict=True)),
        "source_file": pc.cast(batch.column("source_file"), pa.string()),
        "source_row": batch.column("source_row"),
        "n_tokens": pa.array(placed["tokens"].copy()),
        "path": pa.array(placed["path"].copy()),
        "cosine_to_previous": pa.array(placed["cosine"].copy(), mask=np.isnan(placed["cosine"])),
        "split": pa.array(np.array(splits)[placed["split"]], pa.string()),
    }
    return pa.table([columns[field.name] for field in docs_schema()], schema=docs_schema())


def _in_hex(ids: pa.FixedSizeBinaryArray) -> pa.StringArray:
    size = ids.type.byte_width
    digits = memoryview(ids.buffers()[1])[size * ids.offset : size * (ids.offset + len(ids))].hex().encode()
    offsets = np.arange(len(ids) + 1, dtype=np.int32) * np.int32(2 * size)
    return pa.StringArray.from_buffers(len(ids), pa.py_buffer(offsets), pa.py_buffer(digits))
