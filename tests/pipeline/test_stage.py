"""What a stage is refused, what it says, and which parts it leaves alone."""

import io
import os
import threading
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from rich.console import Console

from sequitur.pipeline import artifacts, builds, nearby, run_directory
from sequitur.pipeline.errors import CorruptPart, MissingArtifact, OverMemory, StorageFull
from sequitur.pipeline.progress import Progress
from sequitur.pipeline.runner import Runner
from sequitur.pipeline.stage import (
    BASE_BYTES,
    Estimate,
    Run,
    Stage,
    aligned,
    announce,
    as_decided,
    every_ordinal,
    expected,
    human,
    noted,
)
from sequitur.pipeline.storage import Directory

GIB = 2**30


def finish(run: Run, artifact: str, columns: list[dict[str, Any]], statistics: dict[str, Any] | None = None) -> None:
    """An artifact of one part for each of `columns`."""
    directory = run.artifact(artifact)
    builds.begin(directory, artifact)
    for index, part in enumerate(columns):
        builds.write_part(builds.current(directory), f"part-{index:05}.arrow", pa.record_batch(part), compress=False)
    builds.finish(builds.current(directory), {}, {}, statistics or {})


def announced(run: Run, stage: Stage, estimate: Estimate, written: int = 0) -> int:
    return announce(stage, estimate, run.config, run.runner, run.progress, written)


def test_more_disk_than_is_free_is_refused(make_run: Any, recipe: tuple[Stage, Stage], monkeypatch: Any) -> None:
    monkeypatch.setattr(Directory, "free_bytes", lambda directory: GIB)

    announced(make_run(), recipe[0], Estimate(memory=0, disk=GIB))
    with pytest.raises(StorageFull, match=r"run: count will write about 2.0 GiB and 1.0 GiB are free; free some"):
        announced(make_run(), recipe[0], Estimate(memory=0, disk=2 * GIB))


def test_what_was_written_before_needs_no_more_disk(
    make_run: Any, recipe: tuple[Stage, Stage], monkeypatch: pytest.MonkeyPatch
) -> None:
    run, asked = make_run(), Estimate(memory=0, disk=GIB + 3000)
    monkeypatch.setattr(Directory, "free_bytes", lambda directory: GIB)
    with pytest.raises(StorageFull):
        announced(run, recipe[0], asked, 2999)
    announced(run, recipe[0], asked, 3000)


