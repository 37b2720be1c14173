"""Neighbours by one index: cells over vectors in one file, which every worker maps (`graph_sort.cell_search`).

A worker answers the queries of some parts together, cell by cell, as products of matrices. The lists are those of
`by_cells`, for the same cells are probed; what differs is how vectors come together.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import apache_beam as beam
import numpy as np
from apache_beam.transforms.window import GlobalWindows
from apache_beam.utils.windowed_value import WindowedValue
from threadpoolctl import threadpool_limits

from sequitur.graph_sort import cell_search
from sequitur.graph_sort.neighbors import Neighbors
from sequitur.pipeline import artifacts, schemas, scratch
from sequitur.pipeline.artifacts import Manifest
from sequitur.pipeline.beam import Rows
from sequitur.pipeline.builds import Build
from sequitur.pipeline.runner import Runner
from sequitur.pipeline.sections import Neighbors as NeighborSettings
from sequitur.pipeline.stage import Estimate
from sequitur.pipeline.storage import Directory
from sequitur.stages.neighbors import cell_assignment
from sequitur.stages.neighbors.cell_assignment import ASSIGNED
from sequitur.stages.neighbors.lists import (
    ASKING,
    MEMBERS,
    SEARCHED,
    Round,
    Search,
    as_batch,
    load,
    mask,
    save,
    save_vectors,
)
from sequitur.text_core.units.offsets import offsets_of

BASE, HOME = "base.npy", "home.npy"


def bytes_of(vectors: Manifest) -> int:
    """What the vectors and their cells take, mapped."""
    return vectors.rows * (2 * int(vectors.statistics["dimensions"]) + 12)


def fits(settings: NeighborSettings, vectors: Manifest) -> bool:
    """Whether the vectors fit `neighbors.memory`, mapped."""
    return bytes_of(vectors) <= int(settings.memory)


def estimate(settings: NeighborSettings, vectors: Manifest, part: int, runner: Runner) -> Estimate:
    """What searching takes, `part` documents at a time, wherever it is done. The vectors are mapped by all workers of a
    machine together; each has the members of cells, and the queries and lists of some parts, to itself."""
    size, dimensions = bytes_of(vectors), int(vectors.statistics["dimensions"])
    blocks = 4 * cell_search.STORED_BLOCK * (cell_search.QUERY_BLOCK + dimensions)
    blocks += cell_search.query_bytes(vectors.rows)
    blocks = max(blocks, cell_assignment.products_bytes(vectors.rows, dimensions))
    together = cell_search.queries_together(vectors.rows, dimensions, settings.k, cell_assignment.PROBES_EXPECTED)
    queries = min(vectors.rows, part + together)
    cells = cell_assignment.cells_for(vectors.rows, dimensions)
    sample = cell_assignment.sample_bytes(vectors.rows, dimensions) if cells > 1 else 0
    return Estimate(
        memory=cell_assignment.memory_bytes(vectors.rows, dimensions, runner.threads),
        disk=size + sample + (4 * vectors.rows * min(cells, cell_assignment.MOST_PROBES) if cells > 1 else 0),
        each_worker=16 * vectors.rows + blocks + queries * (2 * dimensions + 40 * settings.k),
        mapped=size + sample,
    )


def search(search: Search, this: Round, target: Build) -> Mapping[str, Any]:
    """Searches a round. What is done already is kept: parts of the target, centroids, and the cells of each vector."""
    prepared, vectors = cell_assignment.prepare(search, this), artifacts.require_manifest(search.vectors)
    source = {search.vectors: ("ordinal",)}
    if prepared.cells > 1:
        cell_assignment.assign(search, this, prepared)
        source |= {search.root / ASSIGNED: ("cell",)}
    _store(search, this, prepared.cells)
    save(search.directory, MEMBERS, mask(search.vectors, this.members))
    save(search.directory, ASKING, mask(search.vectors, this.asking))
    pairs = len(this.asking) * len(this.base) * prepared.probes / prepared.cells
    seconds = pairs * vectors.statistics["dimensions"] / cell_assignment.MULTIPLICATIONS_PER_SECOND
    runner = search.jobs.runner
    threads = max(1, runner.workers // runner.processes(len(vectors.parts), seconds))
    found_by = SearchParts(search.directory, prepared.cells, search.width, threads)
    search.jobs.map_parts(source, found_by, target, step="neighbors: searching", seconds=seconds)
    return prepared.statistics


def _store(search: Search, this: Round, cells: int) -> None:
    """Stores the vectors of the base, and of each the cell that holds it, once."""
    directory = search.directory
    if directory.exists(HOME):
        return
    save_vectors(search.vectors, this.base, directory)
    save(directory, BASE, this.base)
    home = scratch.beside(search.root)(len(this.base), np.int32)
    home[:] = 0
    if cells > 1:
        assigned, is_stored, filled = search.root / ASSIGNED, mask(search.vectors, this.base), 0
        parts = artifacts.require_manifest(assigned).parts
        for part, start in zip(parts, offsets_of([part.rows for part in parts]), strict=False):
            cell = schemas.list_matrix(artifacts.read_part(assigned, part, ["cell"]).column(0))[:, 0]
            stored = cell[is_stored[start : start + part.rows]]
            home[filled : filled + len(stored)] = stored
            filled += len(stored)
    save(directory, HOME, home)


class Asking(NamedTuple):
    """Who asks, of a part."""

    part: str
    ordinals: np.ndarray  # int64 [q]


@beam.typehints.with_input_types(Rows)
@beam.typehints.with_output_types(Rows)
class SearchParts(beam.DoFn):
    """Ordinals of a part, and the cells that each probes → the lists of those who ask, of as many parts at a time as
    have queries that are answered together."""

    def __init__(self, search: Directory, cells: int, width: int, threads: int) -> None:
        self._search, self._count, self._width, self._threads = search, cells, width, threads

    def setup(self) -> None:
        names = (SEARCHED, BASE, MEMBERS, ASKING, HOME)
        self._vectors, self._base, members, self._asking, home = (load(self._search, name) for name in names)
        self._cells = cell_search.cells_from(np.where(members[self._base], home, -1), self._count)

    def start_bundle(self) -> None:
        self._waiting: list[Asking] = []
        self._probed: list[np.ndarray] = []  # int32 [q, probes], of each of those
        self._queries = 0  # of those that wait

    def process(self, rows: Rows) -> Iterator[Rows]:
        name, batch = rows
        ordinals = batch.column("ordinal").to_numpy()
        here = self._asking[ordinals]
        probed = np.zeros((np.count_nonzero(here), 1), np.int32)
        if "cell" in batch.schema.names:
            probed = schemas.list_matrix(batch.column("cell"))[here]
        self._waiting.append(Asking(name, ordinals[here]))
        self._probed.append(probed)
        self._queries += len(probed)
        stored, dimensions = self._vectors.shape
        if self._queries >= cell_search.queries_together(stored, dimensions, self._width, probed.shape[1]):
            yield from self._search_waiting()

    def finish_bundle(self) -> Iterator[WindowedValue]:
        yield from map(GlobalWindows.windowed_value, self._search_waiting())

    def _search_waiting(self) -> Iterator[Rows]:
        if not self._waiting:
            return
        waiting, probed = self._waiting, np.concatenate(self._probed)
        self._waiting, self._probed, self._queries = [], [], 0
        own = np.searchsorted(self._base, np.concatenate([one.ordinals for one in waiting]))
        with threadpool_limits(self._threads):
            near = cell_search.nearest_in_cells(
                self._vectors, self._cells, self._vectors[own], own, probed, self._width
            )
        neighbor = np.where(near.neighbor >= 0, self._base[np.maximum(near.neighbor, 0)], -1)
        ends = np.cumsum([len(one.ordinals) for one in waiting])[:-1]
        lists = zip(waiting, np.split(neighbor, ends), np.split(near.cosine, ends), strict=True)
        for one, neighbors, cosines in lists:
            yield one.part, as_batch(one.ordinals, Neighbors(neighbors, cosines))
