"""Of a part that lies elsewhere only the bytes of some columns are fetched, and they are those of the part."""

import io
import uuid

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sequitur.pipeline import artifacts, builds, ranges
from sequitur.pipeline.errors import CorruptPart, StorageError
from sequitur.pipeline.ranges import Ranges
from sequitur.pipeline.storage import Directory

ROWS = 3000
Fetched = list[tuple[int, int]]


@pytest.fixture
def fetched(monkeypatch: pytest.MonkeyPatch) -> Fetched:
    """The ranges that are asked for."""
    found: Fetched = []
    read = Directory.read_range

    def told(directory: Directory, name: str, start: int, end: int) -> bytes:
        found.append((start, end))
        return read(directory, name, start, end)

    monkeypatch.setattr(Directory, "read_range", told)
    return found


@pytest.fixture
def elsewhere() -> Directory:
    return Directory(f"memory://{uuid.uuid4().hex}")


def batch() -> pa.RecordBatch:
    """Short columns around a long one."""
    rng = np.random.default_rng(2)
    text = [rng.bytes(1000).hex() for _ in range(ROWS)]
    return pa.record_batch(
        {
            "number": pa.array(range(ROWS), pa.int64()),
            "name": pa.array([f"name {row}" for row in range(ROWS)]),
            "text": pa.array(text, pa.large_string()),
            "kind": pa.array(["ab"[row % 2] for row in range(ROWS)]).dictionary_encode(),
            "more": pa.array([None if row % 3 else row for row in range(ROWS)], pa.int64()),
        }
    )


@pytest.mark.parametrize("compress", [True, False])
@pytest.mark.parametrize("columns", [["number"], ["more", "kind"], ["kind", "number", "name", "more"], ["text"]])
def test_columns_are_those_of_the_part(
    compress: bool, columns: list[str], elsewhere: Directory, fetched: Fetched
) -> None:
    build = builds.begin(elsewhere, "test")
    part = builds.write_part(build, "part.arrow", batch(), compress=compress)
    found = artifacts.fetch_part(elsewhere, part, columns)
    assert found.equals(batch().select(columns))
    size = sum(end - start for start, end in fetched)
    assert len(fetched) <= 5
    assert size < part.bytes / 4 or "text" in columns
    assert size < 1.1 * part.bytes


def test_small_parts_are_compared_with_the_manifest(elsewhere: Directory, fetched: Fetched) -> None:
    build = builds.begin(elsewhere, "test")
    part = builds.write_part(build, "part.arrow", batch().slice(0, 50), compress=False)
    assert artifacts.fetch_part(elsewhere, part, ["name"]).equals(batch().slice(0, 50).select(["name"]))
    content = bytearray(elsewhere.read_bytes(part.path))
    content[len(content) // 2] ^= 1
    elsewhere.write_bytes(part.path, bytes(content))
    with pytest.raises(CorruptPart, match=r"part\.arrow"):
        artifacts.fetch_part(elsewhere, part, ["name"])
    assert len(fetched) == 2


def test_what_is_gone_or_cut_is_named(elsewhere: Directory) -> None:
    build = builds.begin(elsewhere, "test")
    part = builds.write_part(build, "part.arrow", batch(), compress=False)
    elsewhere.write_bytes(part.path, elsewhere.read_bytes(part.path)[:1000])
    with pytest.raises(CorruptPart, match=r"part\.arrow"):
        artifacts.fetch_part(elsewhere, part, ["name"])
    elsewhere.remove(part.path)
    with pytest.raises(StorageError, match=r"part\.arrow"):
        artifacts.fetch_part(elsewhere, part, ["name"])


@given(
    size=st.integers(1, 300),
    reads=st.lists(st.tuples(st.integers(0, 2), st.integers(0, 320), st.integers(0, 320)), max_size=20),
)
def test_it_reads_as_a_file_does(size: int, reads: list[tuple[int, int, int]]) -> None:
    content = np.random.default_rng(size).bytes(size)
    directory = Directory(f"memory://{uuid.uuid4().hex}")
    directory.write_bytes("file", content)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ranges, "AHEAD", 32)
        ours, theirs = Ranges(directory, "file", size), io.BytesIO(content)
        for whence, offset, count in reads:
            offset -= {io.SEEK_SET: 0, io.SEEK_CUR: theirs.tell(), io.SEEK_END: size}[whence]
            assert ours.seek(offset, whence) == theirs.seek(offset, whence) == ours.tell()
            assert ours.read(count) == theirs.read(count)
