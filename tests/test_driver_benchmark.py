"""What stages hold is measured of whole runs, and what they announce stands beside it."""

import time
from pathlib import Path

import numpy as np

from benchmarks.driver import EVERY, STAGES, anonymous_bytes, measure
from benchmarks.growth import write_corpus
from benchmarks.job import peak_memory


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
