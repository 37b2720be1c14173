"""Columns of an artifact as one numpy array each, over all its parts."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from graph_sort.graph import Graph, from_neighbors
from pipeline import artifacts, schemas
from pipeline.stage import Run
from stages.encoders import unit


def all_vectors(run: Run) -> np.ndarray:
    """The vectors of all kept documents, float16 [n, d], row = ordinal. Memory: 2·n·d bytes."""
    return _read_vectors(run, run.manifest("vectors").statistics["dimensions"])


def own_vectors(run: Run) -> np.ndarray:
    """The model's own part of the vectors, at unit length or zero, float16 [n, d_model], row = ordinal.

    Where the words have no share in the vectors these are `all_vectors`. Memory: 2·n·d_model bytes.
    """
    statistics = run.manifest("vectors").statistics
    return _read_vectors(run, statistics.get("model_dimensions", statistics["dimensions"]))


def _read_vectors(run: Run, kept: int) -> np.ndarray:
    """The first `kept` dimensions of all vectors, brought to unit length where that is not all of them."""
    directory, manifest = run.artifact("vectors"), run.manifest("vectors")
    vectors = np.empty((manifest.rows, kept), dtype=np.float16)
    start = 0
    for part in manifest.parts:
        rows = schemas.list_matrix(artifacts.read_part(directory, part, ["vector"]).column("vector"))
        whole = rows.shape[1] == kept
        vectors[start : start + part.rows] = rows if whole else unit(rows[:, :kept].astype(np.float32))
        start += part.rows
    return vectors


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
