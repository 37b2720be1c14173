"""The lists that `neighbors` makes in rounds: what a round is, and how its rows are written."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pyarrow as pa

from sequitur.graph_sort.neighbors import Neighbors
from sequitur.pipeline import artifacts, builds, schemas
from sequitur.pipeline.artifacts import Manifest
from sequitur.pipeline.builds import Build
from sequitur.pipeline.errors import CorruptPart
from sequitur.pipeline.names import NEIGHBORS, VECTORS
from sequitur.pipeline.sections import Neighbors as NeighborSettings
from sequitur.pipeline.stage import Estimate
from sequitur.pipeline.storage import Directory

if TYPE_CHECKING:  # lists are also read where no job is run
    from sequitur.pipeline.jobs import Jobs
    from sequitur.pipeline.runner import Runner

# Working files of the stage, gone when it is done: what workers search with, and what each round finds.
SEARCH = "_search"  # in the folder of the build
ROUND = "neighbors/_round-{}"
MEMBERS, ASKING, SEARCHED = "members.npy", "asking.npy", "vectors.npy"
LEAST_SPARE = 8


@dataclass(frozen=True)
class Round:
    """A search among some documents.

    Attributes:
        target: the name of the artifact to make, part by part like `vectors`, with the lists of those who ask.
        members: int64 ordinals, ascending: who is found.
        base: int64 ordinals, ascending, with all members among them: for whom cells are made.
        asking: int64 ordinals, ascending, members: whose nearest are searched for.
    """

    target: str
    members: np.ndarray
    base: np.ndarray
    asking: np.ndarray

    def fingerprint(self, building: str) -> str:
        """The fingerprint of what it makes, within the build of `neighbors` that has the fingerprint `building`, by
        which settings and parents are known."""
        digests = {name: artifacts.digest(getattr(self, name)) for name in ("members", "base", "asking")}
        return artifacts.fingerprint_of(self.target, 2, digests, {"neighbors": building})

    def base_fingerprint(self, building: str) -> str:
        """The fingerprint of what is prepared for searching the base."""
        return artifacts.fingerprint_of(SEARCH, 2, {"base": artifacts.digest(self.base)}, {"neighbors": building})


@dataclass(frozen=True)
class Search:
    """What all rounds are searched with.

    Attributes:
        root: of the run, where `vectors` are and what is found is put.
        settings: how many neighbours, and how they are searched.
        seed: the configured one.
        jobs: what runs jobs, and where progress is told.
        gpu: the device for exact search; None where there is none.
    """

    root: Directory
    settings: NeighborSettings
    seed: int
    jobs: Jobs
    gpu: str | None

    @property
    def vectors(self) -> Directory:
        return self.root / VECTORS

    @property
    def width(self) -> int:
        """How many are searched for: k, and as many as may fall before a list is too short."""
        return self.settings.k + max(LEAST_SPARE, self.settings.k // 2)

    @property
    def directory(self) -> Directory:
        """The working files that workers search with."""
        return self.build.files / SEARCH

    @cached_property
    def build(self) -> Build:
        """Of `neighbors`."""
        return builds.current(self.root / NEIGHBORS)


class Method(Protocol):
    """A module that searches in its own way: by_index, by_cells, by_exact."""

    def estimate(self, settings: NeighborSettings, vectors: Manifest, part: int, runner: Runner) -> Estimate:
        """What searching `vectors` takes, `part` documents at a time, with jobs run so."""

    def search(self, search: Search, this: Round, target: Build) -> Mapping[str, Any]:
        """Searches a round into `target`, `search.width` for each who asks, and returns how: `method`, `reason`,
        `recall`, `recall_queries`, `recall_reached`."""


def as_batch(ordinals: np.ndarray, found: Neighbors) -> pa.RecordBatch:
    """Rows of `neighbors`; a neighbour that is none has the cosine 0."""
    k = found.neighbor.shape[1]
    cosine = np.where(found.neighbor >= 0, found.cosine, np.float32(0))
    columns = [
        pa.array(ordinals),
        pa.FixedSizeListArray.from_arrays(pa.array(found.neighbor.reshape(-1)), k),
        pa.FixedSizeListArray.from_arrays(pa.array(cosine.reshape(-1)), k),
    ]
    return pa.record_batch(columns, schema=schemas.neighbors(k))


def lists_of(batch: pa.RecordBatch) -> Neighbors:
    """The lists in rows of `neighbors`."""
    return Neighbors(schemas.list_matrix(batch.column("neighbor")), schemas.list_matrix(batch.column("cosine")))


def mask(vectors: Directory, ordinals: np.ndarray) -> np.ndarray:
    """bool [n] by ordinal of all vectors: whether it is among some."""
    among = np.zeros(artifacts.require_manifest(vectors).rows, dtype=bool)
    among[ordinals] = True
    return among


def save(directory: Directory, name: str, array: np.ndarray) -> None:
    with directory.writing(name) as file:
        np.save(file, array, allow_pickle=False)


def load(directory: Directory, name: str) -> np.ndarray:
    """An array that `save` or `save_vectors` stored, memory-mapped."""
    with tempfile.TemporaryDirectory() as scratch:  # of what was not local; a mapped file outlives its name
        array: np.ndarray = np.load(directory.local_copy(name, Path(scratch)), mmap_mode="r", allow_pickle=False)
    return array


def save_vectors(vectors: Directory, ordinals: np.ndarray, directory: Directory) -> None:
    """Writes the vectors of some documents, int64 ascending, into one file there that can be mapped: float16 [n, d].

    Raises:
        CorruptPart: as `vector_blocks`.
    """
    chosen, dimensions = mask(vectors, ordinals), artifacts.require_manifest(vectors).statistics["dimensions"]
    with directory.writing(SEARCHED) as file:
        header = {"descr": "<f2", "fortran_order": False, "shape": (len(ordinals), dimensions)}
        np.lib.format.write_array_header_1_0(file, header)
        for here, rows in vector_blocks(vectors):
            file.write(rows[chosen[here]].tobytes())


def vector_blocks(directory: Directory) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """(int64 ordinals, float16 [r, d]) of each part of `vectors`, checked.

    Raises:
        CorruptPart: vectors of another dimension, NaN or infinity.
    """
    manifest = artifacts.require_manifest(directory)
    dimensions = manifest.statistics["dimensions"]
    for part in manifest.parts:
        batch = artifacts.read_part(directory, part, ["ordinal", "vector"])
        rows = schemas.list_matrix(batch.column("vector"))
        path = directory.path(part.path)
        if rows.shape[1] != dimensions:
            raise CorruptPart(
                f"{path}: vectors of {rows.shape[1]} dimensions where the others have {dimensions}; delete "
                f"{directory.path()} and run again to embed anew"
            )
        if not np.isfinite(rows).all():
            raise CorruptPart(f"{path}: a vector holds NaN or infinity; delete {directory.path()} and run again")
        yield batch.column("ordinal").to_numpy(), rows
