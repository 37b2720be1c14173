"""The whole job on a corpus: speed of each stage, and its memory against what it announced.

    python -m benchmarks.job --corpus FILE [--workers N] [--output DIR] [--set key=value …]

Prints one JSON object last. For each stage `STAGE_documents_per_s`, `STAGE_mb_per_s` (of the corpus's text),
`STAGE_peak_bytes` and `STAGE_announced_bytes`; then `peak_vs_announced`, the largest ratio of the two over all
stages (1 or less is as announced), `ordinals` (documents kept by select), `placed`, and `ledger_balances`.

Memory is the proportional set size, summed over this process and its workers, sampled twice a second: pages that
several of them share count once.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

SAMPLE_SECONDS = 0.5


@contextmanager
def peak_memory(measured: Callable[[], int] | None = None, every: float = SAMPLE_SECONDS) -> Iterator[list[int]]:
    """Yields a list whose only element is, afterwards, the largest memory seen during the block, in bytes: as measured
    every so many seconds, by `tree_bytes` if nothing else is given."""
    now = measured or tree_bytes
    peak = [now()]
    stop = threading.Event()

    def watch() -> None:
        while not stop.wait(every):
            peak[0] = max(peak[0], now())

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield peak
    finally:
        stop.set()
        thread.join()
        peak[0] = max(peak[0], now())


def tree_bytes() -> int:
    """Memory of this process and its descendants."""
    total = 0
    process = psutil.Process()
    for one in (process, *process.children(recursive=True)):
        with suppress(psutil.Error):
            total += getattr(one.memory_full_info(), "pss", one.memory_info().rss)
    return total


def measure(corpus: str, output: str, workers: int, overrides: list[str]) -> dict[str, float | int | bool]:
    """Runs the recipe stage by stage."""
    from sequitur import beam_job
    from sequitur.pipeline import run_directory
    from sequitur.pipeline.config import load
    from sequitur.pipeline.progress import Progress
    from sequitur.pipeline.runner import Runner
    from sequitur.pipeline.stage import STATE, Run, wanted

    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch, "benchmark.yaml")
        path.write_text(json.dumps({"output": output, "ingest": {"inputs": [corpus]}}))
        run = Run(load(path, overrides), Runner(workers), Progress())
    seconds, peaks, announced = {}, {}, {}
    for stage in wanted(beam_job.RECIPE, run.config):
        started = time.monotonic()
        with peak_memory() as peak:
            run_directory.execute(beam_job.RECIPE, run, stage.name, stage.name)
        seconds[stage.name], peaks[stage.name] = time.monotonic() - started, peak[0]
        announced[stage.name] = (run.root / STATE).read_json(f"{stage.name}.json")["announced_bytes"]
    about = run.manifest("documents").statistics
    ledger = run.artifact("report").read_json("metrics.json")["ledger"]
    figures: dict[str, float | int | bool] = {}
    for name, taken in seconds.items():
        figures[f"{name}_documents_per_s"] = round(about["documents"] / taken, 1)
        figures[f"{name}_mb_per_s"] = round(about["text_bytes"] / 1e6 / taken, 3)
        figures[f"{name}_peak_bytes"] = peaks[name]
        figures[f"{name}_announced_bytes"] = announced[name]
    total = sum(seconds.values())
    return {
        **figures,
        "job_documents_per_s": round(about["documents"] / total, 1),
        "job_mb_per_s": round(about["text_bytes"] / 1e6 / total, 3),
        "peak_vs_announced": round(max(peaks[name] / announced[name] for name in peaks), 3),
        "records": about["records"],
        "ordinals": run.manifest("selection").statistics["kept"],
        "placed": ledger["records"]["placed"],
        "ledger_balances": ledger["balances"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", required=True, help="input file, glob or directory")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--output", help="new run directory to keep; a temporary one if not given")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="override a setting")
    known = parser.parse_args()
    logging.basicConfig(level=logging.CRITICAL)
    from sequitur.pipeline.errors import SequiturError

    try:
        with tempfile.TemporaryDirectory(prefix="sequitur-benchmark-") as scratch:
            figures = measure(known.corpus, known.output or f"{scratch}/run", known.workers, known.set)
    except SequiturError as error:
        sys.exit(f"error: {error}")
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
