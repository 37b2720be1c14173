"""How much less time do the stages that work on text take with two workers than with one?

    python -m benchmarks.two_workers [--corpus FILE] [--megabytes 500] [--turns 1] [--scratch DIR]

The corpus is of the source files of the installed packages, or of the documents of a `--corpus` (JSON lines with
`text`, also compressed). Where these are fewer than asked for they come again and again, each time with half of their
words replaced by words of the corpus, at random by seed. No rule drops anything, so that each stage has all of it.

Each of the stages `annotate`, `tokenize` and `embed` is made with one worker, in a process that may use one core alone,
and with two, by turns, as `benchmarks.two_cores` does it; by the clock, so other programs must rest. Prints one JSON
object last: `megabytes`, and for each stage what that script tells, and `machine_two_vs_one`.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.two_cores import CORPUS, compared, machine_two_vs_one, run_of
from benchmarks.update import endless, texts_of
from sequitur import beam_job
from sequitur.pipeline import run_directory
from sequitur.pipeline.runner import quieten

STAGES = {"annotate": "signals", "tokenize": "tokens", "embed": "vectors"}  # and what each makes
BEFORE = {"annotate": "ingest", "tokenize": "select", "embed": "tokenize"}


def write_corpus(path: Path, found: list[str], megabytes: float) -> float:
    """Writes a file of about so many megabytes; returns how many they are."""
    source, written = endless(found, 0), 0
    with path.open("w", encoding="utf-8") as file:
        while written < megabytes * 1e6:
            written += file.write(json.dumps({"text": next(source)}, ensure_ascii=False) + "\n")
    return round(path.stat().st_size / 1e6, 1)


def measure(scratch: str, found: list[str], megabytes: float, turns: int) -> dict[str, Any]:
    quieten()
    first = Path(scratch, "first")  # kernels are compiled, and this process knows what it has once loaded
    first.mkdir()
    write_corpus(first / CORPUS, found, 1)
    run_directory.execute(beam_job.RECIPE, run_of(str(first), 1), "ingest", "embed")
    figures: dict[str, Any] = {"megabytes": write_corpus(Path(scratch, CORPUS), found, megabytes)}
    machine = [machine_two_vs_one()]
    for stage, artifact in STAGES.items():
        run_directory.execute(beam_job.RECIPE, run_of(scratch, 2), "ingest", BEFORE[stage])
        figures |= compared(stage, artifact, scratch, turns)
    return figures | {"machine_two_vs_one": [*machine, machine_two_vs_one()]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=Path)
    parser.add_argument("--megabytes", type=float, default=500)
    parser.add_argument("--turns", type=int, default=1)
    parser.add_argument("--scratch", help="where the run goes; a temporary directory if not given")
    known = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="sequitur-benchmark-", dir=known.scratch) as scratch:
        found = texts_of(known.corpus, Path(scratch))
        print(json.dumps(measure(scratch, found, known.megabytes, known.turns)))


if __name__ == "__main__":
    main()
