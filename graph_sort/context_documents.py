"""The documents of contexts, once each where several pieces of one stand in a context; of some contexts at a time."""

from collections.abc import Iterator

import numpy as np
from numba import njit
from numpy.typing import NDArray

from sequitur.graph_sort.offsets import offsets_of
from sequitur.graph_sort.packing import PackedContexts

_BLOCK = 16_384  # pieces that are looked at together


def documents_of(contexts: PackedContexts, chosen: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The documents of some contexts, int64 [b], once in each, by first appearance: offsets [b + 1], documents.

    O(p log m) for p pieces of these contexts, m of one; about 40 bytes a piece.
    """
    begins = contexts.offsets[chosen]
    counts = contexts.offsets[chosen + 1] - begins
    offsets = offsets_of(counts)
    document = contexts.document[np.repeat(begins - offsets[:-1], counts) + np.arange(offsets[-1])]
    first = _first_appearances(offsets, document)
    return offsets_of(first)[offsets], document[first]


def document_offsets(contexts: PackedContexts) -> NDArray[np.int64]:
    """Where the documents of each context begin where those of all lie end to end, once in each: int64 [c + 1]."""
    counts = np.empty(contexts.offsets.size - 1, np.int64)
    for first, last in blocks(contexts.offsets, _BLOCK):
        counts[first:last] = np.diff(documents_of(contexts, np.arange(first, last))[0])
    return offsets_of(counts)


def blocks(offsets: NDArray[np.int64], most: int) -> Iterator[tuple[int, int]]:
    """Runs [first, last) of contexts of at most so many documents or pieces together, or of one context, given where
    each begins."""
    first = 0
    while first < offsets.size - 1:
        last = int(np.searchsorted(offsets, offsets[first] + most, side="right")) - 1
        last = max(last, first + 1)
        yield first, last
        first = last


@njit(cache=True, nogil=True)
def _first_appearances(offsets: NDArray[np.int64], document: NDArray[np.int64]) -> NDArray[np.bool_]:
    """bool [p]: whether a piece is the first of its document in its context."""
    first = np.ones(document.size, np.bool_)
    for context in range(offsets.size - 1):
        begin = offsets[context]
        by_document = begin + np.argsort(document[begin : offsets[context + 1]], kind="mergesort")  # stable
        for i in range(1, by_document.size):
            first[by_document[i]] = document[by_document[i]] != document[by_document[i - 1]]
    return first
