"""The processes of an engine, for as long as somebody holds the other end of a program's standard input.

Whatever they start dies with the program: what a process leaves behind becomes its child, and is ended with the rest.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import psutil

REPO = Path(__file__).resolve().parents[2]
SEQUITUR = [sys.executable, "-c", "from sequitur.command_line.main import main; main()"]
START_SECONDS = 600
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36  # Linux, prctl(2)
# What Beam on Java 17 looks into, as its own runners have it.
OPENED = [
    f"--add-opens=java.base/{package}=ALL-UNNAMED"
    for package in ("sun.nio.ch", "java.nio", "java.util", "java.lang.invoke", "java.lang")
]


def start(folder: Path, name: str, command: Sequence[str], environment: Mapping[str, str] = {}) -> None:
    """Starts a process, with its log in the folder."""
    with (folder / f"{name}.log").open("wb") as log:
        subprocess.Popen(
            command,
            cwd=folder,
            env={**os.environ, **environment, "PYTHONPATH": str(REPO)},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            preexec_fn=lambda: ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL),
        )


def start_pool(folder: Path, port: int) -> None:
    """Starts a pool of Python workers."""
    start(folder, "pool", [*SEQUITUR, "pool", "--port", str(port)])
    wait_until("the pool", lambda: answers(port))


def free_ports(count: int) -> list[int]:
    """Ports of the loopback on which nobody listens now."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def answers(port: int) -> bool:
    """Whether somebody listens on a port of the loopback."""
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


def wait_until(name: str, holds: Callable[[], bool]) -> None:
    """Waits for something of an engine, for at most START_SECONDS."""
    deadline = time.monotonic() + START_SECONDS
    while not holds():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{name} did not answer within {START_SECONDS} seconds")
        time.sleep(0.2)


def keep(folder: Path, started: Callable[[], Mapping[str, str]]) -> None:
    """Starts an engine, prints where it answers as one JSON object, and ends it when standard input ends."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(1))
    folder.mkdir(parents=True, exist_ok=True)
    try:
        print(json.dumps(started()), flush=True)
        sys.stdin.read()
    finally:
        _end_all()


def _end_all() -> None:
    """Kills every process below this one, until there is none: what is killed may have started others."""
    while below := psutil.Process().children(recursive=True):
        for process in below:
            process.kill()
        psutil.wait_procs(below, timeout=10)
