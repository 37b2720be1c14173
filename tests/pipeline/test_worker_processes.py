"""Workers as forks of one process: each is as one that began by itself, and a server that dies is replaced."""

import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

import apache_beam as beam
import psutil
import pytest

from sequitur.pipeline.errors import StageFailed
from sequitur.pipeline.runner import Runner
from sequitur.pipeline.worker_processes import watching_workers

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere each worker is a program of its own")


def servers() -> set[int]:
    """Process ids of the servers that this process has."""
    children = [process for process in psutil.Process().children() if process.status() != psutil.STATUS_ZOMBIE]
    return {process.pid for process in children if "serve" in process.cmdline()}


def told_by_workers(runner: Runner, folder: Path) -> set[tuple[str, ...]]:
    """What two workers see: their directory, a variable, what is first in their path after the package, threads of
    the libraries."""

    def work(element: int) -> None:
        threads = os.environ["OMP_NUM_THREADS"]
        about = str(Path.cwd()), os.environ.get("ASKED", ""), sys.path[1], threads
        Path(folder, str(os.getpid())).write_text("\n".join(about))
        time.sleep(0.2)

    runner.run(lambda pipeline: pipeline | beam.Create(range(8)) | beam.Reshuffle() | beam.Map(work), 8)
    return {tuple(file.read_text().split("\n")) for file in folder.iterdir()}


def test_workers_are_as_the_process_is_when_it_asks_for_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runner, before = Runner(2), servers()
    first, second = (tmp_path / name for name in ("first", "second"))
    for folder in (first, second):
        folder.mkdir()
    path = str(Path(sys.path[0]).absolute())
    assert told_by_workers(runner, first) == {(str(Path.cwd()), "", path, "1")}
    monkeypatch.setenv("ASKED", "now")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    assert told_by_workers(runner, second) == {(str(tmp_path), "now", str(tmp_path), "1")}
    assert len(servers() - before) == 1


def test_workers_have_what_is_imported_for_all_of_them(tmp_path: Path) -> None:
    for folder, modules in ((tmp_path / "without", ()), (tmp_path / "with", ("colorsys", "this"))):
        folder.mkdir()

        def work(element: int, folder: Path = folder) -> None:
            Path(folder, str(os.getpid())).write_text(str({"colorsys", "this"} <= sys.modules.keys()))

        runner = Runner(2, modules=modules)
        runner.run(lambda pipeline, do=work: pipeline | beam.Create(range(4)) | beam.Reshuffle() | beam.Map(do), 4)
        assert {file.read_text() for file in folder.iterdir()} == {str(bool(modules))}


def test_no_server_for_a_job_that_needs_no_processes() -> None:
    before = servers()
    Runner(2).run(lambda pipeline: pipeline | beam.Create([1]) | beam.Map(str), 1)
    assert servers() == before


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_server_that_is_killed_takes_its_workers_along_and_the_next_job_has_another(tmp_path: Path) -> None:
    runner, before = Runner(2), servers()

    def run(work: Any) -> None:
        runner.run(lambda pipeline: pipeline | beam.Create(range(4)) | beam.Reshuffle() | beam.Map(work), 4)

    def end_server(element: int) -> None:
        (tmp_path / str(os.getpid())).touch()
        os.kill(psutil.Process(os.getppid()).ppid(), signal.SIGKILL)
        time.sleep(60)

    with pytest.raises(StageFailed, match=r"a worker process died \(return code -9\)"):
        run(end_server)
    deadline = time.monotonic() + 10
    while any(psutil.pid_exists(int(file.name)) for file in tmp_path.iterdir()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    run(str)
    assert len(servers() - before) == 1


def test_a_server_ends_with_its_runner() -> None:
    before, runner = servers(), Runner(2)
    runner.run(lambda pipeline: pipeline | beam.Create(range(4)) | beam.Reshuffle() | beam.Map(str), 4)
    assert len(servers() - before) == 1
    del runner
    assert servers() <= before


def test_a_worker_that_dies_of_the_same_signal_is_not_told(capsys: pytest.CaptureFixture[str]) -> None:
    def die() -> None:
        time.sleep(0.1)
        raise RuntimeError("Worker subprocess exited with return code -2")

    def interrupted() -> None:
        with watching_workers():
            threading.Thread(target=die, name="run_worker").start()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert capsys.readouterr().err == ""
