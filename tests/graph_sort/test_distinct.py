"""Run: python -m pytest tests/graph_sort/test_distinct.py"""

import numpy as np
import pytest

from sequitur.graph_sort.distinct import distinct_values


@pytest.mark.parametrize("shape", [(0,), (1,), (500,), (20, 3)])
@pytest.mark.parametrize("dtype", [np.int64, np.int32, np.uint64])
def test_each_value_once_and_ascending(shape, dtype):
    values = np.random.default_rng(1).integers(0, 50, shape).astype(dtype)
    found = distinct_values(values)
    assert found.tolist() == sorted(set(values.reshape(-1).tolist()))
    assert found.dtype == dtype
