"""Runs of tokens on their way from the parts of `tokens` to the shards, where no worker maps all parts.

    _<build>/_plan/runs    a record for each run: a piece of a document and where it goes, by part, shard and slot

A shard of r rows of S tokens has r·(S + 1) slots: those of its rows, end to end, and one for the token that would
follow each row. A run is a piece of a document, or such a token.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from sequitur.graph_sort.distinct import distinct_values
from sequitur.pipeline.builds import Build
from sequitur.stages.pack.context_rows import Rows, SplitPlan, followed
from sequitur.stages.pack.shard_tasks import ShardTask, plan_folder, read_records, records
from sequitur.stages.shared.columns.token_store import copy_runs
from sequitur.text_core.units.offsets import offsets_of

RUNS = "runs"
RUN = np.dtype([("document", "<i8"), ("start", "<u4"), ("length", "<u4"), ("shard", "<u4"), ("slot", "<i8")])
BLOCK_RUNS = 2**20  # that are sorted and written at a time, about
MESSAGE_TOKENS = 2**20  # of runs that go together, but for the last one: with it 8 MiB at most


class Source(NamedTuple):
    """A part of `tokens` that some shards need, and the place of its runs among the records."""

    part: int
    first: int
    last: int


class Runs(NamedTuple):
    """Runs of tokens of one shard, end to end."""

    slot: np.ndarray  # int64 [n], where in the shard each begins
    length: np.ndarray  # int64 [n]
    tokens: np.ndarray  # uint32


class _SplitRuns:
    """The runs of a split. Memory: 24 bytes for each, and 16 for each context."""

    def __init__(self, plan: SplitPlan, tasks: Sequence[ShardTask], first_shard: int) -> None:
        self._plan, self._first_shard = plan, first_shard
        self._size = tasks[0].context_length
        self._shard_rows = tasks[0].rows  # of all but the last
        self._rows = np.array([task.rows for task in tasks], np.int64)
        self._row = np.empty(len(plan.reading_order), np.int64)  # of each context
        self._row[plan.reading_order] = np.arange(len(self._row))
        self._ends = offsets_of(plan.length)
        counts = np.diff(self._ends[plan.offsets])
        self._followed = np.flatnonzero((counts == self._size) & (plan.next_document >= 0))
        document = np.concatenate([plan.document, plan.next_document[self._followed]])
        self._by_document = np.argsort(document, kind="stable")
        self._document = document[self._by_document]

    def bounds(self, documents: np.ndarray) -> np.ndarray:
        """How many runs are of documents before each of some, int64 ascending."""
        return np.searchsorted(self._document, documents)

    def some(self, first: int, last: int) -> np.ndarray:
        """Runs `first` … `last − 1` by document, as records."""
        plan, size = self._plan, self._size
        chosen = self._by_document[first:last]
        is_piece = chosen < len(plan.document)
        piece = chosen[is_piece]
        next_of = self._followed[chosen[~is_piece] - len(plan.document)]
        context = np.empty(len(chosen), np.int64)
        context[is_piece] = np.searchsorted(plan.offsets, piece, side="right") - 1
        context[~is_piece] = next_of
        start, length, slot = (np.empty(len(chosen), np.int64) for _ in range(3))
        start[is_piece], start[~is_piece] = plan.start[piece], plan.next_start[next_of]
        length[is_piece], length[~is_piece] = plan.length[piece], 1
        shard, row = np.divmod(self._row[context], self._shard_rows)
        before = self._ends[piece] - self._ends[plan.offsets[context[is_piece]]]
        slot[is_piece] = row[is_piece] * size + before
        slot[~is_piece] = self._rows[shard[~is_piece]] * size + row[~is_piece]
        return records(RUN, self._document[first:last], start, length, self._first_shard + shard, slot)


def write_runs(
    build: Build,
    plans: Mapping[tuple[str, str], SplitPlan],
    tasks: Sequence[ShardTask],
    begins: np.ndarray,
    left: Sequence[int],
) -> list[Source]:
    """Writes the runs of all shards, BLOCK_RUNS at a time; returns the parts of `tokens` that those `left` need.

    Args:
        build: of the shards.
        plans: by directory and split, in the order of the tasks.
        tasks: all of them; a shard is its number here.
        begins: int64 [parts + 1], the ordinal of the first document of each part, and their number.
        left: shards that are not written yet.
    """
    splits, shard = [], 0
    for key, plan in plans.items():
        of_split = [task for task in tasks if (task.directory, task.split) == key]
        splits.append(_SplitRuns(plan, of_split, shard))
        shard += len(of_split)
    bounds = [split.bounds(begins) for split in splits]
    every = np.stack(bounds).sum(axis=0)  # runs before each part
    blocks = np.flatnonzero(np.diff(every[:-1] // BLOCK_RUNS, prepend=-1)).tolist()
    sources = []
    with plan_folder(build).writing(RUNS) as file:
        for first, last in zip(blocks, [*blocks[1:], len(begins) - 1], strict=True):
            runs = np.concatenate(
                [split.some(*of_split[[first, last]].tolist()) for split, of_split in zip(splits, bounds, strict=True)]
            )
            part = np.searchsorted(begins, runs["document"], side="right") - 1
            order = np.lexsort((runs["slot"], runs["shard"], part))
            runs, part = runs[order], part[order]
            file.write(runs.tobytes())
            needed = distinct_values(part[np.isin(runs["shard"], np.array(left))])
            sources += [Source(one, *every[[one, one + 1]].tolist()) for one in needed.tolist()]
    return sources


def read_runs(build: Build, source: Source) -> np.ndarray:
    """The runs of a part, as records, by shard and slot: one request."""
    return read_records(plan_folder(build), RUNS, RUN, source.first, source.last)


def messages(runs: np.ndarray, first: int, offsets: np.ndarray, tokens: np.ndarray) -> Iterator[tuple[int, bytes]]:
    """(shard, runs of it with their tokens) for the records of a part, MESSAGE_TOKENS at a time.

    Args:
        runs: by shard.
        first: ordinal of the part's first document.
        offsets: int64 [n + 1] where each document begins in the part.
        tokens: uint32, of the part.

    Raises:
        IndexError: a run does not lie in its document, or this not in the part.
    """
    document, length = runs["document"] - first, runs["length"].astype(np.int64)
    if len(runs) and (document.min() < 0 or document.max() >= len(offsets) - 1):
        raise IndexError("a document does not lie in this part")
    source = offsets[document] + runs["start"]
    if (source + length > offsets[document + 1]).any():
        raise IndexError("a run lies outside its document")
    before = offsets_of(length)[:-1]
    shard_begins = np.flatnonzero(np.diff(runs["shard"].astype(np.int64), prepend=-1))
    of_shard = np.repeat(before[shard_begins], np.diff(np.append(shard_begins, len(runs))))
    block = (before - of_shard) // MESSAGE_TOKENS
    new = np.diff(block, prepend=-1) != 0
    new[shard_begins] = True
    ends = np.append(np.flatnonzero(new), len(runs)).tolist()
    for begin, end in pairwise(ends):
        here = slice(begin, end)
        out = np.empty(int(length[here].sum()), np.uint32)
        if not copy_runs(tokens, np.arange(end - begin), source[here], length[here], before[here] - before[begin], out):
            raise IndexError("a run lies outside its part")
        yield int(runs["shard"][begin]), packed(Runs(runs["slot"][here], length[here], out))


def packed(runs: Runs) -> bytes:
    """Runs as bytes: their number, and the three arrays."""
    parts = (np.array([len(runs.slot)], "<i8"), runs.slot.astype("<i8"), runs.length.astype("<i8"), runs.tokens)
    return b"".join(part.tobytes() for part in parts)


def unpacked(message: bytes) -> Runs:
    """The runs that `packed` made bytes of."""
    (count,) = np.frombuffer(message, "<i8", 1).tolist()
    slot, length = np.frombuffer(message, "<i8", 2 * count, 8).reshape(2, count).copy()
    return Runs(slot, length, np.frombuffer(message, "<u4", -1, 8 + 16 * count))


def place(runs: Runs, out: np.ndarray) -> None:
    """Copies runs to their slots in `out`, uint32.

    Raises:
        IndexError: one lies outside.
    """
    source = offsets_of(runs.length)[:-1]
    if not copy_runs(runs.tokens, np.arange(len(source)), source, runs.length, runs.slot, out):
        raise IndexError("a run lies outside its shard")


def expected(rows: Rows, size: int) -> tuple[np.ndarray, np.ndarray]:
    """int64 slots, ascending, and lengths of the runs that make up the rows of a shard."""
    ends = offsets_of(rows.length)
    counts = np.diff(rows.offsets)
    before = ends[:-1] - np.repeat(ends[rows.offsets[:-1]], counts)
    in_rows = np.repeat(np.arange(len(counts)) * size, counts) + before
    following = len(counts) * size + np.flatnonzero(followed(rows, size))
    return np.concatenate([in_rows, following]), np.concatenate([rows.length, np.ones_like(following)])
