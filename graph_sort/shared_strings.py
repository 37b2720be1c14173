"""Strings that a context holds twice: what each document shares with contexts, counted as documents come and go.

What a context saves literally is what stands in it more than once. With the strings of documents as sets, a context
repeats Σ over strings of (documents that hold it − 1, where any does): what the documents hold altogether, less the
different strings among it. A document that comes adds the strings that were there already, and one that leaves takes
away those which another holds, too: two sums over its own strings, whatever the context holds.

Strings are counted in a fixed number of places for each context, to which their hashes lead. Two strings in one place
count as one; with four places or more for each string that happens by chance to one in eight at most, alike in all
contexts. So memory is bounded, nothing is looked for, and all counts are exact sums of integers.
"""

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from sequitur.graph_sort.documents import StringSets

PLACES = 4  # for each string of a context of the mean, at least
LEAST_BITS = 6  # of the number of a place


class Shared(NamedTuple):
    """Which strings n documents hold, and how many documents of each of c contexts; `held` is changed in place."""

    offsets: NDArray[np.int64]  # [n + 1]
    place: NDArray[np.uint32]  # those of document i are place[offsets[i]:offsets[i + 1]], ascending and distinct
    held: NDArray[np.uint16] | NDArray[np.uint32]  # [c, places]
    worth: np.int64  # of a string that a context holds another time, in the units of the objective


def no_strings(documents: int) -> Shared:
    """Of documents of which none holds a string."""
    return Shared(
        np.zeros(documents + 1, np.int64), np.empty(0, np.uint32), np.zeros((documents, 1), np.uint16), np.int64(0)
    )


def counted(strings: StringSets, context: NDArray[np.int64], contexts: int, worth: int) -> Shared:
    """The strings of n documents of which each is in one of `contexts`: `context` int64 [n].

    Memory: 4 bytes a string, and 2 · PLACES to twice as much; four times PLACES to eight from 2¹⁶ documents on.
    """
    offsets, hashes = _held_by_several(strings.offsets, strings.hashes, strings.hashes.size.bit_length() + 1)
    mean = hashes.size // max(contexts, 1)
    bits = max((PLACES * mean).bit_length(), LEAST_BITS)
    offsets, place = _places(offsets, hashes, bits)
    kind: type[np.uint16] | type[np.uint32] = np.uint16 if context.size < 2**16 else np.uint32
    shared = Shared(offsets, place, np.zeros((contexts, 1 << bits), kind), np.int64(worth))
    for x in range(context.size):
        add(shared, x, context[x])
    return shared


def memory_bytes(strings: int) -> int:
    """The most that counting so many strings takes, with their hashes, in contexts of fewer than 2¹⁶ documents."""
    return (8 + 4 + 4 * PLACES) * strings


@njit(cache=True, nogil=True)
def _place(hash_: np.uint32, bits: int) -> np.uint64:
    """The first bits of hash × 2³² / golden ratio, modulo 2³²."""
    spread: np.uint64 = np.uint64(hash_) * np.uint64(0x9E3779B1) & np.uint64(0xFFFFFFFF)
    return spread >> np.uint64(32 - bits)


@njit(cache=True, nogil=True)
def _held_by_several(
    offsets: NDArray[np.int64], hashes: NDArray[np.uint32], bits: int
) -> tuple[NDArray[np.int64], NDArray[np.uint32]]:
    """Without the strings of one document alone, which no context can repeat; some stay that fall in with others."""
    found, begins = np.empty(hashes.size, np.uint32), np.zeros(offsets.size, np.int64)
    documents = np.zeros(1 << bits, np.uint8)  # that hold a string of a place: 0, 1, or more
    for hash_ in hashes:
        place = _place(hash_, bits)
        documents[place] = min(documents[place] + 1, 2)
    count = 0
    for x in range(offsets.size - 1):
        for i in range(offsets[x], offsets[x + 1]):
            if documents[_place(hashes[i], bits)] > 1:
                found[count] = hashes[i]
                count += 1
        begins[x + 1] = count
    return begins, found[:count].copy()


@njit(cache=True, nogil=True)
def _places(
    offsets: NDArray[np.int64], hashes: NDArray[np.uint32], bits: int
) -> tuple[NDArray[np.int64], NDArray[np.uint32]]:
    """The places of each document's strings, each once."""
    found, begins = np.empty(hashes.size, np.uint32), np.zeros(offsets.size, np.int64)
    count = 0
    for x in range(offsets.size - 1):
        own = np.empty(offsets[x + 1] - offsets[x], np.uint32)
        for i in range(own.size):
            own[i] = _place(hashes[offsets[x] + i], bits)
        own.sort()
        for i in range(own.size):
            if i == 0 or own[i] != own[i - 1]:
                found[count] = own[i]
                count += 1
        begins[x + 1] = count
    return begins, found[:count].copy()


@njit(cache=True, nogil=True)
def _worth(shared: Shared, x: int, context: int, more_than: int) -> np.int64:
    """Of those strings of x that more than so many documents of a context hold."""
    total = np.int64(0)
    held = shared.held[context]
    for i in range(shared.offsets[x], shared.offsets[x + 1]):
        total += held[shared.place[i]] > more_than
    return np.int64(total * shared.worth)


@njit(cache=True, nogil=True)
def gained(shared: Shared, x: int, context: int) -> np.int64:
    """What it is worth that x comes to a context: its strings that are there already."""
    return np.int64(_worth(shared, x, context, 0))


@njit(cache=True, nogil=True)
def lost(shared: Shared, x: int, context: int) -> np.int64:
    """What it costs that x leaves its context: its strings that another document there holds, too."""
    return np.int64(_worth(shared, x, context, 1))


@njit(cache=True, nogil=True)
def most(shared: Shared, x: int) -> np.int64:
    """The most that `gained` could be, in any context."""
    return np.int64((shared.offsets[x + 1] - shared.offsets[x]) * shared.worth)


@njit(cache=True, nogil=True)
def add(shared: Shared, x: int, context: int) -> None:
    """x comes to a context."""
    for i in range(shared.offsets[x], shared.offsets[x + 1]):
        shared.held[context, shared.place[i]] += 1


@njit(cache=True, nogil=True)
def move(shared: Shared, x: int, here: int, there: int) -> None:
    """x leaves the context `here` for `there`."""
    for i in range(shared.offsets[x], shared.offsets[x + 1]):
        shared.held[here, shared.place[i]] -= 1
        shared.held[there, shared.place[i]] += 1
