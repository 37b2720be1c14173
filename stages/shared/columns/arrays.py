"""Columns of an artifact as one numpy array each, over all its parts, and what is made of such columns."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np
import pyarrow as pa
from numpy.typing import DTypeLike

from sequitur.graph_sort.graph import Empty, Graph, from_neighbors
from sequitur.graph_sort.offsets import offsets_of
from sequitur.graph_sort.threads import on_threads
from sequitur.pipeline import artifacts, schemas, scratch
from sequitur.pipeline.storage import Directory

BLOCK = 2**16  # values that are computed with at a time


def problems_beside(directory: Directory, schema: pa.Schema, main: Directory) -> Iterator[str]:
    """One line for each thing that is wrong with an artifact written beside `main`, by the stage that makes `main`."""
    manifest = artifacts.read_manifest(directory)
    if manifest is None or any(artifacts.damaged_parts(directory, manifest)):
        yield f"{directory.path()}: absent or damaged; delete {main.path()} and run again"
    else:
        yield from artifacts.schema_problems(directory, schema)


def all_values(directory: Directory, column: str) -> np.ndarray:
    """A column of numbers without nulls over all parts of an artifact; mapped, where it is long."""
    parts = artifacts.require_manifest(directory).parts
    of_parts = (artifacts.read_part(directory, part, [column]).column(0).to_numpy() for part in parts)
    return end_to_end(of_parts, sum(part.rows for part in parts), scratch.beside(directory))


def end_to_end(arrays: Iterable[np.ndarray], count: int, empty: Empty) -> np.ndarray:
    """Arrays of numbers of one dtype, of so many in all, one after the other in an array from `empty`; none are of
    int64."""
    whole, filled = empty(0, np.int64), 0
    for array in arrays:
        whole = whole if filled else empty(count, array.dtype)
        whole[filled : filled + len(array)] = array
        filled += len(array)
    return whole


def held(empty: Empty, array: np.ndarray) -> np.ndarray:
    """The same in an array from `empty`."""
    found = empty(array.shape, array.dtype)
    found[:] = array
    return found


def by_blocks(
    function: Callable[[np.ndarray], np.ndarray], values: np.ndarray, dtype: DTypeLike, empty: Empty
) -> np.ndarray:
    """What a function makes of each of some values [n], of this dtype, in an array from `empty`. Memory: a block."""
    found = empty(len(values), dtype)
    for begin in range(0, len(values), BLOCK):
        here = slice(begin, begin + BLOCK)
        found[here] = function(values[here])
    return found


def distinct_ordinals(ordinals: Iterable[np.ndarray], count: int, empty: Empty) -> np.ndarray:
    """The ordinals in some int64 arrays, below `count`, each once and ascending: int64, in an array from `empty`.
    Memory: a byte for each ordinal that there is, and a block."""
    is_there = np.zeros(count, np.bool_)
    for some in ordinals:
        is_there[some] = True
    return true_places(is_there, empty)


def true_places(values: np.ndarray, empty: Empty) -> np.ndarray:
    """`np.flatnonzero` of bools, in an array from `empty`. Memory: a block."""
    found, filled = empty(int(np.count_nonzero(values)), np.int64), 0
    for begin in range(0, len(values), BLOCK):
        here = begin + np.flatnonzero(values[begin : begin + BLOCK])
        found[filled : filled + len(here)] = here
        filled += len(here)
    return found


def read_graph(directory: Directory, threads: int = 1) -> tuple[np.ndarray, Graph]:
    """The documents in an artifact of neighbours, int64 ordinals ascending, and their graph, whose nodes are positions
    among them. Memory: what `graph_bytes` says, mapped, and 8 bytes a document."""
    empty = scratch.beside(directory)
    ordinals, parts = all_values(directory, "ordinal"), artifacts.require_manifest(directory).parts
    place = empty(int(ordinals.max(initial=-1)) + 2, np.int64)  # by ordinal; the last is that of none, −1
    place[:] = -1
    place[ordinals] = np.arange(len(ordinals))
    k = artifacts.part_schema(directory, parts[0]).field("neighbor").type.list_size
    neighbor, cosine = empty((len(ordinals), k), np.int64), empty((len(ordinals), k), np.float32)
    begins = offsets_of([part.rows for part in parts])

    def read(number: int) -> None:
        batch, rows = artifacts.read_part(directory, parts[number]), slice(begins[number], begins[number + 1])
        np.take(place, schemas.list_matrix(batch.column("neighbor")), out=neighbor[rows])
        cosine[rows] = schemas.list_matrix(batch.column("cosine"))

    for _ in on_threads(threads, read, range(len(parts))):
        pass
    return ordinals, from_neighbors(neighbor, cosine, empty, threads)


def graph_bytes(documents: int, k: int) -> int:
    """What `read_graph` takes of the disk beside the lists, at most: they are read, divided and joined."""
    return ((12 + 12 + 24) * k + 24) * documents
