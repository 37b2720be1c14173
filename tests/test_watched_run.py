"""Every command that runs stages tells those whom its options name: a file for Prometheus, OpenLineage events."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from exposition import Samples, parsed, value
from lineage_rules import problems

from sequitur import beam_job
from sequitur.command_line import demo
from sequitur.pipeline.metrics_file import MetricsFile
from sequitur.pipeline.progress import Progress
from sequitur.pipeline.stage import Run
from sequitur.pipeline.storage import Directory
from sequitur.pipeline.watching import Planned

Sequitur = Callable[..., Any]


@pytest.fixture
def metrics(tmp_path: Path) -> Path:
    return tmp_path / "run.prom"


@pytest.fixture
def lineage(tmp_path: Path) -> Path:
    return tmp_path / "events.jsonl"


def told(path: Path) -> Samples:
    return parsed(path.read_text(encoding="utf-8"))


def events(path: Path) -> list[tuple[str, str]]:
    """Jobs and what was told of them."""
    found = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert [problem for event in found for problem in problems(event)] == []
    return [(event["job"]["name"], event["eventType"]) for event in found]


def test_a_run_by_the_command_and_by_the_recipe(
    configure: Callable[..., Path], sequitur: Sequitur, tmp_path: Path, metrics: Path, lineage: Path
) -> None:
    config = configure(tmp_path / "run", name="wiki")
    options = ["--until", "ingest", "--metrics-file", str(metrics), "--openlineage", str(lineage)]
    assert sequitur("run", config, "--workers", "1", *options).code == 0
    assert value(told(metrics), "sequitur_run_status", status="succeeded", output=str(tmp_path / "run")) == 1
    assert value(told(metrics), "sequitur_stage_rows", stage="ingest") > 100
    ended = [("wiki", "START"), ("wiki.ingest", "START"), ("wiki.ingest", "COMPLETE"), ("wiki", "COMPLETE")]
    assert events(lineage) == ended

    assert beam_job.main(["--config", str(config), *options]) == 0  # with nothing to do
    assert events(lineage) == [*ended, ("wiki", "START"), ("wiki", "COMPLETE")]
    assert value(told(metrics), "sequitur_stage_up_to_date", stage="ingest") == 1


def test_mistakes_are_told_as_failures(
    configure: Callable[..., Path], sequitur: Sequitur, tmp_path: Path, metrics: Path, lineage: Path
) -> None:
    config = configure(tmp_path / "run", ingest={"inputs": [str(tmp_path / "none.jsonl")]})
    options = ["--metrics-file", str(metrics), "--openlineage", str(lineage)]
    code, _, err = sequitur("run", config, *options)
    assert (code, err.startswith("error: ")) == (1, True)
    assert value(told(metrics), "sequitur_run_status", status="failed") == 1
    assert events(lineage) == [("corpus", "START"), ("corpus", "FAIL")]

    assert sequitur("run", tmp_path / "none.yaml", *options).code == 78  # so nothing is known of a run
    assert value(told(metrics), "sequitur_run_status", status="failed") == 1
    assert len(events(lineage)) == 2
    assert sequitur("run", config, "--openlineage", "ftp://host").code == 78


def test_an_extension_tells_its_own_step(finished: Run, sequitur: Sequitur, tmp_path: Path, corpus: Any) -> None:
    root = shutil.copytree(finished.config.output, tmp_path / "run")
    more, metrics, lineage = tmp_path / "more.jsonl", tmp_path / "run.prom", tmp_path / "events.jsonl"
    texts = [" ".join(reversed(corpus.texts[name].split())) for name in sorted(corpus.topic)[:40]]
    more.write_text("".join(json.dumps({"id": f"new-{row}", "text": text}) + "\n" for row, text in enumerate(texts)))
    command = ["extend", root, "--inputs", more, "--workers", "1", "--metrics-file", metrics, "--openlineage", lineage]
    code, _, err = sequitur(*command)
    assert code == 0, err
    assert events(lineage)[-3:] == [("corpus.extend", "START"), ("corpus.extend", "COMPLETE"), ("corpus", "COMPLETE")]
    last = json.loads(lineage.read_text().splitlines()[-2])
    assert [one["name"] for one in last["inputs"]] == [str(root / "extensions/0001/shards")]
    assert [one["name"] for one in last["outputs"]] == [str(root / "shards")]
    found = told(metrics)
    assert value(found, "sequitur_stage_up_to_date", stage="extend") == 1
    assert value(found, "sequitur_run_info", output=str(root / "extensions/0001")) == 1
    assert sequitur("gc", root, "--builds").out == "nothing is left over\n"


def test_the_demo_takes_the_same_options() -> None:
    assert {"metrics_file", "openlineage"} <= demo.demo.__annotations__.keys()


def test_the_ledger_tells_what_became_of_the_records(finished: Run, tmp_path: Path) -> None:
    path, progress = tmp_path / "run.prom", Progress(quiet=True)
    progress.watch(MetricsFile(path, progress.say))
    progress.run_begins(finished.config)
    names = {"ingest": "documents", "select": "selection", "report": "report"}
    progress.plans([Planned(stage, [], [finished.artifact(name)], "") for stage, name in names.items()])
    for stage in names:
        progress.stage_ends(stage)
    found = told(path)
    fates = {dict(labels)["fate"]: number for (name, labels), number in found.items() if name == "sequitur_records"}
    assert {"rejected", "placed", "exact_duplicate", "fuzzy_duplicate", "semantic_duplicate"} <= fates.keys()
    assert sum(fates.values()) == value(found, "sequitur_records_read")
    kept = value(found, "sequitur_documents_kept")
    assert kept == fates["placed"] + fates["semantic_duplicate"]


def test_a_report_that_somebody_changed_is_a_warning(finished: Run, tmp_path: Path) -> None:
    report = Directory(str(shutil.copytree(finished.artifact("report").path(), tmp_path / "report")))
    report.write_json("metrics.json", {"ledger": []})
    said: list[str] = []
    watcher = MetricsFile(tmp_path / "run.prom", said.append)
    watcher.planned([Planned("report", [], [report], "")])
    watcher.stage_ends("report")
    (line,) = said
    assert line.startswith(f"warning: {report.path('metrics.json')}: is not what the report wrote; ")
    assert value(told(tmp_path / "run.prom"), "sequitur_stage_rows", stage="report") == 0
