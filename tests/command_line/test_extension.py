"""The command extends a run, and the other commands see old and new; what it cannot do is one line."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from job_runs import content

from sequitur.command_line.extension import _given
from sequitur.pipeline.stage import Run
from sequitur.shards.manifest import read_manifest
from sequitur.stages.report import stage as report_stage

Sequitur = Callable[..., Any]


@pytest.fixture
def extended(
    branch: Any, sequitur: Sequitur, corpus: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[Run, Any]:
    """A run, extended by ten texts of other sentences of its own words; and how the command ended."""
    monkeypatch.setattr(report_stage, "measure_order", lambda *_: {})
    monkeypatch.setattr(report_stage, "page_data", lambda root, config, report, *_: {"report": report})
    monkeypatch.setattr(report_stage, "render", json.dumps)
    run = branch("run")
    words, lines = corpus.words, []
    for number in range(10):
        text = " of the ".join(words[number * 9 : number * 9 + 40]) + "."
        lines.append(json.dumps({"id": f"new-{number}", "text": text.capitalize() * 3}))
    (tmp_path / "new.jsonl").write_text("\n".join(lines) + "\n")
    given = json.dumps([{"path": str(tmp_path / "new.jsonl"), "source": "news"}])
    return run, sequitur("extend", run.config.output, "--inputs", given, "--workers", "1", "--json")


def test_the_other_commands_see_old_and_new(extended: tuple[Run, Any], sequitur: Sequitur, tmp_path: Path) -> None:
    run, ended = extended
    root = run.config.output

    assert ended.code == 0, ended.err
    told = json.loads(ended.out)
    assert (told["extension"], told["documents"], told["kept"]) == ("0001", 10, 10)
    assert "near old " in ended.err
    assert "10 documents" in ended.err
    assert sequitur("verify", root).code == sequitur("verify", f"{root}/shards", "--full").code == 0
    assert "extensions/0001: 10 of 10 documents" in sequitur("status", root).out
    statistics = json.loads(sequitur("stats", root, "--json").out)
    assert {"name": "news", "documents": 10} in [
        {key: one[key] for key in ("name", "documents")} for one in statistics["sources"]
    ]
    (piece, *_) = json.loads(sequitur("find", root, "--doc-id", "new-3", "--json").out)["pieces"]
    assert "x00001-" in piece["shard"]
    traced = json.loads(sequitur("trace", root, "new-3", "--json").out)
    assert (traced["outcome"], traced["extension"]) == ("placed", "0001")
    assert (traced["contexts"][0]["row"], traced["contexts"][0]["context_id"]) == (piece["row"], piece["context_id"])
    assert "extension  0001" in sequitur("trace", root, "new-3").out
    located = json.loads(sequitur("locate", root, "--context", str(piece["context_id"]), "--token", "0", "--json").out)
    assert located["document"]["source_file"].endswith("new.jsonl")
    assert sequitur("why", root, "new-3", "new-4").code == 0
    assert sequitur("export", f"{root}/shards", "--to", "olmo", tmp_path / "olmo").code == 0
    shown = json.loads(sequitur("show", root, "--doc", "new-3", "--json").out)["contexts"][0]
    assert shown["rows"] == read_manifest(Path(root) / "shards").splits["train"].rows


def test_documents_of_both_are_removed_and_the_ledger_balances(
    extended: tuple[Run, Any], sequitur: Sequitur, rows: Any
) -> None:
    run, _ = extended
    root = run.config.output
    lost = {row["ordinal"] for row in rows(run, "neighbors/duplicates")}
    old = next(
        document["record_id"]
        for document, verdict in zip(rows(run), rows(run, "selection"), strict=True)
        if verdict["ordinal"] is not None and verdict["ordinal"] not in lost
    )

    ended = sequitur("remove", root, "--doc-id", old, "--doc-id", "new-3")

    assert ended.code == 0, ended.err
    assert "removed 2 documents" in ended.out
    assert sequitur("verify", root).out.endswith("sound\n")
    assert run.artifact("report").read_json("metrics.json")["ledger"]["balances"]
    assert "repeat the same sequitur extend" not in sequitur("status", root).out
    before = content(Path(root))
    given = str(Path(root).parent / "new.jsonl")
    again = sequitur("extend", root, "--inputs", given, "--workers", "1")
    assert "has read this file before" in again.err or "was added before" in again.err
    assert content(Path(root)) == before


def test_inputs_are_paths_or_yaml() -> None:
    assert _given(["a b/*.jsonl", "[one, {path: two, source: web}]", "{path: three}"]) == [
        "a b/*.jsonl",
        "one",
        {"path": "two", "source": "web"},
        {"path": "three"},
    ]


def test_mistakes_are_one_line(sequitur: Sequitur, tmp_path: Path) -> None:
    for arguments in ((tmp_path / "nowhere", "--inputs", "x"), (tmp_path, "--inputs", "[a")):
        ended = sequitur("extend", *arguments)
        assert ended.code != 0
        assert len(ended.err.splitlines()) == 1
        assert ended.err.startswith("error: ")
