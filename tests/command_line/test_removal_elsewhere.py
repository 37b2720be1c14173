"""Documents are taken out of shards elsewhere as out of local ones, wherever the command is killed on its way."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import fsspec
import pytest
from example_dataset import write_dataset

from sequitur.command_line import removal_elsewhere
from sequitur.pipeline import lock
from sequitur.pipeline.storage import Directory
from sequitur.shards.manifest import read_manifest
from sequitur.shards.removal.intent import INTENT
from sequitur.shards.side_files import dataset_files
from sequitur.shards.verify import problems

Sequitur = Callable[..., Any]
URL = "memory://elsewhere/shards"


class Killed(BaseException):
    """The process ended here."""


@pytest.fixture
def shards(tmp_path: Path) -> Path:
    return write_dataset(tmp_path / "here").root


@pytest.fixture
def there(shards: Path) -> Iterator[Directory]:
    """The same shards elsewhere."""
    fs = fsspec.filesystem("memory")
    fs.put(str(shards), URL, recursive=True)
    yield Directory(URL)
    fs.store.clear()
    fs.pseudo_dirs[:] = [""]


def content(directory: Directory) -> dict[str, bytes]:
    names = [name for name in directory.files() if not lock.is_of_lock(name)]
    return {name: directory.read_bytes(name) for name in names}


def taken_out(sequitur: Sequitur, *arguments: object) -> Any:
    return sequitur("remove", *arguments, "--license", "MIT", "--missing-ok")


def test_it_leaves_the_bytes_that_it_leaves_here(sequitur: Sequitur, shards: Path, there: Directory) -> None:
    before = content(there)
    tried = taken_out(sequitur, URL, "--dry-run")
    assert (tried.code, content(there)) == (0, before)
    assert tried.err.startswith("copying ")
    here, elsewhere = taken_out(sequitur, shards), taken_out(sequitur, URL)
    assert (elsewhere.code, elsewhere.out) == (0, here.out)
    assert content(there) == content(Directory(str(shards))) != before
    assert taken_out(sequitur, URL).out == "nothing to remove: none of these documents is there\n"
    assert not lock.is_held(there)


@pytest.mark.parametrize("number", range(0, 40, 3))
def test_killed_at_any_change_it_goes_on(
    sequitur: Sequitur,
    shards: Path,
    there: Directory,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    number: int,
) -> None:
    changes = 0
    writing, remove = Directory.writing, Directory.remove

    def count(name: str) -> None:
        nonlocal changes
        if name.startswith((lock.LOCK, ".tmp-")):  # held by this process, which lives on
            return
        changes += 1
        if changes > number:
            raise Killed

    @contextmanager
    def watched_writing(directory: Directory, name: str) -> Iterator[Any]:
        count(name)
        with writing(directory, name) as file:
            yield file

    def watched_remove(directory: Directory, name: str) -> None:
        count(name)
        remove(directory, name)

    with monkeypatch.context() as patch:
        patch.setattr(Directory, "writing", watched_writing)
        patch.setattr(Directory, "remove", watched_remove)
        try:
            taken_out(sequitur, URL)
        except Killed:
            killed = True
        else:
            killed = False
    copy = tmp_path / "copy"
    fsspec.filesystem("memory").get(URL, str(copy), recursive=True)
    assert {name for name in dataset_files(read_manifest(copy)) if not (copy / name).exists()} == set()
    assert there.exists(INTENT) or not killed or number == 0

    if killed and number % 2:  # whatever is removed next, what was begun is finished
        ended = sequitur("remove", URL, "--doc-id", "nobody", "--missing-ok")
    else:
        ended = taken_out(sequitur, URL)
    assert ended.code == 0, ended.err
    assert number > 0 or taken_out(sequitur, URL).code == 0
    taken_out(sequitur, shards)
    assert content(there) == content(Directory(str(shards)))
    assert not lock.is_held(there)


def test_what_lies_there_is_changed_by_one_at_a_time(sequitur: Sequitur, there: Directory) -> None:
    before = content(there)
    with lock.exclusive(there):
        ended = taken_out(sequitur, URL)
    assert ended.code == 1
    assert "wait for it" in ended.err
    assert content(there) == before


def test_one_of_several_datasets_is_refused(sequitur: Sequitur, there: Directory) -> None:
    Directory("memory://elsewhere").write_json("families.json", {})
    ended = taken_out(sequitur, URL)
    assert ended.code == 1
    assert f"{URL}: is one of the datasets in memory://elsewhere/families.json; give memory://elsewhere" in ended.err
    assert "no such directory" in taken_out(sequitur, "memory://nowhere").err


def test_manifests_are_put_behind_what_they_list(shards: Path) -> None:
    turns = [removal_elsewhere._turn(name) for name in (INTENT, "train/data.arrow", "a/manifest.json", "families.json")]
    assert turns == sorted(set(turns))
    assert list(problems(shards, full=False)) == []
