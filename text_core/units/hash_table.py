"""Open addressing: the first of some items that has the same 64-bit hash as another.

The place of a hash is a product with a number drawn anew for each table (multiply-shift; Dietzfelbinger et al. 1997),
so that nobody can write a text whose hashes all fall on one place. No result depends on that number.
"""

import secrets
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from sequitur.text_core.units.kernels import kernel

_ALL_BITS, _ONE = np.uint64(0xFFFFFFFFFFFFFFFF), np.uint64(1)


class HashTable(NamedTuple):
    """Room for some items; each set of items uses, and clears, a beginning of it."""

    slots: npt.NDArray[np.uint32]  # 1 + the item whose hash stands here, 0 for none; a power of two
    factor: np.uint64  # odd


def hash_table(most: int) -> HashTable:
    """A table for at most so many items, fewer than 2³² - 1. 6 to 12 bytes an item are reserved."""
    return HashTable(np.empty(_slot_count(most), dtype=np.uint32), np.uint64(secrets.randbits(64) | 1))


@kernel
def _slot_count(items: int) -> int:
    """The power of two of which `items` fill between a third and two thirds."""
    slots = 2
    while slots < items + (items >> 1):
        slots *= 2
    return slots


@kernel
def clear(table: HashTable, items: int) -> np.uint64:
    """Empty as many slots as `items` need; return by how much a hash is shifted to one of them."""
    slots = table.slots
    count = _slot_count(items)
    for slot in range(count):
        slots[slot] = 0
    shift = 64
    while count > 1:
        count >>= 1
        shift -= 1
    return np.uint64(shift)


@kernel
def find(table: HashTable, shift: np.uint64, hashes: npt.NDArray[np.uint64], item: int) -> np.int64:
    """The slot of the first item with the same hash, or the empty one to put 1 + this item in."""
    slots = table.slots
    value = hashes[item]
    last = _ALL_BITS >> shift
    slot = (value * table.factor) >> shift  # unsigned: an index that may be negative is looked at first
    while slots[slot] and hashes[np.uint64(slots[slot]) - _ONE] != value:
        slot = (slot + _ONE) & last
    return np.int64(slot)
