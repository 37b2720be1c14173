"""Cells for `neighbors`: centroids of a sample, how many cells must be probed for the recall, the cells of each vector.

The recall of a number of probes is known before anything is searched: what a search within cells misses are the true
neighbours whose cells are not among those probed. So the true neighbours of a sample are found once, part by part.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import apache_beam as beam
import numpy as np
import pyarrow as pa
from threadpoolctl import threadpool_limits

from sequitur.graph_sort import cells, spherical_kmeans
from sequitur.graph_sort.neighbors import Neighbors, nothing_found
from sequitur.pipeline import artifacts, builds, schemas
from sequitur.pipeline.beam import Rows
from sequitur.pipeline.names import NEIGHBORS
from sequitur.pipeline.seeds import derived_seed
from sequitur.pipeline.storage import Directory
from sequitur.stages.neighbors.lists import SEARCH, Round, Search, lists_of, load, mask, save, vector_blocks

ASSIGNED, TRUTH = "neighbors/_assigned", "neighbors/_truth"
CENTROIDS = "centroids.npy"  # beside the parts of `neighbors`; it stays
QUERIES, ASKING, BASE, OF = "queries.npy", "asking.npy", "base.npy", "_of.json"
MOST_CELLS = 16384
MOST_PROBES = 256
RECALL_QUERIES = 500
MULTIPLICATIONS_PER_SECOND = 1e10  # of exact search on one core, measured


def cells_for(count: int) -> int:
    """As many cells as documents in each, so that finding the cells costs what searching one does."""
    return max(1, min(MOST_CELLS, int(count**0.5)))


def prepare(search: Search, this: Round) -> Mapping[str, Any]:
    """Brings centroids and `neighbors/_assigned` up to date for the base of a round; returns what is to be said of it.

    `neighbors/_assigned` has, row by row as `vectors`, int32 `cell` [probes]: the cells nearest to it, nearest first.
    """
    directory, fingerprint, settings = (
        search.directory,
        this.base_fingerprint(search.build.fingerprint),
        search.settings,
    )
    neighbors = search.root / NEIGHBORS
    if not (directory.exists(OF) and directory.read_json(OF) == fingerprint):
        search.build.files.remove(SEARCH)
        search.jobs.progress.step("neighbors: cells")
        _train(search, this.base)
        directory.write_json(OF, fingerprint)
    centroids, queries = load(neighbors, CENTROIDS), load(directory, QUERIES)
    multiplications = artifacts.require_manifest(search.vectors).rows * centroids.shape[1]
    files = Files(directory, neighbors)
    seconds = len(queries) * multiplications / MULTIPLICATIONS_PER_SECOND
    _map(search, NearestOfPart(files, settings.k), TRUTH, fingerprint, seconds)
    rank = _ranks(search.root / TRUTH, settings.k, queries, centroids)
    probes, recall = cells.probes_needed(rank, settings.recall_target, min(MOST_PROBES, len(centroids)))
    seconds = len(centroids) * multiplications / MULTIPLICATIONS_PER_SECOND
    _map(search, AssignCells(files, probes), ASSIGNED, fingerprint, seconds)
    return {
        "method": "cells",
        "reason": f"cells: {len(centroids):,} of {len(this.base):,} documents, of which each searches {probes:,}",
        "recall": recall,
        "recall_queries": len(queries),
        "recall_reached": recall >= settings.recall_target,
        "cells": len(centroids),
        "probes": probes,
    }


def _train(search: Search, base: np.ndarray) -> None:
    """Stores centroids, and the documents whose true neighbours are to be found: two seeded samples of the base."""
    rng = np.random.Generator(np.random.PCG64(derived_seed(search.seed, "neighbors", "cells")))
    count = cells_for(len(base))
    sample, asking = (
        np.sort(rng.choice(base, size=min(len(base), size), replace=False))
        for size in (cells.TRAINING_POINTS * count, RECALL_QUERIES)
    )
    rows_of: tuple[list[np.ndarray], list[np.ndarray]] = ([], [])
    for ordinals, rows in vector_blocks(search.vectors):
        for chosen, found in zip((sample, asking), rows_of, strict=True):
            found.append(rows[np.isin(ordinals, chosen, assume_unique=True)])
    for name, array in ((QUERIES, np.concatenate(rows_of[1])), (ASKING, asking), (BASE, mask(search.vectors, base))):
        save(search.directory, name, array)
    training = np.concatenate(rows_of[0]).astype(np.float32)
    centroids = spherical_kmeans.train(training, min(count, len(training)), rng)
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
    nobody = np.full(len(queries), -1, dtype=np.int64)
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
    numbers = np.arange(len(centroids), dtype=np.int64)
    nearest = cells.nearest(queries, nobody, centroids, numbers, len(centroids)).neighbor
    rank = np.take_along_axis(np.argsort(nearest, axis=1), np.maximum(cell, 0), axis=1)
    ranks: np.ndarray = rank[found.neighbor >= 0]
    return ranks


class Files:
    """Where workers find what was prepared."""

    def __init__(self, search: Directory, neighbors: Directory) -> None:
        self._at = dict.fromkeys((QUERIES, ASKING, BASE), search) | {CENTROIDS: neighbors}

    def load(self, name: str) -> np.ndarray:
        return load(self._at[name], name)


@beam.typehints.with_input_types(Rows)
@beam.typehints.with_output_types(Rows)
class NearestOfPart(beam.DoFn):
    """Vectors of a part → of each document that asks its nearest among them, exactly, and the cells that store them."""

    def __init__(self, files: Files, k: int) -> None:
        self._files, self._k = files, k

    def setup(self) -> None:
        self._queries, self._asking, self._base, self._centroids = map(
            self._files.load, (QUERIES, ASKING, BASE, CENTROIDS)
        )

    def process(self, part: Rows) -> Iterator[Rows]:
        name, batch = part
        ordinals = batch.column("ordinal").to_numpy()
        here = np.flatnonzero(self._base[ordinals])
        vectors, ordinals = schemas.list_matrix(batch.column("vector"))[here], ordinals[here]
        with threadpool_limits(1):
            found = cells.nearest(self._queries, self._asking, vectors, ordinals, self._k)
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
