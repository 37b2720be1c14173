"""Directories on the local disk and on fsspec's memory file system, and the expansion of inputs."""

import errno
import os
import time
from pathlib import Path

import fsspec
import pytest

from sequitur.pipeline import storage
from sequitur.pipeline.errors import CorruptPart, StorageError, StorageFull
from sequitur.pipeline.storage import TEMPORARY, Directory


def write_halfway(directory: Directory, name: str, error: BaseException) -> None:
    with directory.writing(name) as file:
        file.write(b"half of it")
        raise error


def test_absent_directory_is_empty_and_nothing_is_made_by_asking(directory: Directory) -> None:
    assert not directory.exists()
    assert not directory.is_file()
    assert directory.names() == []
    assert directory.size("a") is None
    directory.remove("a")
    directory.remove_temporaries()
    assert not directory.exists()


def test_written_file_reads_back_in_every_way(directory: Directory, tmp_path: Path) -> None:
    directory.write_bytes("b", b"12345")
    directory.write_json("a.json", {"é": [1, None]})
    (directory / "deep").write_bytes("c", b"")

    assert directory.names() == ["a.json", "b", "deep"]
    assert (directory.exists("b"), directory.is_file("b"), directory.is_file("deep")) == (True, True, False)
    assert (directory.size("b"), directory.size("deep/c")) == (5, 0)
    assert directory.read_bytes("b") == b"12345"
    assert directory.read_json("a.json") == {"é": [1, None]}
    assert directory.buffer("b").to_pybytes() == b"12345"
    assert directory.buffer("deep/c").size == 0
    assert directory.local_copy("b", tmp_path).read_bytes() == b"12345"


def test_rewriting_replaces(directory: Directory) -> None:
    directory.write_bytes("a", b"long before")
    directory.write_bytes("a", b"now")

    assert directory.read_bytes("a") == b"now"
    assert directory.names() == ["a"]


@pytest.mark.parametrize("error", [RuntimeError("a bug"), OSError(errno.EIO, "broken disk"), KeyboardInterrupt()])
def test_error_while_writing_leaves_what_was_there(directory: Directory, error: BaseException) -> None:
    directory.write_bytes("a", b"before")

    with pytest.raises((RuntimeError, StorageError, KeyboardInterrupt)):
        write_halfway(directory, "a", error)
    with pytest.raises((RuntimeError, StorageError, KeyboardInterrupt)):
        write_halfway(directory, "new", error)

    assert directory.names() == ["a"]
    assert directory.read_bytes("a") == b"before"


def test_full_disk_is_named(directory: Directory) -> None:
    with pytest.raises(StorageFull, match=r"run/documents/a: the disk is full; free some space"):
        write_halfway(directory, "a", OSError(errno.ENOSPC, "No space left on device"))


def test_full_disk_at_the_flush_is_named(directory: Directory, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(handle: int) -> None:
        raise OSError(errno.EDQUOT, "Disk quota exceeded")

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(StorageFull):
        directory.write_bytes("a", b"1")
    assert directory.names() == []


def test_removal_of_files_directories_and_temporaries(directory: Directory) -> None:
    directory.write_bytes("a", b"1")
    (directory / "deep").write_bytes("b", b"1")
    (directory / "deep").write_bytes(f"{TEMPORARY}c", b"1")
    (directory / f"{TEMPORARY}d").write_bytes("e", b"1")

    directory.remove_temporaries()
    assert (directory / "deep").names() == ["b"]
    assert not (directory / f"{TEMPORARY}d").exists("e")

    directory.remove("deep")
    directory.remove("a")
    assert not directory.exists("deep/b")
    assert not directory.exists("a")


def test_directories_are_put_and_copied_back(directory: Directory, tmp_path: Path) -> None:
    model, scratch = tmp_path / "given", tmp_path / "scratch"
    (model / "inner").mkdir(parents=True)
    (model / "inner" / "w").write_text("1")
    (model / "old").write_text("2")
    scratch.mkdir()
    directory.put_directory(model, "model")
    (model / "old").unlink()

    directory.put_directory(model, "model")

    copied = directory.local_copy("model", scratch)
    assert [str(path.relative_to(copied)) for path in copied.rglob("*") if path.is_file()] == ["inner/w"]
    assert directory.local_copy("model", scratch) == copied
    assert directory.names() == ["model"]


def test_interrupted_put_leaves_no_half_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "given").mkdir()
    directory = Directory(str(tmp_path / "run"))

    def copy_half(source: Path, target: str) -> None:
        Path(target).mkdir()
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(storage.shutil, "copytree", copy_half)
    with pytest.raises(StorageFull):
        directory.put_directory(tmp_path / "given", "model")
    assert not directory.exists("model")


