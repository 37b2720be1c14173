"""What does it cost that very many documents share one thing: a line, a text, a topic?

    python -m benchmarks.hot_keys [--documents 50000] [--workers 1] [--scratch DIR]

Four corpora of as many made-up documents, of about 120 words in a line:

    plain   nothing is shared
    line    every document ends with the same two lines
    copies  every second document is a version of one: of two hundred words one is another
    topic   every second document is made of the same fifty words, in an order of its own

Each goes through the job up to `neighbors`, with lines counted, and without rules. Prints one JSON object last: for
each corpus and stage `STAGE_seconds_CORPUS` (processor time of all processes), `STAGE_peak_bytes_CORPUS`, and
`STAGE_vs_announced_CORPUS`, the share of what was announced that this is; for each corpus `kept_CORPUS` (documents that
`select` keeps) and `left_CORPUS` (those that `neighbors` leaves); then `most_seconds` and `most_peak`, the largest
ratio of a stage to what it takes of the plain corpus, and `most_vs_announced`.
"""

from __future__ import annotations

import argparse
import json
import logging
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import psutil

from benchmarks.job import peak_memory

CORPORA = ("plain", "line", "copies", "topic")
STAGES = ("ingest", "refine", "annotate", "select", "tokenize", "embed", "neighbors")
VOCABULARY, TOPIC = 50_000, 50
EDITED = 0.005  # of the words of a version
SHARED = "\nAll rights are reserved by those who wrote this.\nHome | About | Contact | Terms of use | Cookies"


def write_corpus(path: Path, kind: str, documents: int) -> None:
    rng = np.random.default_rng(0)
    letters = np.array(list("abcdefghijklmnopqrstuvwxyz"))
    words = np.array(["".join(row) for row in letters[rng.integers(0, 26, (VOCABULARY, 6))]], dtype=object)
    original = rng.integers(0, VOCABULARY, 120)
    with path.open("w", encoding="utf-8") as file:
        for row in range(documents):
            text = rng.integers(0, VOCABULARY, rng.integers(100, 141))
            if row % 2 and kind == "copies":
                text = np.where(rng.random(original.size) < EDITED, text[0], original)
            if row % 2 and kind == "topic":
                text %= TOPIC
            shared = SHARED if kind == "line" else ""
            file.write(json.dumps({"text": " ".join(words[text]) + shared}) + "\n")


def processor_seconds() -> float:
    """Of this process and of all that it has waited for."""
    return sum(psutil.Process().cpu_times()[:4])


def measure(kind: str, documents: int, workers: int, scratch: str) -> dict[str, float]:
    from sequitur import beam_job
    from sequitur.pipeline import run_directory
    from sequitur.pipeline.config import validate
    from sequitur.pipeline.progress import Progress
    from sequitur.pipeline.runner import Runner
    from sequitur.pipeline.stage import STATE, Run

    corpus = Path(scratch, f"{kind}.jsonl")
    write_corpus(corpus, kind, documents)
    content = {
        "output": f"{scratch}/{kind}",
        "ingest": {"inputs": [str(corpus)]},
        "refine": {"max_line_repeats": 100},
        "select": {"rules": "none", "alarm_share": 1.0},
    }
    run = Run(validate(content, "benchmark"), Runner(workers), Progress())
    figures: dict[str, float] = {}
    for stage in STAGES:
        before = processor_seconds()
        with peak_memory() as peak:
            run_directory.execute(beam_job.RECIPE, run, stage, stage)
        figures[f"{stage}_seconds_{kind}"] = round(processor_seconds() - before, 2)
        figures[f"{stage}_peak_bytes_{kind}"] = peak[0]
        announced = (run.root / STATE).read_json(f"{stage}.json")["announced_bytes"]
        figures[f"{stage}_vs_announced_{kind}"] = round(peak[0] / announced, 3)
    figures[f"kept_{kind}"] = run.manifest("selection").statistics["kept"]
    figures[f"left_{kind}"] = run.manifest("neighbors").rows
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=int, default=50_000)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--scratch", help="where the corpora and runs go; a temporary directory if not given")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    known = parser.parse_args()
    logging.basicConfig(level=logging.CRITICAL)
    if known.one:
        print(json.dumps(measure(known.one, known.documents, known.workers, known.scratch)))
        return
    figures: dict[str, float] = {}
    with tempfile.TemporaryDirectory(prefix="sequitur-benchmark-", dir=known.scratch) as scratch:
        for kind in CORPORA:
            command = [sys.executable, "-m", "benchmarks.hot_keys", "--one", kind, "--scratch", scratch]
            command += ["--documents", str(known.documents), "--workers", str(known.workers)]
            ended = subprocess.run(command, check=False, stdout=subprocess.PIPE, text=True)
            if ended.returncode:
                sys.exit(ended.returncode)
            figures |= json.loads(ended.stdout.splitlines()[-1])
    for name, what in (("most_seconds", "seconds"), ("most_peak", "peak_bytes")):
        figures[name] = max(
            round(figures[f"{stage}_{what}_{kind}"] / figures[f"{stage}_{what}_plain"], 2)
            for stage in STAGES
            for kind in CORPORA
        )
    figures["most_vs_announced"] = max(figures[f"{stage}_vs_announced_{kind}"] for stage in STAGES for kind in CORPORA)
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
