"""Artifacts: read back, proved whole, and never believed when damaged or forged."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from sequitur.pipeline import artifacts, builds
from sequitur.pipeline.artifacts import Part
from sequitur.pipeline.builds import Build
from sequitur.pipeline.errors import CorruptPart, MissingArtifact
from sequitur.pipeline.storage import Directory

SCHEMA = pa.schema([pa.field("text", pa.string()), pa.field("number", pa.int64(), nullable=False)])
NAMES = ["part-00000.arrow", "part-00001.arrow", "part-00002.arrow"]
FOLDER = "fingerprint"  # its first 16 characters


def batch(number: int) -> pa.RecordBatch:
    return pa.record_batch([pa.array([f"text {number}"] * 3), pa.array([number] * 3, pa.int64())], schema=SCHEMA)


def write(build: Build, names: list[str]) -> None:
    for name in names:
        builds.write_part(build, name, batch(NAMES.index(name)), compress=False)


@pytest.fixture
def finished(directory: Directory) -> Directory:
    """An artifact of three parts."""
    build = builds.begin(directory, "fingerprint")
    write(build, NAMES)
    builds.finish(build, {"b": 1, "a": [2]}, {"parent": "its fingerprint"}, {"rows": 9})
    return directory


def flip_last_byte(directory: Directory, name: str) -> None:
    folder = directory / FOLDER
    content = folder.read_bytes(name)
    folder.write_bytes(name, content[:-1] + bytes([content[-1] ^ 1]))


def forge(directory: Directory, change: Callable[[dict[str, Any]], object]) -> None:
    """Changes a manifest, and its checksum with it."""
    content = directory.read_json(artifacts.MANIFEST)
    change(content)
    content.pop("checksum")
    directory.write_json(artifacts.MANIFEST, {**content, "checksum": artifacts._checksum(content)})


def test_parts_read_back_whole_or_by_column(finished: Directory) -> None:
    part = artifacts.require_manifest(finished).parts[1]

    assert artifacts.read_part(finished, part).equals(batch(1))
    assert artifacts.read_part(finished, part, ["number"]).equals(batch(1).select(["number"]))
    assert artifacts.map_part(finished, part, ["number", "text"]).equals(batch(1).select(["number", "text"]))
    assert artifacts.read_columns(finished, ["number"])["number"].to_pylist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert artifacts.part_metadata(finished, part) == {}


@pytest.mark.parametrize("content", [b"", b"short", b"x" * 10_000])
def test_part_of_another_size_is_damage(finished: Directory, content: bytes) -> None:
    manifest = artifacts.require_manifest(finished)
    (finished / FOLDER).write_bytes(NAMES[1], content)

    for read in (artifacts.read_part, artifacts.map_part):
        with pytest.raises(
            CorruptPart, match=r"run/documents/fingerprint/part-00001.arrow: damaged .*delete it and run"
        ):
            read(finished, manifest.parts[1])
    with pytest.raises(CorruptPart, match=f"{len(content)} bytes where {manifest.parts[1].bytes} were written"):
        artifacts.is_whole(finished, manifest)
    assert len(list(artifacts.damaged_parts(finished, manifest))) == 1


def test_flipped_bit_is_damage(finished: Directory) -> None:
    manifest = artifacts.require_manifest(finished)
    flip_last_byte(finished, NAMES[2])
    (finished / FOLDER).remove(NAMES[0])

    with pytest.raises(CorruptPart, match=r"part-00002.arrow: damaged \(its checksum differs"):
        artifacts.read_part(finished, manifest.parts[2])
    lost, flipped = artifacts.damaged_parts(finished, manifest)
    assert "part-00000.arrow: damaged (it is missing)" in lost
    assert "part-00002.arrow: damaged (its checksum differs" in flipped


def test_bytes_that_are_no_arrow_file_are_damage(finished: Directory) -> None:
    content = b"not Arrow at all"
    part = Part("part-00000.arrow", 3, len(content), artifacts.digest(content))
    finished.write_bytes(part.name, content)

    for read in (artifacts.read_part, artifacts.map_part, artifacts.part_metadata):
        with pytest.raises(CorruptPart, match="it is not the Arrow file that was written"):
            read(finished, part)


@pytest.mark.parametrize(
    "name", ["../secret", "/etc/passwd", "a/../../b", "a//b", "", ".", "a\\b", "memory://secret", "train/./a"]
)
def test_forged_part_name_does_not_lead_outside(finished: Directory, name: str) -> None:
    forge(finished, lambda content: content["parts"][0].update(name=name))

    with pytest.raises(CorruptPart, match=r"_manifest.json: part .* lies outside the artifact"):
        artifacts.read_manifest(finished)


@pytest.mark.parametrize(
    "change",
    [
        lambda content: content.pop("fingerprint"),
        lambda content: content.pop("schema_version"),
        lambda content: content.update(parts=[{"name": "a"}]),
        lambda content: content.update(parts=[1]),
        lambda content: content.update(parts=None),
        lambda content: content["parts"][0].update(rows="many"),
        lambda content: content["parts"][0].update(bytes=float("inf")),
        lambda content: content.update(parents=[1]),
        lambda content: content.update(statistics=None),
        lambda content: content.update(schema_version=99),
        lambda content: content.update(folder=".."),
        lambda content: content.update(folder="/etc"),
    ],
)
def test_manifest_of_another_shape_is_refused(finished: Directory, change: Callable[[dict[str, Any]], object]) -> None:
    forge(finished, change)

    with pytest.raises(CorruptPart, match=r"_manifest.json: "):
        artifacts.read_manifest(finished)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"3", b'"text"', b"\xff"])
def test_manifest_that_is_none_is_refused(finished: Directory, content: bytes) -> None:
    finished.write_bytes(artifacts.MANIFEST, content)

    with pytest.raises(CorruptPart, match=r"_manifest.json: .*delete it and run again"):
        artifacts.read_manifest(finished)


def test_absent_artifact_is_not_an_empty_one(directory: Directory) -> None:
    assert artifacts.read_manifest(directory) is None
    with pytest.raises(MissingArtifact, match="run/documents: not finished; run the stage that makes it first"):
        artifacts.require_manifest(directory)


def test_wrong_columns_and_nulls_are_problems(directory: Directory) -> None:
    build = builds.begin(directory, "fingerprint")
    write(build, NAMES[:1])
    lacking = pa.record_batch([pa.array(["a"]), pa.array([None], pa.int64())], schema=SCHEMA)
    builds.write_part(build, NAMES[1], lacking, compress=False)
    builds.write_part(build, NAMES[2], pa.record_batch({"other": [1]}), compress=False)
    builds.finish(build, {}, {}, {})

    nulls, columns = artifacts.schema_problems(directory, SCHEMA)

    assert "part-00001.arrow: column number holds nulls" in nulls
    assert "part-00002.arrow: has other columns than text, number" in columns


def test_fingerprint_changes_with_each_ingredient() -> None:
    given = ("order", 1, {"k": 20, "name": "a"}, {"neighbors": "abc"})
    others = [
        ("pack", 1, {"k": 20, "name": "a"}, {"neighbors": "abc"}),
        ("order", 2, {"k": 20, "name": "a"}, {"neighbors": "abc"}),
        ("order", 1, {"k": 21, "name": "a"}, {"neighbors": "abc"}),
        ("order", 1, {"k": 20, "name": "a", "more": None}, {"neighbors": "abc"}),
        ("order", 1, {"k": 20, "name": "a"}, {"neighbors": "abd"}),
        ("order", 1, {"k": 20, "name": "a"}, {"vectors": "abc"}),
    ]

    assert len({artifacts.fingerprint_of(*one) for one in [given, *others]}) == 7
    assert artifacts.fingerprint_of(*given) == artifacts.fingerprint_of("order", 1, {"name": "a", "k": 20}, given[3])
    assert artifacts.fingerprint_of("order", 1, {}, {}) == (
        "a175d9ee9b3cd6ac842da4d6a9c39549de2c14eff4a3c5c1ec0b59957678fb1b"
    )


def test_manifest_names_no_clock_and_no_machine(finished: Directory) -> None:
    content = json.loads(finished.read_bytes(artifacts.MANIFEST))

    assert sorted(content) == [
        "artifact",
        "bytes",
        "checksum",
        "fingerprint",
        "folder",
        "parameters",
        "parents",
        "parts",
        "rows",
        "schema_version",
        "statistics",
    ]


def test_a_manifest_that_somebody_changed_is_refused(finished: Directory) -> None:
    for change in ({"statistics": {"tokenizer": "none"}}, {"checksum": "0" * 32}, {"more": 1}):
        content = finished.read_json(artifacts.MANIFEST)
        finished.write_json(artifacts.MANIFEST, {**content, **change})
        with pytest.raises(CorruptPart, match=r"_manifest\.json: was changed since it was written; delete it and run"):
            artifacts.read_manifest(finished)
        finished.write_json(artifacts.MANIFEST, content)
    assert artifacts.require_manifest(finished).rows == 9


def test_what_was_made_anew_is_not_read_for_what_was_there(finished: Directory) -> None:
    assert artifacts.require_manifest(finished, "fingerprint").rows == 9
    with pytest.raises(MissingArtifact, match="run/documents: was made anew meanwhile; run the command again"):
        artifacts.require_manifest(finished, "another")


@pytest.mark.parametrize("columns", [1, 2000])
def test_a_schema_is_read_from_the_end_of_a_part(columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    directory = Directory("memory://run/documents")
    build = builds.begin(directory, "fingerprint")
    wide = pa.record_batch({f"column {number}": pa.array(range(2**20 // columns)) for number in range(columns)})
    part = builds.write_part(build, NAMES[0], wide.replace_schema_metadata({"kept": "3"}), compress=False)
    fetched, cat = [], MemoryFileSystem.cat_file

    def counted(*given: Any, **ends: Any) -> bytes:
        fetched.append(len(content := cat(*given, **ends)))
        return content

    monkeypatch.setattr(MemoryFileSystem, "cat_file", counted)
    assert artifacts.part_metadata(directory, part) == {"kept": "3"}
    assert fetched[0] == artifacts.SCHEMA_BYTES
    assert (len(fetched) == 1) == (columns == 1)
    directory.remove("")


@pytest.mark.parametrize("columns", [{"row": pa.array([1])}, {"row": pa.array([1]), "text": pa.array(["a"])}])
def test_a_part_without_a_column_is_not_what_was_written(tmp_path: Path, columns: dict[str, pa.Array]) -> None:
    build = builds.begin(Directory(str(tmp_path)), "of numbers, or with text")
    part = builds.write_part(build, "part-00000.arrow", pa.record_batch(columns), compress=False)
    for read in (artifacts.read_part, artifacts.map_part):
        with pytest.raises(CorruptPart, match="not the Arrow file that was written"):
            read(build.directory, part, ["absent"])
        assert read(build.directory, part, ["row"]).column("row").to_pylist() == [1]


def test_numbers_are_read_where_they_lie(tmp_path: Path) -> None:
    build = builds.begin(Directory(str(tmp_path)), "of numbers")
    content = {name: pa.array(range(2**16), pa.int64()) for name in ("a", "b")}
    part = builds.write_part(build, "part-00000.arrow", pa.record_batch(content), compress=False)
    before = pa.total_allocated_bytes()
    batch = artifacts.map_part(build.directory, part, ["b"])
    assert pa.total_allocated_bytes() - before < 2**16
    assert batch.column("b").to_pylist() == content["b"].to_pylist()


def test_the_digest_of_pieces_is_that_of_the_whole() -> None:
    rows = np.arange(1000)
    for sizes in ([1000], [1, 0, 999], [300, 700]):
        assert artifacts.digest_of(np.split(rows, np.cumsum(sizes)[:-1])) == artifacts.digest(rows)
    assert artifacts.digest_of([]) == artifacts.digest(b"")
