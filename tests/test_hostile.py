"""Some of the cases of `benchmarks.hostile`: nothing crashes, hangs, is lost uncounted, or gets out."""

import json
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.borders
def test_files_that_mean_harm_do_none() -> None:
    command = [sys.executable, "-m", "benchmarks.hostile", "--cases", "600", "--show"]
    ended = subprocess.run(command, check=True, capture_output=True, text=True, cwd=Path(__file__).parents[1])
    *wrong, last = ended.stdout.splitlines()
    report = json.loads(last)
    assert wrong == []
    assert report["cases"] == 600
    for name in ("crashes", "hangs", "uncounted", "escapes"):
        assert report[name] == 0, name
