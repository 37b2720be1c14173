"""Awkward inputs by the thousand: every record accounted for, by name and reason. `make test-borders` runs this."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.borders


def test_every_record_of_awkward_inputs_is_accounted_for() -> None:
    command = [sys.executable, "-m", "benchmarks.borders", "--show"]
    ended = subprocess.run(command, check=True, capture_output=True, text=True, cwd=Path(__file__).parents[1])
    *differences, last = ended.stdout.splitlines()
    report = json.loads(last)
    assert differences == []
    assert report["inputs"] > 2000
    assert report["records_accounted_share"] == 1
    for name in ("untyped_exceptions", "wrong_text", "wrong_fields", "hangs", "memory_over_announced"):
        assert report[name] == 0, name
