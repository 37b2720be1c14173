"""The documents table of the shards: where each placed document came from, and what it met in its context."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from graph_sort import metrics
from pipeline import artifacts
from pipeline.artifacts import HashingSink, Part
from pipeline.stage import Run
from shards.format import docs_schema
from shards.manifest import FileEntry
from shards.writer import write_docs
from stages.arrays import all_vectors
from stages.context_rows import SplitPlan


def write_docs_table(run: Run, plans: Mapping[str, SplitPlan], order: pa.Table, lengths: np.ndarray) -> list[FileEntry]:
    """The documents table, one file for each part of `documents` that has a placed document."""
    run.progress.step("pack: documents table")
    count = len(lengths)
    path = np.full(count, -1, dtype=np.int64)
    path[order["ordinal"].to_numpy()] = order["path"].to_numpy()
    split_of = np.full(count, -1, dtype=np.int8)
    cosine = np.full(count, np.nan, dtype=np.float32)
    vectors = all_vectors(run)
    for number, plan in enumerate(plans.values()):
        split_of[plan.document] = number
        met = metrics.consecutive_cosines(vectors, plan.document)
        follows = np.ones(len(plan.document), dtype=bool)
        follows[plan.offsets[:-1]] = False
        follows &= plan.start == 0
        cosine[plan.document[follows]] = met[np.flatnonzero(follows) - 1]
    tables = []
    columns = ["doc_id", "record_id", "source", "url", "source_file", "source_row"]
    for part, selection in zip(run.manifest("documents").parts, run.manifest("selection").parts, strict=True):
        ordinal = artifacts.read_part(run.artifact("selection"), selection, ["ordinal"]).column("ordinal")
        rows = np.flatnonzero(ordinal.is_valid().to_numpy(zero_copy_only=False))
        ordinals = ordinal.take(pa.array(rows)).to_numpy()
        rows, ordinals = rows[split_of[ordinals] >= 0], ordinals[split_of[ordinals] >= 0]
        batch = artifacts.read_part(run.artifact("documents"), part, columns).take(pa.array(rows))
        tables.append(_docs_table(batch, ordinals, lengths, path, cosine, np.array(list(plans))[split_of[ordinals]]))
    tables = [table for table in tables if table.num_rows]
    entries = []
    for index, table in enumerate(tables):
        name = f"docs-{index:05}-of-{len(tables):05}.parquet"
        with (run.artifact("shards") / "docs").writing(name) as file:
            sink = HashingSink(file)
            entries.append(write_docs(sink, f"docs/{name}", table))
        part = Part(f"docs/{name}", 0, entries[-1].bytes, sink.hash.hexdigest())
        artifacts.record_part(run.artifact("shards"), part)
    return entries


def _docs_table(
    batch: pa.RecordBatch,
    ordinals: np.ndarray,
    lengths: np.ndarray,
    path: np.ndarray,
    cosine: np.ndarray,
    split: np.ndarray,
) -> pa.Table:
    columns = {
        "doc_key": pa.array(ordinals.astype(np.uint64)),
        "doc_id": pa.array([one.hex() for one in batch.column("doc_id").to_pylist()], pa.string()),
        "record_id": batch.column("record_id"),
        "source": pc.cast(batch.column("source"), pa.string()),
        "url": batch.column("url"),
        "source_file": pc.cast(batch.column("source_file"), pa.string()),
        "source_row": batch.column("source_row"),
        "n_tokens": pa.array(lengths[ordinals]),
        "path": pa.array(path[ordinals]),
        "cosine_to_previous": pa.array(cosine[ordinals], mask=np.isnan(cosine[ordinals])),
        "split": pa.array(split, pa.string()),
    }
    return pa.table([columns[field.name] for field in docs_schema()], schema=docs_schema())
