"""Neighbours by one index: planned for `neighbors.memory`, stored, and searched in blocks by every worker.

The vectors of the documents that are searched lie in one memory-mapped file, so no process holds them all. In later
rounds the index stays and documents that have gone are passed over; it is made anew when many have.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import apache_beam as beam
import faiss
import numpy as np

from sequitur.graph_sort import neighbor_plans
from sequitur.graph_sort import neighbors as knn
from sequitur.graph_sort.neighbor_plans import BudgetError, Plan
from sequitur.graph_sort.neighbors import Neighbors
from sequitur.pipeline import artifacts
from sequitur.pipeline.artifacts import Manifest
from sequitur.pipeline.beam import Rows
from sequitur.pipeline.builds import Build
from sequitur.pipeline.errors import ConfigError
from sequitur.pipeline.names import VECTORS
from sequitur.pipeline.sections import Neighbors as NeighborSettings
from sequitur.pipeline.seeds import derived_seed
from sequitur.pipeline.stage import Estimate
from sequitur.pipeline.storage import Directory
from sequitur.stages.neighbors.lists import (
    MEMBERS,
    SEARCH,
    SEARCHED,
    Round,
    Search,
    as_batch,
    is_stale,
    lists_of,
    load,
    mask,
    save,
    save_vectors,
)

MULTIPLICATIONS_PER_SECOND = 2e10  # of exact search on one core, measured; an upper bound for IVF
INDEX, BASE, PREPARED = "index.faiss", "base.npy", "_prepared.json"
CANDIDATES = 2**21  # ranked at a time, 16 bytes each
BYTES_A_DIMENSION = {"exact": 4, "ivf_flat": 4, "ivf_sq8": 1}


def plan(settings: NeighborSettings, count: int, dimensions: int) -> Plan:
    """The index for so many vectors.

    Raises:
        ConfigError: none fits `neighbors.memory`.
    """
    try:
        return neighbor_plans.choose(count, dimensions, settings.k, int(settings.memory))
    except BudgetError as error:
        raise ConfigError(f"neighbors.memory: {error}") from error


def fits(settings: NeighborSettings, vectors: Manifest) -> bool:
    """Whether an index for the vectors fits `neighbors.memory`."""
    try:
        plan(settings, vectors.rows, vectors.statistics["dimensions"])
    except ConfigError:
        return False
    return True


def estimate(settings: NeighborSettings, vectors: Manifest, part: int, is_local: bool) -> Estimate:
    """What searching takes, `part` documents at a time, wherever it is done.

    Raises:
        ConfigError: no index fits `neighbors.memory`.
    """
    dimensions = vectors.statistics["dimensions"]
    chosen = plan(settings, vectors.rows, dimensions)
    index = vectors.rows * (chosen.code_bytes or BYTES_A_DIMENSION[chosen.kind] * dimensions)
    # The index is mapped by all workers together; each has a block of queries and the lists of a part to itself.
    return Estimate(
        memory=chosen.memory_bytes,
        disk=2 * vectors.rows * dimensions + index + 16 * vectors.rows,
        each_worker=index + 16 * CANDIDATES + part * (2 * dimensions + 40 * settings.k),
    )


def search(search: Search, this: Round, target: Build) -> Mapping[str, Any]:
    """Searches a round. What is done already is kept: parts of the target, and the index."""
    prepared, runner = _prepare(search, this), search.jobs.runner
    save(search.directory, MEMBERS, mask(search.vectors, this.members))
    seconds = len(this.members) * len(this.base) * prepared["dimensions"] / MULTIPLICATIONS_PER_SECOND
    processes = runner.processes(len(artifacts.require_manifest(search.vectors).parts), seconds)
    threads = max(1, runner.workers // processes)
    found_by = SearchPart(search.directory, search.settings.k, prepared["depth"], threads)
    columns = ("ordinal",) if this.before is None else ("ordinal", "neighbor", "cosine")
    source = {search.root / (this.before or VECTORS): columns}
    search.jobs.map_parts(source, found_by, target, step="neighbors: searching", seconds=seconds)
    statistics: Mapping[str, Any] = prepared["statistics"]
    return statistics


def _prepare(search: Search, this: Round) -> Mapping[str, Any]:
    """Vectors and index of the base, and how to search it; stored, so that an interrupted search goes on with them."""
    directory, fingerprint, settings = (
        search.directory,
        this.base_fingerprint(search.build.fingerprint),
        search.settings,
    )
    if directory.exists(PREPARED):
        prepared: Mapping[str, Any] = directory.read_json(PREPARED)
        if prepared["fingerprint"] == fingerprint:
            return prepared
    search.build.files.remove(SEARCH)
    search.jobs.progress.step("neighbors: index")
    dimensions = artifacts.require_manifest(search.vectors).statistics["dimensions"]
    chosen = plan(settings, len(this.base), dimensions)
    save_vectors(search.vectors, this.base, directory)
    save(directory, BASE, this.base)
    vectors = load(directory, SEARCHED)
    index = neighbor_plans.build(chosen, vectors, derived_seed(search.seed, "neighbors"))
    recall = neighbor_plans.widen(
        index, chosen, vectors, settings.k, settings.recall_target, derived_seed(search.seed, "neighbors", "recall")
    )
    with directory.writing(INDEX) as file:
        faiss.write_index(index, faiss.PyCallbackIOWriter(file.write))  # type: ignore[attr-defined]
    statistics = {
        "method": chosen.kind,
        "reason": chosen.reason,
        "recall": recall.recall,
        "recall_queries": recall.queries,
        "recall_reached": recall.reached,
        "nprobe": recall.nprobe,
    }
    prepared = {"fingerprint": fingerprint, "dimensions": dimensions, "depth": recall.depth, "statistics": statistics}
    directory.write_json(PREPARED, prepared)
    return prepared


@beam.typehints.with_input_types(Rows)
@beam.typehints.with_output_types(Rows)
class SearchPart(beam.DoFn):
    """Ordinals, or earlier lists, of a part → the lists of its members, new where one in them has gone."""

    def __init__(self, search: Directory, k: int, depth: int, threads: int) -> None:
        self._search, self._k, self._depth, self._threads = search, k, depth, threads

    def setup(self) -> None:
        faiss.omp_set_num_threads(self._threads)
        with tempfile.TemporaryDirectory() as into:
            path = self._search.local_copy(INDEX, Path(into))
            self._index = faiss.read_index(str(path), faiss.IO_FLAG_MMAP)
        self._vectors, self._base, self._is_member = (load(self._search, name) for name in (SEARCHED, BASE, MEMBERS))

    def process(self, rows: Rows) -> Iterator[Rows]:
        name, batch = rows
        ordinals = batch.column("ordinal").to_numpy()
        here = self._is_member[ordinals]
        ordinals = ordinals[here]
        if "neighbor" in batch.schema.names:
            before = lists_of(batch)
            found = Neighbors(before.neighbor[here], before.cosine[here])
            stale = np.flatnonzero(is_stale(found, self._is_member))
        else:
            found, stale = knn.nothing_found(len(ordinals), self._k), np.arange(len(ordinals))
        fresh = self._nearest(np.searchsorted(self._base, ordinals[stale]))
        found.neighbor[stale], found.cosine[stale] = fresh
        yield name, as_batch(ordinals, found)

    def _nearest(self, queries: np.ndarray) -> Neighbors:
        """The nearest members, by ordinal, of documents at some positions in the index.

        Those that are none are passed over, and more asked for where too few are left.
        """
        found = knn.nothing_found(len(queries), self._k)
        left, wide = np.arange(len(queries)), self._k
        while left.size:
            short = []
            most = max(1, CANDIDATES // max(wide, self._depth))
            for some in (left[start : start + most] for start in range(0, len(left), most)):
                asked, depth = self._vectors[queries[some]], self._depth * wide // self._k
                near = knn.search(self._index, self._vectors, asked, queries[some], wide, depth)
                ordinals = np.where(near.neighbor >= 0, self._base[np.maximum(near.neighbor, 0)], -1)
                counts = (ordinals >= 0) & self._is_member[ordinals]
                first = np.argsort(~counts, axis=1, kind="stable")[:, : self._k]
                good = np.take_along_axis(counts, first, axis=1)
                found.neighbor[some] = np.where(good, np.take_along_axis(ordinals, first, axis=1), -1)
                found.cosine[some] = np.take_along_axis(near.cosine, first, axis=1)
                short.append(some[(counts.sum(axis=1) < self._k) & (near.neighbor[:, -1] >= 0)])
            left, wide = np.concatenate(short), 2 * wide
        return found
