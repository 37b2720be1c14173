"""The documents tables of the shards: where each placed document came from, and what it met in its context."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sequitur.graph_sort import metrics
from sequitur.graph_sort.distinct import distinct_values
from sequitur.graph_sort.threads import on_threads
from sequitur.pipeline import artifacts, builds
from sequitur.pipeline.artifacts import HashingSink, Part
from sequitur.pipeline.builds import Build
from sequitur.pipeline.names import DOCUMENTS, SELECTION, SIGNALS, VECTORS
from sequitur.pipeline.progress import Progress
from sequitur.pipeline.storage import Directory
from sequitur.shards.format import docs_schema
from sequitur.shards.manifest import FileEntry
from sequitur.shards.writer import write_docs
from sequitur.stages.pack.context_rows import first_epoch
from sequitur.stages.pack.shard_sets import ShardSet
from sequitur.stages.shared.columns.groups import string_fields
from sequitur.stages.shared.columns.stored_vectors import StoredVectors
from sequitur.text_core.units.offsets import offsets_of

COLUMNS = ["doc_id", "record_id", "source", "url", "source_file", "source_row", "metadata"]
FIELDS = ("title", "license")  # of the records, where they are strings


class Placed(NamedTuple):
    """The documents of a dataset, once each."""

    ordinals: np.ndarray  # int64 [m], ascending
    split: np.ndarray  # int64 [m], index into the dataset's splits
    cosine: (
        np.ndarray
    )  # float32 [m], the model's own, to the one before where it first stands; NaN at a context's start


def write_docs_tables(
    root: Directory,
    build: Build,
    sets: Sequence[ShardSet],
    order: pa.Table,
    lengths: np.ndarray,
    progress: Progress,
    threads: int,
) -> list[list[FileEntry]]:
    """The documents table of each dataset, one file for each part of `documents` that has a document in it; the shards
    are being built.

    One pass over `documents`. Memory: 20 bytes for each document of a dataset, and a part of `documents`, without the
    text, for each of the threads.
    """
    path = np.full(len(lengths), -1, dtype=np.int64)
    path[order["ordinal"].to_numpy()[::-1]] = order["path"].to_numpy()[::-1]  # of a repeated document the first
    vectors = cast(np.ndarray, StoredVectors(root / VECTORS, own=True))  # all that is asked of them
    placed = [_placed(shard_set, vectors, threads) for shard_set in sets]
    documents, signals, selection = (root / name for name in (DOCUMENTS, SIGNALS, SELECTION))
    verdicts = artifacts.require_manifest(selection).parts
    rows_of = list(on_threads(threads, lambda part: _kept_rows(selection, part), verdicts))
    begins = offsets_of([len(rows) for rows in rows_of])
    files = [distinct_values(np.searchsorted(begins, one.ordinals, side="right") - 1) for one in placed]  # their parts
    parts = list(
        zip(artifacts.require_manifest(documents).parts, artifacts.require_manifest(signals).parts, strict=True)
    )

    def write_part(index: int) -> list[tuple[int, FileEntry]]:
        """The files of a part, each with the number of its dataset."""
        part, signals_part = parts[index]
        batch = artifacts.read_part(documents, part, COLUMNS)
        language = artifacts.read_part(signals, signals_part, ["language"]).column("language")
        batch = batch.append_column("language", language)
        written = []
        for number, one in enumerate(placed):
            here = slice(*np.searchsorted(one.ordinals, begins[index : index + 2]).tolist())
            some = Placed(*(column[here] for column in one))
            if not len(some.ordinals):
                continue
            rows = pa.array(rows_of[index][some.ordinals - begins[index]])
            table = _docs_table(batch.take(rows), some, list(sets[number].plans), lengths, path)
            file = int(np.searchsorted(files[number], index))
            name = f"docs/docs-{file:05}-of-{len(files[number]):05}.parquet"
            written.append((number, _write(build, sets[number].directory, name, table)))
        return written

    entries: list[list[FileEntry]] = [[] for _ in sets]
    progress.step("pack: documents table", len(parts), "parts")
    for index, written in enumerate(on_threads(threads, write_part, range(len(parts)))):
        for number, entry in written:
            entries[number].append(entry)
        progress.update(index + 1)
    return entries


def _placed(shard_set: ShardSet, vectors: np.ndarray, threads: int) -> Placed:
    plans = list(shard_set.plans.values())
    ordinals = distinct_values(np.concatenate([plan.document for plan in plans]))
    split = np.empty(len(ordinals), dtype=np.int64)
    cosine = np.full(len(ordinals), np.nan, dtype=np.float32)
    for number, plan in enumerate(plans):
        row = np.searchsorted(ordinals, plan.document)
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


def _kept_rows(selection: Directory, part: Part) -> np.ndarray:
    """int64 rows of a part of `documents` that have ordinals, which count on from part to part."""
    kept = artifacts.read_part(selection, part, ["ordinal"]).column("ordinal").is_valid()
    return np.flatnonzero(kept.to_numpy(zero_copy_only=False))


def _write(build: Build, directory: str, name: str, table: pa.Table) -> FileEntry:
    full_name = f"{directory}/{name}" if directory else name
    folder, _, file_name = full_name.rpartition("/")
    with (build.directory / folder).writing(file_name) as file:
        sink = HashingSink(file)
        entry = write_docs(sink, name, table)
    builds.record_part(build, Part(full_name, 0, entry.bytes, sink.hash.hexdigest()))
    return entry


def _docs_table(
    batch: pa.RecordBatch, placed: Placed, splits: list[str], lengths: np.ndarray, path: np.ndarray
) -> pa.Table:
    ordinals = placed.ordinals
    columns = {
        "doc_key": pa.array(ordinals.astype(np.uint64)),
        "doc_id": _in_hex(batch.column("doc_id")),
        "record_id": batch.column("record_id"),
        "source": pc.cast(batch.column("source"), pa.string()),
        "url": batch.column("url"),
        "language": pc.cast(batch.column("language"), pa.string()),
        **dict(zip(FIELDS, string_fields(batch.column("metadata"), FIELDS), strict=True)),
        "source_file": pc.cast(batch.column("source_file"), pa.string()),
        "source_row": batch.column("source_row"),
        "n_tokens": pa.array(lengths[ordinals]),
        "path": pa.array(path[ordinals]),
        "cosine_to_previous": pa.array(placed.cosine, mask=np.isnan(placed.cosine)),
        "split": pa.array(np.array(splits)[placed.split], pa.string()),
    }
    return pa.table([columns[field.name] for field in docs_schema()], schema=docs_schema())


def _in_hex(ids: pa.FixedSizeBinaryArray) -> pa.StringArray:
    size = ids.type.byte_width
    digits = memoryview(ids.buffers()[1])[size * ids.offset : size * (ids.offset + len(ids))].hex().encode()
    offsets = np.arange(len(ids) + 1, dtype=np.int32) * np.int32(2 * size)
    return pa.StringArray.from_buffers(len(ids), pa.py_buffer(offsets), pa.py_buffer(digits))
