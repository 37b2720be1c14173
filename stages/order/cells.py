"""Cells of documents, each put in order by a worker: a Beam job, where jobs run elsewhere.

    parts | ParDo(SendDocuments) → (cell, packed documents) | GroupByKey | ParDo(ArrangeCell) → the order of the cell

So no process opens more tokens than a part has; a group is a cell, of as many documents as the order makes it. On one
machine threads make the same of the same cells (`graph_sort.part.each_on_threads`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import apache_beam as beam
import numpy as np
import pyarrow as pa
from threadpoolctl import threadpool_limits

from sequitur.graph_sort.documents import ArrayDocuments, Documents, StringSets
from sequitur.graph_sort.graph import from_neighbors
from sequitur.graph_sort.offsets import offsets_of, places_of
from sequitur.graph_sort.orders import Order
from sequitur.pipeline import artifacts, builds, schemas
from sequitur.pipeline.beam import Rows, WritePart
from sequitur.pipeline.builds import Build
from sequitur.pipeline.errors import StageFailed
from sequitur.pipeline.jobs import Jobs
from sequitur.pipeline.names import NEIGHBORS, ORDER, TOKENS, VECTORS
from sequitur.pipeline.storage import Directory
from sequitur.stages.order.documents import CELLS
from sequitur.stages.order.strings import Strings
from sequitur.stages.shared.columns.token_store import checked_offsets, copy_runs

OF_ORDINAL = "of_ordinal"  # beside the parts: of each ordinal the cell that its document is in, or −1
CELL_NUMBER = np.dtype("<i4")


@dataclass(frozen=True)
class Asked:
    """What is asked of the documents of a cell, and how much there is of it."""

    context_length: int
    strings_weight: float
    rows_filled: bool
    k: int  # neighbours of each
    dimensions: int  # of their vectors

    @classmethod
    def of(cls, documents: Documents, root: Directory) -> Asked:
        """What is asked of the documents of a run."""
        neighbors, vectors = root / NEIGHBORS, artifacts.require_manifest(root / VECTORS)
        lists = artifacts.part_schema(neighbors, artifacts.require_manifest(neighbors).parts[0]).field("neighbor")
        asked = documents.context_length, documents.strings_weight, documents.rows_filled
        return cls(*asked, lists.type.list_size, vectors.statistics["dimensions"])

    @property
    def record(self) -> np.dtype[np.void]:
        """A document as it is sent; its strings follow, all those of a message after all its records."""
        lists = [("neighbor", "<i8", (self.k,)), ("cosine", "<f4", (self.k,)), ("vector", "<f2", (self.dimensions,))]
        return np.dtype([("ordinal", "<i8"), ("length", "<i8"), ("strings", "<i8"), *lists])


def each(
    root: Directory,
    jobs: Jobs,
    cells: Sequence[np.ndarray],
    documents: Documents,
    arrange: Callable[..., Order],
    *settings: bool,
) -> Iterator[Order]:
    """`Documents.each` for cells of ordinals, int64 [m], of the documents of a run. Of an interrupted run those stay
    that were made."""
    asked, vectors = Asked.of(documents, root), artifacts.require_manifest(root / VECTORS)
    of_ordinal = np.full(vectors.rows, -1, CELL_NUMBER)
    for number, cell in enumerate(cells):
        of_ordinal[cell] = number
    names = [f"part-{number:05}-0000.arrow" for number in range(len(cells))]
    del cells
    made_of = builds.current(root / ORDER).fingerprint, artifacts.digest_of([of_ordinal]), arrange.__qualname__
    fingerprint = hashlib.sha256(f"{made_of} {asked} {settings}".encode()).hexdigest()
    build = builds.begin(root / CELLS, fingerprint)
    build.files.write_bytes(OF_ORDINAL, of_ordinal.tobytes())
    del of_ordinal
    done = {part.name for part in builds.written_parts(build)}
    left = np.array([number for number, name in enumerate(names) if name not in done], CELL_NUMBER)

    def job(pipeline: beam.Pipeline) -> None:
        parts = pipeline | "Parts" >> beam.Create(range(len(vectors.parts))) | "Spread" >> beam.Reshuffle()
        sent = parts | "Send" >> beam.ParDo(SendDocuments(root, build, left, asked))
        orders = (
            sent
            | "By cell" >> beam.GroupByKey()
            | "Arrange" >> beam.ParDo(ArrangeCell(names, asked, arrange, settings))
        )
        _ = orders | "Write" >> beam.ParDo(WritePart(build, compress=False))

    if len(left):
        with jobs.watching(build, len(names), "order: cells", "cells"):
            jobs.runner.run(job, len(vectors.parts))
    written = {part.name: part for part in builds.written_parts(build)}
    if lost := len(names) - len(written):
        raise StageFailed(f"{build.files.path()}: {lost} of {len(names)} cells were not written; run again")
    builds.finish(build, {}, {}, {})
    for name in names:
        batch = artifacts.read_part(root / CELLS, written[name])
        yield Order(
            batch.column("permutation").to_numpy(),
            batch.column("path").to_numpy(),
            batch.column("opens").to_numpy(zero_copy_only=False),
            fills=batch.column("fills").to_numpy(zero_copy_only=False),
        )


@beam.typehints.with_input_types(int)
@beam.typehints.with_output_types(tuple[int, bytes])
class SendDocuments(beam.DoFn):
    """The number of a part of `vectors` → (cell, its documents in the part). Each part is read once, so no copies of
    them are kept."""

    def __init__(self, root: Directory, build: Build, left: np.ndarray, asked: Asked) -> None:
        self._build, self._left, self._asked = build, left, asked
        self._from = {name: replace(root / name, nearby=None) for name in (NEIGHBORS, VECTORS, TOKENS)}
        about = {name: artifacts.require_manifest(directory) for name, directory in self._from.items()}
        self._fingerprints = {name: manifest.fingerprint for name, manifest in about.items()}
        self._strings = Strings(about[TOKENS].statistics["tokenizer"]["vocab_size"], asked.context_length)

    def setup(self) -> None:
        self._parts = {
            name: artifacts.require_manifest(self._from[name], fingerprint).parts
            for name, fingerprint in self._fingerprints.items()
        }
        self._begins = offsets_of([part.rows for part in self._parts[VECTORS]])

    def process(self, number: int) -> Iterator[tuple[int, bytes]]:
        first, last = self._begins[number : number + 2].tolist()
        of_ordinal = self._build.files.read_range(OF_ORDINAL, first * CELL_NUMBER.itemsize, last * CELL_NUMBER.itemsize)
        lists = self._read(NEIGHBORS, number, ["ordinal", "neighbor", "cosine"])
        ordinals = lists.column("ordinal").to_numpy()
        cell = np.frombuffer(of_ordinal, CELL_NUMBER)[ordinals - first]
        here = np.flatnonzero(np.isin(cell, self._left))
        here = here[np.argsort(cell[here], kind="stable")]
        ordinals, cell = ordinals[here], cell[here]
        lengths, strings = self._of_tokens(number, ordinals - first)
        records = np.empty(len(here), self._asked.record)
        records["ordinal"], records["length"], records["strings"] = ordinals, lengths, np.diff(strings.offsets)
        for name in ("neighbor", "cosine"):
            records[name] = schemas.list_matrix(lists.column(name))[here]
        vectors = self._read(VECTORS, number, ["vector"])
        records["vector"] = schemas.list_matrix(vectors.column("vector"))[ordinals - first]
        begins = np.append(np.flatnonzero(np.diff(cell, prepend=-1)), len(cell))
        for begin, end in pairwise(begins.tolist()):
            count = np.array([end - begin], "<i8").tobytes()
            hashes = strings.hashes[strings.offsets[begin] : strings.offsets[end]].tobytes()
            yield int(cell[begin]), count + records[begin:end].tobytes() + hashes

    def _of_tokens(self, number: int, row: np.ndarray) -> tuple[np.ndarray, StringSets]:
        """Of some documents of a part how many tokens they have, int64, and what strings, if these are asked for."""
        column = self._read(TOKENS, number, ["input_ids"]).column("input_ids")
        offsets, tokens = checked_offsets(self._from[TOKENS], self._parts[TOKENS][number], column), column.values
        lengths = np.diff(offsets)[row]
        if not self._asked.strings_weight:
            return lengths, StringSets(np.zeros(len(row) + 1, np.int64), np.empty(0, np.uint32))

        def read(some: np.ndarray, length: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            begins = offsets[row[some]]
            if not self._asked.rows_filled:
                begins = begins + lengths[some] - length
            ends = offsets_of(length)
            ids = np.empty(ends[-1], np.uint32)
            if not copy_runs(tokens.to_numpy(), np.arange(len(some)), begins, length, ends[:-1], ids):
                raise IndexError("a document does not lie in its part")
            return ends, ids

        return lengths, self._strings.of(lengths, 1, read)

    def _read(self, name: str, number: int, columns: list[str]) -> pa.RecordBatch:
        return artifacts.read_part(self._from[name], self._parts[name][number], columns)


@beam.typehints.with_input_types(tuple[int, Iterable[bytes]])
@beam.typehints.with_output_types(Rows)
class ArrangeCell(beam.DoFn):
    """(cell, all its documents) → the rows of its order. Memory: the documents twice, and what arranging takes."""

    def __init__(
        self, names: Sequence[str], asked: Asked, arrange: Callable[..., Order], settings: tuple[bool, ...]
    ) -> None:
        self._names, self._asked, self._arrange, self._settings = names, asked, arrange, settings

    def process(self, element: tuple[int, Iterable[bytes]]) -> Iterator[Rows]:
        number, messages = element
        documents = as_documents(messages, self._asked)
        with threadpool_limits(1):
            found = self._arrange(documents, *self._settings)
        fills = np.zeros(found.opens.size, np.bool_) if found.fills is None else found.fills
        columns = {"permutation": found.permutation, "path": found.path, "opens": found.opens, "fills": fills}
        yield self._names[number], pa.record_batch({name: pa.array(column) for name, column in columns.items()})


def as_documents(messages: Iterable[bytes], asked: Asked) -> ArrayDocuments:
    """All documents of a cell by ordinal, in whatever messages and sequence they came."""
    came, strings = [], []
    for message in messages:
        (count,) = np.frombuffer(message, "<i8", 1).tolist()
        came.append(np.frombuffer(message, asked.record, count, 8))
        strings.append(np.frombuffer(message, "<u4", -1, 8 + came[-1].nbytes))
    records, hashes = np.concatenate(came), np.concatenate(strings)
    by_ordinal = np.argsort(records["ordinal"])
    offsets, places = places_of(offsets_of(records["strings"])[:-1][by_ordinal], records["strings"][by_ordinal])
    records = records[by_ordinal]
    ordinals, neighbor = np.ascontiguousarray(records["ordinal"]), records["neighbor"]
    node = np.minimum(np.searchsorted(ordinals, neighbor), len(ordinals) - 1)
    node[ordinals[node] != neighbor] = -1
    return ArrayDocuments(
        from_neighbors(node, records["cosine"]),
        np.ascontiguousarray(records["vector"]),
        np.ascontiguousarray(records["length"]),
        asked.context_length,
        string_sets=StringSets(offsets, hashes[places]),
        strings_weight=asked.strings_weight,
        rows_filled=asked.rows_filled,
    )
