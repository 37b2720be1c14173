"""A set of pairs of documents that grows to millions: asked and filled many at a time."""

import secrets

import numpy as np
from numba import njit
from numpy.typing import NDArray

from sequitur.graph_sort.graph import Empty

EMPTY = -1
FIRST = 2**12  # places to begin with


class PairSet:
    """Pairs of ids, int64 [e, 2], each with the lower first. 8 bytes a place, and two to eight places a pair, in arrays
    from `empty`.

    Args:
        documents: whose ids are 0 … n−1, n below 2³¹.
        most: pairs beyond which no more are kept.
        empty: makes the arrays, which may be on disk.
    """

    def __init__(self, documents: int, most: int, empty: Empty = np.empty) -> None:
        self._documents, self._most, self._count, self._empty = documents, most, 0, empty
        self._places = self._unfilled(FIRST)
        # Ids follow from the corpus, so that places by a known factor could be made to fall together.
        self._factor = np.uint64(secrets.randbits(64) | 1)

    def add(self, edges: NDArray[np.int64]) -> None:
        """Puts the pairs in, up to the most that are kept."""
        numbers = self._numbers(edges)[: max(0, self._most - self._count)]
        if 2 * (self._count + len(numbers)) > len(self._places):
            size = 1 << (4 * (self._count + len(numbers)) - 1).bit_length()
            held, self._places = self._places, self._unfilled(size)
            _add(self._places, held, self._factor)
        self._count += _add(self._places, numbers, self._factor)

    def holds(self, edges: NDArray[np.int64]) -> NDArray[np.bool_]:
        """bool [e]: which of the pairs are there."""
        held = np.empty(len(edges), np.bool_)
        _find(self._places, self._numbers(edges), self._factor, held)
        return held

    def _unfilled(self, size: int) -> NDArray[np.int64]:
        places = self._empty(size, np.int64)
        places[:] = EMPTY
        return places

    def _numbers(self, edges: NDArray[np.int64]) -> NDArray[np.int64]:
        return edges[:, 0] * self._documents + edges[:, 1]


@njit(cache=True, nogil=True)
def _place(places: NDArray[np.int64], number: int, factor: np.uint64) -> np.int64:
    """Where a number stands, or may be put."""
    mixed = np.uint64(number) * factor
    mixed = (mixed ^ (mixed >> np.uint64(32))) * factor
    at = np.int64((mixed >> np.uint64(20)) & np.uint64(places.size - 1))
    while places[at] != EMPTY and places[at] != number:
        at = (at + 1) & (places.size - 1)
    return at


@njit(cache=True, nogil=True)
def _add(places: NDArray[np.int64], numbers: NDArray[np.int64], factor: np.uint64) -> int:
    """Returns how many are new; EMPTY is none."""
    new = 0
    for number in numbers:
        if number == EMPTY:
            continue
        at = _place(places, number, factor)
        new += places[at] == EMPTY
        places[at] = number
    return new


@njit(cache=True, nogil=True)
def _find(places: NDArray[np.int64], numbers: NDArray[np.int64], factor: np.uint64, held: NDArray[np.bool_]) -> None:
    for i in range(numbers.size):
        held[i] = places[_place(places, numbers[i], factor)] == numbers[i]
