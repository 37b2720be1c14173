"""What a run tells is what its artifacts, its report and the commands tell."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import sequitur
from sequitur.inspection import compare, explain, rules_trial
from sequitur.pipeline.config import overridden
from sequitur.pipeline.errors import ArtifactUnknown, ConfigError, ForeignDirectory, MissingArtifact
from sequitur.pipeline.stage import Run


def test_metrics_and_ledger_are_the_reports(finished: Run) -> None:
    run = sequitur.open_run(finished.config.output)
    content = json.loads((Path(finished.config.output) / "report" / "metrics.json").read_text())
    assert (run.metrics, run.ledger) == (content, content["ledger"])
    assert run.ledger["balances"]


def test_artifacts_are_listed_and_named(finished: Run) -> None:
    run = sequitur.open_run(finished.config.output)
    stages = {"documents", "signals", "selection", "tokens", "vectors", "neighbors", "order", "shards", "report"}
    beside = {"rejects", "order/router", "selection/contamination", "neighbors/duplicates", "neighbors/unselected"}
    assert run.artifacts == sorted(stages | beside)
    assert run.artifact("order").manifest == finished.manifest("order")
    with pytest.raises(ArtifactUnknown, match=r"no finished artifact orders; there are documents, neighbors, ") as told:
        run.artifact("orders")
    assert isinstance(told.value, LookupError)
    with pytest.raises(ArtifactUnknown):
        run.artifact("../run")


def test_a_report_on_other_artifacts_is_not_told(branch: Callable[..., Run], finished: Run) -> None:
    other = branch("other", "order", order={"strategy": "random"})
    run = sequitur.open_run(other.config.output)
    with pytest.raises(MissingArtifact, match="tells of other order than there are; run again"):
        _ = run.ledger
    assert run.artifact("order").manifest.statistics["strategy"] == "random"


def test_questions_have_the_answers_of_the_commands(finished: Run) -> None:
    run = sequitur.open_run(finished.config.output)
    assert run.trace("doc-001") == explain.trace(finished, "doc-001")
    assert run.why("doc-001", "doc-007") == explain.why(finished, "doc-001", "doc-007")
    assert run.compare(["random"]) == compare.compare(finished, ["random"])
    change = "select.thresholds={gopher_too_few_words: 200}"
    trial: Any = run.try_rules(change, examples=1)
    assert trial == rules_trial.try_rules(finished, overridden(finished.config, [change]), 1)
    assert trial["reasons"]["gopher_too_few_words"]["then"] > trial["reasons"]["gopher_too_few_words"]["now"]
    with pytest.raises(ConfigError, match="changes the signals themselves"):
        run.try_rules("annotate.shingle_words=3")


def test_it_says_what_it_is(finished: Run) -> None:
    assert repr(sequitur.open_run(finished.config.output)) == f"RunView({finished.config.output!r})"


def test_a_run_is_opened_wherever_one_goes_on_from(
    finished: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    output = Path(finished.config.output)
    monkeypatch.chdir(output.parent)
    run = sequitur.open_run(output.name)
    monkeypatch.chdir(tmp_path)
    assert run.path == str(output)
    assert run.artifact("order").manifest.rows == finished.manifest("order").rows
    with pytest.raises(ForeignDirectory, match="no run is there"):
        sequitur.open_run(tmp_path)
