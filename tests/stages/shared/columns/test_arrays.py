"""What is computed block by block is what numpy makes of whole arrays."""

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sequitur.stages.shared.columns import arrays

VALUES = st.lists(st.integers(0, 20), max_size=30)


@pytest.fixture(params=[1, 7, 2**16], scope="module", autouse=True)
def block(request: pytest.FixtureRequest) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(arrays, "BLOCK", request.param)
        yield


@given(VALUES)
def test_by_blocks(values: list[int]) -> None:
    found = arrays.by_blocks(lambda some: some / 4, np.array(values, np.int64), np.float32, np.empty)
    assert found.dtype == np.float32
    assert found.tolist() == [value / 4 for value in values]


@given(st.lists(VALUES, max_size=4))
def test_distinct_ordinals(of_several: list[list[int]]) -> None:
    ordinals = [np.array(values, np.int64) for values in of_several]
    found = arrays.distinct_ordinals(ordinals, 21, np.empty)
    assert found.dtype == np.int64
    assert found.tolist() == sorted({value for values in of_several for value in values})


@given(st.lists(st.booleans(), max_size=30))
def test_true_places(values: list[bool]) -> None:
    found = arrays.true_places(np.array(values, np.bool_), np.empty)
    assert found.tolist() == np.flatnonzero(values).tolist()


def test_arrays_are_those_that_are_asked_for() -> None:
    made: list[np.ndarray] = []

    def empty(shape: int | tuple[int, ...], dtype: object) -> np.ndarray:
        made.append(np.empty(shape, dtype))
        return made[-1]

    values = np.array([3, 1, 3])
    for found in (
        arrays.by_blocks(np.negative, values, np.int64, empty),
        arrays.distinct_ordinals([values], 4, empty),
        arrays.end_to_end([values[:0], values, values], 6, empty),
    ):
        assert any(found is one for one in made)
