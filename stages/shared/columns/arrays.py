"""Columns of an artifact as one numpy array each, over all its parts."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from sequitur.graph_sort.graph import Graph, from_neighbors
from sequitur.pipeline import artifacts, schemas
from sequitur.pipeline.stage import Run


def problems_beside(run: Run, artifact: str, schema: pa.Schema, main: str) -> Iterator[str]:
    """One line for each thing that is wrong with an artifact written beside `main`, by the stage that makes `main`."""
    directory = run.artifact(artifact)
    manifest = artifacts.read_manifest(directory)
    if manifest is None or any(artifacts.damaged_parts(directory, manifest)):
        yield f"{directory.path()}: absent or damaged; delete {run.artifact(main).path()} and run again"
    else:
        yield from artifacts.schema_problems(directory, schema)


def all_values(run: Run, artifact: str, column: str) -> np.ndarray:
    """A column of numbers without nulls over all parts."""
    table = artifacts.read_columns(run.artifact(artifact), [column])
    return np.asarray(table[column].to_numpy())


def read_graph(run: Run, artifact: str = "neighbors") -> tuple[np.ndarray, Graph]:
    """The documents in an artifact of neighbours, int64 ordinals ascending, and their graph, whose nodes are positions
    among them."""
    ordinals = all_values(run, artifact, "ordinal")
    directory = run.artifact(artifact)
    k = run.config.neighbors.k
    neighbor = np.empty((len(ordinals), k), dtype=np.int64)
    cosine = np.empty((len(ordinals), k), dtype=np.float32)
    start = 0
    for part in run.manifest(artifact).parts:
        batch = artifacts.read_part(directory, part)
        rows = slice(start, start + part.rows)
        ids = schemas.list_matrix(batch.column("neighbor"))
        neighbor[rows] = np.where(ids >= 0, np.searchsorted(ordinals, ids), -1)
        cosine[rows] = schemas.list_matrix(batch.column("cosine"))
        start += part.rows
    return ordinals, from_neighbors(neighbor, cosine)
