"""Candidate pairs: documents whose MinHash signatures agree in a band, found by a shuffle of packed band keys.

A record is a band key and a row, 16 bytes. A group of the shuffle takes the records of many keys, about GROUP_BYTES of
them. A key that fills more than a group by itself (boilerplate) is spread by salt over as many groups as it needs, and
the lowest rows of its pieces meet in a second, small shuffle: a star of stars, as within a group
(`text_core.duplicates.lsh`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import apache_beam as beam
import numpy as np
import pyarrow as pa

from sequitur.pipeline import artifacts, builds, schemas
from sequitur.pipeline.beam import Rows, RowsOfParts, WritePart, by_group
from sequitur.pipeline.builds import Build
from sequitur.pipeline.config import Config
from sequitur.pipeline.jobs import Jobs
from sequitur.pipeline.storage import Directory
from sequitur.text_core.duplicates import lsh

RECORD = np.dtype([("key", "<u8"), ("row", "<i8")])
GROUP_BYTES = 16 * 2**20
KEYED_PER_SECOND = 100_000  # documents whose band keys are computed, shuffled and paired on one core, measured
SLOT_BITS = 20  # band keys are counted by their first bits, to find those that are too many for a group
LOADS = "selection/_loads"
HEADS = "heads"


@dataclass(frozen=True)
class Likeness:
    """The settings that say which documents are fuzzy duplicates, of `annotate` and of `select`."""

    shingle_words: int
    permutations: int
    jaccard: float

    @classmethod
    def of(cls, config: Config) -> Likeness:
        """Those of a configuration."""
        return cls(config.annotate.shingle_words, config.annotate.permutations, config.select.jaccard)

    @property
    def bands(self) -> tuple[int, int]:
        """How signatures are cut: the number of bands, and the rows of each."""
        return lsh.choose_bands(self.jaccard, self.permutations)


@dataclass(frozen=True)
class Signatures:
    """Where signatures lie: `minhash` in the parts of `signals`, and in row-aligned parts which documents they are.

    `rows` has the column `column` with the row of each document that takes part, null or −1 for the others; `offset`
    is added to it.
    """

    signals: Directory
    rows: Directory
    column: str
    offset: int = 0

    @property
    def columns(self) -> Mapping[Directory, Sequence[str]]:
        return {self.signals: ("minhash",), self.rows: (self.column,)}

    @property
    def names(self) -> list[str]:
        return artifacts.require_manifest(self.signals).names


@dataclass(frozen=True)
class Spread:
    """How records are spread over the groups of a shuffle."""

    bands: int
    rows_per_band: int
    groups: int
    hot: tuple[tuple[int, int], ...] = ()  # (slot of keys, groups it is spread over), ascending

    def is_hot(self, keys: np.ndarray) -> np.ndarray:
        return np.isin(_slots(keys), [slot for slot, _ in self.hot])

    def home(self, keys: np.ndarray) -> np.ndarray:
        """The group of each key."""
        return (keys % np.uint64(self.groups)).astype(np.int64)

    def group(self, keys: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """The group of each record: its key's, or of a hot key one of those that follow, by salt."""
        groups = self.home(keys)
        for slot, pieces in self.hot:
            here = np.flatnonzero(_slots(keys) == slot)
            piece = lsh.salts(keys[here], rows[here], 0) % np.uint64(pieces)
            groups[here] = (groups[here] + piece.astype(np.int64)) % self.groups
        return groups


