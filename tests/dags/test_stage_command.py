"""The commands of the DAG, as plain functions: no Airflow."""

import runpy
import shlex
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from sequitur import beam_job
from sequitur.command_line import main as cli
from sequitur.pipeline import errors
from sequitur.pipeline.termination import INTERRUPTED, TERMINATED

MODULE = runpy.run_path(str(Path(__file__).resolve().parents[2] / "dags/stage_command.py"))
PARAMETERS = {"sequitur": "sequitur", "config": "/data/my.yaml", "on": None, "workers": None, "set": []}


def read(arguments: list[str]) -> dict[str, Any]:
    """What `sequitur run` takes from a command."""
    command = get_command(cli.app).commands["run"]
    return dict(command.make_context("run", arguments[2:]).params)


def test_the_stages_are_those_of_the_recipe() -> None:
    assert list(MODULE["STAGES"]) == [stage.name for stage in beam_job.RECIPE]


def test_the_command_is_one_that_the_command_line_takes() -> None:
    given = {"on": "/data/spark.yaml", "workers": 3, "set": ["seed=1", "output=s3://a/b"]}
    command = MODULE["command"]("embed", PARAMETERS | {"sequitur": "/opt/job/bin/sequitur"} | given)

    assert command[:2] == ["/opt/job/bin/sequitur", "run"]
    taken = read(command)
    given_alone = {
        "path": Path("/data/my.yaml"),
        "workers": 3,
        "on": Path("/data/spark.yaml"),
        "only": "embed",
        "first": None,
        "last": None,
        "overrides": ["seed=1", "output=s3://a/b"],
    }
    assert {name: taken[name] for name in given_alone} == given_alone
    assert MODULE["command"]("order", PARAMETERS) == shlex.split("sequitur run --only=order -- /data/my.yaml")


@pytest.mark.parametrize("hostile", ["--help", "$(touch x)", "a; true", "--only=pack", "-", "a b\nc", "'\""])
def test_a_value_stays_a_value_whatever_is_in_it(hostile: str) -> None:
    command = MODULE["command"]("embed", PARAMETERS | {"config": hostile, "on": hostile, "set": [hostile]})

    taken = read(command)

    assert (taken["path"], taken["on"], taken["overrides"]) == (Path(hostile), Path(hostile), [hostile])
    assert taken["only"] == "embed"


def test_what_is_worth_another_try() -> None:
    later = MODULE["may_succeed_later"]
    assert all(map(later, (errors.TRY_AGAIN, INTERRUPTED, TERMINATED, -9, 137)))
    assert not any(map(later, (errors.FAILED, 2, errors.MEND_CONFIGURATION)))


@pytest.mark.parametrize(
    ("place", "served_at", "link"),
    [
        ("/data/a run/report/index.html", None, "file:///data/a%20run/report/index.html"),
        ("s3://bucket/run/report/index.html", None, "s3://bucket/run/report/index.html"),
        ("/data/run/report/index.html", "https://files.example/run/", "https://files.example/run/report/index.html"),
    ],
)
def test_the_report_is_where_the_command_says(place: str, served_at: str | None, link: str) -> None:
    said = ["report           10 rows     1.0 KiB    0.5 s", f"report     {place}", "shards     /data/run/shards"]
    assert MODULE["report_of"](said, served_at) == link
    assert MODULE["report_of"](said[:1], served_at) == ""
