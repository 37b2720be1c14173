"""Bins of a signal hold all its values, and show the bounds of the rules on it."""

import hypothesis.strategies as st
import numpy as np
from hypothesis import given

from sequitur.stages.report.signals import BINS, scale_of

numbers = st.floats(-1e6, 1e6, allow_subnormal=False)


@given(st.lists(numbers, max_size=50), st.lists(numbers, max_size=3), st.booleans())
def test_bins_hold_all_values_and_show_all_bounds(values: list[float], bounds: list[float], whole: bool) -> None:
    sample = np.round(values) if whole else np.array(values, dtype=np.float64)
    low, high = (sample.min(), sample.max()) if len(sample) else (0.0, 0.0)

    scale = scale_of(sample, low, high, bounds, whole=whole)

    assert (np.diff(scale.edges) > 0).all()
    assert len(scale.edges) <= BINS + 2
    assert scale.histogram(sample).sum() == len(sample)
    assert all(scale.edges[0] - 1e-6 <= bound <= scale.edges[-1] * (1 + 1e-9) + 1e-6 for bound in bounds)
    assert not len(sample) or scale.beyond == (low < scale.edges[0], high > scale.edges[-1])


def test_few_whole_numbers_have_a_bin_each_and_skewed_ones_bins_that_widen() -> None:
    few = scale_of(np.array([0.0, 1, 1, 4]), 0, 4, [2.0], whole=True)
    np.testing.assert_array_equal(few.edges, np.arange(-0.5, 5))
    np.testing.assert_array_equal(few.histogram(np.array([0.0, 1, 1, 4])), [1, 2, 0, 0, 1])

    skewed = scale_of(np.array([10.0, 20, 30, 90_000]), 10, 90_000, [100_000.0], whole=True)
    assert skewed.log
    assert np.diff(skewed.edges)[-1] > 100 * np.diff(skewed.edges)[0]
