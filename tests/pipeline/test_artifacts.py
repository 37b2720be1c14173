"""Artifacts: built part by part, resumed, proved whole, and never believed when damaged or forged."""

import json
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest

from sequitur.pipeline import artifacts
from sequitur.pipeline.artifacts import Manifest, Part
from sequitur.pipeline.errors import CorruptPart, MissingArtifact
from sequitur.pipeline.storage import TEMPORARY, Directory

SCHEMA = pa.schema([pa.field("text", pa.string()), pa.field("number", pa.int64(), nullable=False)])
NAMES = ["part-00000.arrow", "part-00001.arrow", "part-00002.arrow"]


def batch(number: int) -> pa.RecordBatch:
    return pa.record_batch([pa.array([f"text {number}"] * 3), pa.array([number] * 3, pa.int64())], schema=SCHEMA)


def write(directory: Directory, names: list[str], *, compress: bool = False) -> None:
    for name in names:
        artifacts.write_part(directory, name, batch(NAMES.index(name)), compress=compress)


def finish(directory: Directory, fingerprint: str = "fingerprint") -> Manifest:
    return artifacts.finish(directory, fingerprint, {"b": 1, "a": [2]}, {"parent": "its fingerprint"}, {"rows": 9})


@pytest.fixture
def finished(directory: Directory) -> Directory:
    """An artifact of three parts."""
    artifacts.begin(directory, "fingerprint")
    write(directory, NAMES)
    finish(directory)
    return directory


def flip_last_byte(directory: Directory, name: str) -> None:
    content = directory.read_bytes(name)
    directory.write_bytes(name, content[:-1] + bytes([content[-1] ^ 1]))


def forge(directory: Directory, change: Callable[[dict[str, Any]], object]) -> None:
    content = directory.read_json(artifacts.MANIFEST)
    change(content)
    directory.write_json(artifacts.MANIFEST, content)


@pytest.mark.parametrize("compress", [False, True])
def test_finished_artifact_holds_its_parts_and_manifest_alone(directory: Directory, compress: bool) -> None:
    artifacts.begin(directory, "fingerprint")
    assert artifacts.read_building(directory) == "fingerprint"
    assert artifacts.read_manifest(directory) is None
    write(directory, NAMES[::-1], compress=compress)

    manifest = finish(directory)

    assert directory.names() == [artifacts.MANIFEST, *NAMES]
    assert artifacts.require_manifest(directory) == manifest
    assert (manifest.artifact, manifest.names, manifest.rows) == ("documents", NAMES, 9)
    assert manifest.bytes == sum(directory.size(name) or 0 for name in NAMES)
    assert artifacts.is_whole(directory, manifest)
    assert list(artifacts.damaged_parts(directory, manifest)) == []
    assert list(artifacts.schema_problems(directory, SCHEMA)) == []


def test_parts_read_back_whole_or_by_column(finished: Directory) -> None:
    part = artifacts.require_manifest(finished).parts[1]

    assert artifacts.read_part(finished, part).equals(batch(1))
    assert artifacts.read_part(finished, part, ["number"]).equals(batch(1).select(["number"]))
    assert artifacts.map_part(finished, part, ["number", "text"]).equals(batch(1).select(["number", "text"]))
    assert artifacts.read_columns(finished, ["number"])["number"].to_pylist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert artifacts.part_metadata(finished, part) == {}


def test_equal_content_gives_equal_manifest_bytes(finished: Directory) -> None:
    before = finished.read_bytes(artifacts.MANIFEST)
    artifacts.begin(finished, "another")
    artifacts.begin(finished, "fingerprint")
    write(finished, [NAMES[2], NAMES[0], NAMES[1]])
    artifacts.finish(finished, "fingerprint", {"a": [2], "b": 1}, {"parent": "its fingerprint"}, {"rows": 9})

    assert finished.read_bytes(artifacts.MANIFEST) == before


def test_interrupted_build_keeps_its_parts(directory: Directory) -> None:
    artifacts.begin(directory, "fingerprint")
    write(directory, NAMES[:2])

    artifacts.begin(directory, "fingerprint")

    assert [part.name for part in artifacts.written_parts(directory)] == NAMES[:2]


