"""A mistake ends in one line that says what to do, and in the exit code."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from job_runs import mistake

from sequitur import beam_job

Configure = Callable[..., Path]
Sequitur = Callable[..., Any]  # returns how the command ended: code, out, err


def test_inputs_that_are_wrong(configure: Configure, sequitur: Sequitur, tmp_path: Path) -> None:
    (tmp_path / "empty.jsonl").touch()
    (tmp_path / "fields.jsonl").write_text('{"body": "No field of the usual name."}\n')
    (tmp_path / "cut.jsonl.gz").write_bytes(b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03")
    complaints = {
        "none.jsonl": "no such file, or no file matches; correct ingest.inputs",
        "empty.jsonl": "no records in the input; nothing to do",
        "fields.jsonl": "no field 'text'; fields: body",
        "cut.jsonl.gz": "the .gz stream ends early; the file is truncated, fetch it again",
    }
    for number, (name, complaint) in enumerate(complaints.items()):
        config = configure(tmp_path / f"run-{number}", ingest={"inputs": [str(tmp_path / name)]})
        line = mistake(sequitur("run", config))
        assert name in line
        assert complaint in line


def test_configurations_that_are_wrong(configure: Configure, sequitur: Sequitur, tmp_path: Path) -> None:
    config = configure(tmp_path / "run")
    for override, complaint in {
        "order.stratgy=iclm": "unknown key order.stratgy; did you mean order.strategy?",
        "neighbors.k=many": "neighbors.k:",
        "select.thresholds={gopher_too_few: 3}": "select.thresholds.gopher_too_few: no such rule; did you mean",
    }.items():
        assert complaint in mistake(sequitur("run", config, "--set", override), 78)
    config.write_text("output: [unclosed")
    assert "not valid YAML" in mistake(sequitur("run", config), 78)
    assert "No such file" in mistake(sequitur("run", tmp_path / "none.yaml"), 78)
    assert beam_job.main(["--config", str(tmp_path / "none.yaml")]) == 78
    assert not (tmp_path / "run").exists()
