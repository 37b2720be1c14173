"""Fuzzy deduplication end to end against datatrove's MinHash, and both against brute force.

    python -m benchmarks.dedup [--corpus FILE] [--max-documents N] [--threshold J]

Both get the same Parquet file, one worker, 5-word shingles and the same bands. Ours is a run until `select`, without
rules and with the signals alone that deduplication needs (lengths, content hash, MinHash). Timed are `annotate` and
`select`; for the whole job `ingest`, too. datatrove's is its four steps: signatures, buckets, cluster, filter. It drops
what shares a band; ours verifies each pair. Both are run on a few documents first, so that no compilation is timed.

Without a corpus, 20,000 documents are made by seed, a third of them near-copies of others at known similarity. Prints
one JSON object last:

    dedup_vs_datatrove       datatrove's seconds / ours, of `annotate` and `select`
    job_vs_datatrove         datatrove's seconds / ours, with `ingest`
    recall                   of the pairs at the threshold or above, the share of which not both documents are kept
    recall_clear             the same, of pairs at the threshold + 0.05 or above
    precision                of the documents dropped, the share that such pairs connect to one that is kept
    …_datatrove              the same of datatrove's

Brute force: the Jaccard similarity of all pairs of documents that share one of the 5-word shingles by our words, found
by an inverted index without the shingles of more than 200 documents.
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
import io
import itertools
import json
import logging
import os
import random
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import apache_beam as beam
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import zstandard

from sequitur.pipeline import artifacts, run_directory
from sequitur.pipeline.beam import Rows
from sequitur.pipeline.config import validate
from sequitur.pipeline.progress import Progress
from sequitur.pipeline.runner import Runner
from sequitur.pipeline.stage import Run
from sequitur.stages import annotate, ingest, select
from sequitur.text_core.duplicates.components import connected_components
from sequitur.text_core.duplicates.content_hash import content_hashes
from sequitur.text_core.duplicates.lsh import choose_bands
from sequitur.text_core.duplicates.minhash import SEED, signatures
from sequitur.text_core.signals.language import UNDETERMINED
from sequitur.text_core.units.shingles import shingle_sets
from sequitur.text_core.units.strings import from_arrow
from sequitur.text_core.units.words import word_table

SHINGLE_WORDS, PERMUTATIONS = 5, 128
FREQUENT = 200  # documents that share a shingle, above which it is left out of the search for pairs, not of the sets
BLOCK = 100_000  # shingles whose pairs are listed at a time
WARM_UP = 50  # documents
MEASURES = ("recall", "recall_clear", "precision")


def synthetic(documents: int, seed: int = 0) -> Iterator[str]:
    """Texts of words drawn by rank, a third of them copies of an earlier one with some words replaced."""
    rng = random.Random(seed)
    letters = "etaoinshrdlucm"
    words = ["".join(rng.choices(letters, k=rng.randint(2, 9))) for _ in range(20_000)]
    weights = np.cumsum(1 / np.arange(10, len(words) + 10)).tolist()
    originals: list[list[str]] = []
    for _ in range(documents):
        if originals and rng.random() < 1 / 3:
            text = list(rng.choice(originals))
            for place in rng.sample(range(len(text)), round(len(text) * rng.uniform(0, 0.06))):
                text[place] = rng.choice(words)
        else:
            text = rng.choices(words, cum_weights=weights, k=rng.randint(60, 600))
            originals.append(text)
        yield " ".join(text).capitalize() + "."


def read_texts(path: Path) -> Iterator[str]:
    with path.open("rb") as file:
        lines = zstandard.ZstdDecompressor().stream_reader(file) if path.suffix == ".zst" else file
        for line in io.TextIOWrapper(lines, "utf-8"):
            yield str(json.loads(line)["text"])


def write(path: Path, texts: list[str]) -> Path:
    pq.write_table(pa.table({"id": [str(row) for row in range(len(texts))], "text": texts}), path)
    return path


class Signatures(beam.DoFn):
    """The text of a part → what `select` needs to find duplicates."""

    def process(self, part: Rows) -> Iterator[Rows]:
        name, batch = part
        strings = from_arrow(batch.column("text"))
        words = word_table(strings)
        minhash = signatures(words, SHINGLE_WORDS, PERMUTATIONS, SEED)
        hashes = pa.py_buffer(content_hashes(strings))
        columns = {
            "byte_count": np.diff(strings.offsets),
            "unique_word_share": (np.diff(words.document_offsets) > 0).astype(np.float32),
            "content_hash": pa.FixedSizeBinaryArray.from_buffers(pa.binary(16), batch.num_rows, [None, hashes]),
            "minhash": pa.FixedSizeListArray.from_arrays(pa.array(minhash.reshape(-1)), PERMUTATIONS),
            "language": pa.DictionaryArray.from_arrays(np.zeros(batch.num_rows, np.int16), [UNDETERMINED]),
        }
        yield name, pa.record_batch(columns)


def sign(run: Run) -> Mapping[str, Any]:
    """The work of `annotate`, as far as deduplication needs it."""
    run.jobs.map_parts({run.artifact(run.text): ["text"]}, Signatures(), run.build("signals"), step="signatures")
    return {"signals": []}


def ours(path: Path, output: Path, threshold: float) -> tuple[dict[str, float], list[int]]:
    """Seconds of each stage, and the numbers of the documents that are kept."""
    settings = {
        "output": str(output),
        "ingest": {"inputs": [str(path)]},
        "annotate": {"shingle_words": SHINGLE_WORDS, "permutations": PERMUTATIONS},
        "select": {"rules": "none", "jaccard": threshold, "exact_duplicates": False, "alarm_share": 1},
    }
    run = Run(validate(settings, "benchmark"), Runner(1), Progress(quiet=True))
    recipe = (ingest.STAGE, dataclasses.replace(annotate.STAGE, work=sign), select.STAGE)
    seconds = {}
    for stage in recipe:
        started = time.perf_counter()
        run_directory.execute(recipe, run, stage.name, stage.name)
        seconds[stage.name] = time.perf_counter() - started
    numbers = artifacts.read_columns(run.artifact("documents"), ["record_id"])["record_id"].to_pylist()
    kept = artifacts.read_columns(run.artifact("selection"), ["kept"])["kept"].to_pylist()
    return seconds, [int(number) for number, stays in zip(numbers, kept, strict=True) if stays]


def minhash_steps(path: Path, output: Path, bands: int, rows: int) -> Iterator[tuple[str, Any]]:
    """datatrove's four steps as executors, each to be run before the next; what stays is in `output / "kept"`."""
    from datatrove.executor import LocalPipelineExecutor
    from datatrove.pipeline.dedup import minhash
    from datatrove.pipeline.readers import ParquetReader
    from datatrove.pipeline.writers import ParquetWriter

    config = minhash.MinhashConfig(n_grams=SHINGLE_WORDS, num_buckets=bands, hashes_per_bucket=rows)

    def read() -> ParquetReader:
        return ParquetReader(str(path.parent), glob_pattern=path.name, doc_progress=False)

    at = {name: str(output / name) for name in ("signatures", "buckets", "remove", "kept")}
    steps: dict[str, tuple[list[Any], int]] = {
        "signatures": ([read(), minhash.MinhashDedupSignature(at["signatures"], config=config)], 1),
        "buckets": ([minhash.MinhashDedupBuckets(at["signatures"], at["buckets"], config=config)], bands),
        "cluster": ([minhash.MinhashDedupCluster(at["buckets"], at["remove"], config=config)], 1),
        "filter": ([read(), minhash.MinhashDedupFilter(at["remove"]), ParquetWriter(at["kept"])], 1),
    }
    for name, (pipeline, tasks) in steps.items():
        logs = str(output / "logs" / name)
        yield name, LocalPipelineExecutor(pipeline, tasks=tasks, workers=1, logging_dir=logs, skip_completed=False)


