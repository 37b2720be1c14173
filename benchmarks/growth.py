"""How time and memory of curation grow with the corpus: ingest, annotate and select on made-up documents.

    python -m benchmarks.growth [--documents 10000 100000 1000000] [--workers 1] [--scratch DIR]

Each size runs in a process of its own, on a seeded corpus of about 90 words a document, in which one document in ten is
an exact copy of an earlier one and one in ten a near copy (one word replaced). Prints one JSON object last: for each
size N `STAGE_seconds_N`, `STAGE_peak_bytes_N` (proportional set size of all processes), `recall_N` (planted copies of
which the copy or its original was dropped) and `precision_N` (dropped documents that belong to a planted family); then
`seconds_per_document_growth` and `peak_growth`: the largest size's figure over what the smallest one's would be, grown
in proportion (1 is linear, less is better).
"""

from __future__ import annotations

import argparse
import json
import logging
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.job import peak_memory

VOCABULARY = 50_000
STAGES = ("ingest", "annotate", "select")


def write_corpus(path: Path, documents: int, seed: int = 0) -> np.ndarray:
    """Writes a corpus as JSONL; returns each document's family, int64: copies share their original's."""
    generator = np.random.Generator(np.random.PCG64(seed))
    letters = np.array(list("abcdefghijklmnopqrstuvwxyz"))
    words = np.array(["".join(row) for row in letters[generator.integers(0, 26, (VOCABULARY, 6))]], dtype=object)
    weights = 1 / np.arange(10, VOCABULARY + 10)
    cumulative = np.cumsum(weights / weights.sum())
    family = np.arange(documents, dtype=np.int64)
    kind = generator.random(documents)
    lengths = generator.integers(60, 121, documents)
    originals: list[np.ndarray] = []
    rows: list[int] = []
    with path.open("w", encoding="utf-8") as file:
        for row in range(documents):
            if originals and kind[row] < 0.2:
                chosen = int(generator.integers(len(originals)))
                text = originals[chosen]
                family[row] = rows[chosen]
                if kind[row] < 0.1:
                    text = text.copy()
                    text[generator.integers(len(text))] = generator.integers(0, VOCABULARY)
            else:
                text = np.searchsorted(cumulative, generator.random(lengths[row]))
                if len(originals) < 100_000:
                    originals.append(text)
                    rows.append(row)
            file.write(json.dumps({"id": str(row), "text": " ".join(words[text])}) + "\n")
    return family


def measure(documents: int, workers: int, scratch: str) -> dict[str, float | int]:
    """Runs the three stages on a corpus of so many documents."""
    from sequitur import beam_job
    from sequitur.pipeline import artifacts, run_directory
    from sequitur.pipeline.config import validate
    from sequitur.pipeline.progress import Progress
    from sequitur.pipeline.runner import Runner
    from sequitur.pipeline.stage import Run

    corpus = Path(scratch, f"corpus-{documents}.jsonl")
    family = write_corpus(corpus, documents)
    content = {
        "output": f"{scratch}/run-{documents}",
        "ingest": {"inputs": [str(corpus)]},
        "select": {"rules": "none", "alarm_share": 1.0},
    }
    run = Run(validate(content, "benchmark"), Runner(workers), Progress())
    figures: dict[str, float | int] = {}
    for stage in STAGES:
        started = time.monotonic()
        with peak_memory() as peak:
            run_directory.execute(beam_job.RECIPE, run, stage, stage)
        figures[f"{stage}_seconds_{documents}"] = round(time.monotonic() - started, 2)
        figures[f"{stage}_peak_bytes_{documents}"] = peak[0]
    ids = artifacts.read_columns(run.artifact("documents"), ["record_id"])["record_id"].to_numpy().astype(np.int64)
    kept = artifacts.read_columns(run.artifact("selection"), ["kept"])["kept"].to_numpy()
    families = family[ids]
    members = np.bincount(families, minlength=documents)
    staying = np.bincount(families[kept], minlength=documents)
    planted, dropped = int((members[members > 1] - 1).sum()), int((~kept).sum())
    rightly = int((members - np.maximum(staying, 1))[members > 0].sum())
    figures[f"recall_{documents}"] = round(rightly / max(planted, 1), 4)
    figures[f"precision_{documents}"] = round(rightly / max(dropped, 1), 4)
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--scratch", help="where the corpora and runs go; a temporary directory if not given")
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    known = parser.parse_args()
    logging.basicConfig(level=logging.CRITICAL)
    if known.one:
        print(json.dumps(measure(known.documents[0], known.workers, known.scratch)))
        return
    figures: dict[str, float | int] = {}
    sizes = sorted(known.documents)
    with tempfile.TemporaryDirectory(prefix="sequitur-benchmark-", dir=known.scratch) as scratch:
        for size in sizes:
            command = [sys.executable, "-m", "benchmarks.growth", "--one", "--documents", str(size)]
            command += ["--workers", str(known.workers), "--scratch", scratch]
            ended = subprocess.run(command, check=False, stdout=subprocess.PIPE, text=True)
            if ended.returncode:
                sys.exit(ended.returncode)
            figures |= json.loads(ended.stdout.splitlines()[-1])
    first, last = sizes[0], sizes[-1]
    for name, key in (("seconds", "seconds_per_document_growth"), ("peak_bytes", "peak_growth")):
        small, large = ([figures[f"{stage}_{name}_{size}"] for stage in STAGES] for size in (first, last))
        combine = sum if name == "seconds" else max
        figures[key] = round(combine(large) / (combine(small) * last / first), 3)
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
