"""Files on an object store are read byte by byte as local ones, by few requests."""

import io
from collections.abc import Iterator
from typing import Any

import fsspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sequitur.stages.shared.sources import remote_files
from sequitur.stages.shared.sources.input_paths import bytes_of, open_input
from sequitur.stages.shared.sources.remote_files import RemoteFile, read_all, read_range

CONTENT = bytes(range(256)) * 40


@pytest.fixture
def store() -> Iterator[Any]:
    fs = fsspec.filesystem("memory")
    fs.pipe_file("/in/a", CONTENT)
    fs.pipe_file("/in/empty", b"")
    yield fs
    fs.store.clear()


class Asked:
    """A file system that keeps what ranges it was asked for, and refuses those that begin behind the end as S3 does."""

    def __init__(self, content: bytes) -> None:
        self.content, self.ranges = content, list[tuple[int, int]]()

    def cat_file(self, name: str, start: int, end: int) -> bytes:
        self.ranges.append((start, end))
        if start >= len(self.content):
            raise OSError(22, "The requested range is not satisfiable")
        return self.content[start:end]

    def size(self, name: str) -> int:
        return len(self.content)


seeks = st.tuples(st.integers(-20, 400), st.sampled_from([io.SEEK_SET, io.SEEK_END]), st.integers(0, 90))


@given(st.binary(max_size=300), st.integers(1, 64), st.integers(-1, 300), st.lists(seeks, max_size=8))
def test_it_is_the_file(content: bytes, first: int, end: int, steps: list[tuple[int, int, int]]) -> None:
    ours, theirs = io.BufferedReader(RemoteFile(Asked(content), "a", first, end), 16), io.BytesIO(content)
    for offset, whence, size in steps:
        place = max(0, offset + (len(content) if whence == io.SEEK_END else 0))
        assert ours.seek(place) == theirs.seek(place)
        assert ours.read(size) == theirs.read(size)
        assert ours.readline() == theirs.readline()
    ours.seek(0)
    assert ours.read() == content


def test_what_is_read_on_is_asked_for_in_ever_larger_ranges(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote_files, "AHEAD", 1000)
    fs = Asked(CONTENT)
    file = io.BufferedReader(RemoteFile(fs, "a", 10), 16)
    assert b"".join(iter(lambda: file.read(16), b"")) == CONTENT
    ends = [end for _, end in fs.ranges]
    assert [start for start, _ in fs.ranges] == [0, *ends[:-1]]
    assert [end - start for start, end in fs.ranges][:6] == [16, 40, 160, 640, 1000, 1000]


def test_nothing_behind_the_end_is_asked_for_before_it_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote_files, "BEHIND", 10)
    fs = Asked(CONTENT)
    file = io.BufferedReader(RemoteFile(fs, "a", 10_000, 5000), 16)
    assert file.read(5000) == CONTENT[:5000]
    assert fs.ranges == [(0, 5000)]
    assert file.read(3) == CONTENT[5000:5003]
    assert fs.ranges[1:] == [(5000, 5010)]


@given(st.integers(0, 50), st.integers(0, 12), st.integers(-1, 60), st.integers(1, 20))
def test_all_bytes_come_once(size: int, start: int, end: int, ahead: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(remote_files, "AHEAD", ahead)
        content = CONTENT[:size]
        assert b"".join(read_all(Asked(content), "a", start, end)) == content[start : end if end >= 0 else None]


def test_what_is_absent_is_an_error_and_what_is_empty_is_none(store: Any) -> None:
    assert read_range(store, "/in/a", 3, 7) == CONTENT[3:7]
    assert read_range(store, "/in/empty", 0, 9) == b""
    assert b"".join(bytes_of("memory://in/empty")) == b""
    with pytest.raises(FileNotFoundError):
        read_range(store, "/in/none", 0, 9)
    with open_input("memory://in/a") as file:
        assert file.read() == CONTENT
