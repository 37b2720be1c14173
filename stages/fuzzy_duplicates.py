"""Pairs of documents that are fuzzy duplicates: found by LSH over MinHash signatures, verified by true Jaccard.

What is shuffled is packed arrays of band keys, one element per part and hash group; never text. The text of candidates
is read again, where it lies, for their shingle sets.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import apache_beam as beam
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline import artifacts, schemas
from pipeline.beam import Rows, Source, WritePart
from pipeline.stage import Run
from pipeline.storage import Directory
from text_core import lsh
from text_core.shingles import ShingleSets, jaccard, shingle_sets
from text_core.strings import from_arrow
from text_core.words import word_table

RECORD = np.dtype([("key", "<u8"), ("row", "<i8")])
GROUP_BYTES = 64 * 2**20
KEYED_PER_SECOND = 100_000  # documents whose band keys are computed, shuffled and paired on one core, measured
# The working parts of this stage; gone when it is done.
BANDED, CANDIDATES = "selection/_banded", "selection/_candidates"
INVOLVED, SHINGLES = "selection/_involved", "selection/_shingles"


def verified_pairs(run: Run, alive: np.ndarray) -> tuple[np.ndarray, np.ndarray, dict[str, Any]]:
    """The pairs of documents whose true Jaccard similarity reaches `select.jaccard`.

    Args:
        run: with finished `documents` and `signals`.
        alive: bool by row; only these documents are compared.

    Returns:
        int64 rows [pairs, 2], a < b, sorted; float64 similarity of each; and the counts of what was compared.
    """
    threshold = run.config.select.jaccard
    bands, rows_per_band = lsh.choose_bands(threshold, run.config.annotate.permutations)
    _write_rows(run, BANDED, alive)
    groups = max(1, -(-shuffled_bytes(run, int(alive.sum())) // GROUP_BYTES))
    _find_candidates(run, BandKeys(bands, rows_per_band, groups), groups)
    pairs = _read_pairs(run.artifact(CANDIDATES))
    similarity = np.empty(0, dtype=np.float64)
    if len(pairs):
        involved = np.zeros(len(alive), dtype=bool)
        involved[pairs.reshape(-1)] = True
        _compute_shingles(run, involved)
        similarity = _verify(run, pairs)
    linked = similarity >= threshold
    counts = {"candidate_pairs": len(pairs), "verified_pairs": int(linked.sum())}
    return pairs[linked], similarity[linked], {"bands": bands, "rows_per_band": rows_per_band, **counts}


def shuffled_bytes(run: Run, documents: int) -> int:
    """Bytes of band keys that are shuffled for so many documents."""
    bands, _ = lsh.choose_bands(run.config.select.jaccard, run.config.annotate.permutations)
    return documents * bands * RECORD.itemsize


def remove_working_parts(run: Run) -> None:
    for directory in (BANDED, CANDIDATES, INVOLVED, SHINGLES):
        run.root.remove(directory)


def _compute_shingles(run: Run, involved: np.ndarray) -> None:
    _write_rows(run, INVOLVED, involved)
    artifacts.begin(run.artifact(SHINGLES), run.manifest(INVOLVED).fingerprint)
    run.map_parts(
        {run.text: ["text"], INVOLVED: ["row"]},
        ComputeShingles(run.config.annotate.shingle_words),
        SHINGLES,
        step="select: shingles of candidates",
        seconds=run.manifest(run.text).statistics["text_bytes"] / 60e6,
    )


@beam.typehints.with_input_types(Rows)
@beam.typehints.with_output_types(tuple[int, bytes])
class BandKeys(beam.DoFn):
    """Signatures of a part → (group, packed band keys and rows): one element per part and group, not per document."""

    def __init__(self, bands: int, rows_per_band: int, groups: int) -> None:
        self._bands, self._rows_per_band, self._groups = bands, rows_per_band, groups

    def process(self, part: Rows) -> Iterator[tuple[int, bytes]]:
        _, batch = part
        row = batch.column("row").to_numpy()
        chosen = np.flatnonzero(row >= 0)
        minhash = schemas.list_matrix(batch.column("minhash"))[chosen]
        keys = lsh.band_keys(minhash, self._bands, self._rows_per_band)
        records = np.empty(keys.size, dtype=RECORD)
        records["key"] = keys.reshape(-1)
        records["row"] = np.repeat(row[chosen], self._bands)
        group = (records["key"] % np.uint64(self._groups)).astype(np.int64)
        order = np.argsort(group, kind="stable")
        ends = np.searchsorted(group[order], np.arange(self._groups + 1))
        for index in range(self._groups):
            packed = records[order[ends[index] : ends[index + 1]]]
            if len(packed):
                yield index, packed.tobytes()


@beam.typehints.with_input_types(tuple[int, Iterable[bytes]])
@beam.typehints.with_output_types(Rows)
class CandidatePairs(beam.DoFn):
    """All band keys of a group → the pairs of documents that share one."""

    def process(self, group: tuple[int, Iterable[bytes]]) -> Iterator[Rows]:
        index, packed = group
        records = np.frombuffer(b"".join(packed), dtype=RECORD)
        pairs = lsh.candidate_pairs(np.ascontiguousarray(records["key"]), np.ascontiguousarray(records["row"]))
        yield f"part-{index:05}-0000.arrow", pa.record_batch({"a": pairs[:, 0].copy(), "b": pairs[:, 1].copy()})


@beam.typehints.with_input_types(Rows)
@beam.typehints.with_output_types(Rows)
class ComputeShingles(beam.DoFn):
    """Text of candidate documents → their shingle sets."""

    def __init__(self, size: int) -> None:
        self._size = size

    def process(self, part: Rows) -> Iterator[Rows]:
        name, batch = part
        chosen = batch.filter(pc.greater_equal(batch.column("row"), 0))
        sets = shingle_sets(word_table(from_arrow(chosen.column("text"))), self._size)
        hashes = pa.LargeListArray.from_arrays(pa.array(sets.offsets), pa.array(sets.hashes))
        yield name, pa.record_batch({"row": chosen.column("row"), "shingles": hashes})


def _write_rows(run: Run, target: str, chosen: np.ndarray) -> None:
    """Writes, row-aligned with `documents`, the row number of each chosen document and −1 for the others."""
    directory = run.artifact(target)
    rows = np.where(chosen, np.arange(len(chosen), dtype=np.int64), -1)
    mark = artifacts.fingerprint(target, 1, {"rows": artifacts.digest(rows)}, {})
    artifacts.begin(directory, mark)
    start = 0
    for part in run.manifest("signals").parts:
        batch = pa.record_batch({"row": rows[start : start + part.rows]})
        artifacts.write_part(directory, part.name, batch, compress=False)
        start += part.rows
    artifacts.finish(directory, mark, {}, {}, {})


def _find_candidates(run: Run, band_keys: BandKeys, groups: int) -> None:
    directory = run.artifact(CANDIDATES)
    mark = run.manifest(BANDED).fingerprint
    if artifacts.is_finished(directory, mark):
        return
    artifacts.begin(directory, mark)
    names = run.manifest("signals").names
    source = Source({run.artifact("signals"): ("minhash",), run.artifact(BANDED): ("row",)})

    def build(pipeline: beam.Pipeline) -> None:
        _ = (
            pipeline
            | "Parts" >> beam.Create(names)
            | "Source" >> source
            | "BandKeys" >> beam.ParDo(band_keys)
            | "ByGroup" >> beam.GroupByKey()
            | "CandidatePairs" >> beam.ParDo(CandidatePairs())
            | "Write" >> beam.ParDo(WritePart(directory, compress=False))
        )

    with run.watching(CANDIDATES, groups, "select: candidate pairs", "groups"):
        run.runner.run(build, len(names), run.manifest("signals").rows / KEYED_PER_SECOND)
    artifacts.finish(directory, mark, {}, {}, {})


def _read_pairs(directory: Directory) -> np.ndarray:
    """All candidate pairs, int64 [pairs, 2], sorted, each once."""
    table = artifacts.read_columns(directory, ["a", "b"]) if artifacts.require_manifest(directory).parts else None
    if table is None:
        return np.empty((0, 2), dtype=np.int64)
    return np.unique(np.column_stack([table["a"].to_numpy(), table["b"].to_numpy()]), axis=0)


def _verify(run: Run, pairs: np.ndarray) -> np.ndarray:
    """The true Jaccard similarity of each pair, float64, block by block of the parts that the pairs lie in."""
    directory = run.artifact(SHINGLES)
    parts = artifacts.written_parts(directory)
    starts = np.cumsum([0, *(part.rows for part in run.manifest("signals").parts)])
    block = np.searchsorted(starts, pairs, side="right") - 1
    order = np.lexsort((block[:, 1], block[:, 0]))
    edges = np.flatnonzero((np.diff(block[order], axis=0) != 0).any(axis=1)) + 1
    similarity = np.empty(len(pairs), dtype=np.float64)
    run.progress.step("select: verifying pairs", len(pairs), "pairs")
    open_parts: dict[int, tuple[np.ndarray, ShingleSets]] = {}

    def sets(index: int) -> tuple[np.ndarray, ShingleSets]:
        if index not in open_parts:
            batch = artifacts.map_part(directory, parts[index])
            column = batch.column("shingles")
            loaded = ShingleSets(column.values.to_numpy(), column.offsets.to_numpy())
            open_parts[index] = batch.column("row").to_numpy(), loaded
        return open_parts[index]

    done = 0
    for chosen in np.split(order, edges):
        (rows_a, sets_a), (rows_b, sets_b) = (sets(int(index)) for index in block[chosen[0]])
        local = np.column_stack([np.searchsorted(rows_a, pairs[chosen, 0]), np.searchsorted(rows_b, pairs[chosen, 1])])
        similarity[chosen] = jaccard(sets_a, sets_b, local)
        done += len(chosen)
        run.progress.update(done)
    return similarity
