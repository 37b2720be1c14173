"""Input files elsewhere are copied while they are read, and hashed as they come."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import fsspec
import pytest

from sequitur.pipeline.builds import Build
from sequitur.pipeline.storage import Directory
from sequitur.stages.ingest import copies, whole_inputs
from sequitur.stages.ingest.copies import Copies, is_copied
from sequitur.stages.ingest.splits import InputFile, Split
from sequitur.stages.ingest.whole_inputs import NOTES, blocks_of, seen_in

FILE = InputFile("memory://in/a.jsonl", "jsonl", "a")
CONTENT = b'{"text": "one"}\n' * 9000


@pytest.fixture(autouse=True)
def store() -> Iterator[None]:
    fs = fsspec.filesystem("memory")
    fs.pipe_file("/in/a.jsonl", CONTENT)
    yield
    fs.store.clear()


@pytest.fixture
def documents(tmp_path: Path) -> Build:
    return Build(Directory(str(tmp_path / "documents")), "test")


def test_a_file_that_is_read_whole_is_copied_and_its_digests_noted(
    documents: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(whole_inputs, "BLOCK_BYTES", 2**15)
    worker = Copies(documents)
    with worker.of(FILE, Split(0, (FILE,))) as copy:
        assert copy is not None
        assert Path(copy).read_bytes() == CONTENT
    assert not Path(copy).exists()
    assert (documents.files / NOTES).names() == []
    worker.note()
    (name,) = (documents.files / NOTES).names()
    expected = [seen_in(block, 0) for block in blocks_of(FILE.path, len(CONTENT))]
    assert len(expected) == 5
    assert [whole_inputs.Seen(*one) for one in (documents.files / NOTES).read_json(name)] == expected


def test_without_room_it_is_read_where_it_lies(documents: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    class Disk(NamedTuple):
        free: int

    monkeypatch.setattr(copies.shutil, "disk_usage", lambda path: Disk(copies.SPARE + len(CONTENT) - 1))
    worker = Copies(documents)
    with worker.of(FILE, Split(0, (FILE,))) as copy:
        assert copy is None
    worker.note()
    assert (documents.files / NOTES).names() == []


def test_what_is_local_or_read_in_part_is_not_copied(tmp_path: Path) -> None:
    local = InputFile(str(tmp_path / "a.jsonl"), "jsonl", "a")
    assert is_copied(FILE, Split(0, (FILE,)))
    assert not is_copied(local, Split(0, (local,)))
    assert not is_copied(FILE, Split(0, (FILE,), 0, 100, whole=False))
    assert not is_copied(FILE, Split(0, (FILE,), most=3))