def test_more_memory_than_the_machine_has_is_refused(
    make_run: Any, recipe: tuple[Stage, Stage], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sysconf", {"SC_PAGE_SIZE": 4096, "SC_PHYS_PAGES": 5 * GIB // 4096}.__getitem__)
    estimate = Estimate(memory=0, disk=0, each_worker=GIB)

    assert announced(make_run(workers=1), recipe[0], estimate) == BASE_BYTES + GIB
    assert announced(make_run(workers=2), recipe[0], estimate) == 3 * BASE_BYTES + 2 * GIB
    with pytest.raises(OverMemory, match=r"count will take about .* GiB of memory and this machine has 5.0 GiB; use"):
        announced(make_run(workers=3), recipe[0], estimate)
    elsewhere = Run(make_run().config, Runner(100, ["--runner=SparkRunner"]))
    announced(elsewhere, recipe[0], estimate)
    with pytest.raises(OverMemory, match="count will take about"):  # this process holds that, wherever its workers are
        announced(elsewhere, recipe[0], Estimate(memory=6 * GIB, disk=0))
    monkeypatch.setattr(Directory, "is_local", property(lambda directory: False))
    assert announced(make_run(workers=1), recipe[0], Estimate(memory=0, disk=0, mapped=6 * GIB)) == BASE_BYTES + 6 * GIB
    monkeypatch.setattr(nearby, "SPARE", 2**60)  # no room on the disk for copies
    with pytest.raises(OverMemory, match="count will take about"):
        announced(make_run(workers=1), recipe[0], Estimate(memory=0, disk=0, mapped=6 * GIB))
    monkeypatch.undo()
    assert announced(make_run(workers=1), recipe[0], Estimate(memory=0, disk=0, mapped=100 * GIB)) > 100 * GIB


def test_estimate_is_announced(make_run: Any, recipe: tuple[Stage, Stage], monkeypatch: Any) -> None:
    monkeypatch.setattr(Directory, "free_bytes", lambda directory: GIB)
    written = io.StringIO()
    run = Run(make_run().config, Runner(), Progress(Console(file=written, width=200)))

    announced(run, recipe[0], Estimate(memory=GIB // 2, disk=5 * 2**20, mapped=GIB // 2))

    announced(run, recipe[0], Estimate(memory=GIB // 2, disk=5 * 2**20))

    mapped = ", 512.0 MiB more for mapped files where there is room,"
    assert written.getvalue().splitlines() == [
        f"count      will take up to 1.2 GiB of memory{beside} and 5.0 MiB of disk (1.0 GiB free)"
        for beside in (mapped, "")
    ]


def test_fingerprints_follow_from_those_of_the_parents(make_run: Any, recipe: tuple[Stage, Stage]) -> None:
    count, double = recipe
    fingerprints = expected(recipe, make_run().config)

    own = expected(recipe, make_run(annotate={"shingle_words": 6}).config)
    assert own["documents"] == fingerprints["documents"]
    assert own["doubled"] != fingerprints["doubled"]
    parents = expected((replace(count, version=2), double), make_run().config)
    assert parents["documents"] != fingerprints["documents"]
    assert parents["doubled"] != fingerprints["doubled"]
    assert expected(recipe, make_run(seed=7).config) == fingerprints


def test_seeds_differ_by_purpose_and_configuration(make_run: Any) -> None:
    seeds = [make_run().seed("embed"), make_run().seed("embed", "a"), make_run(seed=1).seed("embed")]

    assert len(set(seeds)) == 3
    assert all(0 <= seed < 2**63 for seed in seeds)
    assert seeds[0] == 8227607412031047654


def test_only_the_missing_parts_are_computed(make_run: Any, recipe: tuple[Stage, Stage]) -> None:
    run = make_run()
    finish(run, "documents", [{"value": [1]}, {"value": [2]}])
    builds.begin(run.artifact("doubled"), "fingerprint")
    there_before = pa.record_batch({"value": [-1]})
    builds.write_part(run.build("doubled"), "part-00000.arrow", there_before, compress=False)

    recipe[1].work(run)
    recipe[1].work(run)  # which finds nothing to do
    builds.finish(run.build("doubled"), {}, {}, {})

    assert artifacts.read_columns(run.artifact("doubled"), ["value"])["value"].to_pylist() == [-1, 4]


def test_unfinished_artifact_has_no_manifest(make_run: Any) -> None:
    with pytest.raises(MissingArtifact):
        make_run().manifest("documents")


def test_misaligned_rows_are_problems(make_run: Any) -> None:
    run = make_run()
    finish(run, "documents", [{"value": [1, 2]}, {"value": [3]}])
    finish(run, "same", [{"other": [1, 2]}, {"other": [3]}])
    finish(run, "longer", [{"other": [1, 2]}, {"other": [3, 4]}])

    assert list(aligned(run.artifact("same"), run.artifact("documents"))) == []
    (problem,) = aligned(run.artifact("longer"), run.artifact("documents"))
    assert "longer/part-00001.arrow: not aligned with documents" in problem


@pytest.mark.parametrize(("ordinals", "sound"), [([0, 1, 2], True), ([0, 2, 1], False), ([0, 1], False)])
def test_rows_are_those_of_the_kept_documents(make_run: Any, ordinals: list[int], sound: bool) -> None:
    run = make_run()
    finish(run, "selection", [{"kept": [True] * 3}], {"kept": 3})
    finish(run, "tokens", [{"ordinal": np.array(ordinals[:2])}, {"ordinal": np.array(ordinals[2:], np.int64)}])

    assert len(list(every_ordinal(run.artifact("tokens"), run.artifact("selection")))) == (not sound)


@pytest.mark.parametrize(
    ("size", "said"),
    [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (3 * 2**29, "1.5 GiB"), (5 * 2**40, "5.0 TiB")],
)
def test_sizes_are_said_as_a_person_would(size: int, said: str) -> None:
    assert human(size) == said


@pytest.mark.parametrize(("unit", "expected_done"), [("parts", 2), ("documents", 5)])
def test_progress_is_told_in_parts_or_in_their_rows(make_run: Any, unit: str, expected_done: int) -> None:
    seen = threading.Event()
    told: list[int] = []

    class Told(Progress):
        def update(self, done: int, beside: str = "") -> None:
            told.append(done)
            seen.set()

    run = replace(make_run(), progress=Told(quiet=True))
    directory = run.artifact("words")
    builds.begin(directory, "words")
    for index, rows in enumerate(([1, 2], [3, 4, 5])):
        builds.write_part(
            builds.current(directory), f"part-{index:05}.arrow", pa.record_batch({"word": rows}), compress=False
        )
    with run.jobs.watching(builds.current(directory), 9, "counting", unit):
        assert seen.wait(30)
    assert told[0] == expected_done


@pytest.mark.parametrize("undecided", [["device"], []])
def test_what_was_decided_when_a_stage_was_last_begun_stays(
    make_run: Any, recipe: tuple[Stage, Stage], undecided: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Mapping[str, Any]] = []

    def execute(**given: Any) -> tuple[Mapping[str, Any], str]:
        said: list[str] = []
        monkeypatch.setattr(Progress, "say", lambda _, line: said.append(line))
        by_setting = {name: value for name, value in given.items() if name not in undecided}

        def decided(config: Any) -> Mapping[str, Any]:
            return as_decided(config, "double", by_setting, undecided, lambda: asked.append(given) or given)

        double = replace(recipe[1], parameters=decided)
        run = make_run()
        run_directory.execute((recipe[0], double), run)
        return run.manifest("doubled").parameters, next(line for line in said if line.startswith("double"))

    assert execute(device="cuda", size=1)[0]["device"] == "cuda"
    asked.clear()
    parameters, said = execute(device="cpu", size=1)
    if undecided:
        assert (parameters["device"], said, asked) == ("cuda", "double     done before", [])  # libraries stay unloaded
    else:
        assert (parameters["device"], said) == ("cpu", "double     is made anew, for other device")
    parameters, said = execute(device="cpu", size=2)
    assert parameters == {"device": "cpu", "size": 2}
    assert said.endswith("device, size" if undecided else "for other size")


@pytest.mark.parametrize("note", ["[]", '{"state": 1}', '{"seconds": "long"}', '{"parameters": []}'])
def test_edited_note_of_a_stage_is_refused(make_run: Any, note: str) -> None:
    run = make_run()
    (run.root / "_state").write_bytes("double.json", note.encode())
    with pytest.raises(CorruptPart, match=r"_state/double\.json: not a note of this program; delete it and run again"):
        noted(run.root, "double")


def test_what_a_kill_left_behind_a_manifest_is_cleared(make_run: Any, recipe: Any) -> None:
    run = make_run()
    run_directory.execute(recipe, run)
    directory = run.artifact("doubled")
    before, manifest = directory.files(), run.manifest("doubled")
    (directory / manifest.folder / "_parts").write_json("part.json", {})
    directory.write_json(builds.BUILDING, {"fingerprint": manifest.fingerprint, "in_place": False})
    run_directory.execute(recipe, run)
    assert directory.files() == before
