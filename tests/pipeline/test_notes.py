"""Notes of parts: one at a time where files are local, some seconds' together elsewhere, and none lost."""

from itertools import count

import pytest

from sequitur.pipeline import builds, notes
from sequitur.pipeline.artifacts import Part
from sequitur.pipeline.builds import Build
from sequitur.pipeline.errors import CorruptPart
from sequitur.pipeline.storage import Directory

BUILD = "0123456789abcdef" * 4


def part(number: int, build: Build) -> Part:
    return Part(f"part-{number:05}.arrow", number, 1, f"{number:032}", build.folder)


@pytest.fixture
def build(directory: Directory) -> Build:
    return builds.begin(directory, BUILD)


def test_they_are_read_in_order_of_the_parts_names(build: Build) -> None:
    some = [part(number, build) for number in range(6)]
    notes.write(build.files, [(some[4], {"a": 4}), (some[1], {})])
    notes.write(build.files, [(some[3], {})])
    notes.write(build.files, [(some[0], {}), (some[5], {"a": 5})])
    found = notes.read(build.files, build.folder)
    assert list(found) == [some[0], some[1], some[3], some[4], some[5]]
    assert (found[some[4]], found[some[5]]) == ({"a": 4}, {"a": 5})


def test_a_second_attempt_that_ends_early_takes_no_note_away(build: Build) -> None:
    some = [part(number, build) for number in range(3)]
    notes.write(build.files, [(one, {}) for one in some])
    notes.write(build.files, [(some[0], {})])
    notes.write(build.files, [(some[0], {}), (some[2], {})])
    assert list(notes.read(build.files, build.folder)) == some


def test_those_of_some_seconds_are_written_together(build: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = count(100, 2)  # seconds a part
    monkeypatch.setattr(notes.time, "monotonic", lambda: next(clock))
    together = notes.Together(build.files)
    for number in range(10):
        together.add(part(number, build), {})
        noted = notes.read(build.files, build.folder)
        assert len(noted) >= (number + 1 if build.files.is_local else number - 2)
    together.write()
    assert list(notes.read(build.files, build.folder)) == [part(number, build) for number in range(10)]
    assert len(notes.names_of(build.files)) == (10 if build.files.is_local else 4)


@pytest.mark.parametrize("content", ["{}", '{"name": "a"}', "[3]", "3", "null", '[{"name": "a"}]'])
def test_what_is_no_note_is_refused_by_name(build: Build, content: str) -> None:
    (build.files / notes.PARTS).write_bytes("a.json", content.encode())
    with pytest.raises(CorruptPart, match=r"_parts/a\.json: .*delete .* and run again"):
        notes.read(build.files, build.folder)
