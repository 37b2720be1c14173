"""What the flex template starts, without Google's service: its parameters, and the recipe run by it."""

import json
import re
import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fsspec
import pytest
from job_runs import content

from sequitur import beam_job
from sequitur.pipeline.stage import Run

FOLDER = Path(__file__).resolve().parents[2] / "dataflow"
LAUNCH = runpy.run_path(str(FOLDER / "launch.py"))
METADATA = json.loads((FOLDER / "metadata.json").read_text(encoding="utf-8"))
OF_A_MACHINE = {"metrics-file"}  # which a collector on that machine reads: a job's worker has none


def test_parameters_are_those_of_the_recipe(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        beam_job.main(["--help"])
    options = set(re.findall(r"^ +--([\w-]+)", capsys.readouterr().out, re.MULTILINE)) - OF_A_MACHINE

    parameters = [parameter["name"] for parameter in METADATA["parameters"]]
    assert set(parameters) == set(LAUNCH["PARAMETERS"]) == options
    assert len(parameters) == len(set(parameters))


@pytest.mark.parametrize("parameter", METADATA["parameters"], ids=lambda parameter: parameter["name"])
def test_metadata_says_what_the_console_shows(parameter: dict[str, Any]) -> None:
    assert set(parameter) - {"isOptional"} == {"name", "label", "helpText", "regexes"}
    assert parameter.get("isOptional", False) == (parameter["name"] != "config")
    taken = {
        "config": "gs://bucket/my.yaml",
        "on": "gs://bucket/dataflow.yaml",
        "workers": "16",
        "set": "order.strategy=iclm",
        "openlineage": "https://lineage.example/api/v1/lineage",
        "refit": "true",
    }
    (pattern,) = parameter["regexes"]
    assert re.fullmatch(pattern, taken.get(parameter["name"], "embed"))
    assert bool(re.fullmatch(pattern, "")) == (parameter["name"] != "config")


def test_files_that_are_elsewhere_are_fetched(tmp_path: Path) -> None:
    fsspec.filesystem("memory").pipe({"/bucket/my.yaml": b"output: run\n", "/bucket/on.yaml": b"runner: a\n"})
    given = {"config": "memory://bucket/my.yaml", "on": "memory://bucket/on.yaml", "set": "a=://b"}

    assert LAUNCH["arguments"](given, tmp_path) == [
        f"--config={tmp_path}/config",
        f"--on={tmp_path}/on",
        "--set=a=://b",
    ]
    assert (tmp_path / "config").read_bytes() == b"output: run\n"
    assert "--workers=" in LAUNCH["arguments"]({"config": "/my.yaml"}, tmp_path)[1]
    assert LAUNCH["arguments"]({"config": "/a", "on": "/b", "refit": "true"}, tmp_path)[-1] == "--refit"


def test_the_recipe_is_run_by_a_job_and_gives_the_same(
    configure: Callable[..., Path], execute: Callable[..., Run], tmp_path: Path
) -> None:
    config = configure(tmp_path / "run")
    LAUNCH["main"](["--runner=FnApiRunner", f"--config={config}", "--only=ingest", "--set=seed=1", "--workers=1"])

    assert content(tmp_path / "run") == content(Path(execute(tmp_path / "other", "ingest").config.output))


def test_a_recipe_that_fails_fails_the_job_and_says_why(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=r"ended with 78: error: .*none.yaml"):
        LAUNCH["main"](["--runner=FnApiRunner", f"--config={tmp_path / 'none.yaml'}"])
