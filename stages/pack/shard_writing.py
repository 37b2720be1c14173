"""Writing the shards of planned datasets: a Beam job, one element for each shard, or one for all.

What it takes to write a shard, digests above all, holds no lock of Python's. So on one machine they are written by
threads: of a gigabyte two processes spent as much of the processor on their imports as on writing it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any, NamedTuple

import apache_beam as beam
import numpy as np
import pyarrow as pa

from sequitur.graph_sort.threads import on_threads
from sequitur.pipeline import artifacts, builds
from sequitur.pipeline.artifacts import HashingSink, Part
from sequitur.pipeline.builds import Build
from sequitur.pipeline.jobs import Jobs
from sequitur.pipeline.storage import Directory
from sequitur.shards.contexts import Contexts, context_batch
from sequitur.shards.format import BATCH_ROWS, Header, context_schema, shard_name
from sequitur.shards.json_files import from_json
from sequitur.shards.manifest import ShardEntry
from sequitur.shards.writer import plan_shards, write_shard
from sequitur.stages.pack.context_rows import SplitPlan, pad_rows, pieces_of
from sequitur.stages.pack.shard_sets import ShardSet
from sequitur.stages.shared.columns.token_store import TokenStore
from sequitur.text_core.units.offsets import offsets_of

PLAN = "_plan"  # in the folder of the build, beside the shards until they are published


class ShardTask(NamedTuple):
    """One shard to write: rows `first` … `first + rows − 1` of a split of a dataset."""

    directory: str  # of the dataset, below `shards`
    split: str
    context_length: int
    number: int
    of: int
    first: int
    rows: int

    @property
    def path(self) -> str:
        """From the dataset's root."""
        return f"{self.split}/{shard_name(self.number, self.of)}"

    @property
    def full_path(self) -> str:
        """From `shards`."""
        return f"{self.directory}/{self.path}" if self.directory else self.path


