"""What stages hold is measured of whole runs, and what they announce stands beside it."""

import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from benchmarks.driver import EVERY, STAGES, anonymous_bytes, measure
from benchmarks.growth import write_corpus
from benchmarks.job import peak_memory
from docs.scale_tables import growth

BUDGET = 64  # bytes of a document that a stage holds more in the deciding process


def test_every_stage_is_measured(tmp_path: Path) -> None:
    write_corpus(tmp_path / "corpus-60.jsonl", 60)
    figures: dict[str, int] = {}
    for stage in STAGES:
        figures |= measure(stage, 60, str(tmp_path))
    assert set(figures) == {f"{stage}_{what}_60" for stage in STAGES for what in ("held", "announced")}
    assert min(figures.values()) > 0


def test_what_was_held_for_a_while_counts() -> None:
    with peak_memory(anonymous_bytes, EVERY) as nothing:
        pass
    with peak_memory(anonymous_bytes, EVERY) as held:
        array = np.ones(2**24)
        time.sleep(0.2)
        del array
    assert held[0] > nothing[0] + 2**26


def test_no_stage_announces_more_of_a_document_than_the_budget() -> None:
    stages = {row[0].strip("`"): float(row[1].replace(",", "")) for row in growth()[1]}
    assert stages.keys() == set(STAGES)
    assert max(stages.values()) <= BUDGET, stages


@pytest.mark.scale
def test_no_stage_holds_more_of_a_document_than_the_budget(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benchmarks.driver", "--scratch", str(tmp_path)]
    figures = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout.splitlines()[-1])
    assert {
        stage: figures[f"{stage}_per_document"] for stage in STAGES if figures[f"{stage}_per_document"] > BUDGET
    } == {}
    assert figures["most_vs_announced"] <= 1
