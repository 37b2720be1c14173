"""What lies below a run, and how it is deleted: never through a link."""

import os
from pathlib import Path

import fsspec
import pytest

from sequitur.inspection.run_tree import delete, tree_of
from sequitur.pipeline.errors import StorageError
from sequitur.pipeline.storage import Directory


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "theirs").write_text("theirs")
    return folder


@pytest.fixture
def root(tmp_path: Path, outside: Path) -> Directory:
    """Two files, of which one has a second name elsewhere; a link to a directory, one to a file, and a pipe."""
    run = tmp_path / "run"
    (run / "a" / "b").mkdir(parents=True)
    (run / "a" / "one").write_text("one")
    (run / "two").write_text("twice")
    os.link(run / "two", tmp_path / "second name")
    (run / "a" / "out").symlink_to(outside)
    (run / "file").symlink_to(outside / "theirs")
    os.mkfifo(run / "pipe")
    return Directory(str(run))


def test_links_are_told_and_not_followed(root: Directory) -> None:
    tree = tree_of(root)
    assert tree.files == {"a/one": 3, "two": 0}
    assert tree.folders == {"a", "a/b"}
    assert tree.links == {"a/out", "file", "pipe"}
    assert tree.names("") == ["a", "file", "pipe", "two"]
    assert tree.names("a") == ["b", "one", "out"]
    assert tree.names("a/b") == tree.names("none") == []
    assert (tree.within("a"), tree.within("two"), tree.within("tw")) == (["a/one"], ["two"], [])
    assert tree.links_within("a") == ["a/out"]


def test_an_object_store_tells_the_same() -> None:
    fs = fsspec.filesystem("memory")
    fs.pipe({"/tree/a/one": b"one", "/tree/two": b"two"})
    root = Directory("memory://tree")
    tree = tree_of(root)
    assert (tree.files, tree.names(""), tree.names("a")) == ({"a/one": 3, "two": 3}, ["a", "two"], ["one"])
    delete(root, "a")
    delete(root, "two")
    assert tree_of(root).files == {}


def test_deleting_keeps_what_links_lead_to(root: Directory, outside: Path) -> None:
    delete(root, "file")  # whatever somebody made of it since it was looked at
    delete(root, "a/out/theirs")
    assert (outside / "theirs").exists()
    assert Path(root.path("file")).is_symlink()
    delete(root, "a")
    assert tree_of(root).names("") == ["file", "pipe", "two"]
    assert (outside / "theirs").read_text() == "theirs"
    delete(root, "none")


def test_a_directory_is_there_whole_or_as_a_temporary_one(root: Directory, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(directory: Directory, name: str) -> None:
        if Path(directory.path(name)).exists():
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Directory, "remove", killed)
        with pytest.raises(KeyboardInterrupt):
            delete(root, "a")
    assert tree_of(root).names("") == [".tmp-a", "file", "pipe", "two"]
    Path(root.path("a")).mkdir()
    delete(root, "a")  # although there is one of an earlier attempt
    assert tree_of(root).names("") == ["file", "pipe", "two"]


def test_a_run_that_cannot_be_listed_is_named(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="none: does not exist"):
        tree_of(Directory(str(tmp_path / "none")))
