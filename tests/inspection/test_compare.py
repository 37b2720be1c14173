"""Orders compared without packing are measured as the report measures the one that was packed."""

from typing import Any

import pytest

from sequitur.inspection.compare import compare
from sequitur.pipeline.errors import ConfigError, MissingArtifact
from sequitur.pipeline.stage import Run


def reported_of(run: Run) -> dict[str, Any]:
    found: dict[str, Any] = run.artifact("report").read_json("metrics.json")["order"]
    return found


def test_an_order_is_measured_as_the_report_measures_it(branch: Any) -> None:
    run = branch("run", order={"strategy": "iclm"}, pack={"context_length": 2048, "validation_share": 0})
    reported = reported_of(run)["iclm"]

    comparison = compare(run, ["iclm", "random"])

    compared = comparison["orders"]["iclm"]
    assert comparison["context_length"] == 2048
    assert comparison["bound"] == pytest.approx(reported["bound"])
    same = set(compared) & set(reported) - {"excess_gain", "excess_gain_error"}  # drawn against another random order
    assert {"saved_vs_published", "saved_vs_published_error", "compressed_share"} <= same
    assert {"adjacency", "pairwise", "leakage_z", "in_context_gain", "path_weight_share", "truncation"} <= same
    assert {name: compared[name] for name in same} == pytest.approx({name: reported[name] for name in same})
    assert compared["excess_gain"] == pytest.approx(reported["excess_gain"], abs=4 * reported["excess_gain_error"])
    assert comparison["orders"]["random"]["excess_gain"] == 0
    published = reported_of(run)["published"]
    assert published["random_compressed_share"] == pytest.approx(comparison["random_compressed_share"])
    told = comparison["orders"]["iclm + stream"]
    assert told["saved_vs_published"] == pytest.approx(1)
    same = set(told) & set(published) - {"excess_gain", "excess_gain_error"}
    assert {name: told[name] for name in same} == pytest.approx({name: published[name] for name in same})
    everything = compare(run, ["iclm"], exact=True)["orders"]["iclm"]  # so few are compressed and searched whole anyhow
    assert everything == pytest.approx(compared)


def test_what_an_order_lacks_is_said_in_its_place(finished: Run) -> None:
    found = compare(finished, ["iclm", "structure", "iclm"], 2)["orders"]

    assert list(found) == ["iclm", "structure", "iclm + stream"]
    assert list(found["structure"]) == ["error"]
    assert found["structure"]["error"].startswith("no document has a field url")
    assert found["iclm"]["excess_gain"] is not None  # though no random order was asked for


def test_unknown_orders_and_unfinished_runs(finished: Run, execute: Any, tmp_path: Any) -> None:
    with pytest.raises(ConfigError, match="no order is called iclmm; did you mean iclm"):
        compare(finished, ["iclm", "iclmm"])
    begun = execute(tmp_path / "run", "select")
    with pytest.raises(MissingArtifact, match="tokens: not finished"):
        compare(begun, ["iclm"])
