"""One writer at a time in a run directory.

Locally an advisory file lock, which the kernel lets go when its holder dies however it dies. Elsewhere an object that
its holder renews; it counts as abandoned when it has not been renewed for `ABANDONED_SECONDS`.
"""

from __future__ import annotations

import fcntl
import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sequitur.pipeline.errors import RunLocked, StorageError, from_storage
from sequitur.pipeline.storage import Directory

LOCK = "_lock"
RENEW_SECONDS = 30
ABANDONED_SECONDS = 120


@contextmanager
def exclusive(directory: Directory) -> Iterator[None]:
    """Holds the directory's lock for the block.

    Raises:
        RunLocked: another process holds it.
    """
    directory.make()
    with _local(directory) if directory.is_local else _remote(directory):
        yield


def is_held(directory: Directory) -> bool:
    """Whether some process holds the lock now."""
    if not directory.exists(LOCK):
        return False
    if not directory.is_local:
        return _renewed_lately(directory)
    try:
        with Path(directory.path(LOCK)).open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    return False


def _holder() -> bytes:
    return json.dumps({"host": socket.gethostname(), "pid": os.getpid(), "renewed": time.time()}).encode()


def _locked(directory: Directory) -> RunLocked:
    try:
        holder = json.loads(directory.read_bytes(LOCK))
        who = f"process {holder['pid']} on {holder['host']}"
    except (ValueError, KeyError, TypeError):
        who = "another process"
    return RunLocked(f"{directory.url}: {who} is writing this run; wait for it or choose another output")


@contextmanager
def _local(directory: Directory) -> Iterator[None]:
    try:
        file = Path(directory.path(LOCK)).open("ab")
    except OSError as error:
        raise from_storage(error, directory.path(LOCK)) from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise _locked(directory) from error
        file.truncate(0)
        file.write(_holder())
        file.flush()
        yield


def _renewed_lately(directory: Directory) -> bool:
    try:
        return time.time() - json.loads(directory.read_bytes(LOCK))["renewed"] < ABANDONED_SECONDS
    except (ValueError, KeyError, TypeError):
        return False


@contextmanager
def _remote(directory: Directory) -> Iterator[None]:
    if directory.exists(LOCK) and _renewed_lately(directory):
        raise _locked(directory)
    directory.write_bytes(LOCK, _holder())
    done = threading.Event()

    def renew() -> None:
        while not done.wait(RENEW_SECONDS):
            with suppress(StorageError):  # a passing fault; several renewals fit into ABANDONED_SECONDS
                directory.write_bytes(LOCK, _holder())

    thread = threading.Thread(target=renew, name="renew-lock", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
        directory.remove(LOCK)
