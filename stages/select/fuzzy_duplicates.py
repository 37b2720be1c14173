"""Links between documents that are fuzzy duplicates: found by LSH over MinHash signatures, verified by true Jaccard.

What is shuffled is packed arrays: band keys, then candidate pairs; never text. The text of candidates is read again,
where it lies, for their shingle sets. Links stay in parts; how they are joined to groups is `duplicates`' affair.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Generic, Protocol, TypeVar

import apache_beam as beam
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sequitur.graph_sort.distinct import distinct_values
from sequitur.pipeline import artifacts, builds, former
from sequitur.pipeline.artifacts import Part
from sequitur.pipeline.beam import Rows, RowsOfParts, WritePart, by_group
from sequitur.pipeline.jobs import Jobs
from sequitur.pipeline.names import SELECTION, SIGNALS
from sequitur.pipeline.storage import Directory
from sequitur.stages.select import candidates
from sequitur.stages.select.candidates import Likeness, Signatures
from sequitur.text_core.units.arrays import distinct_pairs
from sequitur.text_core.units.offsets import offsets_of
from sequitur.text_core.units.shingles import ShingleSets, jaccard, shingle_sets
from sequitur.text_core.units.strings import composed, from_arrow
from sequitur.text_core.units.words import word_table

VERIFIED_PER_SECOND = 300_000  # pairs on one core, measured
# Working parts of `select`; gone when it is done.
ALIVE, CANDIDATES = "selection/_alive", "selection/_candidates"
INVOLVED, SHINGLES = "selection/_involved", "selection/_shingles"
LINKS = "selection/_links"
Data = TypeVar("Data")


class Comparable(Protocol[Data]):
    """One side of the pairs that are compared: documents in parts, by row."""

    @property
    def starts(self) -> np.ndarray:
        """int64: the lowest row that each part may hold, ascending."""

    def open(self, part: int) -> tuple[np.ndarray, Data]:
        """The rows that a part holds, ascending, and what is compared of them, in this order."""

    def similarity(self, mine: Data, others: Data, pairs: np.ndarray) -> np.ndarray:
        """float64 [p] for int64 [p, 2], positions in `mine` and in `others`."""


def find_links(
    jobs: Jobs, root: Directory, text: Directory, likeness: Likeness, alive: np.ndarray
) -> Mapping[str, Any]:
    """Makes the working artifact LINKS: the pairs of documents whose true Jaccard similarity reaches `select.jaccard`.

    Args:
        jobs: what runs the jobs.
        root: of the run, with finished `signals`.
        text: the artifact with the text.
        likeness: when documents are linked.
        alive: bool by row; only these documents are compared.

    Returns:
        The counts of what was compared. LINKS has int64 rows a < b and float64 `similarity`, ascending over all its
        parts, each pair once.
    """
    bands, rows_per_band = likeness.bands
    write_rows(root, ALIVE, alive)
    fingerprint = fingerprint_among(root, CANDIDATES, ALIVE)
    signals, pairs, links = root / SIGNALS, root / CANDIDATES, root / LINKS
    if not artifacts.is_finished(pairs, fingerprint):
        found = builds.begin(pairs, fingerprint)
        source = Signatures(signals, root / ALIVE, "row")
        candidates.find(jobs, root, [source], int(alive.sum()), found, likeness.bands)
        builds.finish(found, {}, {}, {})
    if not artifacts.is_finished(links, fingerprint):
        parts = _compute_shingles(jobs, root, text, likeness.shingle_words, involved(pairs, len(alive)))
        sets = Shingles(root / SHINGLES, parts, artifacts.require_manifest(signals).parts)
        verify(jobs, pairs, sets, sets, links, likeness.jaccard)
    return {"bands": bands, "rows_per_band": rows_per_band, **artifacts.require_manifest(links).statistics}


def remove_working_parts(directory: Directory) -> None:
    """Removes all that lies in `selection` besides its parts, its manifest, the notes of its own build, and what is
    kept of a former one."""
    for name in directory.names():
        if name.startswith("_") and name not in (artifacts.MANIFEST, builds.BUILDING, former.FORMER):
            directory.remove(name)


def involved(pairs: Directory, documents: int) -> np.ndarray:
    """bool [documents]: whether some pair of the artifact `pairs` has the row."""
    found = np.zeros(documents, dtype=bool)
    for part in artifacts.require_manifest(pairs).parts:
        batch = artifacts.read_part(pairs, part, ["a", "b"])
        for side in ("a", "b"):
            found[batch.column(side).to_numpy()] = True
    return found


def fingerprint_among(root: Directory, target: str, rows: str) -> str:
    """Of what is made of some `rows` within this build of `selection`, by which settings and parents are known."""
    parents = {rows: artifacts.require_manifest(root / rows).fingerprint}
    return artifacts.fingerprint_of(target, 1, {}, {SELECTION: builds.current(root / SELECTION).fingerprint, **parents})


def write_rows(root: Directory, target: str, chosen: np.ndarray) -> None:
    """Writes, row-aligned with `signals`, the row number of each chosen document and −1 for the others."""
    directory, parts = root / target, artifacts.require_manifest(root / SIGNALS).parts
    starts = first_rows(parts).tolist()

    def rows_of(start: int, count: int) -> np.ndarray:
        return np.where(chosen[start : start + count], np.arange(start, start + count, dtype=np.int64), -1)

    of_all = artifacts.digest_of(rows_of(start, part.rows) for start, part in zip(starts, parts, strict=True))
    fingerprint = artifacts.fingerprint_of(target, 1, {"rows": of_all}, {})
    if artifacts.is_finished(directory, fingerprint):
        return
    build = builds.begin(directory, fingerprint)
    for start, part in zip(starts, parts, strict=True):
        batch = pa.record_batch({"row": rows_of(start, part.rows)})
        builds.write_part(build, part.name, batch, compress=False)
    builds.finish(build, {}, {}, {})


def _compute_shingles(jobs: Jobs, root: Directory, text: Directory, size: int, chosen: np.ndarray) -> tuple[Part, ...]:
    """Makes the working artifact SHINGLES, of shingles of `size` words of the chosen documents. Returns its parts."""
    write_rows(root, INVOLVED, chosen)
    directory, fingerprint = root / SHINGLES, fingerprint_among(root, SHINGLES, INVOLVED)
    if not artifacts.is_finished(directory, fingerprint):
        build = builds.begin(directory, fingerprint)
        jobs.map_parts(
            {text: ["text"], root / INVOLVED: ["row"]},
            ComputeShingles(size),
            build,
            step="select: shingles of candidates",
            seconds=artifacts.require_manifest(text).statistics["text_bytes"] / 60e6,
        )
        builds.finish(build, {}, {}, {})
    return artifacts.require_manifest(directory).parts


@beam.typehints.with_input_types(Rows)
@beam.typehints.with_output_types(Rows)
class ComputeShingles(beam.DoFn):
    """Text of candidate documents → their shingle sets."""

    def __init__(self, size: int) -> None:
        self._size = size

    def process(self, part: Rows) -> Iterator[Rows]:
        name, batch = part
        chosen = batch.filter(pc.greater_equal(batch.column("row"), 0))
        sets = shingle_sets(word_table(from_arrow(composed(chosen.column("text")))), self._size)
        hashes = pa.LargeListArray.from_arrays(pa.array(sets.offsets), pa.array(sets.hashes))
        yield name, pa.record_batch({"row": chosen.column("row"), "shingles": hashes})


class Shingles:
    """Shingle sets in parts, compared by their Jaccard similarity."""

    def __init__(self, directory: Directory, parts: Sequence[Part], documents: Sequence[Part]) -> None:
        self._directory, self._parts = directory, parts
        self.starts = first_rows(documents)

    def open(self, part: int) -> tuple[np.ndarray, ShingleSets]:
        batch = artifacts.map_part(self._directory, self._parts[part])
        column = batch.column("shingles")
        return batch.column("row").to_numpy(), ShingleSets(column.values.to_numpy(), column.offsets.to_numpy())

    def similarity(self, mine: ShingleSets, others: ShingleSets, pairs: np.ndarray) -> np.ndarray:
        return jaccard(mine, others, pairs)


def first_rows(parts: Sequence[Part]) -> np.ndarray:
    """int64: the row that each part begins with, counted over all parts."""
    return offsets_of([part.rows for part in parts])[:-1]


def verify(
    jobs: Jobs, pairs: Directory, mine: Comparable[Data], others: Comparable[Data], target: Directory, least: float
) -> None:
    """Makes the artifact `target` of those pairs (a of `mine`, b of `others`) whose similarity is at least `least`.

    Its parts are named for the parts that a lies in, so the pairs ascend over all of them; each is there once. The
    statistics tell how many pairs were compared and how many are left.
    """
    source = artifacts.require_manifest(pairs)
    verified = builds.begin(target, source.fingerprint)
    names = [f"part-{part:05}-0000.arrow" for part in range(len(mine.starts))]

    def build(pipeline: beam.Pipeline) -> None:
        _ = (
            pipeline
            | "Parts" >> beam.Create([part.name for part in source.parts if part.rows])
            | "Source" >> RowsOfParts({pairs: ("a", "b")})
            | "ByPart" >> beam.ParDo(PairsByPart(mine.starts))
            | "Group" >> group()
            | "Verify" >> beam.ParDo(VerifyPairs(mine, others, names, least))
            | "Write" >> beam.ParDo(WritePart(verified, compress=False))
        )

    if source.rows:
        with jobs.watching(verified, len(names), "select: verifying pairs"), jobs.runner.grouping() as group:
            jobs.runner.run(build, len(names), source.rows / VERIFIED_PER_SECOND)
    written = builds.written(verified)
    compared = [int(about["compared"]) for about in written.values()]
    counts = {"candidate_pairs": sum(compared), "verified_pairs": sum(part.rows for part in written)}
    builds.finish(verified, {}, {}, counts)


@beam.typehints.with_input_types(Rows)
@beam.typehints.with_output_types(tuple[int, bytes])
class PairsByPart(beam.DoFn):
    """Pairs → (part that the first row lies in, packed pairs)."""

    def __init__(self, starts: np.ndarray) -> None:
        self._starts = starts

    def process(self, part: Rows) -> Iterator[tuple[int, bytes]]:
        pairs = np.column_stack([part[1].column(side).to_numpy() for side in ("a", "b")])
        yield from by_group(pairs, _part_of(pairs[:, 0], self._starts), len(self._starts))


@beam.typehints.with_input_types(tuple[int, Iterable[bytes]])
@beam.typehints.with_output_types(Rows)
class VerifyPairs(beam.DoFn, Generic[Data]):
    """The pairs whose first row lies in a part → those that are similar enough, ascending; part by part of the second.

    Two parts of what is compared are open at a time.
    """

    def __init__(self, mine: Comparable[Data], others: Comparable[Data], names: Sequence[str], least: float) -> None:
        self._mine, self._others, self._names, self._least = mine, others, names, least

    def process(self, group: tuple[int, Iterable[bytes]]) -> Iterator[Rows]:
        index, packed = group
        pairs = distinct_pairs(np.frombuffer(b"".join(packed), dtype=np.int64).reshape(-1, 2))
        rows, mine = self._mine.open(index)
        part = _part_of(pairs[:, 1], self._others.starts)
        similarity = np.empty(len(pairs), dtype=np.float64)
        for other in distinct_values(part).tolist():
            chosen = np.flatnonzero(part == other)
            other_rows, others = self._others.open(other)
            local = np.column_stack(
                (np.searchsorted(rows, pairs[chosen, 0]), np.searchsorted(other_rows, pairs[chosen, 1]))
            )
            similarity[chosen] = self._mine.similarity(mine, others, local)
        similar = similarity >= self._least
        a, b = np.ascontiguousarray(pairs[similar].T)
        batch = pa.record_batch({"a": a, "b": b, "similarity": similarity[similar]})
        yield self._names[index], batch.replace_schema_metadata({"compared": str(len(pairs))})


def _part_of(rows: np.ndarray, starts: np.ndarray) -> np.ndarray:
    return np.searchsorted(starts, rows, side="right") - 1
