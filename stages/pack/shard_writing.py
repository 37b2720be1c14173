"""Writing the shards of planned datasets: a Beam job, in one of two forms that write the same bytes.

mapped    Create(shards) | Reshuffle | ParDo(MapTokens): tokens lie where each worker can map them all; on this machine
          one element is all shards, which threads write: what it takes, digests above all, holds no lock of Python's,
          and of a gigabyte two processes spent as much of the processor on their imports
sent      Create(parts of `tokens`) | Reshuffle | ParDo(SendTokens) | GroupByKey | ParDo(ReceiveTokens): each part is
          read once, and its tokens go to their shards by the job's own shuffle; a group is a shard
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import apache_beam as beam
import numpy as np

from sequitur.graph_sort.threads import on_threads
from sequitur.pipeline import artifacts, builds
from sequitur.pipeline.artifacts import HashingSink, Part
from sequitur.pipeline.builds import Build
from sequitur.pipeline.errors import StageFailed
from sequitur.pipeline.jobs import Jobs
from sequitur.pipeline.storage import Directory
from sequitur.shards.contexts import Contexts, context_batch
from sequitur.shards.format import BATCH_ROWS, Header, context_schema
from sequitur.shards.json_files import from_json
from sequitur.shards.manifest import ShardEntry
from sequitur.shards.writer import write_shard
from sequitur.stages.pack import token_runs
from sequitur.stages.pack.context_rows import Rows, contexts_of, followed, some_rows
from sequitur.stages.pack.shard_sets import ShardSet
from sequitur.stages.pack.shard_tasks import ShardTask, read_rows, shard_tasks, write_plan
from sequitur.stages.pack.token_runs import Source
from sequitur.stages.shared.columns.token_store import TokenStore, checked_offsets
from sequitur.text_core.units.offsets import offsets_of

Blocks = Iterator[Contexts]


class MapTokens(beam.DoFn):
    """Some `ShardTask`s → their paths, after they were written from tokens that are mapped."""

    def __init__(self, build: Build, tokens: Directory, header: Header, threads: int) -> None:
        self._build, self._tokens_in, self._header, self._threads = build, tokens, header, threads
        self._fingerprint = artifacts.require_manifest(tokens).fingerprint

    def setup(self) -> None:
        artifacts.require_manifest(self._tokens_in, self._fingerprint)
        self._tokens = TokenStore(self._tokens_in, check=False)

    def process(self, element: Sequence[tuple[str, str, int, int, int, int, int, int, int]]) -> Iterator[str]:
        yield from on_threads(self._threads, self._write, (ShardTask(*task) for task in element))

    def _write(self, task: ShardTask) -> str:
        rows, pad = read_rows(self._build, task), self._header.special_ids.pad
        blocks = (some_rows(rows, first, first + BATCH_ROWS) for first in range(0, task.rows, BATCH_ROWS))
        contexts = (gather_rows(self._tokens, block, task.context_length, pad) for block in blocks)
        return _write(self._build, task, self._header, contexts)


class SendTokens(beam.DoFn):
    """A `Source` → (shard, runs of its tokens)."""

    def __init__(self, build: Build, tokens: Directory, left: Sequence[int]) -> None:
        self._build, self._left = build, np.array(left)
        self._tokens = replace(tokens, nearby=None)  # each part is read once: a copy would serve nobody
        self._fingerprint = artifacts.require_manifest(tokens).fingerprint

    def setup(self) -> None:
        self._parts = artifacts.require_manifest(self._tokens, self._fingerprint).parts
        self._begins = offsets_of([part.rows for part in self._parts])

    def process(self, element: tuple[int, int, int]) -> Iterator[tuple[int, bytes]]:
        source = Source(*element)
        part = self._parts[source.part]
        runs = token_runs.read_runs(self._build, source)
        runs = runs[np.isin(runs["shard"], self._left)]
        column = artifacts.read_part(self._tokens, part, ["input_ids"]).column("input_ids")
        offsets = checked_offsets(self._tokens, part, column)
        yield from token_runs.messages(runs, int(self._begins[source.part]), offsets, column.values.to_numpy())


class ReceiveTokens(beam.DoFn):
    """(shard, all runs of its tokens) → its path, after it was written. Memory: two shards."""

    def __init__(self, build: Build, tasks: Sequence[ShardTask], header: Header) -> None:
        self._build, self._tasks, self._header = build, tasks, header

    def process(self, element: tuple[int, Iterable[bytes]]) -> Iterator[str]:
        number, messages = element
        task = self._tasks[number]
        rows, size = read_rows(self._build, task), task.context_length
        tokens = np.zeros(task.rows * (size + 1), np.uint32)
        came: list[token_runs.Runs] = []
        for message in messages:
            runs = token_runs.unpacked(message)
            token_runs.place(runs, tokens)
            came.append(runs._replace(tokens=tokens[:0]))  # what came may go
        self._check(task, rows, came)
        input_ids, next_token = tokens[: task.rows * size].reshape(task.rows, size), tokens[task.rows * size :]
        pad = self._header.special_ids.pad
        blocks = (slice(first, first + BATCH_ROWS) for first in range(0, task.rows, BATCH_ROWS))
        contexts = (
            contexts_of(some_rows(rows, here.start, here.stop), input_ids[here], next_token[here], pad)
            for here in blocks
        )
        yield _write(self._build, task, self._header, contexts)

    def _check(self, task: ShardTask, rows: Rows, came: Sequence[token_runs.Runs]) -> None:
        """Refuses a shard that misses runs, or has others: that its job did not keep what it was sent."""
        slot, length = (np.concatenate([runs[column] for runs in came]) for column in (0, 1))
        order = np.argsort(slot, kind="stable")
        wanted = token_runs.expected(rows, task.context_length)
        if not (np.array_equal(slot[order], wanted[0]) and np.array_equal(length[order], wanted[1])):
            raise StageFailed(
                f"{self._build.files.path(task.full_path)}: {len(slot)} runs of tokens came where {len(wanted[0])} "
                "others make up the shard; run again"
            )


def gather_rows(tokens: TokenStore, rows: Rows, size: int, pad: int) -> Contexts:
    """Rows of `size` tokens, gathered from where these are mapped."""
    input_ids = np.empty((len(rows.context), size), dtype=np.uint32)
    tokens.gather(rows, np.arange(len(input_ids)), input_ids)
    next_token, follows = np.zeros(len(input_ids), dtype=np.uint32), followed(rows, size)
    next_token[follows] = tokens.tokens_at(rows.next_document[follows], rows.next_start[follows])
    return contexts_of(rows, input_ids, next_token, pad)


def _write(build: Build, task: ShardTask, header: Header, contexts: Iterable[Contexts]) -> str:
    """Writes a shard into the folder of the build, and notes it with its entry for the manifest; returns its path."""
    schema = context_schema(replace(header, seq_len=task.context_length), task.split, task.number, task.of)
    folder, _, name = task.full_path.rpartition("/")
    with (build.files / folder).writing(name) as file:
        sink = HashingSink(file)
        entry = write_shard(sink, task.path, (context_batch(block, schema) for block in contexts), schema)
    builds.record_part(build, Part(task.full_path, task.rows, entry.bytes, sink.hash.hexdigest()), asdict(entry))
    return task.full_path


def write_shards(
    jobs: Jobs,
    build: Build,
    tokens: Directory,
    sets: Sequence[ShardSet],
    header: Header,
    shard_bytes: int,
    *,
    mapped: bool,
) -> dict[tuple[str, str], list[ShardEntry]]:
    """Writes what is not written yet; returns the entries of all shards, in order, by directory and split.

    Args:
        jobs: run the job.
        build: of the shards.
        tokens: the artifact.
        sets: what the shards hold.
        header: of the shards, but for the length of their rows.
        shard_bytes: about how large they become.
        mapped: in which form.
    """
    tasks = [task for shard_set in sets for task in shard_tasks(shard_set, shard_bytes)]
    written = published(build)
    left = [number for number, task in enumerate(tasks) if task.full_path not in written]
    if left:
        plans = {(one.directory, split): plan for one in sets for split, plan in one.plans.items()}
        for key in dict.fromkeys((tasks[number].directory, tasks[number].split) for number in left):
            write_plan(build, *key, plans[key])
        if mapped:
            here, shards = jobs.runner.is_local, [tuple(tasks[number]) for number in left]
            elements: Sequence[Sequence[Any]] = [shards] if here else [[shard] for shard in shards]
            job = _mapped(elements, MapTokens(build, tokens, header, jobs.runner.threads if here else 1))
        else:
            begins = offsets_of([part.rows for part in artifacts.require_manifest(tokens).parts])
            elements = [tuple(one) for one in token_runs.write_runs(build, plans, tasks, begins, left)]
            job = _sent(elements, SendTokens(build, tokens, left), ReceiveTokens(build, tasks, header))
        with jobs.watching(build, len(tasks), "pack: shards", "shards"):
            jobs.runner.run(job, len(elements))
        written = published(build)
    if lost := sum(task.full_path not in written for task in tasks):
        raise StageFailed(f"{build.files.path()}: {lost} of {len(tasks)} shards were not written; run again")
    entries: dict[tuple[str, str], list[ShardEntry]] = {}
    for task in tasks:
        entry = from_json(ShardEntry, written[task.full_path])
        entries.setdefault((task.directory, task.split), []).append(entry)
    return entries


def _mapped(elements: Sequence[Sequence[Any]], write: MapTokens) -> Callable[[beam.Pipeline], None]:
    def job(pipeline: beam.Pipeline) -> None:
        shards = pipeline | "Shards" >> beam.Create(elements) | "Spread" >> beam.Reshuffle()
        _ = shards | "Write" >> beam.ParDo(write)

    return job


def _sent(
    elements: Sequence[Sequence[Any]], send: SendTokens, receive: ReceiveTokens
) -> Callable[[beam.Pipeline], None]:
    def job(pipeline: beam.Pipeline) -> None:
        parts = pipeline | "Parts" >> beam.Create(elements) | "Spread" >> beam.Reshuffle()
        runs = parts | "Send" >> beam.ParDo(send).with_output_types(tuple[int, bytes])
        _ = runs | "By shard" >> beam.GroupByKey() | "Write" >> beam.ParDo(receive)

    return job


def published(build: Build) -> dict[str, Mapping[str, Any]]:
    """The entries of the files that workers wrote, by path, after moving those to their place that are not there."""
    noted = builds.notes(build)
    builds.publish(build, noted)
    sizes = build.place.sizes()
    return {part.name: entry for part, entry in noted.items() if entry and sizes.get(part.name) == part.bytes}
