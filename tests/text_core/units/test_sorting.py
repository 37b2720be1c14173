"""Values are sorted, however many, and in no order that was made for it does that take long."""

import time
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
from numba.misc.quicksort import make_py_quicksort

from sequitur.text_core.units.sorting import FEW, FEW_HASHES, drawn, sort, sort_hashes


def slowest_order(count: int) -> npt.NDArray[np.uint64]:
    """Values that numba's quicksort sorts slowly: chosen as it compares them (McIlroy, "A Killer Adversary", 1999)."""
    values, greatest, last = [count] * count, count, 0
    chosen = 0

    def is_less(one: int, other: int) -> bool:
        nonlocal chosen, last
        if values[one] == values[other] == greatest:
            values[one if one == last else other] = chosen
            chosen += 1
        if values[one] == greatest:
            last = one
        elif values[other] == greatest:
            last = other
        return values[one] < values[other]

    make_py_quicksort(lt=is_less).run_quicksort(list(range(count)))
    return np.array(values, dtype=np.uint64)


def seconds(function: Callable[[npt.NDArray[np.uint64]], object], values: npt.NDArray[np.uint64]) -> float:
    taken = []
    for _ in range(9):
        own = values.copy()
        start = time.process_time()
        function(own)
        taken.append(time.process_time() - start)
    return min(taken)


@pytest.mark.parametrize("count", [0, 1, 2, FEW, FEW + 1, 5000])
@pytest.mark.parametrize("most", [3, 2**32 - 1])
def test_values_are_sorted(count: int, most: int) -> None:
    values = np.random.default_rng(1).integers(0, most, count, dtype=np.uint64)
    expected = np.sort(values)

    sort(values, drawn())

    assert values.tolist() == expected.tolist()


def test_an_order_made_to_be_slow_is_not() -> None:
    slow = slowest_order(4 * FEW)
    other = np.random.default_rng(1).permutation(slow)
    sort(slow.copy(), drawn())  # compiled now

    assert seconds(lambda values: sort(values, drawn()), slow) < 3 * seconds(
        lambda values: sort(values, drawn()), other
    )


@pytest.mark.parametrize("count", [0, 1, FEW_HASHES, FEW_HASHES + 1, 100, 5000, 70_000])
@pytest.mark.parametrize("distinct", [1, 40, 2**40])
@pytest.mark.parametrize("width", [8, 40, 64])  # bits by which they differ: in one bucket, in a few, in all
def test_hashes_are_sorted(count: int, distinct: int, width: int) -> None:
    draw = np.random.default_rng(count + distinct)
    values = draw.integers(0, 2**width - 1, min(distinct, max(count, 1)), dtype=np.uint64)
    hashes = values[draw.integers(0, len(values), count)]
    expected = np.sort(hashes)

    sort_hashes(hashes, drawn())

    assert hashes.tolist() == expected.tolist()


def test_hashes_that_fill_one_bucket_take_no_longer_than_any_values() -> None:
    slow = slowest_order(4 * FEW)  # of small values: all in the first bucket
    sort_hashes(slow.copy(), drawn())  # compiled now

    assert seconds(lambda values: sort_hashes(values, drawn()), slow) < 3 * seconds(
        lambda values: sort(values, drawn()), np.random.default_rng(1).permutation(slow)
    )
