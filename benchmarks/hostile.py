"""Files that mean harm: whether anything crashes, hangs, is lost without being counted, or gets out.

    python -m benchmarks.hostile [--cases N] [--seed S] [--kinds KIND,…] [--workers N] [--show]

Each case has a seed: a valid file that is damaged (bits, lengths, truncation, splices, values in JSON) or one that is
made to do harm, and what reads it: `ingest`, a command over a run or over shards, the trainer's reader, a tokenizer, a
model. The honest half, whose truth is known, is `benchmarks.borders`. Processes are used again, and begun anew after a
crash; a case has 20 seconds of processor time and 3 GiB of memory. Linux alone. `--kinds` with `--seed` repeats one.

Prints what is wrong, where `--show` is given, and one JSON object last:

    cases, refused        cases, and those of them that ended by a named error of one line
    crashes               tracebacks, errors that are none of ours, processes that died
    hangs                 cases that took longer than they may
    uncounted             rows that are neither documents nor rejects, damage of shards that neither `verify --full` nor
                          the reader names
    escapes               what was written, run, connected to or read outside the directories given; control characters
                          on the terminal; elements of a page that a document made
    kinds                 cases of each kind
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks import hostile_base, hostile_models, hostile_readers, hostile_runs
from benchmarks.hostile_guard import LINKED, SECONDS, Canaries, EscapedToTerminal, Judge, Judged, limit_memory
from benchmarks.hostile_readers import Place

WALL_SECONDS = 4 * SECONDS  # for what waits, and on a busy machine
Case = Callable[[random.Random, Place], list[str]]
KINDS: dict[str, tuple[int, Case]] = {  # of 100 cases how many
    "inputs": (42, hostile_readers.inputs),
    "ingest": (2, hostile_readers.ingest_command),
    "evaluation": (5, hostile_readers.evaluation),
    "configuration": (12, hostile_readers.configuration),
    "engine": (2, hostile_readers.engine),
    "tokenizer": (7, hostile_models.tokenizer),
    "model": (3, hostile_models.model),
    "run": (9, hostile_runs.a_run),
    "resumed": (1, hostile_runs.resumed),
    "shards": (13, hostile_runs.shards),
    "ids": (2, hostile_runs.ids),
    "report": (2, hostile_runs.report),
}


def kind_of(number: int, names: list[str]) -> str:
    """The kind of a case, one of some."""
    return random.Random(number).choices(names, [KINDS[name][0] for name in names])[0]


class Task(NamedTuple):
    kind: str
    number: int


def serve(requests: Connection, base: Path, scratch: Path) -> None:
    """Runs the cases that are asked for, until nothing more is."""
    scratch.mkdir(parents=True)
    temporary = scratch / "tmp"
    temporary.mkdir()
    os.environ |= {"TMPDIR": str(temporary), "HF_HOME": str(scratch / "hub"), "TQDM_DISABLE": "1"}
    os.environ["TORCHINDUCTOR_CACHE_DIR"] = str(temporary)  # which torch makes as it is imported
    tempfile.tempdir = str(temporary)
    os.chdir(temporary)
    judge = Judge([scratch], Canaries(scratch / "outside"))
    valid = hostile_base.Base(base)
    _warm_up(valid, scratch)
    limit_memory()
    requests.send(None)
    while (task := requests.recv()) is not None:
        place = Place(valid, scratch / "case/given", scratch / "outside")
        place.given.mkdir(parents=True)
        case = partial(KINDS[task.kind][1], random.Random(f"{task.kind} {task.number}"), place)
        requests.send(judge.judged(case))
        shutil.rmtree(scratch / "case")


def _warm_up(base: hostile_base.Base, scratch: Path) -> None:
    """Loads and compiles what any case needs, so that none is blamed for it."""
    for number, kind in enumerate(("inputs", "shards", "run")):
        place = Place(base, scratch / "case/given", scratch / "outside")
        place.given.mkdir(parents=True)
        with suppress(BaseException):  # which is for the cases to tell
            KINDS[kind][1](random.Random(f"warm {number}"), place)
        shutil.rmtree(scratch / "case")


class Lane:
    """A process that runs cases; another one once it has died or hangs."""

    def __init__(self, base: Path, scratch: Path) -> None:
        self._base, self._scratch, self._number = base, scratch, 0
        self.task: Task | None = None
        self._start()

    def _start(self) -> None:
        self._number += 1
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        folder = self._scratch / f"{self._number}"
        self._process = context.Process(target=serve, args=(theirs, self._base, folder), daemon=True)
        self._process.start()
        theirs.close()
        self.pipe.recv()

    def begin(self, task: Task) -> None:
        self.task, self._until = task, time.monotonic() + WALL_SECONDS
        self.pipe.send(task)

    def ended(self) -> dict[str, Any] | None:
        """What came of the task; None while it goes on."""
        judged: Judged | None = None
        died = ""
        if self.pipe.poll():
            try:
                judged = self.pipe.recv()
            except EOFError:
                self._process.join()
                died = _death(self._process.exitcode)
        elif time.monotonic() > self._until:
            died = "hangs"
        else:
            return None
        if judged is not None:
            return judged._asdict()
        self._process.kill()
        self._process.join()
        self._start()
        hung = died in ("hangs", f"ended by {signal.SIGXCPU.name}")
        return {"how": "died", "hang" if hung else "crash": died}

    def close(self) -> None:
        self.pipe.send(None)
        self._process.join(20)


def _death(code: int | None) -> str:
    return f"ended by {signal.Signals(-code).name}" if code and code < 0 else f"exit code {code}"


def results(tasks: list[Task], base: Path, scratch: Path, workers: int) -> Iterator[tuple[Task, dict[str, Any]]]:
    """What comes of each task, as they end."""
    lanes = [Lane(base, scratch / f"lane-{number}") for number in range(workers)]
    left = iter(tasks)
    while True:
        for lane in lanes:
            if lane.task is None and (task := next(left, None)) is not None:
                lane.begin(task)
        busy = [lane for lane in lanes if lane.task is not None]
        if not busy:
            break
        wait([lane.pipe for lane in busy], timeout=1)
        for lane in busy:
            if (found := lane.ended()) is not None and lane.task is not None:
                yield lane.task, found
                lane.task = None
    for lane in lanes:
        lane.close()


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--cases", type=int, default=1000)
    options.add_argument("--seed", type=int, default=0, help="number of the first case")
    options.add_argument("--kinds", default=",".join(KINDS), help="with commas between")
    options.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    options.add_argument("--base", type=Path, help="folder of the valid things; made there if it is absent")
    options.add_argument("--show", action="store_true")
    chosen = options.parse_args()
    numbers = range(chosen.seed, chosen.seed + chosen.cases)
    tasks = [Task(kind_of(number, chosen.kinds.split(",")), number) for number in numbers]
    total: Counter[str] = Counter({"crashes": 0, "hangs": 0, "uncounted": 0, "escapes": 0})
    with tempfile.TemporaryDirectory(prefix="hostile-") as folder:
        base = chosen.base or Path(folder, "base")
        if not base.exists():
            hostile_base.make(base)
        for task, found in results(tasks, base.resolve(), Path(folder).resolve(), chosen.workers):
            wrong = _wrong(found)
            total.update(wrong.keys())
            total["refused"] += found["how"] == "refused"
            if wrong and chosen.show:
                sys.stdout.write(f"{task.kind} {task.number}: {json.dumps(wrong, ensure_ascii=True)}\n")
                sys.stdout.flush()
    kinds = Counter(task.kind for task in tasks)
    sys.stdout.write(json.dumps({"cases": len(tasks), **total, "kinds": dict(sorted(kinds.items()))}) + "\n")


def _wrong(found: dict[str, Any]) -> dict[str, Any]:
    """What is wrong of what came of a case, by the names of the report."""
    crash, escapes = found.get("crash", ""), list(found.get("escapes", ()))
    if crash.startswith((EscapedToTerminal.__name__, hostile_runs.UnescapedMarkup.__name__)):
        crash, escapes = "", [*escapes, crash]
    escapes = [one for one in escapes if not one.endswith(f"read outside/{LINKED}")]
    named = {"crashes": crash, "hangs": found.get("hang", ""), "uncounted": found.get("uncounted", "")}
    return {name: value for name, value in {**named, "escapes": escapes}.items() if value}


if __name__ == "__main__":
    main()
