"""What a run held before: parts are found by content, whatever they are called, and taken over as second names."""

import errno
import os
from pathlib import Path
from typing import Any

import fsspec
import pyarrow as pa
import pytest

from sequitur.pipeline import artifacts, builds, former
from sequitur.pipeline.artifacts import Manifest
from sequitur.pipeline.builds import Build
from sequitur.pipeline.errors import CorruptPart
from sequitur.pipeline.storage import Directory


def make(root: Directory, name: str, fingerprint: str, parts: dict[str, int], **parents: str) -> Manifest:
    """An artifact whose parts hold a number each."""
    build = builds.begin(root / name, fingerprint * 16, kept=())
    for part, number in parts.items():
        builds.write_part(build, part, pa.record_batch({"number": [number]}), compress=False)
    return builds.finish(build, {}, {parent: by * 16 for parent, by in parents.items()}, {}, lasting=True)


@pytest.fixture
def root(tmp_path: Path) -> Directory:
    return Directory(str(tmp_path))


def test_parts_are_the_same_by_content_whatever_their_names(root: Directory) -> None:
    make(root, "text", "a", {"p0": 0, "p1": 1, "p2": 2})
    made = make(root, "made", "b", {"p0": 10, "p1": 11, "p2": 12}, text="a")
    make(root, "text", "c", {"p0": 7, "p1": 0, "p2": 2, "p3": 3})
    assert former.same_names(root, made, ["text"]) == {"p1": "p0", "p2": "p2"}
    make(root, "other", "d", {"p0": 0})
    assert former.same_names(root, made, ["text", "other"]) == {}  # not of what it was made


def test_several_parents_must_all_be_as_they_were(root: Directory) -> None:
    make(root, "text", "a", {"p0": 0, "p1": 1})
    make(root, "chosen", "b", {"p0": 5, "p1": 6})
    made = make(root, "made", "c", {"p0": 10, "p1": 11}, text="a", chosen="b")
    make(root, "text", "d", {"p0": 9, "p1": 0, "p2": 1})
    make(root, "chosen", "e", {"p0": 4, "p1": 5, "p2": 4})
    assert former.same_names(root, made, ["text"]) == {"p1": "p0", "p2": "p1"}
    assert former.same_names(root, made, ["text", "chosen"]) == {"p1": "p0"}


@pytest.mark.parametrize("url", ["local", "memory://former"])
def test_parts_are_taken_over_and_what_was_is_forgotten(url: str, tmp_path: Path) -> None:
    root = Directory(str(tmp_path) if url == "local" else url)
    old = make(root, "made", "b", {"p0": 10, "p1": 11})
    build = builds.begin(root / "made", "c" * 16, kept=())
    (known,) = former.manifests(root / "made")
    assert known == old
    assert former.find(root / "made", "b" * 16) == old
    builds.take_over(build, {"p7": old.parts[1]})
    builds.take_over(build, {"p7": old.parts[1], "p8": old.parts[0]})  # as an interrupted run goes on
    manifest = builds.finish(build, {}, {}, {})
    values = [artifacts.read_part(root / "made", part)["number"].to_pylist() for part in manifest.parts]
    assert (manifest.names, values) == (["p7", "p8"], [[11], [10]])
    assert {name.split("/")[0] for name in (root / "made").files()} == {former.FORMER, artifacts.MANIFEST, "c" * 16}
    former.forget(root / "made")
    assert {name.split("/")[0] for name in (root / "made").files()} == {artifacts.MANIFEST, "c" * 16}
    if url != "local":
        fsspec.filesystem("memory").rm("/former", recursive=True)


def test_a_part_that_is_gone_is_passed_over(root: Directory) -> None:
    old = make(root, "made", "b", {"p0": 10, "p1": 11})
    build = builds.begin(root / "made", "c" * 16, kept=())
    Path((root / "made").path(old.parts[0].path)).unlink()
    builds.take_over(build, {"p0": old.parts[0], "p1": old.parts[1]})
    assert [part.name for part in builds.written_parts(build)] == ["p1"]


def test_what_was_made_before_stays_when_a_build_is_given_up(root: Directory) -> None:
    old = make(root, "made", "b", {"p0": 10})
    builds.begin(root / "made", "c" * 16, kept=())
    build = builds.begin(root / "made", "d" * 16, kept=("inner",))
    builds.take_over(build, {"p0": old.parts[0]})
    assert builds.finish(build, {}, {}, {}).rows == 1
    make_anew = builds.begin(root / "made", "e" * 16)
    assert former.manifests(make_anew.directory) == []


def test_where_there_are_no_links_files_are_copied(root: Directory, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise OSError(errno.EPERM, "no links here")

    monkeypatch.setattr(os, "link", refuse)
    root.write_bytes("one", b"content")
    former.link(root, {"one": "inner/two"})
    assert (root / "inner").read_bytes("two") == b"content"
    assert root.files() == ["inner/two", "one"]


def test_a_damaged_manifest_is_refused(root: Directory) -> None:
    make(root, "made", "b", {"p0": 10})
    build: Build = builds.begin(root / "made", "c" * 16, kept=())
    (build.directory / former.FORMER).write_bytes(f"{'b' * 16}.json", b"[]")
    with pytest.raises(CorruptPart, match="not a manifest of this program"):
        former.manifests(build.directory)