def test_parts_of_another_fingerprint_are_cleared(directory: Directory) -> None:
    artifacts.begin(directory, "before")
    write(directory, NAMES)
    artifacts.begin(directory, "fingerprint")
    assert artifacts.written_parts(directory) == []

    write(directory, NAMES[:1])
    finish(directory)
    artifacts.begin(directory, "after")
    assert directory.names() == [artifacts.BUILDING]


def test_what_an_interrupted_writer_left_is_no_part(directory: Directory) -> None:
    artifacts.begin(directory, "fingerprint")
    write(directory, NAMES[:2])
    directory.remove(NAMES[0])
    directory.write_bytes(f"{TEMPORARY}abc", b"half")
    (directory / artifacts.PARTS).write_bytes(f"{TEMPORARY}{NAMES[2]}.json", b"{")
    (directory / "train").write_bytes(f"{TEMPORARY}def", b"half")

    assert [part.name for part in artifacts.written_parts(directory)] == NAMES[1:2]
    artifacts.begin(directory, "fingerprint")
    assert f"{TEMPORARY}abc" not in directory.names()
    assert (directory / "train").names() == []


def test_only_a_lost_part_is_rebuilt(finished: Directory) -> None:
    manifest = artifacts.require_manifest(finished)
    finished.remove(NAMES[1])
    assert not artifacts.is_whole(finished, manifest)
    with pytest.raises(MissingArtifact, match=r"part-00001.arrow: missing; run again"):
        artifacts.read_part(finished, manifest.parts[1])

    artifacts.begin(finished, "fingerprint")
    assert [part.name for part in artifacts.written_parts(finished)] == [NAMES[0], NAMES[2]]
    write(finished, [NAMES[1]])

    assert finish(finished) == manifest


@pytest.mark.parametrize("content", [b"", b"short", b"x" * 10_000])
def test_part_of_another_size_is_damage(finished: Directory, content: bytes) -> None:
    manifest = artifacts.require_manifest(finished)
    finished.write_bytes(NAMES[1], content)

    for read in (artifacts.read_part, artifacts.map_part):
        with pytest.raises(CorruptPart, match=r"run/documents/part-00001.arrow: damaged .*delete it and run again"):
            read(finished, manifest.parts[1])
    with pytest.raises(CorruptPart, match=f"{len(content)} bytes where {manifest.parts[1].bytes} were written"):
        artifacts.is_whole(finished, manifest)
    assert len(list(artifacts.damaged_parts(finished, manifest))) == 1


def test_flipped_bit_is_damage(finished: Directory) -> None:
    manifest = artifacts.require_manifest(finished)
    flip_last_byte(finished, NAMES[2])
    finished.remove(NAMES[0])

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


def test_forged_note_does_not_lead_outside(directory: Directory) -> None:
    artifacts.begin(directory, "fingerprint")
    artifacts.record_part(directory, Part("../a", 1, 1, ""))

    with pytest.raises(CorruptPart, match=r"_parts/\.\.--a.json: part \.\./a lies outside the artifact"):
        artifacts.written_parts(directory)


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


@pytest.mark.parametrize("content", [b"{", b"[]", b"{}"])
def test_note_of_a_build_that_is_none_is_refused(directory: Directory, content: bytes) -> None:
    directory.write_bytes(artifacts.BUILDING, content)

    with pytest.raises(CorruptPart, match=r"_building.json: .*delete it and run again"):
        artifacts.begin(directory, "fingerprint")


def test_absent_artifact_is_not_an_empty_one(directory: Directory) -> None:
    assert artifacts.read_manifest(directory) is None
    with pytest.raises(MissingArtifact, match="run/documents: not finished; run the stage that makes it first"):
        artifacts.require_manifest(directory)


def test_wrong_columns_and_nulls_are_problems(directory: Directory) -> None:
    artifacts.begin(directory, "fingerprint")
    write(directory, NAMES[:1])
    lacking = pa.record_batch([pa.array(["a"]), pa.array([None], pa.int64())], schema=SCHEMA)
    artifacts.write_part(directory, NAMES[1], lacking, compress=False)
    artifacts.write_part(directory, NAMES[2], pa.record_batch({"other": [1]}), compress=False)
    finish(directory)

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
        "fingerprint",
        "parameters",
        "parents",
        "parts",
        "rows",
        "schema_version",
        "statistics",
    ]
