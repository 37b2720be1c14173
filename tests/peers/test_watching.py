"""What a run tells of itself, read by those for whom it is: Prometheus' client and OpenLineage's."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from exposition import parsed

from sequitur import beam_job

pytestmark = pytest.mark.peer


@pytest.fixture(scope="module")
def told(configure: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a file of metrics and one of events, of a run that failed and then went well."""
    folder = tmp_path_factory.mktemp("told")
    config = configure(folder / 'a "run" of\\mine')
    options = ["--metrics-file", str(folder / "run.prom"), "--openlineage", str(folder / "events.jsonl")]
    command = ["--config", str(config), "--until", "annotate", *options]
    assert beam_job.main([*command, "--set", f"ingest.inputs={folder / 'none.jsonl'}"]) == 1
    assert beam_job.main(command) == 0
    return folder


def test_prometheus_reads_the_metrics(told: Path, common_reader) -> None:
    read = common_reader("read_metrics.py", told / "run.prom")

    ours = parsed((told / "run.prom").read_text(encoding="utf-8"))
    assert {(name, frozenset(labels.items())): value for name, labels, value in read["samples"]} == ours
    assert {kind for kind, _ in read["described"].values()} == {"gauge"}
    assert all(said for _, said in read["described"].values())
    assert len(read["described"]) > 8


def test_openlineage_reads_the_events(told: Path, common_reader) -> None:
    read = common_reader("read_openlineage.py", told / "events.jsonl")

    events = [json.loads(line) for line in (told / "events.jsonl").read_text(encoding="utf-8").splitlines()]
    assert read["same"] == [True] * len(events)
    assert read["schemas"] == [events[0]["schemaURL"]]
    assert {event["eventType"] for event in events} == {"START", "FAIL", "COMPLETE"}
