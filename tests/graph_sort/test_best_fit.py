"""Best fit against looking at every open context. Run: python -m pytest tests/graph_sort/test_best_fit.py"""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sequitur.graph_sort.best_fit import fill_best, stable_order

LENGTH = 8


def looked_for(length: list[int], place: list[int], come: list[int], window: int) -> list[int]:
    """The context of each piece, numbered as they are opened, by trying all of them."""
    room: list[int] = []
    opened: list[int] = []
    filled: list[int] = []  # when it came to its fill
    context_of = [-1] * len(length)
    for time, piece in enumerate(come):
        fits = [
            context
            for context in range(len(room))
            if room[context] >= length[piece] and opened[context] + window >= place[piece]
        ]
        if fits:
            context = min(fits, key=lambda one: (room[one], -filled[one]))
            filled[context] = time
        else:
            context = len(room)
            room.append(LENGTH)
            opened.append(place[piece])
            filled.append(time)
        room[context] -= length[piece]
        context_of[piece] = context
    number: dict[int, int] = {}
    return [number.setdefault(context, len(number)) for context in context_of]


@given(st.lists(st.tuples(st.integers(1, LENGTH), st.integers(0, 2)), max_size=40), st.integers(0, 12))
def test_each_piece_goes_where_it_fits_best(pieces: list[tuple[int, int]], window: int) -> None:
    length = [size for size, _ in pieces]
    place = np.cumsum([step for _, step in pieces], dtype=np.int64).tolist()
    come = list(range(len(pieces)))

    found, count = fill_best(
        np.array(length, np.int64), np.array(place, np.int64), np.array(come, np.int64), LENGTH, window
    )

    assert found.tolist() == looked_for(length, place, come, window)
    assert count == len(set(found.tolist()))


@given(st.lists(st.integers(0, 5), max_size=30))
def test_order_by_key_is_stable(keys: list[int]) -> None:
    assert stable_order(np.array(keys, np.int64), 6).tolist() == sorted(range(len(keys)), key=lambda at: keys[at])
