"""Faults at length: a job that is ended in every way, then given again, and what it made compared byte by byte.

    python -m benchmarks.faults [--kills N] [--seed S] [--kinds KIND,…]

A small corpus goes through all stages without a disturbance, and is the measure. Then N times something goes wrong at a
random moment, over and over in the same run until it is through:

    kill           SIGKILL to the job and its worker processes
    kill_driver    SIGKILL to the job alone: its workers must not write on
    kill_worker    SIGKILL to one of two worker processes, which every Beam job then has
    terminate      SIGTERM, as schedulers send; must end with code 143
    interrupt      SIGINT, as Ctrl-C; must end with code 130
    full_disk      in each stage, the disk full after a random part of what it writes; must end with code 75
    read_only      the output on a file system that is read-only; must end with code 75
    clock_back     SIGKILL, and the clock 400 days earlier, or later, when it goes on
    remove         SIGKILL to `sequitur remove` of a document, which is then repeated
    salvage        SIGKILL to `sequitur verify --salvage` of damaged shards
    export         SIGKILL to `sequitur export`, in each format

Full and read-only disks are file systems in memory (Linux, and the right to mount one), the clock is libfaketime's
(apt-get install libfaketime); what this machine has not is told and left out. Executors and pools that die are in
`make test-spark`. Prints a table, and one JSON object last:

    survived_share    of what was tried, the share after which the same bytes were there, by a named error or none
    bytes_lost        bytes of files that were missing or other than without a disturbance
    kinds             of each kind, how often it was tried and survived
    left_out          kinds that this machine does not allow, and why
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from benchmarks.faults_bench import Bench, Tally, content, lost
from benchmarks.faults_process import Disk, Ended, Running, Server, clock_back
from sequitur.beam_job import RECIPE

DISK_BYTES = 2**28
DAYS = 400
TARGETS = ("datatrove", "litdata", "mds", "megatron", "olmo")
WEIGHTS = {  # of 100 faults how many
    "kill": 28,
    "kill_driver": 8,
    "kill_worker": 10,
    "terminate": 10,
    "interrupt": 10,
    "full_disk": 10,
    "read_only": 3,
    "clock_back": 5,
    "remove": 6,
    "salvage": 4,
    "export": 6,
}
CODES = {"terminate": (143, 0), "interrupt": (130, 0), "kill_worker": (75, 0)}  # with 0 it was through before
WITH_WORKERS = ("kill_worker", "kill_driver")


def complaints_of(kind: str, ended: Ended, codes: tuple[int, ...]) -> list[str]:
    """What is wrong with how a command ended."""
    found = [] if ended.code in codes else [f"{kind}: exit code {ended.code}: {ended.said[-300:]!r}"]
    trace = ended.said.find("Traceback")
    return found + ([f"{kind}: prints a traceback: {ended.said[max(0, trace - 300) :][:4000]!r}"] if trace >= 0 else [])


def strike(bench: Bench, kind: str, running: Running) -> Ended | None:
    """Does the harm at a random moment; None where the command was through before."""
    if kind == "kill_worker":
        while running.lives() and not running.workers():
            running.wait(0.05)
        running.wait(bench.rng.uniform(0, 4))
        if not running.kill_worker(bench.rng):
            return None
    elif not running.wait(bench.rng.uniform(0.3, 0.6 * bench.seconds)):
        return None
    elif kind == "kill_driver":
        running.signal(signal.SIGKILL)
    elif kind in CODES:
        running.signal(signal.SIGTERM if kind == "terminate" else signal.SIGINT)
    else:
        running.kill_all()
    return running.ended()


def ended_jobs(bench: Bench, kind: str, count: int, tally: Tally) -> None:
    """A run that is struck, goes on, is struck again …, until it is through."""
    codes = CODES.get(kind, (-9, 0))
    while tally.tried < count:
        place, pending, wrong = bench.fresh(kind), 0, []
        words = ("run", bench.config(place), "--workers", "2")
        while tally.tried + pending < count:
            running = bench.server.begin(*words, workers=kind in WITH_WORKERS)
            ended = strike(bench, kind, running)
            if ended is None:
                running.ended()
                break
            pending += 1
            wrong += complaints_of(kind, ended, codes)
        ended = bench.server.run(*words)
        wrong += complaints_of(f"{kind}, resumed", ended, (0,))
        tally.judge(pending, lost(bench.expected, content(place)), wrong)


def clock_back_jobs(bench: Bench, kind: str, count: int, tally: Tally) -> None:
    """Begun by one clock, killed, and gone on with by another."""
    earlier = clock_back(DAYS)
    if earlier is None:
        raise PermissionError("libfaketime is not installed")
    scratch = bench.root / "earlier"
    scratch.mkdir()
    with Server(scratch, earlier) as other:
        for number in range(count):
            place = bench.fresh(kind)
            first, second = (bench.server, other) if number % 2 == 0 else (other, bench.server)
            running = first.begin("run", bench.config(place), "--workers", "2")
            running.wait(bench.rng.uniform(0.02, bench.seconds))
            running.kill_all()
            running.ended()
            ended = second.run("run", bench.config(place), "--workers", "2")
            wrong = complaints_of(f"{kind}, resumed", ended, (0,))
            tally.judge(1, lost(bench.expected, content(place)), wrong)


def full_disks(bench: Bench, kind: str, count: int, tally: Tally) -> None:
    """Stage by stage, on a disk with too little room for it; then with enough."""
    while tally.tried < count:
        with Disk(bench.root / "disk", DISK_BYTES) as disk:
            place, pending, wrong = disk.place / "run", 0, []
            for stage in RECIPE:
                words = ("run", bench.config(place), "--workers", "2", "--until", stage.name)
                if tally.tried + pending < count:
                    disk.leave_free(int(bench.rng.uniform(0, 0.8) * bench.written[stage.name]))
                    ended = bench.server.run(*words, unguarded=True)
                    disk.empty()
                    pending += 1
                    wrong += complaints_of(f"{kind} in {stage.name}", ended, (75,))
                wrong += complaints_of(f"{kind} in {stage.name}, resumed", bench.server.run(*words), (0,))
            tally.judge(pending, lost(bench.expected, content(place)), wrong)


def read_only_disks(bench: Bench, kind: str, count: int, tally: Tally) -> None:
    """A file system that may not be written: before anything is there, and after some of the stages."""
    for number in range(count):
        with Disk(bench.root / "disk", DISK_BYTES) as disk:
            place, words = disk.place / "run", ("--workers", "2")
            if number:
                until = bench.rng.choice(RECIPE[:-1]).name
                bench.server.run("run", bench.config(place), *words, "--until", until)
            disk.read_only(True)
            wrong = complaints_of(kind, bench.server.run("run", bench.config(place), *words), (75,))
            disk.read_only(False)
            wrong += complaints_of(f"{kind}, resumed", bench.server.run("run", bench.config(place), *words), (0,))
            tally.judge(1, lost(bench.expected, content(place)), wrong)


def repeated(bench: Bench, kind: str, count: int, tally: Tally) -> None:
    """Commands over a finished run, killed and repeated until they are through."""
    while tally.tried < count:
        number = tally.tried

        def prepared(name: str, number: int = number) -> tuple[Path, list[str | Path]]:
            place = bench.fresh(name)
            place.mkdir()
            run, out = place / "run", place / "out"
            shutil.copytree(bench.whole, run)
            if kind == "remove":
                return run, ["remove", run, "--source", f"s{number % 3}"]
            if kind == "salvage":
                shard = sorted(run.glob("shards/train/*.arrow"))[0]
                whole = bytearray(shard.read_bytes())
                whole[len(whole) // 2] ^= 255
                shard.write_bytes(whole)
                return out, ["verify", run / "shards", "--salvage", out]
            return out, ["export", run / "shards", out, "--to", TARGETS[number % len(TARGETS)]]

        target, words = prepared("measure")
        measured = bench.server.run(*words)
        expected = content(target)
        target, words = prepared(kind)
        pending, wrong = 0, complaints_of(kind, measured, (0,))
        for _ in range(min(3, count - tally.tried)):
            running = bench.server.begin(*words)
            if not running.wait(bench.rng.uniform(0.01, measured.seconds)):
                running.ended()
                break
            running.kill_all()
            running.ended()
            pending += 1
        ended = bench.server.run(*words)
        wrong += complaints_of(
            f"{kind}, repeated", ended, (0, 1) if kind == "salvage" else (0,)
        )  # refused where it was through
        tally.judge(pending, lost(expected, content(target)), wrong)


KINDS: dict[str, Callable[[Bench, str, int, Tally], None]] = {
    "full_disk": full_disks,
    "read_only": read_only_disks,
    "clock_back": clock_back_jobs,
    **dict.fromkeys(("remove", "salvage", "export"), repeated),
}


def shares(kills: int, kinds: list[str]) -> dict[str, int]:
    """How many of each kind: by their weights, one at least."""
    whole = sum(WEIGHTS[kind] for kind in kinds)
    return {kind: max(1, round(kills * WEIGHTS[kind] / whole)) for kind in kinds}


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--kills", type=int, default=100)
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--kinds", default=",".join(WEIGHTS), help="with commas between")
    chosen = options.parse_args()
    tallies: dict[str, Tally] = {}
    left_out: dict[str, str] = {}
    with tempfile.TemporaryDirectory(prefix="faults-") as folder, Server(Path(folder)) as server:
        bench = Bench(Path(folder), random.Random(chosen.seed), server)
        for kind, count in shares(chosen.kills, chosen.kinds.split(",")).items():
            tally = Tally()
            try:
                KINDS.get(kind, ended_jobs)(bench, kind, count, tally)
            except PermissionError as error:
                left_out[kind] = str(error)
                continue
            tallies[kind] = tally
            sys.stdout.write(f"{kind:<12} tried {tally.tried:>4}  survived {tally.survived:>4}\n")
            sys.stdout.writelines(f"    {line}\n" for line in tally.complaints)
            sys.stdout.flush()
    tried, survived = (sum(getattr(one, name) for one in tallies.values()) for name in ("tried", "survived"))
    report = {
        "tried": tried,
        "survived_share": survived / tried if tried else 0.0,
        "bytes_lost": sum(one.bytes_lost for one in tallies.values()),
        "kinds": {kind: {"tried": one.tried, "survived": one.survived} for kind, one in tallies.items()},
        "left_out": left_out,
    }
    sys.stdout.write(json.dumps(report) + "\n")


if __name__ == "__main__":
    main()
