"""The nearest old document against a matrix of all cosines."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from neighbor_runs import place

from sequitur.inspection.old_neighbors import BLOCK, nearest_old
from sequitur.pipeline.config import validate
from sequitur.pipeline.stage import Run
from sequitur.stages.shared.columns.stored_vectors import StoredVectors, unit


@pytest.fixture
def runs(tmp_path: Path, settings: Any) -> list[Run]:
    """Three runs of vectors alone, of which the last repeats two vectors of the others and has one of zeros."""
    rng = np.random.default_rng(4)
    vectors = [unit(rng.standard_normal((count, 8)).astype(np.float32)) for count in (40, 25, 30)]
    vectors[2][3], vectors[2][7], vectors[2][9] = vectors[0][5], vectors[1][2], 0
    return [
        place(Run(validate(settings(tmp_path / str(number)), "settings")), one, dimensions=8)
        for number, one in enumerate(vectors)
    ]


def test_against_all_cosines(runs: list[Run], monkeypatch: pytest.MonkeyPatch) -> None:
    old = np.concatenate([StoredVectors(run.artifact("vectors"), own=True).all() for run in runs[:2]])
    new = StoredVectors(runs[2].artifact("vectors"), own=True).all()
    best = np.delete((new.astype(np.float32) @ old.T.astype(np.float32)).max(axis=1), 9)
    told: list[tuple[int, int]] = []

    found = nearest_old(runs[2].root, [run.root for run in runs[:2]], 1, lambda *how: told.append(how))
    monkeypatch.setattr("sequitur.inspection.old_neighbors.BLOCK", 7)
    monkeypatch.setattr("sequitur.inspection.old_neighbors.QUERIES", 4)

    assert found == nearest_old(runs[2].root, [run.root for run in runs[:2]], 2)
    assert (found["documents"], found["compared"]) == (30, 29)
    assert found["above"] == {str(level): int((best >= level).sum()) for level in (0.7, 0.8, 0.9, 0.95)}
    assert found["above"]["0.95"] >= 2
    assert found["median"] == pytest.approx(float(np.median(best)), abs=1e-4)
    assert told[-1] == (65, 65)
    assert BLOCK > 65


def test_of_many_a_seeded_sample_is_looked_at(runs: list[Run]) -> None:
    one, again, other = (nearest_old(runs[2].root, [runs[0].root], seed, sample=6) for seed in (1, 1, 2))

    assert one == again
    assert one["documents"] == 30
    assert one["compared"] <= 6
    assert other["compared"] <= 6
