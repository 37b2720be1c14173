"""Work on threads: results in the order of the items, however long each takes; errors, and what is held meanwhile.

Run: python -m pytest tests/graph_sort/test_threads.py
"""

import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sequitur.graph_sort.threads import AHEAD, on_threads


@settings(max_examples=20)
@given(st.lists(st.integers(0, 3), max_size=30), st.integers(1, 4))
def test_results_come_in_the_order_of_the_items(milliseconds: list[int], threads: int) -> None:
    def slow(item: tuple[int, int]) -> int:
        time.sleep(item[1] / 1000)
        return item[0]

    assert list(on_threads(threads, slow, enumerate(milliseconds))) == list(range(len(milliseconds)))


def test_items_are_worked_on_side_by_side() -> None:
    together = threading.Barrier(3)

    def meet(item: int) -> int:
        together.wait(timeout=30)  # which all three must reach at once
        return item

    assert list(on_threads(3, meet, range(6))) == list(range(6))


def test_one_thread_is_this_one() -> None:
    assert set(on_threads(1, lambda _: threading.get_ident(), range(3))) == {threading.get_ident()}


@pytest.mark.parametrize("threads", [1, 2])
def test_the_first_error_is_raised_and_the_rest_is_not_begun(threads: int) -> None:
    begun = []

    def fail(item: int) -> int:
        begun.append(item)
        if item in (3, 5):
            time.sleep(0.02 if item == 3 else 0)
            raise ValueError(f"item {item}")
        return item

    found = on_threads(threads, fail, range(1000))
    with pytest.raises(ValueError, match="item 3"):
        list(found)
    assert max(begun) < 4 + (AHEAD + 1) * threads


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_few_results_are_held(threads: int) -> None:
    taken = 0

    def items() -> Iterator[int]:
        nonlocal taken
        for item in range(100):
            taken += 1
            yield item

    for number, _ in enumerate(on_threads(threads, np.arange, items()), start=1):
        assert taken < number + AHEAD * threads
