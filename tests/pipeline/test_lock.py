"""One writer at a time, on the local disk and elsewhere; an abandoned lock stops nobody."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

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


@pytest.mark.parametrize("left", [json.dumps({"renewed": 1.0, "pid": 1, "host": "h"}), "{", "[]", "{}"])
def test_abandoned_remote_lock_is_taken_over(remote: Directory, left: str) -> None:
    remote.write_bytes(lock.LOCK, left.encode())

    assert not lock.is_held(remote)
    acquire(remote)


def test_remote_lock_of_another_machine_is_respected(remote: Directory) -> None:
    remote.write_json(lock.LOCK, {"renewed": time.time() - lock.RENEW_SECONDS, "pid": 7, "host": "elsewhere"})

    with pytest.raises(RunLocked, match="memory://locked: process 7 on elsewhere is writing this run"):
        acquire(remote)
    assert remote.exists(lock.LOCK)


def test_remote_lock_is_renewed_whatever_fails_in_passing(remote: Directory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "RENEW_SECONDS", 0.01)
    failures = iter(range(3))
    write = Directory.write_bytes

    def falter(directory: Directory, name: str, content: bytes) -> None:
        if next(failures, None) is not None:
            raise StorageError("the network is away")
        write(directory, name, content)

    with lock.exclusive(remote):
        first = remote.read_json(lock.LOCK)["renewed"]
        monkeypatch.setattr(Directory, "write_bytes", falter)
        deadline = time.monotonic() + 10
        while remote.read_json(lock.LOCK)["renewed"] == first:
            assert time.monotonic() < deadline, "the lock was not renewed"
            time.sleep(0.01)
        assert next(failures, None) is None
