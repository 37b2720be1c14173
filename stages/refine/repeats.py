"""Which lines and paragraphs a corpus repeats: counted by hash, through a shuffle of packed hashes, never of text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import apache_beam as beam
import numpy as np
import pyarrow as pa

from sequitur.graph_sort.distinct import distinct_values
from sequitur.pipeline import artifacts, builds
from sequitur.pipeline.beam import Rows, RowsOfParts, WritePart
from sequitur.pipeline.jobs import Jobs
from sequitur.pipeline.names import DOCUMENTS, REFINED
from sequitur.pipeline.sections import Refine
from sequitur.pipeline.storage import Directory
from sequitur.stages.refine.operations import Repeats, apply, first_steps, hashed_lines
from sequitur.text_core.edits.repeats import COUNTED, counted, frequent

REPEATS = "refined/_repeats"  # the working parts; gone when the stage is done
GROUP_BYTES = 64 * 2**20
LINE_BYTES = 32  # of text for each line that no other of its part equals: about, for what is announced
LINE, PARAGRAPH = 0, 1


def shuffled_bytes(text_bytes: int) -> int:
    """About how many bytes of hashes and counts are shuffled."""
    return text_bytes // LINE_BYTES * COUNTED.itemsize


def most_allowed(settings: Refine) -> dict[int, int]:
    """How often what is counted may occur: LINE and PARAGRAPH, each where it is asked for."""
    most = {LINE: settings.max_line_repeats, PARAGRAPH: settings.max_paragraph_repeats}
    return {kind: count for kind, count in most.items() if count is not None}


@beam.typehints.with_input_types(Rows)
@beam.typehints.with_output_types(tuple[int, bytes])
class CountRepeats(beam.DoFn):
    """The text of a part → (2 · group + kind, packed COUNTED): one element per part and group, not per line."""

    def __init__(self, settings: Refine, groups: int) -> None:
        self._settings, self._groups = settings, groups

    def setup(self) -> None:
        self._steps = first_steps(self._settings)

    def process(self, rows: Rows) -> Iterator[tuple[int, bytes]]:
        _, documents = rows
        text = documents.column("text")
        for step in self._steps:
            text = apply(step, text, documents).text
        hashed = hashed_lines(text)
        for kind in most_allowed(self._settings):
            records = counted(hashed.line_hash if kind == LINE else hashed.paragraph_hash)
            group = records["hash"] % np.uint64(self._groups)
            for index in distinct_values(group).tolist():
                yield 2 * index + kind, records[group == index].tobytes()


@beam.typehints.with_input_types(tuple[int, Iterable[bytes]])
@beam.typehints.with_output_types(Rows)
class Frequent(beam.DoFn):
    """All counts of a group → the hashes that occur too often."""

    def __init__(self, settings: Refine) -> None:
        self._most = most_allowed(settings)

    def process(self, group: tuple[int, Iterable[bytes]]) -> Iterator[Rows]:
        key, packed = group
        hashes = frequent(np.frombuffer(b"".join(packed), dtype=COUNTED), self._most[key % 2])
        kinds = np.full(len(hashes), key % 2, dtype=np.int8)
        yield f"part-{key:05}-0000.arrow", pa.record_batch({"kind": kinds, "hash": hashes})


def find_repeats(jobs: Jobs, root: Directory, settings: Refine, columns: list[str]) -> None:
    """Writes REPEATS: the hashes of all lines and paragraphs that occur more often than the settings allow.

    Args:
        jobs: what runs the job.
        root: of the run, with finished `documents` and `refined` being built.
        settings: what is counted, and how often it may occur.
        columns: of `documents`, those that the operations before the count read.
    """
    directory, source = root / REPEATS, root / DOCUMENTS
    fingerprint = builds.current(root / REFINED).fingerprint
    if artifacts.is_finished(directory, fingerprint):
        return
    build = builds.begin(directory, fingerprint)
    documents = artifacts.require_manifest(source)
    groups = max(1, shuffled_bytes(documents.statistics["text_bytes"]) // GROUP_BYTES)

    def job(pipeline: beam.Pipeline) -> None:
        _ = (
            pipeline
            | "Parts" >> beam.Create(documents.names)
            | "Source" >> RowsOfParts({source: columns})
            | "Count" >> beam.ParDo(CountRepeats(settings, groups))
            | "ByGroup" >> group()
            | "Frequent" >> beam.ParDo(Frequent(settings))
            | "Write" >> beam.ParDo(WritePart(build, compress=False))
        )

    watching = jobs.watching(build, groups * len(most_allowed(settings)), "refine: counting repeats", "groups")
    with watching, jobs.runner.grouping() as group:
        jobs.runner.run(job, len(documents.parts))
    builds.finish(build, {}, {}, {})


def read_repeats(directory: Directory, settings: Refine) -> Repeats:
    """What `find_repeats` wrote. Memory: eight bytes for each line and paragraph that is repeated."""
    found = {kind: [np.empty(0, dtype=np.uint64)] for kind in most_allowed(settings)}
    for part in artifacts.require_manifest(directory).parts:
        batch = artifacts.read_part(directory, part)
        kinds, hashes = batch.column("kind").to_numpy(), batch.column("hash").to_numpy()
        for kind, pieces in found.items():
            pieces.append(hashes[kinds == kind])
    gathered = {kind: np.sort(np.concatenate(pieces)) for kind, pieces in found.items()}
    return Repeats(gathered.get(LINE), gathered.get(PARAGRAPH))
