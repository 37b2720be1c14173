"""neighbors: `vectors` → `neighbors`: of each document the k nearest others, near-duplicates put aside.

    input    `vectors`
    output   one row per document that stays: its neighbours, best first; `neighbors/duplicates` lists the others
    dropped  documents whose cosine to one that stays is `neighbors.duplicate_cosine` or more; the pair is recorded
    cost     exact search up to a size, n²·d multiplications over the workers; IVF beyond

Near-duplicates go before the graph is made, because a path through copies teaches nothing (In-Context Pretraining,
ablation: without their removal the whole gain vanishes). Dropping some brings others closer, so search and removal
take turns until no two documents that stay are that close in each other's lists.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import apache_beam as beam
import faiss
import numpy as np
import pyarrow as pa

from graph_sort import near_duplicates
from graph_sort import neighbors as knn
from graph_sort.near_duplicates import Pairs
from pipeline import artifacts, schemas
from pipeline.beam import Rows
from pipeline.stage import Estimate, Run, Stage
from pipeline.storage import Directory
from stages.arrays import all_values, all_vectors, problems_beside

DUPLICATES = "neighbors/duplicates"
# The working files of this stage; gone when it is done.
SEARCH, ROUND = "neighbors/_search", "neighbors/_round-{}"
MULTIPLICATIONS_PER_SECOND = 2e10  # of exact search on one core, measured; an upper bound for IVF
INDEX, VECTORS, MEMBERS = "index.faiss", "vectors.npy", "members.npy"


@beam.typehints.with_input_types(Rows)
@beam.typehints.with_output_types(Rows)
class SearchPart(beam.DoFn):
    """Vectors of a part → the nearest members of the index, for those documents that are members and need it.

    A first search has every document as a member. Later ones search again only for members that had a neighbour
    which is no member any more; the others keep what they had.
    """

    def __init__(self, search: Directory, k: int, threads: int) -> None:
        self._search, self._k, self._threads = search, k, threads

    def setup(self) -> None:
        faiss.omp_set_num_threads(self._threads)
        with tempfile.TemporaryDirectory() as into:
            self._index = faiss.read_index(str(self._search.local_copy(INDEX, Path(into))), faiss.IO_FLAG_MMAP)
            self._vectors = np.load(self._search.local_copy(VECTORS, Path(into)), mmap_mode="r", allow_pickle=False)
            self._members = np.load(self._search.local_copy(MEMBERS, Path(into)), mmap_mode="r", allow_pickle=False)

    def process(self, rows: Rows) -> Iterator[Rows]:
        name, batch = rows
        ordinals = batch.column("ordinal").to_numpy()
        here = _positions(self._members, ordinals)
        ordinals, member = ordinals[here >= 0], here[here >= 0]
        if "neighbor" in batch.schema.names:
            neighbor = schemas.list_matrix(batch.column("neighbor"))[here >= 0].copy()
            cosine = schemas.list_matrix(batch.column("cosine"))[here >= 0].copy()
            lost = (neighbor >= 0) & (_positions(self._members, neighbor) < 0)
            stale = np.flatnonzero(lost.any(axis=1))
        else:
            neighbor = np.empty((len(ordinals), self._k), dtype=np.int64)
            cosine = np.empty((len(ordinals), self._k), dtype=np.float32)
            stale = np.arange(len(ordinals))
        found = knn.search(self._index, self._vectors, self._vectors[member[stale]], member[stale], self._k)
        neighbor[stale] = np.where(found.neighbor >= 0, self._members[np.maximum(found.neighbor, 0)], -1)
        cosine[stale] = np.where(found.neighbor >= 0, found.cosine, 0)
        yield name, _batch(ordinals, neighbor, cosine)


def _positions(members: np.ndarray, ordinals: np.ndarray) -> np.ndarray:
    """Where each ordinal stands among the sorted members; −1 where it does not."""
    at = np.minimum(np.searchsorted(members, ordinals), len(members) - 1)
    return np.where(members[at] == ordinals, at, -1)


def _batch(ordinals: np.ndarray, neighbor: np.ndarray, cosine: np.ndarray) -> pa.RecordBatch:
    k = neighbor.shape[1]
    columns = [
        pa.array(ordinals),
        pa.FixedSizeListArray.from_arrays(pa.array(neighbor.reshape(-1)), k),
        pa.FixedSizeListArray.from_arrays(pa.array(cosine.reshape(-1)), k),
    ]
    return pa.record_batch(columns, schema=schemas.neighbors(k))


def work(run: Run) -> Mapping[str, Any]:
    threshold, count = run.config.neighbors.duplicate_cosine, run.manifest("vectors").rows
    run.progress.step("neighbors: index")
    vectors = all_vectors(run)
    found, rounds = ROUND.format(0), 1
    method = _search(run, vectors, np.arange(count, dtype=np.int64), found, {"vectors": ("ordinal", "vector")})
    pairs = _pairs(run, found, threshold)
    more, duplicate_of = pairs, np.full(count, -1, dtype=np.int64)
    while len(more.cosine):
        duplicate_of = near_duplicates.keep_first(pairs, count)
        first, found, rounds = {ROUND.format(0): ("ordinal", "neighbor", "cosine")}, ROUND.format(rounds), rounds + 1
        _search(run, vectors, np.flatnonzero(duplicate_of < 0), found, first)
        more = _pairs(run, found, threshold)
        pairs = Pairs(np.concatenate([pairs.edges, more.edges]), np.concatenate([pairs.cosine, more.cosine]))
    _write_duplicates(run, duplicate_of, vectors)
    done = {part.name for part in artifacts.written_parts(run.artifact("neighbors"))}
    for part in run.manifest(found).parts:
        if part.name not in done:
            batch = artifacts.read_part(run.artifact(found), part)
            artifacts.write_part(run.artifact("neighbors"), part.name, batch, compress=False)
    for directory in (SEARCH, *(ROUND.format(index) for index in range(rounds))):
        run.root.remove(directory)
    return {"method": method, "duplicates": int((duplicate_of >= 0).sum()), "rounds": rounds}


def _search(
    run: Run, vectors: np.ndarray, members: np.ndarray, target: str, source: Mapping[str, tuple[str, ...]]
) -> str:
    """Searches the members among themselves; the index is stored, so that an interrupted search goes on with it."""
    directory, search = run.artifact(target), run.artifact(SEARCH)
    parents = {name: run.manifest(name).fingerprint for name in source}
    mark = artifacts.fingerprint(target, 1, {**parameters(run), "members": artifacts.digest(members)}, parents)
    if artifacts.is_finished(directory, mark):
        return str(run.manifest(target).statistics["method"])
    artifacts.begin(directory, mark)
    if not (search.exists("_of.json") and search.read_json("_of.json") == mark):
        run.root.remove(SEARCH)
        index = knn.build_index(vectors[members], seed=run.seed("neighbors"))
        with search.writing(INDEX) as file:
            file.write(faiss.serialize_index(index).data)
        for name, array in ((VECTORS, vectors[members]), (MEMBERS, members)):
            with search.writing(name) as file:
                np.save(file, array, allow_pickle=False)
        search.write_json("_of.json", mark)
    seconds = len(members) ** 2 * vectors.shape[1] / MULTIPLICATIONS_PER_SECOND
    processes = run.runner.processes(len(run.manifest("vectors").parts), seconds)
    threads = max(1, run.runner.workers // processes)
    search_part = SearchPart(search, run.config.neighbors.k, threads)
    run.map_parts(source, search_part, target, step="neighbors: searching", seconds=seconds)
    method = "exact" if len(members) <= knn.EXACT_UP_TO else "ivf_flat"
    artifacts.finish(directory, mark, {}, {}, {"method": method})
    return method


def _pairs(run: Run, artifact: str, threshold: float) -> Pairs:
    """All pairs of documents in each other's lists whose cosine reaches the threshold, by ordinal."""
    found = [Pairs(np.empty((0, 2), np.int64), np.empty(0, np.float32))]
    for part in run.manifest(artifact).parts:
        batch = artifacts.read_part(run.artifact(artifact), part)
        lists = knn.Neighbors(*(schemas.list_matrix(batch.column(name)) for name in ("neighbor", "cosine")))
        pairs = near_duplicates.pairs_above(lists, threshold)
        pairs.edges[:, 0] = batch.column("ordinal").to_numpy()[pairs.edges[:, 0]]
        found.append(pairs)
    return Pairs(*(np.concatenate(column) for column in zip(*found, strict=True)))