def datatrove(path: Path, output: Path, threshold: float) -> tuple[dict[str, float], list[int]]:
    """Seconds of each step, and the numbers of the documents that are kept."""
    seconds = {}
    for name, executor in minhash_steps(path, output, *choose_bands(threshold, PERMUTATIONS)):
        started = time.perf_counter()
        executor.run()
        seconds[name] = time.perf_counter() - started
    kept = pq.read_table(output / "kept", columns=["id"])["id"].to_pylist()
    return seconds, [int(number) for number in kept]


def shingles_of(texts: list[str]) -> list[np.ndarray]:
    """The distinct shingles of each text, as 64-bit hashes, ascending."""
    sets = shingle_sets(word_table(from_arrow(pa.array(texts, pa.large_string()))), SHINGLE_WORDS)
    return np.split(sets.hashes, sets.offsets[1:-1])


def similar_pairs(shingles: list[np.ndarray], threshold: float) -> tuple[np.ndarray, np.ndarray]:
    """All pairs of documents with a Jaccard similarity from `threshold` on: int64 [p, 2], float64 [p]."""
    sizes = np.array([len(own) for own in shingles], dtype=np.int64)
    hashes = np.concatenate(shingles)
    order = np.argsort(hashes, kind="stable")
    document = np.repeat(np.arange(len(shingles)), sizes)[order]
    holders = np.split(document, np.flatnonzero(np.diff(hashes[order])) + 1)
    shared = [few for few in holders if 1 < len(few) <= FREQUENT]
    codes = np.empty(0, dtype=np.int64)
    for first in range(0, len(shared), BLOCK):  # so that no more than a block's repetitions are held
        pairs = [
            few[j] * len(shingles) + few[i] for few in shared[first : first + BLOCK] for i, j in [_places(len(few))]
        ]
        codes = np.union1d(codes, np.concatenate(pairs))
    a, b = codes // len(shingles), codes % len(shingles)
    common = np.array([len(np.intersect1d(shingles[i], shingles[j], True)) for i, j in zip(a, b, strict=True)])
    similarity = common / (sizes[a] + sizes[b] - common)
    near = similarity >= threshold
    return np.column_stack((a, b))[near], similarity[near]


