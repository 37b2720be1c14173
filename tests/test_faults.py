"""Some of the faults of `benchmarks.faults`: whatever ends a job, the next one makes the same bytes."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

KINDS = "kill,kill_driver,terminate,interrupt,remove,export,full_disk"


@pytest.mark.borders
def test_faults_cost_time_only() -> None:
    command = [sys.executable, "-m", "benchmarks.faults", "--kills", "16", "--kinds", KINDS]
    ended = subprocess.run(command, check=True, capture_output=True, text=True, cwd=Path(__file__).parents[1])
    report = json.loads(ended.stdout.splitlines()[-1])
    assert report["tried"] >= 10
    assert report["bytes_lost"] == 0, ended.stdout
    assert report["survived_share"] == 1, ended.stdout
