"""annotate: `documents` → `signals`, row by row: the numbers that every later decision about a document goes by.

    input    the text of a part of `documents`
    output   its word and line statistics, a content hash, and a MinHash signature, in the same order
    dropped  nothing
    cost     one pass over the text on one core per worker; memory about ten times a part's text

Thresholds are applied to what is stored here, so a new rule costs seconds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import apache_beam as beam
import numpy as np
import pyarrow as pa

from pipeline.beam import Rows
from pipeline.config import Annotate
from pipeline.stage import TEXT, Estimate, Run, Stage, aligned
from text_core.content_hash import content_hashes
from text_core.minhash import signatures
from text_core.signals import gopher_quality_signals
from text_core.strings import from_arrow
from text_core.words import word_table

# Not the run's seed: signatures of different runs are compared with each other.
MINHASH_SEED = 1
BYTES_PER_SECOND = 40e6  # all signals on one core, measured


@beam.typehints.with_input_types(Rows)
@beam.typehints.with_output_types(Rows)
class ComputeSignals(beam.DoFn):
    """The text of a part → its signals."""

    def __init__(self, settings: Annotate) -> None:
        self._settings = settings

    def process(self, rows: Rows) -> Iterator[Rows]:
        name, documents = rows
        yield name, signals(documents.column("text"), self._settings)


def signals(text: pa.LargeStringArray, settings: Annotate) -> pa.RecordBatch:
    """All signals of some texts, one row each."""
    strings = from_arrow(text)
    words = word_table(strings)
    columns: dict[str, pa.Array] = {
        name: pa.array(values) for name, values in gopher_quality_signals(strings, words).items()
    }
    hashes = pa.py_buffer(np.ascontiguousarray(content_hashes(strings)))
    columns["content_hash"] = pa.FixedSizeBinaryArray.from_buffers(pa.binary(16), len(text), [None, hashes])
    minhash = signatures(words, settings.shingle_words, settings.permutations, MINHASH_SEED)
    columns["minhash"] = pa.FixedSizeListArray.from_arrays(pa.array(minhash.reshape(-1)), settings.permutations)
    return pa.record_batch(columns)


def parameters(run: Run) -> Mapping[str, Any]:
    return run.config.annotate.model_dump(mode="json")


def estimate(run: Run) -> Estimate:
    documents = run.manifest(run.text)
    settings = run.config.annotate
    # Word table: 24 bytes for a word of about five; shingles as much again; text and its normalised copy.
    each = 16 * int(run.config.ingest.part_bytes) + 4 * settings.permutations * 32768
    return Estimate(memory=0, disk=documents.rows * (4 * settings.permutations + 128), each_worker=each)


def work(run: Run) -> Mapping[str, Any]:
    seconds = run.manifest(run.text).statistics["text_bytes"] / BYTES_PER_SECOND
    run.map_parts(
        {run.text: ["text"]},
        ComputeSignals(run.config.annotate),
        "signals",
        step="annotate: signals",
        seconds=seconds,
    )
    return {}


def verify(run: Run) -> Iterable[str]:
    yield from aligned(run, "signals")


STAGE = Stage("annotate", "signals", 1, (TEXT,), parameters, estimate, work, verify)
