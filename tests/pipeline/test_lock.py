"""One writer at a time, on the local disk and elsewhere; an abandoned lock stops nobody."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest import mock

import fsspec
import pytest

from sequitur.pipeline import lock
from sequitur.pipeline.errors import RunLocked, StorageError
from sequitur.pipeline.storage import Directory

HOLD = """
import sys
from sequitur.pipeline import lock
from sequitur.pipeline.storage import Directory
with lock.exclusive(Directory(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the lock of `tmp_path`."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def acquire(directory: Directory) -> None:
    with lock.exclusive(directory):
        pass


def test_second_process_is_refused_until_the_first_is_dead(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    directory = Directory(str(tmp_path))
    assert lock.is_held(directory)
    with pytest.raises(RunLocked, match=f"{tmp_path}: process {holder.pid} on .* is writing this run; wait for it"):
        acquire(directory)

    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()

    assert not lock.is_held(directory)
    acquire(directory)


def test_lock_is_held_for_the_block_alone(directory: Directory) -> None:
    assert not lock.is_held(directory)
    with lock.exclusive(directory):
        assert lock.is_held(directory)
        with pytest.raises(RunLocked, match=f"process {os.getpid()} on "):
            acquire(directory)
    assert not lock.is_held(directory)
    acquire(directory)


def test_error_in_the_block_frees_the_lock(directory: Directory) -> None:
    with pytest.raises(RuntimeError), lock.exclusive(directory):
        raise RuntimeError("a stage failed")
    acquire(directory)


def test_holder_that_left_no_name_is_another_process(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    (tmp_path / lock.LOCK).write_text("")

    with pytest.raises(RunLocked, match="another process is writing this run"):
        acquire(Directory(str(tmp_path)))


@pytest.fixture
def remote() -> Iterator[Directory]:
    directory = Directory("memory://locked")
    yield directory
    directory.remove("")


def lease_of(directory: Directory, holder: Any, seconds_ago: float, number: int = 1) -> None:
    """Leaves what a holder of another machine wrote some time ago."""
    directory.write_json(f"{lock.LOCK}.{number}", holder)
    file = fsspec.filesystem("memory").store[directory.path(f"{lock.LOCK}.{number}")]
    file.modified -= timedelta(seconds=seconds_ago)


ELSEWHERE = {"pid": 7, "host": "elsewhere", "processes": "another boot", "token": "x"}


@pytest.mark.parametrize("left", [ELSEWHERE, [], {}, "{"])
def test_abandoned_remote_lock_is_taken_over(remote: Directory, left: object) -> None:
    lease_of(remote, left, lock.ABANDONED_SECONDS + 1)

    assert not lock.is_held(remote)
    acquire(remote)


def test_remote_lock_of_another_machine_is_respected(remote: Directory) -> None:
    lease_of(remote, ELSEWHERE, lock.RENEW_SECONDS)

    with pytest.raises(RunLocked, match="memory://locked: process 7 on elsewhere is writing this run"):
        acquire(remote)
    assert remote.names() == [f"{lock.LOCK}.1"]


def test_remote_lock_of_a_dead_process_of_this_machine_is_free_at_once(remote: Directory) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        pass
    ours = json.loads(lock._holder("x"))
    assert ours["processes"] is None or not lock._is_dead(ours)
    lease_of(remote, {**ours, "pid": ended.pid}, 0)

    if ours["processes"] is None:  # the system does not tell who is alive
        with pytest.raises(RunLocked):
            acquire(remote)
    else:
        acquire(remote)


def test_a_clock_that_is_wrong_abandons_no_lock(remote: Directory, monkeypatch: pytest.MonkeyPatch) -> None:
    lease_of(remote, ELSEWHERE, lock.RENEW_SECONDS)
    monkeypatch.setattr(time, "time", lambda: 0.0)

    with pytest.raises(RunLocked):
        acquire(remote)
    monkeypatch.setattr(time, "time", lambda: 2e9)
    with pytest.raises(RunLocked):
        acquire(remote)


def test_numbers_of_holders_never_come_again(remote: Directory) -> None:
    for number in (1, 2, 3):
        with lock.exclusive(remote):
            assert remote.names() == [f"{lock.LOCK}.{number}"]
        assert remote.names() == [f"{lock.LOCK}.{number}"]


def test_one_of_many_at_once_holds_a_remote_lock(remote: Directory) -> None:
    """All look before any creates: the worst there is."""
    looked, held, refused = threading.Barrier(16), [], []
    last = lock._last

    def start() -> None:
        try:
            with lock.exclusive(remote):
                held.append(1)
                time.sleep(0.2)
        except RunLocked:
            refused.append(1)

    def slowly(directory: Directory) -> Any:
        found = last(directory)
        if found.number == 0:
            looked.wait(10)
        return found

    with mock.patch.object(lock, "_last", slowly):
        threads = [threading.Thread(target=start) for _ in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert (len(held), len(refused)) == (1, 15)


def test_who_comes_late_gives_way_to_who_held_it_in_between(remote: Directory, monkeypatch: pytest.MonkeyPatch) -> None:
    last, seen = lock._last, []

    def first_look(directory: Directory) -> Any:
        found = last(directory)
        if not seen:
            seen.append(found)
            for number in (2, 3):
                lease_of(directory, ELSEWHERE, 0, number)
            directory.remove(f"{lock.LOCK}.2")
        return found

    lease_of(remote, ELSEWHERE, lock.ABANDONED_SECONDS + 1)
    monkeypatch.setattr(lock, "_last", first_look)
    with pytest.raises(RunLocked, match="process 7 on elsewhere"):
        acquire(remote)


def test_remote_lock_is_renewed_whatever_fails_in_passing(remote: Directory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "RENEW_SECONDS", 0.01)
    failures = iter(range(3))
    write = Directory.write_bytes

    def falter(directory: Directory, name: str, content: bytes) -> None:
        if next(failures, None) is not None:
            raise StorageError("the network is away")
        write(directory, name, content)

    with lock.exclusive(remote):
        first = remote.written_at(f"{lock.LOCK}.1")
        monkeypatch.setattr(Directory, "write_bytes", falter)
        deadline = time.monotonic() + 10
        while remote.written_at(f"{lock.LOCK}.1") == first:
            assert time.monotonic() < deadline, "the lock was not renewed"
            time.sleep(0.01)
        assert next(failures, None) is None


@pytest.mark.parametrize("how", ["taken over", "out of reach"])
def test_a_lost_remote_lock_ends_the_run(remote: Directory, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    monkeypatch.setattr(lock, "RENEW_SECONDS", 0.01)
    monkeypatch.setattr(lock, "LOST_SECONDS", 0.05)

    def away(directory: Directory, name: str, content: bytes) -> None:
        raise StorageError("the network is away")

    def hold() -> None:
        with lock.exclusive(remote):
            if how == "taken over":
                remote.create(f"{lock.LOCK}.2", b"{}")
            else:
                monkeypatch.setattr(Directory, "write_bytes", away)
            time.sleep(10)

    with pytest.raises(RunLocked, match="the lock could not be renewed"):
        hold()


@pytest.mark.parametrize("of", ["link", "pipe"])
def test_what_is_no_file_is_no_lock(tmp_path: Path, of: str) -> None:
    """A run of others may hold a link in the lock's place: what it leads to stays as it is."""
    other = tmp_path / "other"
    other.write_text("precious")
    (tmp_path / "run").mkdir()
    if of == "link":
        (tmp_path / "run/_lock").symlink_to(other)
    else:
        os.mkfifo(tmp_path / "run/_lock")
    with pytest.raises(StorageError, match="_lock"):
        acquire(Directory(str(tmp_path / "run")))
    assert other.read_text() == "precious"
    assert not lock.is_held(Directory(str(tmp_path / "run")))