def _write_duplicates(run: Run, duplicate_of: np.ndarray, vectors: np.ndarray) -> None:
    directory = run.artifact(DUPLICATES)
    lost = np.flatnonzero(duplicate_of >= 0)
    kept = duplicate_of[lost]
    cosine = np.einsum("nd,nd->n", vectors[lost].astype(np.float32), vectors[kept].astype(np.float32))
    mark = artifacts.read_building(run.artifact("neighbors"))
    artifacts.begin(directory, mark)
    batch = pa.record_batch([lost, kept, cosine.astype(np.float32)], schema=schemas.DUPLICATES)
    artifacts.write_part(directory, "part-00000-0000.arrow", batch, compress=False)
    artifacts.finish(directory, mark, {}, {}, {})


def parameters(run: Run) -> Mapping[str, Any]:
    return {**run.config.neighbors.model_dump(mode="json"), "seed": run.config.seed}


def estimate(run: Run) -> Estimate:
    vectors = run.manifest("vectors")
    count, dimensions, k = vectors.rows, vectors.statistics["dimensions"], run.config.neighbors.k
    size = count * dimensions
    # The vectors as float16 twice, the index as built and as written; each worker maps the index and searches blocks.
    return Estimate(
        memory=4 * size + 2 * knn.memory_bytes(count, dimensions, k),
        disk=8 * size + 3 * count * (12 * k + 8),
        each_worker=knn.memory_bytes(min(count, 32768), dimensions, k) + 2**26,
    )


def verify(run: Run) -> Iterable[str]:
    directory = run.artifact("neighbors")
    yield from artifacts.schema_problems(directory, schemas.neighbors(run.config.neighbors.k))
    damage = list(problems_beside(run, DUPLICATES, schemas.DUPLICATES, "neighbors"))
    if damage:
        yield from damage
        return
    staying, leaving = (all_values(run, name, "ordinal") for name in ("neighbors", DUPLICATES))
    if not np.array_equal(np.sort(np.concatenate([staying, leaving])), np.arange(run.manifest("vectors").rows)):
        yield f"{directory.path()}: not every document is either there or a duplicate; delete it and run again"


STAGE = Stage("neighbors", "neighbors", 1, ("vectors",), parameters, estimate, work, verify, (DUPLICATES,))
