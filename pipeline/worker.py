"""A Beam worker process: Beam's own, made quiet, single-threaded in its libraries, and mortal with its parent.

    python worker.py alone DIRECTORY PARENT PATH…
    python worker.py serve NAME MODULES PARENT PATH…
    python worker.py ask NAME DIRECTORY PATH…

`alone` is a worker. `serve` imports Beam and MODULES (with commas between) once, and forks a worker for each that
`ask`s by the socket NAME; who asks lives as long as the worker, and ends as it does. PARENT is a process id, with which
a process ends; PATH… is where the parent imports from. A worker leaves a file named by its own process id in DIRECTORY,
so that the parent can end it.
"""

import json
import os
import signal
import socket
import struct
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

PR_SET_PDEATHSIG = 1  # Linux, prctl(2)
SINGLE_THREADED = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS")


def alone(directory: str, parent: str, *path: str) -> None:
    _begin(int(parent), path)
    _work(directory)


def ask(name: str, directory: str, *path: str) -> None:
    about = {"directory": directory, "path": path, "cwd": str(Path.cwd()), "environment": dict(os.environ)}
    with socket.socket(socket.AF_UNIX) as server:
        server.connect(_address(name))
        socket.send_fds(server, [b"\0"], [1, 2])  # where the worker prints, and says its last words
        server.sendall(json.dumps(about).encode() + b"\n")
        said = server.makefile().readline()
    code = int(said or -signal.SIGKILL)  # nothing where the server was killed, and its workers with it
    if code < 0:
        with suppress(OSError):  # of a signal that cannot be handled
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    sys.exit(code)


def serve(name: str, modules: str, parent: str, *path: str) -> None:
    import importlib
    import selectors

    with selectors.DefaultSelector() as selector, socket.socket(socket.AF_UNIX) as listener:
        listener.bind(_address(name))
        listener.listen(128)
        os.dup2(2, 1)  # the parent knows by it that it can be asked
        _begin(int(parent), path)
        for module in ("apache_beam.runners.worker.sdk_worker_main", *filter(None, modules.split(","))):
            importlib.import_module(module)
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for keepers
        selector.register(0, selectors.EVENT_READ)
        selector.register(listener, selectors.EVENT_READ)
        while all(key.fileobj is listener for key, _ in selector.select()):  # else the parent needs no more workers
            asking = listener.accept()[0]
            here = os.getpid()
            if os.fork() == 0:
                listener.close()
                _keep(asking, here)
            asking.close()


def _keep(asking: socket.socket, server: int) -> NoReturn:
    """In a process of its own: a worker for who asks, who is told how it ends."""
    _die_with(server)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    _, user, _ = struct.unpack("3i", asking.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    if user != os.getuid():
        os._exit(1)
    _, (out, said), _, _ = socket.recv_fds(asking, 1, 2)
    about = json.loads(asking.makefile().readline())
    here = os.getpid()
    worker = os.fork()
    if worker:
        code = os.waitstatus_to_exitcode(os.waitpid(worker, 0)[1])
        with suppress(OSError):  # who asked was killed
            asking.sendall(f"{code}\n".encode())
        os._exit(0)
    _die_with(here)
    code = 1
    try:
        asking.close()
        os.dup2(out, 1)
        os.dup2(said, 2)
        os.environ.clear()
        os.environ.update(about["environment"])
        os.chdir(about["cwd"])
        _prepare(about["path"])
        _work(about["directory"])
        code = 0
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        os._exit(code)


def _address(name: str) -> str:
    return f"\0{name}"  # of no file (Linux): nothing is left of it, and no path is too long


def _begin(parent: int, path: Sequence[str]) -> None:
    _die_with(parent)
    for number in (signal.SIGINT, signal.SIGTERM):  # the parent's to handle, which ends its workers itself
        signal.signal(number, signal.SIG_IGN)
    _prepare(path)


def _die_with(parent: int) -> None:
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit(1)  # it ended before the line above


def _prepare(path: Sequence[str]) -> None:
    import logging

    for name in SINGLE_THREADED:
        os.environ[name] = "1"
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    root = str(Path(__file__).parents[2])  # where the package lies
    sys.path[:] = [root, *path]  # without this file's own folder, which Python put there
    logging.getLogger().setLevel(logging.CRITICAL)


def _work(directory: str) -> None:
    Path(directory, str(os.getpid())).touch()
    from apache_beam.runners.worker import sdk_worker_main

    sdk_worker_main.main(["worker"])


WAYS: dict[str, Callable[..., None]] = {"alone": alone, "serve": serve, "ask": ask}

if __name__ == "__main__":
    WAYS[sys.argv[1]](*sys.argv[2:])
