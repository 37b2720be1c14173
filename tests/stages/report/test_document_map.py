"""The map of documents is the same on every machine."""

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from sequitur.stages.report.document_map import SCALE, positions


@pytest.mark.parametrize("count", [30, 400])  # by principal components; by t-SNE
def test_positions_do_not_depend_on_threads(count: int) -> None:
    vectors = np.random.default_rng(0).standard_normal((count, 640)).astype(np.float16)
    assert any(pool["user_api"] == "blas" for pool in threadpool_info())
    found = []
    for threads in (1, 2):
        with threadpool_limits(threads):
            found.append(positions(vectors, seed=3))
    (one, how), (other, _) = found
    assert how == ("t-SNE" if count > 40 else "principal components")
    assert one.tolist() == other.tolist()
    assert one.min() >= 0
    assert one.max() <= SCALE
