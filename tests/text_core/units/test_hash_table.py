"""The table against a dictionary, with hashes that few bits tell apart."""

import numpy as np
import numpy.typing as npt
from hypothesis import given
from hypothesis import strategies as st
from numba import njit

from sequitur.text_core.units.hash_table import HashTable, clear, find, hash_table

hashes = st.one_of(st.integers(0, 20), st.integers(0, 2**64 - 1), st.integers(0, 40).map(lambda n: n << 58))


@njit
def firsts(table: HashTable, hashes: npt.NDArray[np.uint64], found: npt.NDArray[np.int64]) -> None:
    shift = clear(table, len(hashes))
    for item in range(len(hashes)):
        slot = find(table, shift, hashes, item)
        if not table.slots[slot]:
            table.slots[slot] = item + 1
        found[item] = table.slots[slot] - 1


def firsts_of(table: HashTable, values: list[int]) -> list[int]:
    found = np.empty(len(values), dtype=np.int64)
    firsts(table, np.array(values, dtype=np.uint64), found)
    return found.tolist()


@given(st.lists(hashes, max_size=100), st.lists(hashes, max_size=100))
def test_the_first_item_of_each_hash_is_found(before: list[int], values: list[int]) -> None:
    table = hash_table(max(len(before), len(values)))
    firsts_of(table, before)
    first: dict[int, int] = {}

    assert firsts_of(table, values) == [first.setdefault(value, item) for item, value in enumerate(values)]


def test_no_two_tables_put_hashes_in_the_same_places() -> None:
    assert hash_table(1).factor % 2 == hash_table(1).factor % 2 == 1
    assert hash_table(1).factor != hash_table(1).factor
