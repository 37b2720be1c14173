"""What made two runs differ is told by the stage where it begins; equal runs are told to be equal."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sequitur.beam_job import RECIPE
from sequitur.inspection.differences import differences
from sequitur.pipeline import artifacts
from sequitur.pipeline.artifacts import MANIFEST
from sequitur.pipeline.errors import ForeignDirectory
from sequitur.pipeline.stage import Run
from sequitur.pipeline.storage import Directory


def compared(one: Run, other: Run) -> dict[str, Any]:
    found = differences(RECIPE, one.root, other.root)
    return {**found, "stages": {about.pop("stage"): about for about in found["stages"]}}


def test_the_same_settings_elsewhere_are_the_same(finished: Run, branch: Callable[..., Run]) -> None:
    found = compared(finished, branch("copy"))
    assert found["same"]
    assert found["first"] is None
    assert {about["state"] for about in found["stages"].values()} == {"same", "absent"}  # nothing is refined


def test_a_setting_is_named_and_what_follows_from_it(finished: Run, branch: Callable[..., Run]) -> None:
    other = branch("other", "order", neighbors={"k": 3}, order={"strategy": "iclm"})
    found = compared(finished, other)
    assert (found["same"], found["first"]) == (False, "neighbors")
    before = finished.config.neighbors.k
    stages = found["stages"]
    assert stages["embed"] == {"state": "same"}
    assert stages["neighbors"]["causes"] == {"k": [before, 3]}
    assert stages["neighbors"]["parents"] == []
    assert stages["order"]["causes"] == {"strategy": ["contexts", "iclm"]}
    assert stages["order"]["parents"] == ["neighbors"]
    assert not any(about.get("version") for about in stages.values())


def test_input_files_are_named(execute: Callable[..., Run], tmp_path: Path) -> None:
    for name in "abc":
        (tmp_path / f"{name}.jsonl").write_text(json.dumps({"text": f"The text of {name}."}) + "\n")
    runs = []
    for number, names in enumerate(("ab", "bc")):
        (tmp_path / "b.jsonl").write_text(json.dumps({"text": f"Another one, {number}."}) + "\n")
        inputs = [str(tmp_path / f"{name}.jsonl") for name in names]
        runs.append(execute(tmp_path / str(number), "ingest", ingest={"inputs": inputs}))
    ingest = compared(*runs)["stages"]["ingest"]
    told = {what: [Path(path).name for path in paths] for what, paths in ingest["files"].items()}
    assert told == {"more": ["c.jsonl"], "gone": ["a.jsonl"], "changed": ["b.jsonl"]}
    assert ingest["causes"] == {}


def test_a_stage_that_one_has_and_another_version_are_told(finished: Run, branch: Callable[..., Run]) -> None:
    other = branch("other")
    other.root.remove("report")
    order = other.artifact("order")
    of_another_version = replace(artifacts.require_manifest(order), fingerprint="0" * 64)
    order.write_json(MANIFEST, of_another_version.to_json())
    stages = compared(finished, other)["stages"]
    assert stages["report"] == {"state": "only_first"}
    assert (stages["order"]["version"], stages["order"]["causes"]) == (True, {})
    assert compared(other, finished)["stages"]["report"] == {"state": "only_second"}


def test_what_is_no_run_is_refused(finished: Run, tmp_path: Path) -> None:
    with pytest.raises(ForeignDirectory, match="no finished stage of a run is there"):
        differences(RECIPE, finished.root, Directory(str(tmp_path)))


def test_the_command_tells_it(sequitur: Callable[..., Any], finished: Run, branch: Callable[..., Run]) -> None:
    other = branch("other", "neighbors", neighbors={"k": 3}).config.output
    told = sequitur("diff", finished.config.output, other)
    assert told.code == 0
    assert "k: " in told.out
    assert "→ 3" in told.out
    assert "what differs begins with neighbors" in told.out
    assert json.loads(sequitur("diff", finished.config.output, other, "--json").out)["first"] == "neighbors"
    assert "the same to the byte" in sequitur("diff", other, other).out
