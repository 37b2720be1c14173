"""Cells for `neighbors`: centroids of a sample, how many cells must be probed for the recall, the cells of each vector.

The recall of a number of probes is known before anything is searched: what a search within cells misses are the true
neighbours whose cells are not among those probed. So the true neighbours of a sample are found once, part by part.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import apache_beam as beam
import numpy as np
import pyarrow as pa
from threadpoolctl import threadpool_limits

from sequitur.graph_sort import cells, spherical_kmeans
from sequitur.graph_sort.cell_search import nearest
from sequitur.graph_sort.neighbors import Neighbors, merge, nothing_found
from sequitur.pipeline import artifacts, builds, schemas, scratch
from sequitur.pipeline.beam import Rows
from sequitur.pipeline.names import NEIGHBORS
from sequitur.pipeline.seeds import derived_seed
from sequitur.pipeline.storage import Directory
from sequitur.stages.neighbors.lists import SEARCH, Round, Search, lists_of, load, mask, save, vector_blocks

ASSIGNED, TRUTH = "neighbors/_assigned", "neighbors/_truth"
CENTROIDS = "centroids.npy"  # beside the parts of `neighbors`; it stays
QUERIES, SAMPLE, BASE, OF = "queries.npy", "sample.npy", "stored.npy", "_of.json"
ALL_PAIRS = 4e11  # multiplications, n²d, up to which one cell holds all, and nothing is missed: 5 s of one core
MOST_CELLS = 2**18  # of 315 million documents; the cells of more grow, instead of their number
MOST_PROBES = 256
PROBES_EXPECTED = 40  # by which estimates go; how many there are is known only when recall is measured
RECALL_QUERIES = 1000
MULTIPLICATIONS_PER_SECOND = 4e10  # by BLAS on one core, measured: half of what it makes


@dataclass(frozen=True)
class Prepared:
    """How a base is searched.

    Attributes:
        cells: how many there are; 1 where all pairs are compared.
        probes: how many of them each document searches.
        statistics: what is to be said of it: `method`, `reason`, `recall`, `recall_queries`, `recall_reached`.
    """

    cells: int
    probes: int
    statistics: Mapping[str, Any]


def cells_for(count: int, dimensions: int) -> int:
    """One for what is compared whole, else n^¾ / 9: fewer hold more that is far, more take longer to find.

    For recall 0.95, processor seconds of one core, of k-means, finding cells, and searching them: of 145,064 passages
    of 640 dimensions 512 cells 4 + 5 + 37, 768 cells 4 + 5 + 28, 1,024 cells 7 + 7 + 26; of a million points of a
    mixture in 256 dimensions 1,000 cells 3 + 20 + 887, 2,000 cells 12 + 42 + 722, 4,000 cells 47 + 66 + 491. Comparing
    a vector with all centroids grows faster than searching, and is a quarter of it where there are MOST_CELLS.
    """
    return 1 if count * count * dimensions <= ALL_PAIRS else max(2, min(MOST_CELLS, int(count**0.75 / 9)))


def memory_bytes(count: int, dimensions: int, threads: int) -> int:
    """What finding the cells takes in this process: of the sample the cell of each, and products on each thread."""
    return 16 * cells.TRAINING_POINTS * cells_for(count, dimensions) + threads * products_bytes(count, dimensions)


def products_bytes(count: int, dimensions: int) -> int:
    """What comparing vectors with all centroids takes, at a time."""
    number = cells_for(count, dimensions)
    return 8 * number * cells.rows_of_block(number)


def sample_bytes(count: int, dimensions: int) -> int:
    """What the sample takes of which the cells are made, and their centroids, mapped."""
    number = cells_for(count, dimensions)
    return 4 * dimensions * (min(count, cells.TRAINING_POINTS * number) + number)


def prepare(search: Search, this: Round) -> Prepared:
    """Finds cells for the base of a round, and how many of them must be probed."""
    directory, neighbors = search.directory, search.root / NEIGHBORS
    fingerprint = this.base_fingerprint(search.build.fingerprint)
    if not (directory.exists(OF) and directory.read_json(OF) == fingerprint):
        search.build.files.remove(SEARCH)
        _train(search, this.base)
        directory.write_json(OF, fingerprint)
    centroids, count = load(neighbors, CENTROIDS), len(this.base)
    if len(centroids) == 1:
        dimensions = centroids.shape[1]
        seconds = math.ceil(count * count * dimensions / MULTIPLICATIONS_PER_SECOND)
        reason = f"exact: all pairs of {count:,} vectors of {dimensions} dimensions take about {seconds} s of one core"
        return Prepared(1, 1, _statistics(reason, 1.0, count, True, 1, 1))
    queries = load(directory, QUERIES)
    multiplications = artifacts.require_manifest(search.vectors).rows * centroids.shape[1]
    files = Files(directory, neighbors)
    seconds = len(queries) * multiplications / MULTIPLICATIONS_PER_SECOND
    _map(search, NearestOfPart(files, search.width), TRUTH, fingerprint, seconds)
    rank = _ranks(search.root / TRUTH, search.width, queries, centroids)
    probes, recall = cells.probes_needed(rank, search.settings.recall_target, min(MOST_PROBES, len(centroids)))
    reason = f"cells: {len(centroids):,} of {count:,} documents, of which each searches {probes:,}"
    reached = recall >= search.settings.recall_target
    return Prepared(len(centroids), probes, _statistics(reason, recall, len(queries), reached, len(centroids), probes))


def assign(search: Search, this: Round, prepared: Prepared) -> None:
    """Makes `neighbors/_assigned`, row by row as `vectors`: int32 `cell` [probes], the nearest first."""
    fingerprint = this.base_fingerprint(search.build.fingerprint)
    vectors = artifacts.require_manifest(search.vectors)
    seconds = prepared.cells * vectors.rows * vectors.statistics["dimensions"] / MULTIPLICATIONS_PER_SECOND
    files = Files(search.directory, search.root / NEIGHBORS)
    _map(search, AssignCells(files, prepared.probes), ASSIGNED, fingerprint, seconds)


def _statistics(reason: str, recall: float, queries: int, reached: bool, count: int, probes: int) -> Mapping[str, Any]:
    return {
        "method": "exact" if count == 1 else "cells",
        "reason": reason,
        "recall": recall,
        "recall_queries": queries,
        "recall_reached": reached,
        "cells": count,
        "probes": probes,
    }


def _train(search: Search, base: np.ndarray) -> None:
    """Stores centroids, and the documents whose true neighbours are to be found: two seeded samples of the base."""
    dimensions = int(artifacts.require_manifest(search.vectors).statistics["dimensions"])
    count, centroids = cells_for(len(base), dimensions), np.zeros((1, dimensions), dtype=np.float32)
    if count > 1:
        rng = np.random.Generator(np.random.PCG64(derived_seed(search.seed, "neighbors", "cells")))
        sample, asking = (
            np.sort(rng.choice(base, size=min(len(base), size), replace=False))
            for size in (cells.TRAINING_POINTS * count, RECALL_QUERIES)
        )
        empty = scratch.beside(search.root)
        training = empty((len(sample), dimensions), np.float32)
        queries, filled = [], 0
        is_sampled, asks = mask(search.vectors, sample), mask(search.vectors, asking)
        for ordinals, rows in vector_blocks(search.vectors):
            some = rows[is_sampled[ordinals]]
            training[filled : filled + len(some)] = some
            filled += len(some)
            queries.append(rows[asks[ordinals]])
        is_stored = mask(search.vectors, base)
        for name, array in ((QUERIES, np.concatenate(queries)), (SAMPLE, asking), (BASE, is_stored)):
            save(search.directory, name, array)
        with threadpool_limits(1):
            count, threads = min(count, len(training)), search.jobs.runner.threads
            search.jobs.progress.step("neighbors: cells", spherical_kmeans.iterations_for(count), "passes")
            centroids = spherical_kmeans.train(training, count, rng, threads, search.jobs.progress.update, empty)
    save(search.root / NEIGHBORS, CENTROIDS, centroids)


def _map(search: Search, transform: beam.DoFn, target: str, fingerprint: str, seconds: float) -> None:
    directory = search.root / target
    if not artifacts.is_finished(directory, fingerprint):
        build = builds.begin(directory, fingerprint)
        step = f"neighbors: {target.rsplit('_', 1)[-1]}"
        vectors = {search.vectors: ("ordinal", "vector")}
        search.jobs.map_parts(vectors, transform, build, step=step, seconds=seconds)
        builds.finish(build, {}, {}, {})


def _ranks(truth: Directory, k: int, queries: np.ndarray, centroids: np.ndarray) -> np.ndarray:
    """Of each true neighbour of the queries, the place of its cell among those nearest to the query: int64 [m]."""
    found, cell = nothing_found(len(queries), k), np.full((len(queries), k), -1, dtype=np.int64)
    for part in artifacts.require_manifest(truth).parts:
        batch = artifacts.read_part(truth, part)
        here = lists_of(batch)
        neighbor = np.concatenate([found.neighbor, here.neighbor], axis=1)
        cosine = np.concatenate([found.cosine, here.cosine], axis=1)
        home = np.concatenate([cell, schemas.list_matrix(batch.column("cell"))], axis=1)
        best = np.lexsort((neighbor, -cosine))[:, :k]
        found = Neighbors(np.take_along_axis(neighbor, best, axis=1), np.take_along_axis(cosine, best, axis=1))
        cell = np.take_along_axis(home, best, axis=1)
    place = cells.places(queries, centroids, cell)
    ranks: np.ndarray = place[found.neighbor >= 0]
    return ranks


class Files:
    """Where workers find what was prepared."""

    def __init__(self, search: Directory, neighbors: Directory) -> None:
        self._at = dict.fromkeys((QUERIES, SAMPLE, BASE), search) | {CENTROIDS: neighbors}

    def load(self, name: str) -> np.ndarray:
        return load(self._at[name], name)


@beam.typehints.with_input_types(Rows)
@beam.typehints.with_output_types(Rows)
class NearestOfPart(beam.DoFn):
    """Vectors of a part → of each document that asks its nearest among them, exactly, and the cells that store them.

    Those are left out than which enough of other parts are nearer: finding a cell takes longer than being compared.
    """

    def __init__(self, files: Files, k: int) -> None:
        self._files, self._k = files, k

    def setup(self) -> None:
        self._queries, self._sample, self._base, self._centroids = map(
            self._files.load, (QUERIES, SAMPLE, BASE, CENTROIDS)
        )
        self._best = nothing_found(len(self._queries), self._k)  # in all parts that came here

    def process(self, part: Rows) -> Iterator[Rows]:
        name, batch = part
        ordinals = batch.column("ordinal").to_numpy()
        here = np.flatnonzero(self._base[ordinals])
        vectors, ordinals = schemas.list_matrix(batch.column("vector"))[here], ordinals[here]
        with threadpool_limits(1):
            found = nearest(self._queries, self._sample, vectors, ordinals, self._k)
            self._best = merge(self._best, found)
            farther = found.cosine < self._best.cosine[:, -1:]
            found.neighbor[farther], found.cosine[farther] = -1, -np.inf
            near, at = np.unique(found.neighbor, return_inverse=True)
            home = cells.cells_of(vectors[np.searchsorted(ordinals, near[near >= 0])], self._centroids, 1)[:, 0]
        home = np.concatenate([np.full(int((near < 0).sum()), -1), home]).astype(np.int64)
        columns = [(name, values.reshape(-1)) for name, values in (*found._asdict().items(), ("cell", home[at]))]
        lists = {name: pa.FixedSizeListArray.from_arrays(pa.array(values), self._k) for name, values in columns}
        yield name, pa.record_batch(lists)


@beam.typehints.with_input_types(Rows)
@beam.typehints.with_output_types(Rows)
class AssignCells(beam.DoFn):
    """Vectors of a part → the cells nearest to each."""

    def __init__(self, files: Files, probes: int) -> None:
        self._files, self._probes = files, probes

    def setup(self) -> None:
        self._centroids = self._files.load(CENTROIDS)

    def process(self, part: Rows) -> Iterator[Rows]:
        name, batch = part
        with threadpool_limits(1):
            cell = cells.cells_of(schemas.list_matrix(batch.column("vector")), self._centroids, self._probes)
        yield (
            name,
            pa.record_batch({"cell": pa.FixedSizeListArray.from_arrays(pa.array(cell.reshape(-1)), self._probes)}),
        )
