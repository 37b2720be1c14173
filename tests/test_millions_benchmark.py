"""The whole job on made-up documents: a small one, twice."""

import json
from pathlib import Path

import pytest

from benchmarks import millions


def test_every_stage_is_measured_once_and_copies_are_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    figures = millions.measure(tmp_path, 2000, 1, [])
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    stages = ["ingest", "annotate", "select", "tokenize", "embed", "neighbors", "order", "pack", "report"]
    assert [line["stage"] for line in lines] == stages
    assert figures["peak_vs_announced"] > 0
    assert all(figures[f"{stage}_announced_bytes"] > 0 for stage in stages)
    report = json.loads((tmp_path / "run" / "report" / "metrics.json").read_text())
    dropped = report["ledger"]["records"]["dropped"]
    share = sum(dropped.values()) / 2000
    assert 0.5 * (millions.COPIES + millions.EDITED) < share < 2 * (millions.COPIES + millions.EDITED)

    assert millions.measure(tmp_path, 2000, 1, []) == {"peak_vs_announced": 0}