def find(
    jobs: Jobs,
    root: Directory,
    sources: Sequence[Signatures],
    documents: int,
    target: Build,
    bands: tuple[int, int],
    first_other: int | None = None,
) -> None:
    """Makes the artifact `target`: pairs of rows `a` < `b` that agree in a band, in some groups more than once.

    Args:
        jobs: what runs the jobs.
        root: of the run.
        sources: the signatures, of all sources together.
        documents: about how many they are.
        target: what is built.
        bands: how signatures are cut: the number of bands, and the rows of each.
        first_other: if given, only pairs of a row below it with one from it on.
    """
    spread = Spread(*bands, max(1, -(-shuffled_bytes(documents, bands) // GROUP_BYTES)))
    parts = sum(len(source.names) for source in sources)
    seconds = documents / KEYED_PER_SECOND
    if documents * RECORD.itemsize > GROUP_BYTES:  # no key has more records than there are documents
        fingerprint = artifacts.fingerprint_of(LOADS, 1, {}, {"pairs": target.fingerprint})
        loads = builds.begin(root / LOADS, fingerprint)
        spread = replace(spread, hot=_hot_slots(jobs, loads, sources, spread, parts, seconds / 2))

    def build(pipeline: beam.Pipeline) -> None:
        keyed = [
            _read(pipeline, number, source) | f"BandKeys {number}" >> beam.ParDo(BandKeys(source, spread))
            for number, source in enumerate(sources)
        ]
        grouped = keyed | "Together" >> beam.Flatten() | "ByGroup" >> group()
        found = grouped | "Pairs" >> beam.ParDo(CandidatePairs(spread, 0, first_other)).with_outputs(HEADS, main="rows")
        pairs = [found.rows]
        if spread.hot and first_other is None:
            heads = found[HEADS] | "HeadsByGroup" >> group()
            pairs.append(heads | "PairsOfHeads" >> beam.ParDo(CandidatePairs(spread, 1)))
        _ = pairs | "AllPairs" >> beam.Flatten() | "Write" >> beam.ParDo(WritePart(target, compress=False))

    watching = jobs.watching(target, spread.groups, "select: candidate pairs", "groups")
    with watching, jobs.runner.grouping() as group:
        jobs.runner.run(build, parts, seconds)


def shuffled_bytes(documents: int, bands: tuple[int, int]) -> int:
    """Bytes of band keys that are shuffled for so many documents."""
    return documents * bands[0] * RECORD.itemsize


def _read(pipeline: beam.Pipeline, number: int, source: Signatures) -> beam.PCollection:
    return pipeline | f"Parts {number}" >> beam.Create(source.names) | f"Source {number}" >> RowsOfParts(source.columns)


def _hot_slots(
    jobs: Jobs, target: Build, sources: Sequence[Signatures], spread: Spread, parts: int, seconds: float
) -> tuple[tuple[int, int], ...]:
    """Counts all band keys by slot; the slots with more records than a group takes, and the groups they need."""

    def build(pipeline: beam.Pipeline) -> None:
        counted = [
            _read(pipeline, number, source) | f"CountKeys {number}" >> beam.ParDo(CountKeys(source, spread))
            for number, source in enumerate(sources)
        ]
        _ = (
            counted
            | "Together" >> beam.Flatten()
            | "Sum" >> beam.CombineGlobally(SumLoads()).without_defaults()
            | "Rows" >> beam.ParDo(LoadsAsRows())
            | "Write" >> beam.ParDo(WritePart(target, compress=False))
        )

    jobs.progress.step("select: counting band keys")
    jobs.runner.run(build, parts, seconds)
    (part,) = builds.written_parts(target)
    loads = artifacts.read_part(target.directory, part).column("load").to_numpy()
    capacity = GROUP_BYTES // RECORD.itemsize
    hot = np.flatnonzero(loads > capacity)
    pieces = np.minimum(-(-loads[hot] // capacity), spread.groups)
    return tuple(zip(hot.tolist(), pieces.tolist(), strict=True))


class _Keyed(beam.DoFn):
    """What is done with the band keys of a part."""

    def __init__(self, source: Signatures, spread: Spread) -> None:
        self._source, self._spread = source, spread

    def _records(self, batch: pa.RecordBatch) -> np.ndarray:
        row = batch.column(self._source.column).fill_null(-1).to_numpy()
        chosen = np.flatnonzero(row >= 0)
        minhash = schemas.list_matrix(batch.column("minhash"))[chosen]
        keys = lsh.band_keys(minhash, self._spread.bands, self._spread.rows_per_band)
        records = np.empty(keys.size, dtype=RECORD)
        records["key"] = keys.reshape(-1)
        records["row"] = np.repeat(row[chosen] + self._source.offset, self._spread.bands)
        return records


@beam.typehints.with_input_types(Rows)
@beam.typehints.with_output_types(tuple[int, bytes])
class BandKeys(_Keyed):
    """Signatures of a part → (group, packed records): one element per part and group, not per document."""

    def process(self, part: Rows) -> Iterator[tuple[int, bytes]]:
        records = self._records(part[1])
        yield from by_group(records, self._spread.group(records["key"], records["row"]), self._spread.groups)


@beam.typehints.with_input_types(Rows)
@beam.typehints.with_output_types(bytes)
class CountKeys(_Keyed):
    """Signatures of a part → how many of its band keys fall into each slot, as packed int64."""

    def process(self, part: Rows) -> Iterator[bytes]:
        yield np.bincount(_slots(self._records(part[1])["key"]), minlength=2**SLOT_BITS).astype("<i8").tobytes()


class SumLoads(beam.CombineFn):
    """The sum of packed int64 arrays; the empty one counts as zeros."""

    def create_accumulator(self) -> bytes:
        return b""

    def add_input(self, accumulator: bytes, element: bytes) -> bytes:
        return self.merge_accumulators((accumulator, element))

    def merge_accumulators(self, accumulators: Iterable[bytes]) -> bytes:
        total = np.zeros(2**SLOT_BITS, dtype="<i8")
        for packed in accumulators:
            if packed:
                total += np.frombuffer(packed, dtype="<i8")
        return total.tobytes()

    def extract_output(self, accumulator: bytes) -> bytes:
        return accumulator


@beam.typehints.with_input_types(bytes)
@beam.typehints.with_output_types(Rows)
class LoadsAsRows(beam.DoFn):
    def process(self, packed: bytes) -> Iterator[Rows]:
        yield "part-00000-0000.arrow", pa.record_batch({"load": np.frombuffer(packed, dtype="<i8")})


@beam.typehints.with_input_types(tuple[int, Iterable[bytes]])
class CandidatePairs(beam.DoFn):
    """All records of a group → the pairs of rows that share a key; beside them the lowest row of each hot key."""

    def __init__(self, spread: Spread, level: int, first_other: int | None = None) -> None:
        self._spread, self._level, self._first_other = spread, level, first_other

    def process(self, group: tuple[int, Iterable[bytes]]) -> Iterator[Rows | beam.pvalue.TaggedOutput]:
        index, packed = group
        records = np.frombuffer(b"".join(packed), dtype=RECORD)
        keys, rows = np.ascontiguousarray(records["key"]), np.ascontiguousarray(records["row"])
        if self._first_other is None:
            pairs = lsh.candidate_pairs(keys, rows)
        else:
            pairs = lsh.pairs_across(keys, rows, self._first_other)
        name = f"part-{index:05}-{self._level:04}.arrow"
        yield name, pa.record_batch({"a": pairs[:, 0].copy(), "b": pairs[:, 1].copy()})
        if self._level == 0 and self._first_other is None:
            hot = records[self._spread.is_hot(keys)]
            hot = hot[np.lexsort((hot["row"], hot["key"]))]
            heads = hot[np.unique(hot["key"], return_index=True)[1]]
            for home in by_group(heads, self._spread.home(heads["key"]), self._spread.groups):
                yield beam.pvalue.TaggedOutput(HEADS, home)


def _slots(keys: np.ndarray) -> np.ndarray:
    return (keys >> np.uint64(64 - SLOT_BITS)).astype(np.int64)
