"""The bytes of the input files, hashed whole: once while they are ingested, and again by `sequitur status --deep`.

What every command compares is a file's size and its two ends, which takes no time; an edit between them shows here.
Where lines are to be counted, of files that are read in stretches, that is done in the same pass.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import accumulate
from typing import NamedTuple

import apache_beam as beam
import xxhash

from sequitur.pipeline import artifacts
from sequitur.pipeline.builds import Build
from sequitur.pipeline.errors import CorruptPart, InputError
from sequitur.pipeline.jobs import Jobs
from sequitur.pipeline.storage import TEMPORARY, Directory
from sequitur.stages.shared.sources.input_paths import bytes_of, digest, file_size

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


class Seen(NamedTuple):
    """What a block holds: the digest, and by stretch of its file the lines that begin there behind a newline of it."""

    path: str
    start: int
    digest: str
    lines: Mapping[str, int] = {}


def blocks_of(path: str, size: int) -> list[Block]:
    """A file in blocks, at least one."""
    starts = range(0, max(size, 1), BLOCK_BYTES)
    return [Block(path, start, start + BLOCK_BYTES if start + BLOCK_BYTES < size else -1) for start in starts]


def _of_file(digests: Iterable[str]) -> str:
    return artifacts.digest("".join(digests).encode())


def seen_in(block: Block, stretch: int) -> Seen:
    """Reads a block. Lines are counted by stretches of so many bytes, where that is not 0."""
    found, lines, at = xxhash.xxh3_128(), Counter[str](), block.start
    for data in bytes_of(*block):
        found.update(data)
        begin = 0
        while stretch and begin < len(data):  # a newline at byte b begins a line at b + 1
            number = (at + begin + 1) // stretch
            end = min(len(data), (number + 1) * stretch - 1 - at)
            lines[str(number)] += data.count(b"\n", begin, end)
            begin = end
        at += len(data)
    return Seen(block.path, block.start, found.hexdigest(), lines)


class Digests:
    """The digests of a file's blocks, from its bytes as they come."""

    def __init__(self) -> None:
        self._done, self._hash, self._size = list[str](), xxhash.xxh3_128(), 0

    def add(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            if self._size == BLOCK_BYTES:
                self._done.append(self._hash.hexdigest())
                self._hash, self._size = xxhash.xxh3_128(), 0
            part, rest = rest[: BLOCK_BYTES - self._size], rest[BLOCK_BYTES - self._size :]
            self._hash.update(part)
            self._size += len(part)

    def seen(self, path: str) -> list[Seen]:
        """What was seen of the file, whose last bytes have come."""
        digests = [*self._done, self._hash.hexdigest()]
        return [Seen(path, number * BLOCK_BYTES, one) for number, one in enumerate(digests)]


def note(documents: Build, seen: Sequence[Seen]) -> None:
    """Notes what some blocks hold, so that they are not read for it again."""
    if seen:
        content = json.dumps([[one.path, one.start] for one in seen])
        (documents.files / NOTES).write_json(f"{artifacts.digest(content.encode())}.json", seen)


def _noted(documents: Build) -> dict[str, dict[int, Seen]]:
    notes = documents.files / NOTES
    found: dict[str, dict[int, Seen]] = {}
    for noted in notes.read_json_of([name for name in notes.names() if not name.startswith(TEMPORARY)]):
        for one in (Seen(*entry) for entry in noted):
            found.setdefault(one.path, {})[one.start] = one
    return found


class LookThrough(beam.DoFn):
    """Some blocks, each with the stretch by which its lines are counted → a note of what they hold."""

    def __init__(self, documents: Build) -> None:
        self._documents = documents

    def process(self, text: str) -> Iterator[int]:
        seen = [seen_in(Block(*block), stretch) for stretch, *block in json.loads(text)]
        note(self._documents, seen)
        yield len(seen)


def look_through(jobs: Jobs, documents: Build, stretches: Mapping[str, int]) -> dict[str, list[Seen]]:
    """What the blocks of some files hold, by path. What an interrupted run looked through is not read again.

    Args:
        jobs: runs the job.
        documents: keeps the notes.
        stretches: of each file the bytes of a stretch by which its lines are counted; 0 where they are not.

    Raises:
        InputError: a file cannot be read.
    """
    sizes = {path: file_size(path) for path in stretches}
    blocks = {path: blocks_of(path, size) for path, size in sizes.items()}
    noted = _noted(documents)
    left = [block for path in blocks for block in blocks[path] if block.start not in noted.get(path, {})]
    if left:
        jobs.progress.step("ingest: looking through the input files")
        batches = [json.dumps([[stretches[block.path], *block] for block in batch]) for batch in _batches(left, sizes)]

        def build(pipeline: beam.Pipeline) -> None:
            spread = pipeline | "Blocks" >> beam.Create(batches) | "Spread" >> beam.Reshuffle()
            _ = spread | "Look" >> beam.ParDo(LookThrough(documents))

        jobs.runner.run(build, len(batches), sum(sizes.values()) / BYTES_PER_SECOND)
        noted = _noted(documents)
    return {path: [noted[path][block.start] for block in blocks[path]] for path in blocks}


def first_rows(seen: Iterable[Seen], stretches: int) -> list[int]:
    """How many lines begin before each of so many stretches of a file whose lines were counted."""
    lines = sum((Counter(one.lines) for one in seen), Counter[str]())
    # The first line begins behind no newline.
    return list(accumulate((lines[str(number)] + (number == 0) for number in range(stretches - 1)), initial=0))


def write(jobs: Jobs, documents: Build, paths: Sequence[str]) -> str:
    """Writes `INPUTS` for some files, and returns its digest. What was noted before is not read again.

    Raises:
        InputError: a file cannot be read.
    """
    if not documents.directory.exists(INPUTS):
        seen = look_through(jobs, documents, dict.fromkeys(paths, 0))
        digests = [[path, _of_file(one.digest for one in seen[path])] for path in paths]
        documents.directory.write_json(INPUTS, digests)
    documents.files.remove(NOTES)
    return artifacts.digest(documents.directory.read_bytes(INPUTS))


def _batches(blocks: Iterable[Block], sizes: Mapping[str, int]) -> Iterator[list[Block]]:
    batch: list[Block] = []
    size = 0
    for block in blocks:
        batch.append(block)
        size += (sizes[block.path] if block.end < 0 else block.end) - block.start
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
