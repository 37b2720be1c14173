"""One writer at a time in a run directory.

Locally an advisory file lock, which the kernel lets go when its holder dies however it dies. Elsewhere a lease: the
objects `_lock.1`, `_lock.2` … are its holders, of whom the last counts. Whoever creates the next one holds it, and of
several at once the store lets one. The holder renews its own; where it has not for `ABANDONED_SECONDS`, or its process
is known to be dead, the next may be created. It is never removed before there is a later one, so no number comes again.
"""

from __future__ import annotations

import _thread
import fcntl
import json
import os
import socket
import threading
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from sequitur.pipeline.errors import RunLocked, SequiturError, from_storage
from sequitur.pipeline.storage import TEMPORARY, Directory

LOCK = "_lock"
RENEW_SECONDS = 15
LOST_SECONDS = 90  # without a renewal the holder gives up: before another may take over
ABANDONED_SECONDS = 120


@contextmanager
def exclusive(directory: Directory) -> Iterator[None]:
    """Holds the directory's lock for the block.

    Raises:
        RunLocked: another process holds it, or took it over while this one could not renew it.
    """
    directory.make()
    with _local(directory) if directory.is_local else _remote(directory):
        yield


def is_held(directory: Directory) -> bool:
    """Whether some process holds the lock now."""
    if not directory.is_local:
        return _is_held(directory, _last(directory), time.time())
    if not directory.is_file(LOCK):
        return False
    try:
        with Path(directory.path(LOCK)).open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    return False


def is_of_lock(name: str) -> bool:
    """Whether a file of a run directory is the lock's."""
    return name == LOCK or name.startswith(f"{LOCK}.")


def _holder(token: str = "") -> bytes:
    about = {"host": socket.gethostname(), "pid": os.getpid(), "processes": _process_space(), "token": token}
    return json.dumps(about).encode()


def _process_space() -> str | None:
    """Where the number of a process means that process: this boot of the machine, and its namespace there. None where
    the system does not tell."""
    try:
        return f"{Path('/proc/sys/kernel/random/boot_id').read_text().strip()} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return None


def _locked(directory: Directory, holder: Mapping[str, Any]) -> RunLocked:
    known = {"pid", "host"} <= holder.keys()
    who = f"process {holder['pid']} on {holder['host']}" if known else "another process"
    return RunLocked(f"{directory.url}: {who} is writing this run; wait for it or choose another output")


def _read(content: bytes) -> Mapping[str, Any]:
    try:
        read = json.loads(content)
    except (ValueError, RecursionError):
        return {}
    return read if isinstance(read, dict) else {}


@contextmanager
def _local(directory: Directory) -> Iterator[None]:
    def opened(path: str, flags: int) -> int:
        # Not through a link, which a run of others may hold: what it leads to would be emptied.
        return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK, 0o644)

    try:
        file = open(directory.path(LOCK), "ab", buffering=0, opener=opened)
    except OSError as error:
        raise from_storage(error, directory.path(LOCK)) from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise _locked(directory, _read(directory.read_bytes(LOCK))) from error
        try:
            file.truncate(0)
            file.write(_holder())
        except OSError as error:  # the disk is full
            raise from_storage(error, directory.path(LOCK)) from error
        yield


class _Lease(NamedTuple):
    """The last holder of a remote lock; number 0 where there never was one."""

    number: int
    holder: Mapping[str, Any]

    @property
    def name(self) -> str:
        return f"{LOCK}.{self.number}"


def _last(directory: Directory) -> _Lease:
    numbers = (name.removeprefix(f"{LOCK}.") for name in directory.names() if name.startswith(f"{LOCK}."))
    last = max((int(number) for number in numbers if number.isdecimal()), default=0)
    lease = _Lease(last, {})
    content = directory.content(lease.name) if last else None
    return lease if content is None else _Lease(last, _read(content))


def _is_held(directory: Directory, lease: _Lease, now: float) -> bool:
    """Whether the lease's holder may still write: it has not let it go, is not known to be dead, and renewed it lately
    before `now`, in seconds since 1970."""
    if not lease.number or lease.holder.get("released") or _is_dead(lease.holder):
        return False
    renewed = directory.written_at(lease.name)
    return renewed is not None and now - renewed < ABANDONED_SECONDS


def _is_dead(holder: Mapping[str, Any]) -> bool:
    """Whether the holder was a process that this one would see, and is none any more."""
    if holder.get("processes") is None or holder["processes"] != _process_space():
        return False
    return not Path(f"/proc/{holder.get('pid')}").exists()


def _time_of(directory: Directory) -> float:
    """The time by the clock of the store, which is the same for all that write there."""
    probe = f"{TEMPORARY}{uuid.uuid4().hex}"
    directory.write_bytes(probe, b"")
    now = directory.written_at(probe)
    directory.remove(probe)
    return time.time() if now is None else now


@contextmanager
def _remote(directory: Directory) -> Iterator[None]:
    last = _last(directory)
    if _is_held(directory, last, _time_of(directory)):
        raise _locked(directory, last.holder)
    token = uuid.uuid4().hex
    lease = _Lease(last.number + 1, {"token": token})
    if not directory.create(lease.name, _holder(token)):
        raise _locked(directory, _last(directory).holder)
    if _last(directory).number != lease.number:  # all this took so long that others held it in between
        raise _locked(directory, _last(directory).holder)
    directory.remove(last.name)
    done, lost = threading.Event(), threading.Event()

    def renew() -> None:
        renewed = time.monotonic()
        while not done.wait(RENEW_SECONDS):
            try:
                taken_over = _last(directory).number != lease.number
                if not taken_over:
                    directory.write_bytes(lease.name, _holder(token))
                    renewed = time.monotonic()
            except SequiturError:  # a passing fault; several renewals fit into LOST_SECONDS
                taken_over = time.monotonic() - renewed > LOST_SECONDS
            if taken_over:
                lost.set()
                _thread.interrupt_main()
                return

    thread = threading.Thread(target=renew, name="renew-lock", daemon=True)
    thread.start()
    try:
        yield
    except KeyboardInterrupt:
        if lost.is_set():
            raise RunLocked(
                f"{directory.url}: the lock could not be renewed, and another process may be writing this run; the "
                "same command goes on from here"
            ) from None
        raise
    finally:
        done.set()
        thread.join()
        if not lost.is_set():
            directory.write_json(lease.name, {"released": True})
