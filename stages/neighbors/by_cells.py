"""Neighbours by cells, as a Beam job, for vectors that no single index holds (`graph_sort.cells`).

Each vector is stored in the cell of its nearest centroid and searched for in the few cells nearest to it:

    vectors, cells of each | (task, packed vectors) | by task | the nearest of each query | by part | merged

A task is a pair of blocks of a cell. One element is shuffled per part and task, and one per task and part, never one a
document. The result depends on neither: not on how cells are cut, nor on where or in which order tasks are done.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import apache_beam as beam
import numpy as np
from threadpoolctl import threadpool_limits

from sequitur.graph_sort import cell_search, cells
from sequitur.graph_sort.cell_search import nearest
from sequitur.graph_sort.cells import QUERY, STORED, Tasks
from sequitur.graph_sort.neighbors import Neighbors, merge, nothing_found
from sequitur.pipeline import artifacts, builds, schemas
from sequitur.pipeline.artifacts import Manifest
from sequitur.pipeline.beam import Rows, RowsOfParts, WritePart, by_group
from sequitur.pipeline.builds import Build
from sequitur.pipeline.runner import Runner
from sequitur.pipeline.sections import Neighbors as NeighborSettings
from sequitur.pipeline.shuffle import PLACE_BYTES
from sequitur.pipeline.stage import Estimate
from sequitur.pipeline.storage import Directory
from sequitur.stages.neighbors.cell_assignment import (
    ASSIGNED,
    MOST_PROBES,
    MULTIPLICATIONS_PER_SECOND,
    PROBES_EXPECTED,
    RECALL_QUERIES,
    assign,
    cells_for,
    memory_bytes,
    prepare,
    products_bytes,
    sample_bytes,
)
from sequitur.stages.neighbors.lists import Round, Search, as_batch, load, mask, save
from sequitur.text_core.units.offsets import offsets_of

ROLES = "roles.npy"
BLOCK = 16384  # about the most vectors that a task stores, and the most queries that it answers


def search(search: Search, this: Round, target: Build) -> Mapping[str, Any]:
    """Searches a round. What is done already is kept: parts of the target, centroids, and the cells of each vector."""
    prepared = prepare(search, this)
    assign(search, this, prepared)
    vectors, k, directory = artifacts.require_manifest(search.vectors), search.width, search.directory
    assigned = search.root / ASSIGNED
    done = {part.name for part in builds.written_parts(target)}
    left = [number for number, name in enumerate(vectors.names) if name not in done]
    if not left:
        return prepared.statistics
    dimensions = vectors.statistics["dimensions"]
    starts = offsets_of([part.rows for part in vectors.parts])  # the first ordinal of each part; the last's end
    is_member, asks = mask(search.vectors, this.members), mask(search.vectors, this.asking)
    roles = _roles(is_member, asks, starts, left)
    save(directory, ROLES, roles)
    stored, queries = _counts(assigned, roles, prepared.cells)
    tasks = cells.make_tasks(stored, queries, BLOCK)
    columns = {search.vectors: ("ordinal", "vector"), assigned: ("cell",)}
    merge_part = MergePart(directory, vectors.names, starts, k)

    def build(pipeline: beam.Pipeline) -> None:
        found = (
            pipeline
            | "Parts" >> beam.Create(vectors.names)
            | "Source" >> RowsOfParts(columns)
            | "ToTasks" >> beam.ParDo(SendToTasks(directory, tasks))
            | "ByTask" >> group()
            | "Search" >> beam.ParDo(SearchTask(starts, dimensions, k))
        )
        # Every part is written, also one for which nothing is found.
        every = pipeline | "Left" >> beam.Create(left) | "Expect" >> beam.ParDo(ExpectPart())
        _ = (
            (found, every)
            | "Together" >> beam.Flatten()
            | "ByPart" >> group()
            | "Merge" >> beam.ParDo(merge_part)
            | "Write" >> beam.ParDo(WritePart(target, compress=False))
        )

    seconds = float(stored @ queries) * dimensions / MULTIPLICATIONS_PER_SECOND
    watching = search.jobs.watching(target, len(vectors.names), "neighbors: searching cells")
    with watching, search.jobs.runner.grouping() as group:
        search.jobs.runner.run(build, len(vectors.names), seconds)
    return prepared.statistics


def estimate(settings: NeighborSettings, vectors: Manifest, part: int, runner: Runner) -> Estimate:
    """What searching takes, `part` documents at a time. What is shuffled here waits in files; Beam holds where it lies,
    of each part for each task that it takes part in."""
    count, dimensions, k = vectors.rows, vectors.statistics["dimensions"], settings.k
    record, found = _record(dimensions).itemsize, _found(k).itemsize
    shuffled, sample = count * PROBES_EXPECTED * (record + found), sample_bytes(count, dimensions)
    blocks = 4 * cell_search.STORED_BLOCK * (cell_search.QUERY_BLOCK + 2 * dimensions)
    blocks += cell_search.query_bytes(count)
    task = 2 * BLOCK * (2 * record + found) + blocks
    places = 2 * len(vectors.parts) * cells_for(count, dimensions) if runner.is_local else 0
    waiting = shuffled if runner.is_local else 0
    return Estimate(
        memory=memory_bytes(count, dimensions, runner.threads) + PLACE_BYTES * places,
        disk=sample + 4 * count * MOST_PROBES + len(vectors.parts) * RECALL_QUERIES * 20 * k + waiting,
        each_worker=max(task, part * PROBES_EXPECTED * (record + found), products_bytes(count, dimensions)),
        mapped=sample,
        shuffled=shuffled,
    )


def _record(dimensions: int) -> np.dtype[np.void]:
    return np.dtype([("ordinal", "<i8"), ("role", "u1"), ("vector", "<f2", (dimensions,))])


def _found(k: int) -> np.dtype[np.void]:
    return np.dtype([("ordinal", "<i8"), ("neighbor", "<i8", (k,)), ("cosine", "<f4", (k,))])


def _roles(is_member: np.ndarray, asks: np.ndarray, starts: np.ndarray, left: Sequence[int]) -> np.ndarray:
    """What each document is in this search, uint8 [n]: members (bool [n]) are stored, and of the parts `left` to be
    written those are queries that ask (bool [n])."""
    roles = np.where(is_member, STORED, 0).astype(np.uint8)
    for number in left:
        here = slice(starts[number], starts[number + 1])
        roles[here][asks[here]] |= QUERY
    return roles


def _counts(assigned: Directory, roles: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """How many vectors each cell stores, and for how many queries it is searched: int64 [cells] both."""
    stored, queries, start = np.zeros(count, dtype=np.int64), np.zeros(count, dtype=np.int64), 0
    for part in artifacts.require_manifest(assigned).parts:
        cell = schemas.list_matrix(artifacts.read_part(assigned, part).column("cell"))
        role = roles[start : start + part.rows]
        stored += np.bincount(cell[(role & STORED) > 0, 0], minlength=count)
        queries += np.bincount(cell[(role & QUERY) > 0].reshape(-1), minlength=count)
        start += part.rows
    return stored, queries


@beam.typehints.with_input_types(Rows)
@beam.typehints.with_output_types(tuple[int, bytes])
class SendToTasks(beam.DoFn):
    """Vectors of a part and their cells → (task, packed vectors): one element for each task that some take part in."""

    def __init__(self, search: Directory, tasks: Tasks) -> None:
        self._search, self._tasks = search, tasks

    def setup(self) -> None:
        self._roles = load(self._search, ROLES)

    def process(self, part: Rows) -> Iterator[tuple[int, bytes]]:
        batch = part[1]
        ordinals, vectors = batch.column("ordinal").to_numpy(), schemas.list_matrix(batch.column("vector"))
        cell = schemas.list_matrix(batch.column("cell"))
        taking = cells.spread(self._tasks, ordinals, cell, self._roles[ordinals])
        order = np.argsort(taking.task, kind="stable")
        tasks, begin = np.unique(taking.task[order], return_index=True)
        for task, some in zip(tasks.tolist(), np.split(order, begin)[1:], strict=True):
            records = np.empty(len(some), dtype=_record(vectors.shape[1]))
            rows = taking.row[some]
            records["ordinal"], records["role"], records["vector"] = ordinals[rows], taking.role[some], vectors[rows]
            yield task, records.tobytes()


@beam.typehints.with_input_types(tuple[int, Iterable[bytes]])
@beam.typehints.with_output_types(tuple[int, bytes])
class SearchTask(beam.DoFn):
    """All vectors of a task → (part, packed lists) of the queries among them: their nearest among the stored."""

    def __init__(self, starts: np.ndarray, dimensions: int, k: int) -> None:
        self._starts, self._dimensions, self._k = starts, dimensions, k

    def process(self, task: tuple[int, Iterable[bytes]]) -> Iterator[tuple[int, bytes]]:
        records = np.frombuffer(b"".join(task[1]), dtype=_record(self._dimensions))
        stored, queries = (records[(records["role"] & role) > 0] for role in (STORED, QUERY))
        with threadpool_limits(1):
            near = nearest(queries["vector"], queries["ordinal"], stored["vector"], stored["ordinal"], self._k)
        found = np.empty(len(queries), dtype=_found(self._k))
        found["ordinal"], found["neighbor"], found["cosine"] = queries["ordinal"], near.neighbor, near.cosine
        part = np.searchsorted(self._starts, found["ordinal"], side="right") - 1
        yield from by_group(found, part, len(self._starts) - 1)


@beam.typehints.with_input_types(int)
@beam.typehints.with_output_types(tuple[int, bytes])
class ExpectPart(beam.DoFn):
    """A part → (part, no lists)."""

    def process(self, part: int) -> Iterator[tuple[int, bytes]]:
        yield part, b""


@beam.typehints.with_input_types(tuple[int, Iterable[bytes]])
@beam.typehints.with_output_types(Rows)
class MergePart(beam.DoFn):
    """What the tasks found for a part → the lists of those of it who ask."""

    def __init__(self, search: Directory, names: list[str], starts: np.ndarray, k: int) -> None:
        self._search, self._names, self._starts, self._k = search, names, starts, k

    def setup(self) -> None:
        self._roles = load(self._search, ROLES)

    def process(self, part: tuple[int, Iterable[bytes]]) -> Iterator[Rows]:
        number, packed = part
        first = self._starts[number]
        ordinals = first + np.flatnonzero(self._roles[first : self._starts[number + 1]] & QUERY)
        best = nothing_found(len(ordinals), self._k)
        for chunk in packed:  # in any order: a list keeps the best by (−cosine, ordinal)
            found = np.frombuffer(chunk, dtype=_found(self._k))
            rows = np.searchsorted(ordinals, found["ordinal"])
            merged = merge(
                Neighbors(best.neighbor[rows], best.cosine[rows]), Neighbors(found["neighbor"], found["cosine"])
            )
            best.neighbor[rows], best.cosine[rows] = merged
        yield self._names[number], as_batch(ordinals, best)
