"""One form of array for every kernel; pairs each once."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sequitur.text_core.units.arrays import distinct_pairs, read_only


def test_array_of_the_right_form_is_not_copied_and_cannot_be_written() -> None:
    values = np.arange(6, dtype=np.int64)

    view = read_only(values, np.int64)

    assert np.shares_memory(view, values)
    assert values.flags.writeable
    with pytest.raises(ValueError, match="read-only"):
        view[0] = 1


@pytest.mark.parametrize("values", [[1, 2], np.array([1, 2], dtype=np.int32), np.arange(4, dtype=np.int64)[1:3]])
def test_values_stay_whatever_the_form(values: object) -> None:
    view = read_only(values, np.int64)  # type: ignore[arg-type]

    assert (view.dtype, view.flags.c_contiguous, view.tolist()) == (np.int64, True, [1, 2])


@given(st.lists(st.tuples(st.integers(-3, 3), st.integers(-3, 3)), max_size=30))
def test_pairs_are_those_of_a_set(pairs: list[tuple[int, int]]) -> None:
    found = distinct_pairs(np.array(pairs, dtype=np.int64).reshape(-1, 2))

    assert [tuple(pair) for pair in found.tolist()] == sorted(set(pairs))
