"""Orders compared without packing are measured as the report measures the one that was packed."""

from typing import Any

import pytest

from sequitur.inspection.compare import compare
from sequitur.pipeline.errors import ConfigError, MissingArtifact
from sequitur.pipeline.stage import Run


def test_an_order_is_measured_as_the_report_measures_it(branch: Any) -> None:
    run = branch("run", order={"strategy": "iclm"}, pack={"context_length": 2048, "validation_share": 0})
    reported = run.artifact("report").read_json("metrics.json")["order"]["iclm"]

    comparison = compare(run, ["iclm", "random"])

    compared = comparison["orders"]["iclm"]
    assert comparison["context_length"] == 2048
    assert comparison["bound"] == pytest.approx(reported["bound"])
    same = set(compared) & set(reported) - {"excess_gain", "excess_gain_error"}  # drawn against another random order
    assert {"adjacency", "pairwise", "leakage_z", "in_context_gain", "path_weight_share", "truncation"} <= same
    assert {name: compared[name] for name in same} == pytest.approx({name: reported[name] for name in same})
    assert compared["excess_gain"] == pytest.approx(reported["excess_gain"], abs=4 * reported["excess_gain_error"])
    assert comparison["orders"]["random"]["excess_gain"] == 0


def test_what_an_order_lacks_is_said_in_its_place(finished: Run) -> None:
    found = compare(finished, ["iclm", "structure", "iclm"], 2)["orders"]

    assert list(found) == ["iclm", "structure"]
    assert list(found["structure"]) == ["error"]
    assert found["structure"]["error"].startswith("no document has a field url")
    assert found["iclm"]["excess_gain"] is not None  # though no random order was asked for


def test_unknown_orders_and_unfinished_runs(finished: Run, execute: Any, tmp_path: Any) -> None:
    with pytest.raises(ConfigError, match="no order is called iclmm; did you mean iclm"):
        compare(finished, ["iclm", "iclmm"])
    begun = execute(tmp_path / "run", "select")
    with pytest.raises(MissingArtifact, match="tokens: not finished"):
        compare(begun, ["iclm"])
