"""A run of `sequitur` as a process of its own, that can be ended in every way a machine ends one.

A server, started once, has imported what a run needs and forks for each command, which so begins at once. Each command
leads a session, in which its worker processes are, too.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

WORKER = "worker.py"  # by which a Beam worker process is known
FAKETIME = Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1")
# `workers` has every job start its worker processes, however small; `unguarded` lets a stage begin on a disk that is
# too small, which else is refused before anything is written.
SERVER = """
import json, os, sys
import torch, sentence_transformers
from sequitur import beam_job
from sequitur.command_line import main
from sequitur.pipeline import runner
from sequitur.pipeline.storage import Directory
for line in sys.stdin:
    about = json.loads(line)
    child = os.fork()
    if child == 0:
        os.setsid()
        said = os.open(about["said"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        for number in (1, 2):
            os.dup2(said, number)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        if about["workers"]:
            runner.START_SECONDS = 1e-9
        if about["unguarded"]:
            Directory.free_bytes = lambda self: None
        sys.argv = ["sequitur", *about["words"]]
        code = 1
        try:
            main.main()
            code = 0
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else bool(end.code)
        finally:
            os._exit(code)
    print(child, flush=True)
    print(os.waitpid(child, 0)[1], flush=True)
"""


class Ended(NamedTuple):
    """How a command ended: an exit code, negative for a signal; what it said; the seconds it took."""

    code: int
    said: str
    seconds: float


class Server:
    """Runs commands, one at a time, in forks of a process that is warm; a context manager.

    Args:
        scratch: where what commands say is kept.
        environment: variables beside this process's own.
    """

    def __init__(self, scratch: Path, environment: Mapping[str, str] | None = None) -> None:
        self._said = scratch / "said"
        self._environment = {**os.environ, **(environment or {}), "TMPDIR": str(scratch)}

    def __enter__(self) -> Server:
        self._server = subprocess.Popen(
            [sys.executable, "-c", SERVER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=self._environment,
        )
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, of: TracebackType | None) -> None:
        if self._server.stdin is not None:
            self._server.stdin.close()
        self._server.wait()

    def begin(self, *words: str | Path, workers: bool = False, unguarded: bool = False) -> Running:
        """Starts a command of `sequitur`."""
        self._said.unlink(missing_ok=True)
        about = {
            "words": list(map(str, words)),
            "said": str(self._said),
            "workers": workers,
            "unguarded": unguarded,
        }
        if self._server.stdin is None or self._server.stdout is None:
            raise TypeError("the server has no pipes")
        self._server.stdin.write(json.dumps(about) + "\n")
        self._server.stdin.flush()
        return Running(int(self._server.stdout.readline()), self._server, self._said)

    def run(self, *words: str | Path, workers: bool = False, unguarded: bool = False) -> Ended:
        """Runs a command to its end."""
        return self.begin(*words, workers=workers, unguarded=unguarded).ended()


class Running:
    """A command that was begun."""

    def __init__(self, process: int, server: subprocess.Popen[str], said: Path) -> None:
        self.process, self._server, self._said = process, server, said
        self._began = time.monotonic()

    def lives(self) -> bool:
        """Whether it goes on; a zombie does not."""
        try:
            return Path(f"/proc/{self.process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
        except OSError:
            return False

    def wait(self, seconds: float) -> bool:
        """Waits so long, or until it ends; whether it goes on."""
        until = time.monotonic() + seconds
        while self.lives() and time.monotonic() < until:
            time.sleep(0.005)
        return self.lives()

    def signal(self, number: int) -> None:
        """Sends a signal to the command alone."""
        with suppress(ProcessLookupError):
            os.kill(self.process, number)

    def kill_all(self) -> None:
        """SIGKILL to the command and to all that it started."""
        with suppress(ProcessLookupError):
            os.killpg(self.process, signal.SIGKILL)

    def workers(self) -> list[int]:
        """Its worker processes."""
        found = []
        for folder in Path("/proc").iterdir():
            if folder.name.isdecimal() and folder.name != str(self.process):
                with suppress(OSError, IndexError):
                    session = int((folder / "stat").read_text().rpartition(")")[2].split()[3])
                    if session == self.process and WORKER in (folder / "cmdline").read_text():
                        found.append(int(folder.name))
        return found

    def kill_worker(self, rng: random.Random) -> bool:
        """SIGKILL to one of its worker processes; whether there was one."""
        workers = self.workers() if self.lives() else []
        if workers:
            with suppress(ProcessLookupError):
                os.kill(rng.choice(workers), signal.SIGKILL)
        return bool(workers)

    def ended(self) -> Ended:
        """Waits for its end."""
        if self._server.stdout is None:
            raise TypeError("the server has no pipes")
        code = os.waitstatus_to_exitcode(int(self._server.stdout.readline()))
        said = self._said.read_text(errors="replace") if self._said.exists() else ""
        return Ended(code, said, time.monotonic() - self._began)


def clock_back(days: int) -> dict[str, str] | None:
    """The environment in which a process sees a clock of some days ago; None where libfaketime is not installed."""
    if not FAKETIME.exists():
        return None
    return {"LD_PRELOAD": str(FAKETIME), "FAKETIME": f"-{days}d", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}


class Disk:
    """A file system of its own, in memory; a context manager. Needs the right to mount one.

    Raises:
        PermissionError: this user may not.
    """

    def __init__(self, place: Path, size: int) -> None:
        self.place, self._size = place, size

    def __enter__(self) -> Disk:
        self.place.mkdir(parents=True, exist_ok=True)
        self._mount("mount", "-t", "tmpfs", "-o", f"size={self._size}", "tmpfs", str(self.place))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, of: TracebackType | None) -> None:
        self._mount("umount", "--lazy", str(self.place))

    def leave_free(self, size: int) -> None:
        """Fills it but for so many bytes."""
        status = os.statvfs(self.place)
        self._filler.write_bytes(b"\0" * max(0, status.f_bavail * status.f_frsize - size))

    def empty(self) -> None:
        """Frees what `leave_free` took."""
        self._filler.unlink(missing_ok=True)

    def read_only(self, really: bool) -> None:
        """Whether it may be written; nobody must have a file open to write when it may no more."""
        self._mount("mount", "-o", f"remount,{'ro' if really else 'rw'}", str(self.place))

    @property
    def _filler(self) -> Path:
        return self.place / "filler"

    def _mount(self, *words: str) -> None:
        ended = subprocess.run(words, capture_output=True, text=True, check=False)
        if ended.returncode:
            raise PermissionError(ended.stderr.strip() or f"{words[0]} fails")
