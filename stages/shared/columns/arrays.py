"""Columns of an artifact as one numpy array each, over all its parts."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from sequitur.graph_sort.graph import Graph, from_neighbors
from sequitur.pipeline import artifacts, schemas
from sequitur.pipeline.storage import Directory


def problems_beside(directory: Directory, schema: pa.Schema, main: Directory) -> Iterator[str]:
    """One line for each thing that is wrong with an artifact written beside `main`, by the stage that makes `main`."""
    manifest = artifacts.read_manifest(directory)
    if manifest is None or any(artifacts.damaged_parts(directory, manifest)):
        yield f"{directory.path()}: absent or damaged; delete {main.path()} and run again"
    else:
        yield from artifacts.schema_problems(directory, schema)


def all_values(directory: Directory, column: str) -> np.ndarray:
    """A column of numbers without nulls over all parts of an artifact."""
    return np.asarray(artifacts.read_columns(directory, [column])[column].to_numpy())


def read_graph(directory: Directory) -> tuple[np.ndarray, Graph]:
    """The documents in an artifact of neighbours, int64 ordinals ascending, and their graph, whose nodes are positions
    among them."""
    ordinals = all_values(directory, "ordinal")
    neighbor, cosine = np.empty((0, 0), dtype=np.int64), np.empty((0, 0), dtype=np.float32)
    start = 0
    for part in artifacts.require_manifest(directory).parts:
        batch = artifacts.read_part(directory, part)
        rows = slice(start, start + part.rows)
        ids = schemas.list_matrix(batch.column("neighbor"))
        if not start:
            neighbor = np.empty((len(ordinals), ids.shape[1]), dtype=np.int64)
            cosine = np.empty((len(ordinals), ids.shape[1]), dtype=np.float32)
        neighbor[rows] = np.where(ids >= 0, np.searchsorted(ordinals, ids), -1)
        cosine[rows] = schemas.list_matrix(batch.column("cosine"))
        start += part.rows
    return ordinals, from_neighbors(neighbor, cosine)
