"""OpenLineage events: what the specification asks of them, and how datasets are named."""

from pathlib import Path
from typing import Any

import pytest
from lineage_rules import problems

from sequitur.pipeline import openlineage_events as events
from sequitur.pipeline import run_directory
from sequitur.pipeline.errors import InputError

RUN, PARENT = "3b452093-782c-4ef2-9c0c-aafe2aa6f34d", "0176a8c2-fe01-7439-87e6-56a1a1b4029f"


def test_events_are_what_the_specification_asks_for(make_run: Any, recipe: Any) -> None:
    run = make_run()
    run_directory.execute(recipe, run)
    reads, makes = [run.artifact("documents")], [run.artifact("doubled"), run.artifact("absent")]
    event = events.run_event(
        events.COMPLETE,
        RUN,
        "sequitur",
        "corpus.double",
        parent=(PARENT, "corpus"),
        inputs=[*events.input_files(["/data/*.jsonl"]), *events.read_artifacts(reads)],
        outputs=events.made_artifacts(makes),
    )
    assert list(problems(event)) == []
    assert event["run"]["facets"]["parent"]["run"] == {"runId": PARENT}
    manifest = run.manifest("doubled")
    made, absent = event["outputs"]
    assert (made["namespace"], made["name"]) == ("file", run.artifact("doubled").path())
    assert made["facets"]["version"]["datasetVersion"] == manifest.fingerprint
    assert made["facets"]["schema"]["fields"] == [{"name": "value", "type": "int64"}]
    told = made["outputFacets"]["outputStatistics"]
    assert (told["rowCount"], told["size"], told["fileCount"]) == (6, manifest.bytes, 2)
    assert absent.keys() == {"namespace", "name"}
    assert "outputFacets" not in event["inputs"][1]


def test_errors_are_told_without_secrets_and_not_at_any_length() -> None:
    error = InputError(f"s3://key:secret@bucket/a?token=abc does not exist; {'x' * 10_000}")
    event = events.run_event(events.FAIL, RUN, "sequitur", "corpus", error=error)
    assert list(problems(event)) == []
    message = event["run"]["facets"]["errorMessage"]["message"]
    assert message.startswith("InputError: s3://bucket/a does not exist; xxx")
    assert len(message) == events.LONGEST


@pytest.mark.parametrize(
    ("paths", "named"),
    [
        (["/data/a.jsonl"], [("file", "/data/a.jsonl")]),
        (["/data/x/*.jsonl", "/data/x/*.json", "/data/{a,b}/c"], [("file", "/data/x"), ("file", "/data")]),
        (["s3://bucket/dump/*.zst", "s3://k:s@bucket/dump"], [("s3://bucket", "dump")]),
        (["s3://bucket/*.zst"], [("s3://bucket", "/")]),
        (["gs://bucket/a/b.parquet"], [("gs://bucket", "a/b.parquet")]),
        (["abfss://box@me.dfs.core.windows.net/a"], [("abfss://box@me.dfs.core.windows.net", "a")]),
        (["file:///data/a.jsonl"], [("file", "/data/a.jsonl")]),
        (["*.jsonl"], [("file", str(Path.cwd()))]),
        (["in/*.jsonl"], [("file", str(Path.cwd() / "in"))]),
    ],
)
def test_inputs_are_named_by_where_they_begin(paths: list[str], named: list[tuple[str, str]]) -> None:
    assert [(one["namespace"], one["name"]) for one in events.input_files(paths)] == named
