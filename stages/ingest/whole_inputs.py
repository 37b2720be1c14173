"""The bytes of the input files, hashed whole: once while they are ingested, and again by `sequitur status --deep`.

What every command compares is a file's size and its two ends, which takes no time; an edit between them shows here.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import apache_beam as beam

from sequitur.pipeline import artifacts
from sequitur.pipeline.builds import Build
from sequitur.pipeline.errors import CorruptPart, InputError
from sequitur.pipeline.jobs import Jobs
from sequitur.pipeline.storage import Directory
from sequitur.stages.shared.sources.input_paths import digest, file_size

INPUTS = "_inputs.json"  # in `documents`: [path, digest] of each file, in reading order
STATISTIC = "inputs"  # of the manifest: the digest of that file
NOTES = "_digests"  # the working notes; gone when `INPUTS` is written
BLOCK_BYTES = 2**26
BATCH_BYTES, BATCH_BLOCKS = 2**28, 1000  # of one element of the job
BYTES_PER_SECOND = 1e9


class Block(NamedTuple):
    """Some bytes of a file; `end` is −1 for the last ones of it, however many they are by now."""

    path: str
    start: int
    end: int


def blocks_of(path: str, size: int) -> list[Block]:
    """A file in blocks, at least one."""
    starts = range(0, max(size, 1), BLOCK_BYTES)
    return [Block(path, start, start + BLOCK_BYTES if start + BLOCK_BYTES < size else -1) for start in starts]


def _of_file(digests: Iterable[str]) -> str:
    return artifacts.digest("".join(digests).encode())


class HashBlocks(beam.DoFn):
    """A number and some blocks → a note of their digests, by that number."""

    def __init__(self, notes: Directory) -> None:
        self._notes = notes

    def process(self, text: str) -> Iterator[str]:
        number, blocks = json.loads(text)
        self._notes.write_json(_note(number), [digest(*block) for block in blocks])
        yield _note(number)


def _note(number: int) -> str:
    return f"{number:06}.json"


def write(jobs: Jobs, documents: Build, paths: Sequence[str]) -> str:
    """Writes `INPUTS` for some files, and returns its digest. What an interrupted run hashed is not read again.

    Raises:
        InputError: a file cannot be read.
    """
    if not documents.directory.exists(INPUTS):
        sizes = {path: file_size(path) for path in paths}
        batches = list(_batches(sizes))
        notes = documents.files / NOTES
        known = set(notes.names())
        left = [json.dumps([number, batch]) for number, batch in enumerate(batches) if _note(number) not in known]
        if left:
            jobs.progress.step("ingest: hashing the input files")

            def build(pipeline: beam.Pipeline) -> None:
                spread = pipeline | "Blocks" >> beam.Create(left) | "Spread" >> beam.Reshuffle()
                _ = spread | "Hash" >> beam.ParDo(HashBlocks(notes))

            jobs.runner.run(build, len(left), sum(sizes.values()) / BYTES_PER_SECOND)
        digests: dict[str, list[str]] = {path: [] for path in paths}
        noted = notes.read_json_of([_note(number) for number in range(len(batches))])
        for batch, of_batch in zip(batches, noted, strict=True):
            for block, of_block in zip(batch, of_batch, strict=True):
                digests[block.path].append(of_block)
        documents.directory.write_json(INPUTS, [[path, _of_file(of_file)] for path, of_file in digests.items()])
        documents.files.remove(NOTES)
    return artifacts.digest(documents.directory.read_bytes(INPUTS))


def _batches(sizes: Mapping[str, int]) -> Iterator[list[Block]]:
    batch: list[Block] = []
    size = 0
    for path, of_file in sizes.items():
        for block in blocks_of(path, of_file):
            batch.append(block)
            size += (of_file if block.end < 0 else block.end) - block.start
            if size >= BATCH_BYTES or len(batch) == BATCH_BLOCKS:
                yield batch
                batch, size = [], 0
    if batch:
        yield batch


def read(documents: Directory) -> list[tuple[str, str]]:
    """The path and the digest of each file that was ingested.

    Raises:
        MissingArtifact: `documents` is not finished.
        CorruptPart: they are not those that were written.
    """
    wanted = artifacts.require_manifest(documents).statistics.get(STATISTIC)
    content = documents.read_bytes(INPUTS) if documents.exists(INPUTS) else b""
    if artifacts.digest(content) != wanted:
        raise CorruptPart(f"{documents.path(INPUTS)}: missing or damaged; delete {documents.path()} and run again")
    return [(path, of_file) for path, of_file in json.loads(content)]


def changed(documents: Directory) -> Iterator[str]:
    """One line for each input file that holds other bytes than when it was ingested, or cannot be read.

    Reads all input files, in this process.

    Raises:
        MissingArtifact, CorruptPart: of `read`.
    """
    for path, before in read(documents):
        try:
            found = _of_file(digest(*block) for block in blocks_of(path, file_size(path)))
        except InputError as error:
            yield str(error)
            continue
        if found != before:
            yield f"{path}: has changed since it was ingested; choose another output for what it holds now"
