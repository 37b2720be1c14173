"""A cluster as the tests see it, and `sequitur` in processes that end with a test."""

import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import psutil
import xxhash
from job_runs import content

from sequitur.pipeline import notes
from sequitur.pipeline.names import SIGNALS

ENGINES = Path(__file__).parents[1] / "engines"
MOST_SECONDS = 900


class Cluster(NamedTuple):
    """Where a cluster answers, and the process above all of its processes."""

    keeper: psutil.Process
    engine: Path  # the file for `--on`
    master: str  # a page of JSON, on which the master says what it runs; of Spark alone

    def executors(self) -> list[psutil.Process]:
        """The processes of Spark in which tasks run."""
        below = self.keeper.children(recursive=True)
        return [process for process in below if "CoarseGrainedExecutorBackend" in " ".join(_command_of(process))]

    def applications(self) -> int:
        """How many jobs the cluster has now."""
        with urllib.request.urlopen(self.master, timeout=30) as answer:  # noqa: S310 - an address of our own
            return len(json.load(answer)["activeapps"])


def _command_of(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:  # it has ended
        return []


@contextmanager
def started(*arguments: object) -> Iterator[subprocess.Popen[str]]:
    """`sequitur` in a process of its own, which ends with the block."""
    command = [sys.executable, "-P", str(ENGINES / "small_groups.py"), *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": str(ENGINES.parents[1])}
    pipe = subprocess.PIPE
    with subprocess.Popen(command, env=environment, stdout=pipe, stderr=pipe, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def end_of(process: subprocess.Popen[str]) -> tuple[int, str]:
    """The exit code and the last line on standard error of a command, when it has ended."""
    _, said = process.communicate(timeout=MOST_SECONDS)
    return process.returncode, (said.splitlines() or [""])[-1]


def wait_until(holds: Callable[[], object], what: str, process: subprocess.Popen[str] | None = None) -> None:
    """Waits for what a process brings about, if one is given, as long as it lives."""
    deadline = time.monotonic() + MOST_SECONDS
    while not holds():
        assert process is None or process.poll() is None or holds(), f"ended before {what}: {end_of(process)}"
        assert time.monotonic() < deadline, f"in {MOST_SECONDS} seconds not: {what}"
        time.sleep(0.02)


def digests(root: Path) -> dict[str, str]:
    """A digest of each artifact of a run."""
    of_artifact: dict[str, xxhash.xxh3_128] = {}
    for name, checksum in sorted(content(root).items()):
        of_artifact.setdefault(name.split("/")[0], xxhash.xxh3_128()).update(f"{name} {checksum}\n")
    return {artifact: digest.hexdigest() for artifact, digest in of_artifact.items()}


def check_whole_job(cluster: Cluster, config: Path, root: Path, local: Path, capsys: Any) -> None:
    """Runs all stages on a cluster into `root`: each artifact has the digest of the local run, and both are printed."""
    with started("run", config, "--on", cluster.engine) as process:
        assert end_of(process)[0] == 0
    here, there = digests(local), digests(root)
    with capsys.disabled():
        print()
        for artifact in sorted(here.keys() | there.keys()):
            print(f"{artifact:<10} {here.get(artifact)} here, {there.get(artifact)} there")
    assert there == here


def some_parts(root: Path) -> Callable[[], bool]:
    """Whether a part of `signals` has been written, and not all."""
    return lambda: any((root / SIGNALS).glob(f"*/{notes.PARTS}/*.json"))
