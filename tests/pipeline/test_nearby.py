"""Parts that lie elsewhere are fetched once by one request, shared by processes, and gone with the stage."""

import tempfile
from collections.abc import Iterator
from multiprocessing import get_context
from pathlib import Path

import fsspec
import numpy as np
import object_store
import pyarrow as pa
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from sequitur.pipeline import artifacts, builds, nearby
from sequitur.pipeline.artifacts import Part
from sequitur.pipeline.errors import CorruptPart, MissingArtifact
from sequitur.pipeline.storage import Directory

FINGERPRINT = 64 * "a"

Asked = list[tuple[str, int | None, int | None]]


@pytest.fixture
def root() -> Iterator[Directory]:
    fsspec.filesystem("memory").store.clear()
    yield Directory("memory://run")
    fsspec.filesystem("memory").store.clear()


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Asked:
    """What is fetched of the store: path, and from where to where. Copies lie in `tmp_path`."""
    found: Asked = []
    fetch = MemoryFileSystem.cat_file

    def noting(self: MemoryFileSystem, path: str, start: int | None = None, end: int | None = None) -> bytes:
        found.append((path, start, end))
        content: bytes = fetch(self, path, start, end)
        return content

    monkeypatch.setattr(MemoryFileSystem, "cat_file", noting)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return found


def part_of(directory: Directory, values: int = 1000) -> Part:
    batch = pa.record_batch({"number": np.arange(values), "text": ["a text"] * values})
    return builds.write_part(builds.begin(directory, FINGERPRINT), "part-00000-0000.arrow", batch, compress=False)


def test_a_part_is_fetched_once_while_its_stage_runs(root: Directory, asked: Asked, tmp_path: Path) -> None:
    part = part_of(root / "numbers")
    asked.clear()
    with nearby.copies(root) as near:
        for _ in range(3):
            batch = artifacts.read_part(near / "numbers", part, ["number"])
            assert artifacts.map_part(near / "numbers", part).column("number").equals(batch.column("number"))
        assert asked == [(f"/run/numbers/{part.path}", 0, part.bytes + 1)]
        (copy,) = tmp_path.glob(f"*/{part.checksum}-{part.bytes}")
        assert copy.stat().st_size == part.bytes
    assert batch.column("number").to_pylist() == list(range(1000))  # a map outlives its file's name
    assert list(tmp_path.iterdir()) == []


def test_a_manifest_that_stays_is_fetched_once_and_another_each_time(root: Directory, asked: Asked) -> None:
    for name in ("parent", "own"):
        part_of(root / name)
        builds.finish(builds.current(root / name), {}, {}, {"of": name})
    with nearby.copies(root) as near:
        nearby.staying(near, ["parent/_manifest.json", "none/_manifest.json"])
        asked.clear()
        for name in ("parent", "own", "none"):
            for _ in range(3):
                manifest = artifacts.read_manifest(near / name)
                assert (manifest is None) == (name == "none")
                assert manifest is None or manifest.statistics == {"of": name}
        assert [path for path, *_ in asked].count("/run/parent/_manifest.json") == 1
        assert [path for path, *_ in asked].count("/run/own/_manifest.json") == 3
        builds.finish(builds.begin(near / "own", 64 * "b"), {}, {}, {})
        assert artifacts.require_manifest(near / "own").fingerprint == 64 * "b"
        (root / "none").write_bytes("_manifest.json", (root / "own").read_bytes("_manifest.json"))
        assert artifacts.require_manifest(near / "none").fingerprint == 64 * "b"
    assert artifacts.require_manifest(near / "parent").statistics == {"of": "parent"}  # though the copies are gone


def test_without_a_folder_or_without_room_it_is_fetched_into_memory(
    root: Directory, asked: Asked, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    part = part_of(root / "numbers")
    of_another_machine = Directory(root.url, "/nowhere/sequitur-parts") / "numbers"
    for directory in (root / "numbers", of_another_machine):
        assert artifacts.read_part(directory, part).num_rows == 1000
    monkeypatch.setattr(nearby, "SPARE", 2**60)
    with nearby.copies(root) as near:
        assert artifacts.read_part(near / "numbers", part).num_rows == 1000
        assert not list(tmp_path.glob(f"*/{part.checksum}*[!k]"))


@pytest.mark.parametrize("change", [lambda content: content + b"1", lambda content: content[:-1]])
def test_what_is_longer_or_shorter_is_named_and_not_kept(root: Directory, asked: Asked, change) -> None:
    directory = root / "numbers"
    part = part_of(directory)
    sound = directory.read_bytes(part.path)
    directory.write_bytes(part.path, change(sound))
    with nearby.copies(root) as near:
        for read in (artifacts.read_part, artifacts.map_part):
            with pytest.raises(CorruptPart, match=r"part-00000-0000\.arrow: damaged"):
                read(near / "numbers", part)
        directory.write_bytes(part.path, sound)
        assert artifacts.read_part(near / "numbers", part).num_rows == 1000
        directory.remove(part.path)
    with nearby.copies(root) as near, pytest.raises(MissingArtifact, match="missing; run again"):
        artifacts.read_part(near / "numbers", part)


def test_folders_that_killed_processes_left_are_cleared_and_no_others(root: Directory, tmp_path: Path, asked: Asked):
    left = tmp_path / f"{nearby.FOLDER}left"
    left.mkdir()
    (left / nearby.OWNER).touch()
    (tmp_path / "sequitur-parts").mkdir()
    with nearby.copies(root) as first, nearby.copies(root) as second:
        assert not left.exists()
        assert Path(str(first.nearby)).is_dir()
        assert Path(str(second.nearby)).is_dir()
    assert [path.name for path in tmp_path.iterdir()] == ["sequitur-parts"]


def test_local_directories_have_no_copies(tmp_path: Path) -> None:
    with nearby.copies(Directory(str(tmp_path))) as near:
        assert near == Directory(str(tmp_path))


def rows(directory: Directory, part: Part) -> int:
    object_store.fsspec.filesystem(object_store.PROTOCOL)
    return artifacts.map_part(directory, part).num_rows


def test_processes_share_a_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    part = part_of(Directory(str(tmp_path / "numbers")))
    elsewhere = Directory(f"{object_store.PROTOCOL}://{tmp_path}")
    with nearby.copies(elsewhere) as near, get_context("fork").Pool(3) as pool:
        assert pool.starmap(rows, [(near / "numbers", part)] * 6) == [1000] * 6
        (copy,) = tmp_path.glob(f"*/{part.checksum}-{part.bytes}")
        inode = copy.stat().st_ino
        assert pool.starmap(rows, [(near / "numbers", part)]) == [1000]
        assert copy.stat().st_ino == inode
