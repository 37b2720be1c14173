"""Arrays on disk are arrays like others, leave nothing behind, and are refused where there is no room."""

import errno
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest

from sequitur.pipeline import nearby, scratch
from sequitur.pipeline.errors import StorageFull
from sequitur.pipeline.storage import Directory

ANONYMOUS = """
import sys
import numpy as np
from sequitur.pipeline import scratch
from sequitur.pipeline.storage import Directory

def anonymous():
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("RssAnon")) * 1024

before = anonymous()
held = scratch.beside(Directory(sys.argv[1]))(2**27, np.uint8)
held[:] = 1
print(anonymous() - before, int(held.sum(dtype=np.int64)))
"""


@pytest.mark.parametrize("on_disk", [False, True])
@pytest.mark.parametrize(("shape", "dtype"), [((3, 5), np.int64), (7, np.float16), (0, np.float32), ((0, 4), np.uint8)])
def test_is_as_empty(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    shape: int | tuple[int, ...],
    dtype: type[np.generic],
    on_disk: bool,
) -> None:
    monkeypatch.setattr(scratch, "IN_MEMORY", 0 if on_disk else 2**20)
    expected = np.empty(shape, dtype)

    found = scratch.beside(Directory(str(tmp_path)))(shape, dtype)
    found[...] = np.arange(found.size).reshape(found.shape)

    assert (found.shape, found.dtype) == (expected.shape, expected.dtype)
    assert found.flags.writeable
    assert found.flags.c_contiguous
    np.testing.assert_array_equal(found.reshape(-1), np.arange(found.size))
    assert not list(tmp_path.iterdir())  # the file has no name


@pytest.mark.skipif(sys.platform != "linux", reason="RssAnon is Linux's")
def test_takes_no_memory_that_the_system_cannot_take_back(tmp_path: Path) -> None:
    command = [sys.executable, "-c", ANONYMOUS, str(tmp_path)]
    ended = subprocess.run(command, check=True, capture_output=True, text=True)

    grown, total = map(int, ended.stdout.split())
    assert total == 2**27
    assert grown < 2**24


def test_elsewhere_it_lies_with_the_copies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scratch, "IN_MEMORY", 0)
    found = scratch.beside(Directory("memory://run", str(tmp_path)))(3, np.int64)
    np.testing.assert_array_equal(found, 0)


def test_elsewhere_memory_holds_what_the_disk_has_no_room_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scratch, "IN_MEMORY", 0)
    monkeypatch.setattr(nearby, "SPARE", 2**60)
    monkeypatch.setattr(os, "posix_fallocate", lambda *_: pytest.fail("nothing is written"))
    assert scratch.beside(Directory("memory://run", str(tmp_path)))(3, np.int64).shape == (3,)


def test_a_worker_of_another_machine_has_no_folder_for_copies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scratch, "IN_MEMORY", 0)
    assert scratch.beside(Directory("memory://run", str(tmp_path / "absent")))(3, np.int64).shape == (3,)


@pytest.mark.parametrize("pieces", [[], [b""], [b"one", b"", b"other"]])
def test_bytes_lie_end_to_end(tmp_path: Path, pieces: list[bytes]) -> None:
    found = scratch.bytes_beside(Directory(str(tmp_path)), (np.frombuffer(piece, np.uint8) for piece in pieces))
    assert found.dtype == np.uint8
    assert found.tobytes() == b"".join(pieces)
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux's")
def test_bytes_for_which_there_is_no_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "TemporaryFile", lambda **_: Path("/dev/full").open("wb"))
    with pytest.raises(StorageFull, match="the disk is full"):
        scratch.bytes_beside(Directory(str(tmp_path)), [np.ones(9, np.uint8)])


def test_a_full_disk_is_told_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(scratch, "IN_MEMORY", 0)
    monkeypatch.setattr(os, "posix_fallocate", refuse)
    with pytest.raises(StorageFull, match="the disk is full"):
        scratch.beside(Directory(str(tmp_path)))(3, np.int64)
