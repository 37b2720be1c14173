"""Rows that have the same 16-byte key, by open addressing: of each key the preferred row stands in a table.

The place of a key is the sum of its four words' products with numbers drawn anew for each table (multiply-shift of
vectors; Dietzfelbinger 1996), so that nobody can make keys that fall together. No result depends on these numbers.
"""

import secrets
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from sequitur.text_core.units.arrays import read_only
from sequitur.text_core.units.kernels import kernel

WORDS = 4  # of 32 bits, of a key
EMPTY = -1
_HALF = np.uint64(32)


class KeyTable(NamedTuple):
    """Of each key of some rows, the row that is preferred. 12 bytes for each of these rows are held."""

    keys: npt.NDArray[np.uint32]  # [n, WORDS], of all rows
    slots: npt.NDArray[np.int64]  # a row, or EMPTY
    factors: npt.NDArray[np.uint64]  # [2 · WORDS]
    others: int  # rows beside those that stand here


def key_table(
    keys: npt.NDArray[np.void], chosen: npt.NDArray[np.bool_], preference: npt.NDArray[np.int64] | None = None
) -> KeyTable:
    """The table of some rows.

    Args:
        keys: one of 16 bytes for each of n rows, dtype V16.
        chosen: bool [n]; only these rows take part.
        preference: int64 [n], all different; of the rows of a key the one with the lowest is preferred. If not given
            the first is.
    """
    words = _words(keys)
    slots = np.full(3 * int(np.count_nonzero(chosen)) // 2 + 1, EMPTY, dtype=np.int64)
    factors = np.frombuffer(secrets.token_bytes(16 * WORDS), dtype=np.uint64)
    rank = read_only(() if preference is None else preference, np.int64)
    return KeyTable(words, slots, factors, _fill(words, read_only(chosen, np.bool_), rank, factors, slots))


def others_and_leaders(
    table: KeyTable, chosen: npt.NDArray[np.bool_]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """The rows whose key a preferred row has, and those, both int64, the former ascending; `chosen` as for the table.

    Memory: 16 bytes for each such row.
    """
    others, leaders = np.empty(table.others, dtype=np.int64), np.empty(table.others, dtype=np.int64)
    _list_others(table.keys, read_only(chosen, np.bool_), table.factors, table.slots, others, leaders)
    return others, leaders


def rows_of(table: KeyTable, keys: npt.NDArray[np.void]) -> npt.NDArray[np.int64]:
    """Of each of some keys, dtype V16 [m], the row that stands in the table: int64 [m], −1 for none."""
    words, rows = _words(keys), np.empty(len(keys), dtype=np.int64)
    _find(words, table.keys, table.factors, table.slots, rows)
    return rows


def _words(keys: npt.NDArray[np.void]) -> npt.NDArray[np.uint32]:
    return read_only(np.ascontiguousarray(keys).view("<u4").reshape(-1, WORDS), np.uint32)


@kernel
def _slot(
    keys: npt.NDArray[np.uint32],
    row: int,
    held: npt.NDArray[np.uint32],
    factors: npt.NDArray[np.uint64],
    slots: npt.NDArray[np.int64],
) -> np.int64:
    """Where the key of a row stands, or may be put."""
    high, low = np.uint64(0), np.uint64(0)
    for word in range(WORDS):
        high += factors[word] * keys[row, word]
        low += factors[WORDS + word] * keys[row, word]
    slot = np.int64(((high >> _HALF << _HALF) | (low >> _HALF)) % np.uint64(len(slots)))
    while slots[slot] != EMPTY and not _equal(keys, row, held, slots[slot]):
        slot = np.int64(slot + 1 if slot + 1 < len(slots) else 0)
    return slot


@kernel
def _equal(keys: npt.NDArray[np.uint32], row: int, held: npt.NDArray[np.uint32], other: int) -> bool:
    same = True
    for word in range(WORDS):
        same &= keys[row, word] == held[other, word]
    return same


@kernel
def _fill(
    keys: npt.NDArray[np.uint32],
    chosen: npt.NDArray[np.bool_],
    rank: npt.NDArray[np.int64],
    factors: npt.NDArray[np.uint64],
    slots: npt.NDArray[np.int64],
) -> int:
    """Puts rows in their slots; returns how many find another there, or are replaced."""
    others = 0
    for row in range(len(chosen)):
        if chosen[row]:
            slot = _slot(keys, row, keys, factors, slots)
            held = slots[slot]
            others += held != EMPTY
            if held == EMPTY or (len(rank) and rank[row] < rank[held]):
                slots[slot] = row
    return others


@kernel
def _list_others(
    keys: npt.NDArray[np.uint32],
    chosen: npt.NDArray[np.bool_],
    factors: npt.NDArray[np.uint64],
    slots: npt.NDArray[np.int64],
    others: npt.NDArray[np.int64],
    leaders: npt.NDArray[np.int64],
) -> None:
    found = 0
    for row in range(len(chosen)):
        if chosen[row]:
            leader = slots[_slot(keys, row, keys, factors, slots)]
            if leader != row:
                others[found], leaders[found] = row, leader
                found += 1


@kernel
def _find(
    keys: npt.NDArray[np.uint32],
    held: npt.NDArray[np.uint32],
    factors: npt.NDArray[np.uint64],
    slots: npt.NDArray[np.int64],
    rows: npt.NDArray[np.int64],
) -> None:
    for row in range(len(rows)):
        rows[row] = slots[_slot(keys, row, held, factors, slots)]
