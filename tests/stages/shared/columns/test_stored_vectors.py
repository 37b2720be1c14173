"""Vectors are read where they lie: by rows, or as one array, whatever parts and blocks they come in."""

import numpy as np
import pytest

from sequitur.pipeline.stage import Run
from sequitur.stages.shared.columns import stored_vectors
from sequitur.stages.shared.columns.stored_vectors import StoredVectors


@pytest.mark.parametrize("block", [1, 7, 2**16])
@pytest.mark.parametrize("own", [False, True])
def test_gathered_rows_are_those_asked_for(
    finished: Run, own: bool, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stored_vectors, "BLOCK", block)
    made = []

    def empty(shape, dtype):
        made.append(np.zeros(shape, dtype))
        return made[-1]

    stored = StoredVectors(finished.artifact("vectors"), own=own)
    everything = stored.all()
    some = np.array([3, 0, 3, len(everything) - 1])

    assert everything.shape == stored.shape
    assert everything.dtype == np.float16
    np.testing.assert_array_equal(stored.gathered(some, empty), everything[some])
    np.testing.assert_array_equal(made[0], stored[some])
    assert stored.gathered(some[:0]).shape == (0, stored.shape[1])
