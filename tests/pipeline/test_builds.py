"""Builds: artifacts made part by part, resumed, and never mixed with what jobs of other builds write meanwhile."""

import pyarrow as pa
import pytest

from sequitur.pipeline import artifacts, builds, notes
from sequitur.pipeline.artifacts import Manifest, Part
from sequitur.pipeline.beam import ReadPart, Rows, WritePart
from sequitur.pipeline.builds import Build
from sequitur.pipeline.errors import CorruptPart, MissingArtifact
from sequitur.pipeline.storage import TEMPORARY, Directory

NAMES = ["part-00000.arrow", "part-00001.arrow", "part-00002.arrow"]
MINE, OTHER = "0123456789abcdef" * 4, "fedcba9876543210" * 4  # fingerprints
FOLDER = MINE[:16]


def rows(name: str, times: int = 1) -> Rows:
    return name, pa.record_batch({"number": pa.array([times * NAMES.index(name)] * 3, pa.int64())})


def write(build: Build, names: list[str], *, compress: bool = False, times: int = 1) -> None:
    """As a worker does, who has nothing but what it was sent."""
    writer = WritePart(build, compress=compress)
    writer.start_bundle()
    for name in names:
        list(writer.process(rows(name, times)))
    writer.finish_bundle()


def finish(build: Build) -> Manifest:
    return builds.finish(build, {"b": 1, "a": [2]}, {"parent": "its fingerprint"}, {"rows": 9})


def numbers(directory: Directory) -> list[int]:
    return artifacts.read_columns(directory, ["number"])["number"].to_pylist()[::3]


@pytest.fixture
def finished(directory: Directory) -> Directory:
    """An artifact of three parts."""
    build = builds.begin(directory, MINE)
    write(build, NAMES)
    finish(build)
    return directory


@pytest.mark.parametrize("compress", [False, True])
def test_finished_artifact_holds_its_parts_and_manifest_alone(directory: Directory, compress: bool) -> None:
    build = builds.begin(directory, MINE)
    assert builds.current(directory) == build
    assert artifacts.read_manifest(directory) is None
    write(build, NAMES[::-1], compress=compress)

    manifest = finish(build)

    assert directory.files() == [*(f"{FOLDER}/{name}" for name in NAMES), artifacts.MANIFEST]
    assert artifacts.require_manifest(directory) == manifest
    assert (manifest.artifact, manifest.names, manifest.rows) == ("documents", NAMES, 9)
    assert manifest.bytes == sum(directory.size(part.path) or 0 for part in manifest.parts)
    assert artifacts.is_whole(directory, manifest)
    assert list(artifacts.damaged_parts(directory, manifest)) == []


def test_equal_content_gives_equal_manifest_bytes(finished: Directory) -> None:
    before = finished.read_bytes(artifacts.MANIFEST)
    builds.begin(finished, OTHER)
    build = builds.begin(finished, MINE)
    write(build, [NAMES[2], NAMES[0], NAMES[1]])
    builds.finish(build, {"a": [2], "b": 1}, {"parent": "its fingerprint"}, {"rows": 9})

    assert finished.read_bytes(artifacts.MANIFEST) == before


def test_interrupted_build_keeps_its_parts(directory: Directory) -> None:
    write(builds.begin(directory, MINE), NAMES[:2])

    build = builds.begin(directory, MINE)

    assert [part.name for part in builds.written_parts(build)] == NAMES[:2]


@pytest.mark.parametrize("in_place", [False, True])
def test_parts_of_another_fingerprint_are_cleared(directory: Directory, in_place: bool) -> None:
    write(builds.begin(directory, OTHER, in_place=in_place), NAMES)
    build = builds.begin(directory, MINE, in_place=in_place)
    assert builds.written_parts(build) == []

    write(build, NAMES[:1])
    finish(build)
    builds.begin(directory, OTHER, in_place=in_place)
    assert directory.files() == [builds.BUILDING]


@pytest.mark.parametrize("moment", ["before", "between", "after"])
def test_a_job_that_outlives_its_driver_does_not_write_into_another_build(directory: Directory, moment: str) -> None:
    """Its driver was killed, so nobody holds the lock; the engine goes on with what it was sent."""
    left_over = builds.begin(directory, OTHER)
    write(left_over, NAMES[:1], times=10)
    build = builds.begin(directory, MINE)
    if moment == "before":
        write(left_over, NAMES, times=10)
    write(build, NAMES[:1])
    if moment == "between":
        write(left_over, NAMES, times=10)
    assert [part.name for part in builds.written_parts(build)] == NAMES[:1]
    write(build, NAMES[1:])
    manifest = finish(build)
    if moment != "after":
        assert directory.names() == [FOLDER, artifacts.MANIFEST]  # what it left is cleared
    write(left_over, NAMES, times=10)

    assert numbers(directory) == [0, 1, 2]
    assert list(artifacts.damaged_parts(directory, manifest)) == []
    assert artifacts.is_finished(directory, MINE)
    builds.begin(directory, MINE[::-1])
    assert directory.files() == [builds.BUILDING]


