"""The shards that are to be written, and the slice of the plan that each takes, on storage for the workers.

    _<build>/_plan/TRAIN.rows      a record for each row of a split, in reading order
    _<build>/_plan/TRAIN.pieces    a record for each piece of a document in them

A worker reads the records of its shard, by their place, and no others. The same build writes the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from sequitur.pipeline.builds import Build
from sequitur.pipeline.storage import Directory
from sequitur.shards.format import shard_name
from sequitur.shards.writer import plan_shards
from sequitur.stages.pack.context_rows import Rows, SplitPlan, rows_of
from sequitur.stages.pack.shard_sets import ShardSet
from sequitur.text_core.units.offsets import offsets_of

PLAN = "_plan"  # in the folder of the build, beside the shards until they are published
BLOCK_ROWS = 2**16  # that are written at a time
ROW = np.dtype(
    [("pieces", "<u4"), ("context", "<i8"), ("group", "<i8"), ("next_document", "<i8"), ("next_start", "<u4")]
)
PIECE = np.dtype([("document", "<i8"), ("start", "<u4"), ("length", "<u4")])


class ShardTask(NamedTuple):
    """One shard to write: rows `first` … `first + rows − 1` of a split of a dataset."""

    directory: str  # of the dataset, below `shards`
    split: str
    context_length: int
    number: int
    of: int
    first: int
    rows: int
    first_piece: int  # in reading order
    pieces: int

    @property
    def path(self) -> str:
        """From the dataset's root."""
        return f"{self.split}/{shard_name(self.number, self.of)}"

    @property
    def full_path(self) -> str:
        """From `shards`."""
        return f"{self.directory}/{self.path}" if self.directory else self.path


def shard_tasks(shard_set: ShardSet, shard_bytes: int) -> Iterator[ShardTask]:
    """Those of a dataset, split by split."""
    for split, plan in shard_set.plans.items():
        shards = plan_shards(len(plan.reading_order), shard_set.context_length, shard_bytes)
        ends = offsets_of(np.diff(plan.offsets)[plan.reading_order])
        for number, (first, rows) in enumerate(shards):
            begin, end = ends[[first, first + rows]].tolist()
            place = (number, len(shards), first, rows, begin, end - begin)
            yield ShardTask(shard_set.directory, split, shard_set.context_length, *place)


def plan_folder(build: Build) -> Directory:
    return build.files / PLAN


def write_plan(build: Build, directory: str, split: str, plan: SplitPlan) -> None:
    """Writes the records of a split, BLOCK_ROWS rows at a time."""
    name, order = _plan_name(directory, split), plan.reading_order
    with plan_folder(build).writing(f"{name}.rows") as rows, plan_folder(build).writing(f"{name}.pieces") as pieces:
        for first in range(0, len(order), BLOCK_ROWS):
            some = rows_of(plan, order[first : first + BLOCK_ROWS])
            rows.write(records(ROW, np.diff(some.offsets), *some[4:]).tobytes())
            pieces.write(records(PIECE, *some[1:4]).tobytes())


def read_rows(build: Build, task: ShardTask) -> Rows:
    """The rows of a shard: two requests."""
    name = _plan_name(task.directory, task.split)
    rows = read_records(plan_folder(build), f"{name}.rows", ROW, task.first, task.first + task.rows)
    end = task.first_piece + task.pieces
    pieces = read_records(plan_folder(build), f"{name}.pieces", PIECE, task.first_piece, end)
    of_pieces = (pieces[column].astype(np.int64) for column in PIECE.names or ())
    of_rows = (rows[column].astype(np.int64) for column in (ROW.names or ())[1:])
    return Rows(offsets_of(rows["pieces"]), *of_pieces, *of_rows)


def records(dtype: np.dtype, *columns: np.ndarray) -> np.ndarray:
    """Columns of equal length as records."""
    found = np.empty(len(columns[0]), dtype)
    for name, column in zip(dtype.names or (), columns, strict=True):
        found[name] = column
    return found


def read_records(directory: Directory, name: str, dtype: np.dtype, first: int, last: int) -> np.ndarray:
    """Records `first` … `last − 1` of a file: one request."""
    size = dtype.itemsize
    return np.frombuffer(directory.read_range(name, first * size, last * size), dtype)


def _plan_name(directory: str, split: str) -> str:
    return f"{directory.replace('/', '--')}--{split}"