def test_what_cannot_be_read_is_named_with_a_remedy(directory: Directory, tmp_path: Path) -> None:
    directory.write_bytes("text", b"\xff not JSON")
    directory.write_bytes("deep", b"[" * 100_000)

    for read in (directory.read_bytes, directory.buffer, directory.read_json):
        with pytest.raises(StorageError, match=r"run/documents/none: .*run the same command again"):
            read("none")
    for name in ("text", "deep"):
        with pytest.raises(CorruptPart, match=f"run/documents/{name}: not valid JSON; delete it"):
            directory.read_json(name)


@pytest.mark.parametrize(
    ("url", "complaint"),
    [
        ("a\0b", "holds a null character"),
        ("a\ud800b", "surrogates not allowed"),
        ("a::b", "holds ::, which chains file systems"),
        ("simplecache::memory://a", "holds ::, which chains file systems"),
        ("zip://a::b.zip", "holds ::, which chains file systems"),
        ("github://a", "TypeError .*; check the path and its file system"),
        ("reference://a", "TypeError .*; check the path and its file system"),
        ("data:,a", "lists no directories"),
    ],
)
def test_what_is_no_place_for_a_run_is_refused(url: str, complaint: str) -> None:
    with pytest.raises(StorageError, match=complaint):
        Directory(url).names()


@pytest.mark.parametrize("url", ["nosuch://a/b", "nosuch://a/*"])
def test_unknown_file_system_is_a_storage_error(url: str) -> None:
    with pytest.raises(StorageError, match=r"nosuch://a/.*: Protocol not known"):
        Directory(url).exists()


def test_paths_join_whatever_the_spelling() -> None:
    assert (Directory("runs/a/") / "b").url == (Directory("runs/a") / "b").url == "runs/a/b"
    assert (Directory("memory://") / "a").path("b") == "/a/b"


def test_free_space_is_known_for_local_disks_alone(tmp_path: Path) -> None:
    free = Directory(str(tmp_path / "not" / "yet")).free_bytes()

    assert free is not None
    assert free > 0
    assert Directory("memory://a").free_bytes() is None


def test_local_files_are_readable_by_others(tmp_path: Path) -> None:
    Directory(str(tmp_path)).write_bytes("a", b"1")

    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o644


def test_files_are_named_from_here(directory: Directory) -> None:
    assert directory.files() == []
    directory.write_bytes("b", b"")
    (directory / "a/c").write_bytes("d", b"")
    assert directory.files() == ["a/c/d", "b"]


def test_a_file_is_created_once(directory: Directory) -> None:
    assert directory.create("note", b"first")
    assert not directory.create("note", b"second")
    assert directory.read_bytes("note") == b"first"


def test_a_file_whose_answer_was_lost_was_created(directory: Directory) -> None:
    """A store that got a request twice refuses it the second time, though the first wrote it."""
    directory.write_bytes("note", b"first")

    assert directory.create("note", b"first")


def test_an_object_is_put_once_under_its_own_key(monkeypatch: pytest.MonkeyPatch) -> None:
    directory, puts = Directory("memory://run/put"), []
    store = fsspec.filesystem("memory")
    put = type(store).put_file
    monkeypatch.setattr(type(store), "put_file", lambda self, *a, **k: (puts.append(a[1]), put(self, *a, **k)))
    monkeypatch.setattr(type(store), "mv", None)

    with directory.writing("part"), directory.writing("part") as second:  # two attempts at one part
        second.write(b"whole")
    assert puts == [directory.path("part")] * 2
    directory.remove("")


def test_time_of_a_file_is_the_stores(directory: Directory) -> None:
    assert directory.written_at("note") is None
    directory.write_bytes("note", b"")
    assert abs((directory.written_at("note") or 0) - time.time()) < 60


def test_a_place_is_what_a_user_would_give(directory: Directory) -> None:
    directory.write_bytes("deep", b"12")
    (directory / "below").write_bytes("more", b"345")

    assert Directory(directory.place()).read_bytes("deep") == b"12"
    assert directory.place("deep") == f"{directory.url}/deep"
    assert directory.sizes() == {"below/more": 3, "deep": 2}
    assert (directory / "none").sizes() == {}


def test_several_notes_are_read_at_once(directory: Directory) -> None:
    for number in range(3):
        directory.write_json(f"{number}.json", number)
    assert directory.read_json_of(["2.json", "0.json", "1.json"]) == [2, 0, 1]
    assert directory.read_json_of([]) == []
    directory.write_bytes("1.json", b"{")
    with pytest.raises(CorruptPart, match=r"1.json: not valid JSON"):
        directory.read_json_of(["0.json", "1.json"])


def test_a_pipe_in_the_place_of_a_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.json")
    directory = Directory(str(tmp_path))
    for read in (directory.read_bytes, directory.read_json, directory.content, directory.buffer):
        with pytest.raises(StorageError, match=r"a\.json: not a regular file"):
            read("a.json")
