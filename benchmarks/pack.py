"""How fast are contexts planned, gathered from stored tokens, and written?

    python -m benchmarks.pack [--documents N] [--scratch DIR]

`pack_vs_memcpy`: bytes a second of gathering stored tokens (memory-mapped, documents in a random order, their lengths
log-normal, mean about 1,000 tokens) into rows of 8,192, over those of a plain `numpy.copyto` of as many bytes into the
same rows; both in blocks of 1,024 rows, the median of several passes over the corpus, in seconds of the processor, so
that other programs count little. `write_mb_per_second` is gathering, digests and writing of whole shards by one core.
`plan_documents_per_second_POLICY` is the plan alone, with 1M documents. One JSON object is the last line of stdout.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from sequitur.graph_sort import packing
from sequitur.pipeline import builds, schemas
from sequitur.pipeline.storage import Directory
from sequitur.shards.contexts import context_batch
from sequitur.shards.format import BATCH_ROWS, Boundaries, Header, SpecialIds, TokenizerInfo, context_schema
from sequitur.shards.writer import write_shard
from sequitur.stages.pack.context_rows import SplitPlan, rows_of
from sequitur.stages.pack.shard_writing import gather_rows
from sequitur.stages.shared.columns.token_store import TokenStore

CONTEXT_LENGTH = 8192
PLANNED = 1_000_000
PART_TOKENS = 2**21
PASSES = 7
VOCABULARY = 32768


def make_lengths(count: int, generator: np.random.Generator) -> np.ndarray:
    """int64 tokens of each document."""
    return np.clip(generator.lognormal(6.2, 1.2, count), 2, 10**6).astype(np.int64)


def write_tokens(directory: Directory, lengths: np.ndarray, generator: np.random.Generator) -> None:
    """Makes an artifact of random tokens, in parts of about PART_TOKENS."""
    build = builds.begin(directory, "benchmark")
    parts = np.split(np.arange(len(lengths)), np.flatnonzero(np.diff(np.cumsum(lengths) // PART_TOKENS)) + 1)
    for index, ordinals in enumerate(parts):
        offsets = np.append(0, np.cumsum(lengths[ordinals]))
        ids = generator.integers(0, VOCABULARY, offsets[-1], dtype=np.uint32)
        column = pa.LargeListArray.from_arrays(pa.array(offsets), pa.array(ids))
        batch = pa.record_batch([pa.array(ordinals), column], schema=schemas.TOKENS)
        builds.write_part(build, f"part-00000-{index:04}.arrow", batch, compress=False)
    builds.finish(build, {}, {}, {})


def make_plan(lengths: np.ndarray, generator: np.random.Generator) -> SplitPlan:
    permutation = generator.permutation(len(lengths))
    contexts = packing.whole(lengths, permutation, CONTEXT_LENGTH)
    count = len(contexts.offsets) - 1
    following = np.append(contexts.offsets[1:-1], 0)
    next_document = np.where(np.arange(count) < count - 1, contexts.document[following], -1)
    return SplitPlan(
        *contexts,
        np.zeros(count, np.int64),
        next_document,
        contexts.start[following],
        generator.permutation(count),
        np.array([count], np.int64),
    )


def processor_seconds(work: Callable[[], object]) -> float:
    started = time.thread_time()
    work()
    return time.thread_time() - started


def measure_gathering(store: TokenStore, plan: SplitPlan) -> dict[str, float]:
    """Every full block of rows once a pass; the first pass is for page faults and compilation."""
    out = np.zeros((BATCH_ROWS, CONTEXT_LENGTH), dtype=np.uint32)
    blocks = range(0, len(plan.reading_order) - BATCH_ROWS + 1, BATCH_ROWS)
    peer = np.ones((len(blocks) * BATCH_ROWS, CONTEXT_LENGTH), dtype=np.uint32)
    moved = len(blocks) * out.nbytes
    gathered = 4 * sum(
        int(np.add.reduceat(plan.length, plan.offsets[:-1])[plan.reading_order[start : start + BATCH_ROWS]].sum())
        for start in blocks
    )
    rates: list[tuple[float, float]] = []
    for number in range(PASSES + 1):
        ours = theirs = 0.0
        for start in blocks:
            contexts = plan.reading_order[start : start + BATCH_ROWS]
            ours += processor_seconds(lambda contexts=contexts: store.gather(plan, contexts, out))
            theirs += processor_seconds(lambda start=start: np.copyto(out, peer[start : start + BATCH_ROWS]))
        if number:
            rates.append((gathered / ours, moved / theirs))
    ours, theirs = np.median(rates, axis=0).tolist()
    return {
        "gather_gb_per_second": round(ours / 1e9, 2),
        "memcpy_gb_per_second": round(theirs / 1e9, 2),
        "pack_vs_memcpy": round(float(np.median([a / b for a, b in rates])), 3),
        "gathered_mb": round(gathered / 1e6),
    }


def measure_writing(store: TokenStore, plan: SplitPlan, path: Path) -> dict[str, float]:
    """One shard of at most 16 batches, as `pack` writes it, but for flushing it to the disk."""
    info = TokenizerInfo("bytes", None, "", VOCABULARY)
    header = Header("benchmark", "", "", CONTEXT_LENGTH, info, SpecialIds(None, 0, 0), Boundaries(True, False))
    schema = context_schema(header, "train", 0, 1)
    rows = plan.reading_order[: 16 * BATCH_ROWS]

    def write() -> None:
        blocks = (rows[start : start + BATCH_ROWS] for start in range(0, len(rows), BATCH_ROWS))
        batches = (
            context_batch(gather_rows(store, rows_of(plan, block), CONTEXT_LENGTH, 0), schema) for block in blocks
        )
        with path.open("wb") as file:
            write_shard(file, "train/data.arrow", batches, schema)

    seconds = sorted(processor_seconds(write) for _ in range(3))[1]
    return {"write_mb_per_second": round(path.stat().st_size / seconds / 1e6, 1)}


def measure_plans(generator: np.random.Generator) -> dict[str, Any]:
    lengths = make_lengths(PLANNED, generator)
    permutation, opens = generator.permutation(PLANNED), np.zeros(PLANNED, dtype=bool)
    found: dict[str, Any] = {}
    for name, policy in packing.POLICIES.items():
        policy(lengths[:10], np.arange(10), CONTEXT_LENGTH, opens[:10], None, None)
        seconds = sorted(
            processor_seconds(lambda policy=policy: policy(lengths, permutation, CONTEXT_LENGTH, opens, None, None))
            for _ in range(3)
        )[1]
        found[f"plan_documents_per_second_{name}"] = round(PLANNED / seconds)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=int, default=100_000, help="of which tokens are stored")
    parser.add_argument("--scratch", help="where the tokens go; a temporary directory if not given")
    known = parser.parse_args()
    generator = np.random.Generator(np.random.PCG64(1))
    figures: dict[str, Any] = {"documents": known.documents}
    with tempfile.TemporaryDirectory(prefix="sequitur-benchmark-", dir=known.scratch) as scratch:
        lengths = make_lengths(known.documents, generator)
        plan = make_plan(lengths, generator)
        if len(plan.reading_order) < BATCH_ROWS:
            sys.exit(f"{known.documents} documents fill no block of {BATCH_ROWS} contexts; give more")
        directory = Directory(f"{scratch}/tokens")
        write_tokens(directory, lengths, generator)
        store = TokenStore(directory, check=False)
        figures |= measure_gathering(store, plan)
        figures |= measure_writing(store, plan, Path(scratch, "data.arrow"))
    figures |= measure_plans(generator)
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