class WriteShards(beam.DoFn):
    """Some `ShardTask`s → the shards in the folder of the build, noted with their entries for the manifest."""

    def __init__(self, build: Build, tokens: Directory, header: Header, threads: int) -> None:
        self._build, self._tokens_in, self._header, self._threads = build, tokens, header, threads
        self._fingerprint = artifacts.require_manifest(tokens).fingerprint

    def setup(self) -> None:
        self._plans: dict[tuple[str, str], SplitPlan] = {}
        artifacts.require_manifest(self._tokens_in, self._fingerprint)
        self._tokens = TokenStore(self._tokens_in, check=False)

    def process(self, element: Sequence[tuple[str, str, int, int, int, int, int]]) -> Iterator[str]:
        tasks = [ShardTask(*task) for task in element]
        for key in {(task.directory, task.split) for task in tasks} - self._plans.keys():
            self._plans[key] = read_plan(self._build, *key)
        yield from on_threads(self._threads, self._write, tasks)

    def _write(self, task: ShardTask) -> str:
        header = replace(self._header, seq_len=task.context_length)
        schema = context_schema(header, task.split, task.number, task.of)
        folder, _, name = task.full_path.rpartition("/")
        with (self._build.files / folder).writing(name) as file:
            sink = HashingSink(file)
            plan = self._plans[task.directory, task.split]
            entry = write_shard(sink, task.path, self._batches(plan, task, schema), schema)
        part = Part(task.full_path, task.rows, entry.bytes, sink.hash.hexdigest())
        builds.record_part(self._build, part, asdict(entry))
        return task.full_path

    def _batches(self, plan: SplitPlan, task: ShardTask, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        end = task.first + task.rows
        for start in range(task.first, end, BATCH_ROWS):
            contexts = plan.reading_order[start : min(start + BATCH_ROWS, end)]
            pad = self._header.special_ids.pad
            yield context_batch(gather_contexts(self._tokens, plan, contexts, task.context_length, pad), schema)


def gather_contexts(tokens: TokenStore, plan: SplitPlan, contexts: np.ndarray, size: int, pad: int) -> Contexts:
    """Some contexts (int64) of a plan as rows of `size` tokens."""
    pieces, row = pieces_of(plan, contexts)
    num_tokens = np.bincount(row, weights=plan.length[pieces], minlength=len(contexts)).astype(np.uint32)
    input_ids = np.empty((len(contexts), size), dtype=np.uint32)
    tokens.gather(plan, contexts, input_ids)
    pad_rows(input_ids, num_tokens, pad)
    next_valid = (num_tokens == size) & (plan.next_document[contexts] >= 0)
    followed = contexts[next_valid]
    next_token = np.zeros(len(contexts), dtype=np.uint32)
    next_token[next_valid] = tokens.tokens_at(plan.next_document[followed], plan.next_start[followed])
    return Contexts(
        input_ids=input_ids,
        next_token=next_token,
        next_valid=next_valid,
        num_tokens=num_tokens,
        doc_offsets=offsets_of(np.bincount(row, minlength=len(contexts))).astype(np.int32),
        doc_lens=plan.length[pieces].astype(np.uint32),
        doc_ids=plan.document[pieces].astype(np.uint64),
        doc_starts=plan.start[pieces].astype(np.uint32),
        context_id=contexts.astype(np.uint64),
        group_id=plan.group[contexts].astype(np.uint64),
    )


def write_plan(build: Build, directory: str, split: str, plan: SplitPlan) -> None:
    with (build.files / PLAN).writing(_plan_name(directory, split)) as file:
        np.savez(file, **plan._asdict())


def read_plan(build: Build, directory: str, split: str) -> SplitPlan:
    buffer = (build.files / PLAN).buffer(_plan_name(directory, split))
    with np.load(pa.BufferReader(buffer), allow_pickle=False) as columns:
        return SplitPlan(**columns)


def _plan_name(directory: str, split: str) -> str:
    return f"{directory.replace('/', '--')}--{split}.npz"


def write_shards(
    jobs: Jobs, build: Build, tokens: Directory, sets: Sequence[ShardSet], header: Header, shard_bytes: int
) -> dict[tuple[str, str], list[ShardEntry]]:
    """Writes what is not written yet; returns the entries of all shards, in order, by directory and split."""
    tasks = [task for shard_set in sets for task in _tasks(shard_set, shard_bytes)]
    written = _published(build)
    left = [task for task in tasks if task.full_path not in written]
    if left:
        for shard_set in sets:
            for split, plan in shard_set.plans.items():
                write_plan(build, shard_set.directory, split, plan)
        here = jobs.runner.is_local
        write = WriteShards(build, tokens, header, jobs.runner.threads if here else 1)
        tuples = [tuple(task) for task in left]
        elements = [tuples] if here else [[task] for task in tuples]

        def job(pipeline: beam.Pipeline) -> None:
            spread = pipeline | "Shards" >> beam.Create(elements) | "Spread" >> beam.Reshuffle()
            _ = spread | "Write" >> beam.ParDo(write)

        with jobs.watching(build, len(tasks), "pack: shards", "shards"):
            jobs.runner.run(job, len(elements))
        written = _published(build)
    entries: dict[tuple[str, str], list[ShardEntry]] = {}
    for task in tasks:
        entry = from_json(ShardEntry, written[task.full_path])
        entries.setdefault((task.directory, task.split), []).append(entry)
    return entries


def _published(build: Build) -> dict[str, Mapping[str, Any]]:
    """The entries of the shards that are written, by path, after moving those to their place that are not there."""
    builds.publish(build, builds.notes(build))
    return {part.name: entry for part, entry in builds.written(build).items() if entry}


def _tasks(shard_set: ShardSet, shard_bytes: int) -> Iterator[ShardTask]:
    for split, plan in shard_set.plans.items():
        rows, length = len(plan.reading_order), shard_set.context_length
        shards = plan_shards(rows, length, shard_bytes)
        for number, (first, count) in enumerate(shards):
            yield ShardTask(shard_set.directory, split, length, number, len(shards), first, count)