def test_a_job_does_not_read_what_was_made_anew(finished: Directory) -> None:
    left_over = ReadPart({finished: ["number"]})
    left_over.setup()
    build = builds.begin(finished, OTHER)
    write(build, NAMES, times=10)
    finish(build)

    with pytest.raises(MissingArtifact, match=f"{FOLDER}/part-00000.arrow: missing"):
        list(left_over.process(NAMES[0]))
    with pytest.raises(MissingArtifact, match="was made anew meanwhile; run the command again"):
        left_over.setup()


def test_what_workers_write_is_published(directory: Directory) -> None:
    """In an artifact that others read as it is, nothing of another build may ever lie where they look."""
    left_over = builds.begin(directory, OTHER, in_place=True)
    build = builds.begin(directory, MINE, in_place=True)
    parts = {}
    for number, one in enumerate((left_over, build)):
        content = bytes([number]) * 5
        (one.files / "train").write_bytes("a", content)
        parts[one] = Part("train/a", 0, 5, artifacts.digest(content))
        builds.record_part(one, parts[one], {"entry": number})
    assert builds.notes(build) == {parts[build]: {"entry": 1}}
    assert builds.written_parts(build) == []

    for _ in range(2):  # killed in between, it is simply repeated
        builds.publish(build, builds.notes(build))
        assert builds.written_parts(build) == [parts[build]]
    builds.write_file(build, "val/b", b"more")
    manifest = finish(build)

    assert directory.files() == [artifacts.MANIFEST, "train/a", "val/b"]
    assert directory.read_bytes("train/a") == b"\1" * 5
    assert (manifest.folder, manifest.names) == ("", ["train/a", "val/b"])
    assert list(artifacts.damaged_parts(directory, manifest)) == []


def test_what_an_interrupted_writer_left_is_no_part(directory: Directory) -> None:
    build = builds.begin(directory, MINE)
    write(build, NAMES[:2])
    build.files.remove(NAMES[0])
    build.files.write_bytes(f"{TEMPORARY}abc", b"half")
    (build.files / notes.PARTS).write_bytes(f"{TEMPORARY}{NAMES[2]}.json", b"{")
    (directory / "train").write_bytes(f"{TEMPORARY}def", b"half")

    assert [part.name for part in builds.written_parts(build)] == NAMES[1:2]
    builds.begin(directory, MINE)
    assert f"{TEMPORARY}abc" not in build.files.names()
    assert (directory / "train").names() == []


def test_only_a_lost_part_is_rebuilt(finished: Directory) -> None:
    manifest = artifacts.require_manifest(finished)
    finished.remove(manifest.parts[1].path)
    assert not artifacts.is_whole(finished, manifest)
    with pytest.raises(MissingArtifact, match=r"part-00001.arrow: missing; run again"):
        artifacts.read_part(finished, manifest.parts[1])

    build = builds.begin(finished, MINE)
    assert [part.name for part in builds.written_parts(build)] == [NAMES[0], NAMES[2]]
    write(build, [NAMES[1]])

    assert finish(build) == manifest


def test_a_build_of_another_layout_begins_anew(directory: Directory) -> None:
    build = builds.begin(directory, MINE, in_place=True)
    write(build, NAMES)
    finish(build)

    assert builds.written_parts(builds.begin(directory, MINE)) == []
    assert directory.files() == [builds.BUILDING]


def test_forged_note_does_not_lead_outside(directory: Directory) -> None:
    build = builds.begin(directory, MINE)
    builds.record_part(build, Part("../a", 1, 1, ""))

    with pytest.raises(CorruptPart, match=rf"_parts/\.\.--a.json: part {FOLDER}/\.\./a lies outside the artifact"):
        builds.written_parts(build)


@pytest.mark.parametrize("content", [b"{", b"[]", b"{}", b'{"fingerprint": "of the first layout"}'])
def test_note_of_a_build_that_is_none_is_refused(directory: Directory, content: bytes) -> None:
    directory.write_bytes(builds.BUILDING, content)

    with pytest.raises(CorruptPart, match=r"_building.json: .*delete it and run again"):
        builds.begin(directory, MINE)


def test_notes_tell_the_metadata_of_parts(directory: Directory) -> None:
    """So that nobody opens all parts for them, which would fetch them where they are not local."""
    build = builds.begin(directory, MINE)
    name, batch = rows(NAMES[1])
    builds.write_part(build, name, batch.replace_schema_metadata({"kept": "3"}), compress=False)
    write(build, NAMES[:1])
    assert [(part.name, about) for part, about in builds.written(build).items()] == [
        (NAMES[0], {}),
        (NAMES[1], {"kept": "3"}),
    ]
    finish(build)
    directory.remove(f"{FOLDER}/{NAMES[0]}")
    again = builds.begin(directory, MINE)
    assert list(builds.written(again).values()) == [{"kept": "3"}]


@pytest.mark.parametrize("about", [None, 3, "text"])
def test_note_that_tells_nothing_is_refused(directory: Directory, about: object) -> None:
    build = builds.begin(directory, MINE)
    write(build, NAMES[:1])
    directory = build.files / notes.PARTS
    (note,) = directory.read_json(f"{NAMES[0]}.json")
    directory.write_json(f"{NAMES[0]}.json", [{**note, "about": about}])
    with pytest.raises(CorruptPart, match="not a note of a part; delete it and run again"):
        builds.written(build)
