"""Beam plumbing: record batches as elements, parts as the source and the sink.

Every map-only stage has the same shape, and only primitives that all runners have:

    Create(part names) | Reshuffle | ParDo(ReadPart) | ParDo(the stage) | ParDo(WritePart)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import apache_beam as beam
import numpy as np
import pyarrow as pa
from apache_beam import coders

from sequitur.pipeline import artifacts, builds
from sequitur.pipeline.artifacts import Part
from sequitur.pipeline.builds import Build
from sequitur.pipeline.notes import Together
from sequitur.pipeline.storage import Directory

Rows = tuple[str, pa.RecordBatch]  # a part's name and its rows


class ArrowBatchCoder(coders.Coder):
    """A record batch as an Arrow IPC stream: no pickle, deterministic, and a slice ships only its own rows."""

    def encode(self, value: pa.RecordBatch) -> bytes:
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, value.schema) as writer:
            writer.write_batch(value)
        return sink.getvalue().to_pybytes()

    def decode(self, encoded: bytes) -> pa.RecordBatch:
        return pa.ipc.open_stream(encoded).read_next_batch()

    def is_deterministic(self) -> bool:
        return True

    def to_type_hint(self) -> type:
        return pa.RecordBatch


class ReadPart(beam.DoFn):
    """A part's name → its name and the chosen columns of row-aligned artifacts, side by side in one batch."""

    def __init__(self, columns: Mapping[Directory, Sequence[str]]) -> None:
        self._columns = columns
        self._fingerprints = {directory: artifacts.require_manifest(directory).fingerprint for directory in columns}

    def setup(self) -> None:
        self._parts = {
            directory: {part.name: part for part in artifacts.require_manifest(directory, fingerprint).parts}
            for directory, fingerprint in self._fingerprints.items()
        }

    def process(self, name: str) -> Iterator[Rows]:
        batches = [
            artifacts.read_part(directory, self._parts[directory][name], columns)
            for directory, columns in self._columns.items()
        ]
        yield name, side_by_side(batches)


class WritePart(beam.DoFn):
    """A part's name and rows → the part on storage, whole or not at all; yields its entry for the manifest."""

    def __init__(self, build: Build, *, compress: bool) -> None:
        self._build = build
        self._compress = compress

    def start_bundle(self) -> None:
        self._notes = Together(self._build.files)

    def process(self, rows: Rows) -> Iterator[Part]:
        name, batch = rows
        part, about = builds.put_part(self._build, name, batch, compress=self._compress)
        self._notes.add(part, about)
        yield part

    def finish_bundle(self) -> None:
        self._notes.write()


def side_by_side(batches: Iterable[pa.RecordBatch]) -> pa.RecordBatch:
    """The columns of several batches of equal length as one batch."""
    columns = [(field, column) for batch in batches for field, column in zip(batch.schema, batch.columns, strict=True)]
    return pa.record_batch([column for _, column in columns], schema=pa.schema([field for field, _ in columns]))


@beam.typehints.with_input_types(str)
@beam.typehints.with_output_types(Rows)
class RowsOfParts(beam.PTransform):
    """Names of parts → rows, spread over the workers."""

    def __init__(self, columns: Mapping[Directory, Sequence[str]]) -> None:
        super().__init__()
        self._columns = columns

    def expand(self, names: beam.PCollection) -> beam.PCollection:
        return names | "Spread" >> beam.Reshuffle() | "Read" >> beam.ParDo(ReadPart(self._columns))


def by_group(records: np.ndarray, group: np.ndarray, groups: int) -> Iterator[tuple[int, bytes]]:
    """(group, packed records) for each group that has some; `group` int64 holds each record's."""
    order = np.argsort(group, kind="stable")
    ends = np.searchsorted(group[order], np.arange(groups + 1))
    for index in np.flatnonzero(np.diff(ends)).tolist():
        yield index, records[order[ends[index] : ends[index + 1]]].tobytes()