@functools.cache
def _places(count: int) -> tuple[np.ndarray, np.ndarray]:
    return np.tril_indices(count, -1)


def quality(kept: list[int], pairs: np.ndarray, similarity: np.ndarray, threshold: float, count: int) -> list[float]:
    """Recall, recall of clear pairs, and precision, as told above."""
    stays = np.zeros(count, dtype=bool)
    stays[kept] = True
    found = ~stays[pairs].all(axis=1)
    component = connected_components(pairs, count)
    survives = np.zeros(count, dtype=bool)
    survives[component[stays]] = True
    right = survives[component[~stays]]
    clear = similarity >= threshold + 0.05
    return [round(float(share.mean()), 5) if len(share) else 1.0 for share in (found, found[clear], right)]


def measure(texts: list[str], threshold: float, scratch: Path) -> dict[str, float]:
    warm = write(scratch / "warm.parquet", texts[:WARM_UP])
    path = write(scratch / "texts.parquet", texts)
    figures: dict[str, float] = {"documents": len(texts), "text_mb": sum(len(text.encode()) for text in texts) / 1e6}
    pairs, similarity = similar_pairs(shingles_of(texts), threshold)
    figures["similar_pairs"] = len(pairs)
    totals = {}
    for name, tool in (("ours", ours), ("datatrove", datatrove)):
        tool(warm, scratch / f"{name}-warm", threshold)
        seconds, kept = tool(path, scratch / name, threshold)
        totals[name] = seconds
        suffix = "" if name == "ours" else f"_{name}"
        figures |= {f"{name}_{step}_seconds": round(taken, 3) for step, taken in seconds.items()}
        figures[f"dropped{suffix}"] = len(texts) - len(kept)
        measures = quality(kept, pairs, similarity, threshold, len(texts))
        figures |= {f"{what}{suffix}": value for what, value in zip(MEASURES, measures, strict=True)}
    theirs, job = sum(totals["datatrove"].values()), sum(totals["ours"].values())
    figures["dedup_vs_datatrove"] = round(theirs / (job - totals["ours"]["ingest"]), 2)
    figures["job_vs_datatrove"] = round(theirs / job, 2)
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=Path, help="JSONL, plain or zstd, with the field text; by default synthetic")
    parser.add_argument("--max-documents", type=int, default=20_000)
    parser.add_argument("--threshold", type=float, default=0.8, help="Jaccard similarity of duplicates")
    known = parser.parse_args()
    os.environ["DATATROVE_COLORIZE_LOGS"] = "0"
    logging.basicConfig(level=logging.CRITICAL)
    texts = read_texts(known.corpus) if known.corpus else synthetic(known.max_documents)
    with tempfile.TemporaryDirectory(prefix="sequitur-benchmark-") as scratch:
        figures = measure(list(itertools.islice(texts, known.max_documents)), known.threshold, Path(scratch))
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
