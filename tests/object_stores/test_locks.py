"""Of several that start at once one runs, a hundred times."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sequitur.pipeline import lock, run_directory
from sequitur.pipeline.storage import Directory

pytestmark = pytest.mark.s3

HERE = Path(__file__).parent
ROUNDS, STARTS = 100, 2
Start = Callable[..., subprocess.Popen[str]]


def go(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def said(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line, process.communicate()[1][-2000:]
    return line.strip()


def test_of_two_that_start_at_once_one_holds_the_lock(start: Start, bucket: Any) -> None:
    url = bucket()
    both = [start(HERE / "lock_rounds.py", url, ROUNDS) for _ in range(2)]
    held = []
    for _ in range(ROUNDS):
        for one in both:
            go(one)
        held.append(sorted(map(said, both)))
        for one in both:
            go(one)
    assert [one.wait() for one in both] == [0, 0]
    assert held == [["held", "refused"]] * ROUNDS


def test_of_whole_runs_that_start_at_once_one_runs(
    start: Start, bucket: Any, configure: Callable[..., Path], tmp_path: Path
) -> None:
    for number in range(STARTS):
        config = configure(tmp_path / f"run-{number}")
        output = f"{bucket()}/run"
        options = [config, "--set", f"output={output}", "--until", "annotate", "--workers", "1"]
        both = [start(HERE / "waiting_run.py", *options) for _ in range(2)]
        assert [said(one) for one in both] == ["ready", "ready"]
        for one in both:
            go(one)
        ended = {one.wait(): one.communicate()[1] for one in both}
        assert ended.keys() == {0, 75}, ended  # 75: try again
        assert f"error: {output}: process " in ended[75].splitlines()[-1]
        assert "is writing this run; wait for it" in ended[75]
        states = json.loads(Directory(f"{output}/_state").read_bytes("annotate.json"))
        assert states["state"] == "done"
        assert not lock.is_held(Directory(output))
        assert run_directory.read_config(Directory(output)).output == output
