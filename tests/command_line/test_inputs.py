"""Before a run: what inputs hold is shown, and the configuration that is written for them runs at the first try."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from sequitur import beam_job
from sequitur.pipeline.artifacts import read_columns, require_manifest
from sequitur.pipeline.storage import Directory

Sequitur = Callable[..., Any]
WORDS = "the a of river stone goes under old bridge while people walk home and nobody looks at it twice today"


@pytest.fixture
def pile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a pile of mixed files in `data`."""
    data = tmp_path / "data"
    (data / "sub").mkdir(parents=True)

    def text(number: int) -> str:
        words = WORDS.split()
        return " ".join(words[(number * step) % len(words)] for step in range(1, 90)) + "."

    (data / "a.jsonl").write_text("".join(json.dumps({"id": n, "text": text(n)}) + "\n" for n in range(30)))
    with (data / "b.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerows([["id", "Body"], *([n, text(100 + n)] for n in range(20))])
    pq.write_table(pa.table({"uuid": ["x1", "x2"], "content": [text(7), text(8)]}), data / "sub" / "c.parquet")
    pq.write_table(pa.table({"width": [1, 2], "height": [3, 4]}), data / "sub" / "sizes.parquet")
    (data / "page.html").write_text(f"<html><body><article><p>{text(9)}</p></article></body></html>")
    (data / "notes.md").write_text(f"# Notes\n\n{text(10)}\n")
    for number in range(5):
        (data / "sub" / f"{number}.png").write_bytes(b"\x89PNG\r\n\x1a\n\0")
    monkeypatch.chdir(tmp_path)
    return data


def test_inspect_tells_what_there_is(sequitur: Sequitur, pile: Path) -> None:
    ended = sequitur("inspect", "data", "--json")
    assert ended.code == 0
    found = json.loads(ended.out)
    formats = {(group["format"], group["files"], group["problem"]) for group in found["groups"]}
    assert formats == {
        ("jsonl", 1, ""),
        ("csv", 1, "no field 'text'"),
        ("parquet", 1, "no field 'text'"),
        ("html", 1, ""),
        ("text", 1, ""),
    }
    assert found["passed_over"] == {"picture": 5}
    assert found["languages"]["en"] > 0.8
    assert found["documents"] == pytest.approx(32, rel=0.3)
    assert [stage["name"] for stage in found["stages"]] == [
        stage.name for stage in beam_job.RECIPE if stage.name != "refine"
    ]
    assert all(stage["memory"] > 0 and stage["seconds"] > 0 for stage in found["stages"])
    assert not (pile.parent / "runs").exists()

    shown = sequitur("inspect", "data").out
    assert "no field 'text'; set text_field: Body" in shown
    assert "5 picture" in shown


def test_a_configuration_that_is_written_for_inputs_runs_at_the_first_try(sequitur: Sequitur, pile: Path) -> None:
    assert sequitur("init", "my.yaml", "--from", "data").code == 0
    section = yaml.safe_load(Path("my.yaml").read_text())["ingest"]
    assert section["inputs"] == [
        {"path": "data", "include": ["*.csv"], "text_field": "Body"},
        {"path": "data", "include": ["sub/c.parquet"], "id_field": "uuid", "text_field": "content"},
        {"path": "data", "exclude": ["*.parquet"]},  # but what the inputs before it took
    ]
    assert section["ids"] == "file_and_row"  # 0 … 19 stand in both files
    ended = sequitur("run", "my.yaml", "--until", "ingest", "--workers", "1")
    assert ended.code == 0, ended.err
    documents = Directory("runs/corpus") / "documents"
    counted = require_manifest(documents).statistics
    assert (counted["documents"], counted["rejected"], counted["other_files"]) == (54, 0, {"picture": 5})
    assert set(read_columns(documents, ["source"])["source"].to_pylist()) == {"a", "b", "c", "data"}


def test_a_first_try_is_of_some_records(sequitur: Sequitur, pile: Path) -> None:
    Path("my.yaml").write_text("output: run\ningest: {inputs: data/a.jsonl}\n")
    ended = sequitur("run", "my.yaml", "--until", "ingest", "--limit", "4", "--workers", "1")
    assert ended.code == 0, ended.err
    assert require_manifest(Directory("run") / "documents").rows == 4
    ended = sequitur("run", "my.yaml", "--dry-run", "--limit", "4")
    assert (ended.code, "about " in ended.out) == (0, True)


def test_mistakes_are_one_line(sequitur: Sequitur, pile: Path) -> None:
    for command in (("inspect", "none"), ("init", "my.yaml", "--from", "none")):
        ended = sequitur(*command)
        assert (ended.code, ended.err) == (1, "error: none: no such file, or no file matches; correct ingest.inputs\n")
    assert sequitur("inspect", "data/sub/0.png").err.endswith(
        "0.png: is a picture; unpack it, or name files that hold text\n"
    )


def test_how_a_run_stands_for_programs(sequitur: Sequitur, pile: Path) -> None:
    Path("my.yaml").write_text("output: run\ningest: {inputs: data/a.jsonl}\n")
    ended = sequitur(
        "run", "my.yaml", "--until", "ingest", "--workers", "1", "--log-format", "json", "--log-file", "log"
    )
    assert ended.code == 0
    lines = [json.loads(line) for line in Path("log").read_text().splitlines()]
    assert [json.loads(line) for line in ended.err.splitlines()] == lines
    assert lines[-1]["message"].startswith("ingest 30 rows")
    stages = json.loads(sequitur("status", "run", "--json").out)["stages"]
    assert [(one["name"], one["state"], one["rows"]) for one in stages][:2] == [
        ("ingest", "done", 30),
        ("annotate", "absent", 0),
    ]
    assert sequitur("status", "run", "--json", "--watch").code == 2
    assert sequitur("--version").out.startswith("sequitur ")
