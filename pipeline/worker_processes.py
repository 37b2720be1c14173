"""Processes of this machine in which Beam's workers run: how one is started, watched and ended.

On Linux they are forks of one process, which has imported what they need: a worker computes at once, where importing
Beam alone takes seconds. Other systems' libraries do not survive a fork; there each worker is a program of its own.
"""

from __future__ import annotations

import os
import secrets
import shlex
import signal
import subprocess
import sys
import threading
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

WORKERS = "sequitur-workers-"  # what directories of worker processes are called
PROGRAM = str(Path(__file__).with_name("worker.py"))


def words_of_worker(directory: Path) -> list[str]:
    """The command of a worker process that starts by itself."""
    return [sys.executable, PROGRAM, "alone", str(directory), str(os.getpid()), *import_path()]


def import_path() -> list[str]:
    """Where this process imports from, by whole paths."""
    return [str(Path(path).absolute()) for path in sys.path]


class WorkerServer:
    """A process of which workers are forks; started when the first is asked for, ended with this object.

    Args:
        modules: what it imports beside Beam, by import path.
    """

    def __init__(self, modules: Sequence[str] = ()) -> None:
        self._modules = tuple(modules)
        self._process: subprocess.Popen[bytes] | None = None
        self._name = ""

    def words_of_worker(self, directory: Path) -> list[str]:
        """The command that has a worker begin, and lives as long as it.

        Args:
            directory: where the worker leaves a file named by its process id.
        """
        if sys.platform != "linux":
            return words_of_worker(directory)
        if self._process is None or self._process.poll() is not None:
            self._start()
        # Isolated, without site-packages: this program needs a hundredth of a second then.
        return [sys.executable, "-I", "-S", PROGRAM, "ask", self._name, str(directory), *import_path()]

    def _start(self) -> None:
        self._name = f"sequitur-{secrets.token_hex(16)}"
        parent = str(os.getpid())
        words = [sys.executable, PROGRAM, "serve", self._name, ",".join(self._modules), parent, *import_path()]
        self._process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE)  # noqa: S603
        weakref.finalize(self, _close, self._process)
        if self._process.stdout is not None:
            self._process.stdout.read()  # to its end, which is when it can be asked


def _close(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()


def command_of(words: list[str], said: Path) -> str:
    """The command line for Beam, whose last words go to a file."""
    return f"exec {shlex.join(words)} 2>>{shlex.quote(str(said))}"


def end_workers(directory: Path) -> None:
    """Kills the workers that left a file in a directory."""
    for file in directory.iterdir():
        if file.name.isdecimal():
            with suppress(ProcessLookupError):
                os.kill(int(file.name), signal.SIGKILL)


@contextmanager
def watching_workers() -> Iterator[list[str]]:
    """Collects how worker processes died, which Beam reports only as an exception in a thread of its own."""
    died: list[str] = []
    previous = threading.excepthook

    def hook(args: threading.ExceptHookArgs) -> None:
        name = args.thread.name if args.thread else ""
        if name == "run_worker":
            died.append(str(args.exc_value).removeprefix("Worker subprocess exited with "))
        elif not died and not name.startswith(("beam_control", "read_grpc")):
            previous(args)

    threading.excepthook = hook
    try:
        yield died
    except BaseException:  # Ctrl-C reaches the workers, too: how they die is heard before nobody listens
        for thread in threading.enumerate():
            if thread.name == "run_worker":
                thread.join(1)
        raise
    finally:
        threading.excepthook = previous
