"""What the one process that decides holds for each document, stage by stage: measured beside what it announces.

    python -m benchmarks.driver [--documents 100000 1000000] [--scratch DIR]

Made-up documents as of `benchmarks.growth`, no rules, vectors of 64 + 64 dimensions. Each stage of each size runs in a
process of its own, with one worker, which is that process. Held is what no file backs (RssAnon of Linux, looked at 50
times a second): of what is mapped the system takes back what it needs. One JSON object is the last line of stdout:

    STAGE_held_N         bytes, at most
    STAGE_announced_N    bytes, of which 700 MiB are what Python and its libraries take; with what is mapped
    STAGE_per_document   bytes that it holds more for each further document, between the smallest and the largest N
    most_per_document    the largest of these
    most_vs_announced    the largest share of what is announced that is held

Cost: 12 to 20 minutes of one core for a million documents, and 8 GB of disk.
"""

from __future__ import annotations

import argparse
import json
import logging
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.growth import write_corpus
from benchmarks.job import peak_memory

STAGES = ("ingest", "annotate", "select", "tokenize", "embed", "neighbors", "order", "pack", "report")
EVERY = 0.02  # seconds


def anonymous_bytes() -> int:
    """Memory of this process that no file backs."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("RssAnon"))


def measure(stage: str, documents: int, scratch: str) -> dict[str, int]:
    """Runs a stage of a run whose earlier stages are done."""
    from sequitur import beam_job
    from sequitur.pipeline import run_directory
    from sequitur.pipeline.config import validate
    from sequitur.pipeline.progress import Progress
    from sequitur.pipeline.runner import Runner
    from sequitur.pipeline.stage import STATE, Run

    content = {
        "output": f"{scratch}/run-{documents}",
        "ingest": {"inputs": [f"{scratch}/corpus-{documents}.jsonl"]},
        "annotate": {"signals": "needed"},
        "select": {"rules": "none", "alarm_share": 1.0},
        "embed": {"dimensions": 64, "lexical_dimensions": 64},
    }
    run = Run(validate(content, "benchmark"), Runner(1), Progress())
    with peak_memory(anonymous_bytes, EVERY) as held:
        run_directory.execute(beam_job.RECIPE, run, stage, stage)
    announced = (run.root / STATE).read_json(f"{stage}.json")["announced_bytes"]
    return {f"{stage}_held_{documents}": held[0], f"{stage}_announced_{documents}": announced}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--scratch", help="where the corpora and runs go; a temporary directory if not given")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    known = parser.parse_args()
    logging.basicConfig(level=logging.CRITICAL)
    if known.one:
        print(json.dumps(measure(known.one, known.documents[0], known.scratch)))
        return
    figures: dict[str, float] = {}
    sizes = sorted(known.documents)
    with tempfile.TemporaryDirectory(prefix="sequitur-benchmark-", dir=known.scratch) as scratch:
        for size in sizes:
            write_corpus(Path(scratch, f"corpus-{size}.jsonl"), size)
            for stage in STAGES:
                command = [sys.executable, "-m", "benchmarks.driver", "--one", stage]
                command += ["--documents", str(size), "--scratch", scratch]
                ended = subprocess.run(command, check=False, stdout=subprocess.PIPE, text=True)
                if ended.returncode:
                    sys.exit(ended.returncode)
                figures |= json.loads(ended.stdout.splitlines()[-1])
    few, many = sizes[0], sizes[-1]
    for stage in STAGES:
        grown = figures[f"{stage}_held_{many}"] - figures[f"{stage}_held_{few}"]
        figures[f"{stage}_per_document"] = round(grown / max(many - few, 1), 1)
    figures["most_per_document"] = max(figures[f"{stage}_per_document"] for stage in STAGES)
    figures["most_vs_announced"] = max(
        round(figures[f"{stage}_held_{size}"] / figures[f"{stage}_announced_{size}"], 3)
        for stage in STAGES
        for size in sizes
    )
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
