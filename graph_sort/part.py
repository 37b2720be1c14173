"""A part of the documents, seen as documents themselves: what orders a family of them alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numba import njit
from numpy.typing import NDArray

from sequitur.graph_sort.documents import Documents, StringSets, Terms
from sequitur.graph_sort.graph import Empty, Graph
from sequitur.graph_sort.offsets import places_of
from sequitur.graph_sort.threads import on_threads
from sequitur.graph_sort.vectors import Vectors

if TYPE_CHECKING:
    from sequitur.graph_sort.orders import Order


class Part:
    """Documents 0 … m−1: the `members` [m] of others, int64, ascending. What is asked for is made then, once."""

    def __init__(self, documents: Documents, members: NDArray[np.int64]) -> None:
        self._documents, self._members = documents, members

    @property
    def context_length(self) -> int:
        return self._documents.context_length

    @cached_property
    def lengths(self) -> NDArray[np.int64]:
        return self._documents.lengths[self._members]

    @cached_property
    def graph(self) -> Graph:
        return induced(self._documents.graph, self._members)

    @cached_property
    def vectors(self) -> Vectors:
        return self._documents.vectors[self._members]

    @cached_property
    def source(self) -> NDArray[np.int64]:
        source = self._documents.source
        return source[self._members] if source.size else source

    @cached_property
    def structure(self) -> NDArray[np.int64]:
        structure = self._documents.structure
        return structure[self._members] if structure.size else structure

    @cached_property
    def signal(self) -> NDArray[np.float64]:
        signal = self._documents.signal
        return signal[self._members] if signal.size else signal

    @cached_property
    def terms(self) -> Terms:
        terms = self._documents.terms
        if terms.offsets.size <= 1:
            return terms
        begin, end = terms.offsets[self._members], terms.offsets[self._members + 1]
        offsets, places = places_of(begin, end - begin)
        return Terms(offsets, terms.ids[places])

    @property
    def strings_weight(self) -> float:
        return self._documents.strings_weight

    @property
    def rows_filled(self) -> bool:
        return self._documents.rows_filled

    @property
    def threads(self) -> int:
        return self._documents.threads

    def strings(self, members: NDArray[np.int64], every: int) -> StringSets:
        return self._documents.strings(self._members[members], every)

    def each(
        self, parts: Sequence[NDArray[np.int64]], arrange: Callable[..., Order], *settings: bool
    ) -> Iterator[Order]:
        return self._documents.each([self._members[part] for part in parts], arrange, *settings)


def each_on_threads(
    documents: Documents, parts: Sequence[NDArray[np.int64]], arrange: Callable[..., Order], *settings: bool
) -> Iterator[Order]:
    """`Documents.each` on the documents' threads. Memory: that of as many parts as there are threads."""
    return on_threads(documents.threads, lambda members: arrange(Part(documents, members), *settings), parts)


def induced(graph: Graph, members: NDArray[np.int64], empty: Empty = np.empty) -> Graph:
    """The graph of some nodes [m], int64, ascending, and the edges between them; node i of it is `members[i]`.

    O(e log m), e the length of the members' rows. Rows stay sorted, because the new ids ascend with the old. Memory: 12
    bytes for each of these ends, and 8 a member, from `empty`.
    """
    offsets, ends = empty(members.size + 1, np.int64), _ends(graph.offsets, members)
    neighbor, weight = empty(ends, np.int64), empty(ends, np.float32)
    kept = _induced(graph, members, offsets, neighbor, weight)
    return Graph(offsets, neighbor[:kept], weight[:kept])


@njit(cache=True, nogil=True)
def _ends(offsets: NDArray[np.int64], members: NDArray[np.int64]) -> int:
    """Of the edges in the rows of some nodes."""
    ends = 0
    for node in members:
        ends += offsets[node + 1] - offsets[node]
    return ends


@njit(cache=True, nogil=True)
def _induced(
    graph: Graph,
    members: NDArray[np.int64],
    new_offsets: NDArray[np.int64],
    new_neighbor: NDArray[np.int64],
    new_weight: NDArray[np.float32],
) -> int:
    """Writes the graph of some nodes; returns how many ends its edges have."""
    offsets, neighbor, weight = graph
    new_offsets[0] = kept = 0
    for i in range(members.size):
        for e in range(offsets[members[i]], offsets[members[i] + 1]):
            place = np.searchsorted(members, neighbor[e])
            if place < members.size and members[place] == neighbor[e]:
                new_neighbor[kept] = place
                new_weight[kept] = weight[e]
                kept += 1
        new_offsets[i + 1] = kept
    return kept
