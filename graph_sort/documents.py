"""What an order may go by: everything that is known of the documents which it arranges."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from sequitur.graph_sort.offsets import places_of

if TYPE_CHECKING:  # which orders there are is asked at every start, and numba takes half a second to load
    from sequitur.graph_sort.graph import Graph
    from sequitur.graph_sort.orders import Order
    from sequitur.graph_sort.vectors import Vectors

# Policies of packing that go by which documents are alike, and by what an order says fills contexts.
BY_LIKENESS = ("filled",)


class MissingField(ValueError):
    """An order asks for something that is not known of these documents; the message names it and the remedy."""


class Terms(NamedTuple):
    """Term ids of each document: those of document i are `ids[offsets[i]:offsets[i + 1]]`, in their order."""

    offsets: NDArray[np.int64]  # [n + 1]
    ids: NDArray[np.uint32]


class StringSets(NamedTuple):
    """The strings that each document holds, by well mixed hashes: those of document i are
    `hashes[offsets[i]:offsets[i + 1]]`, each once. A document has about as many as it has tokens, or an even share."""

    offsets: NDArray[np.int64]  # [n + 1]
    hashes: NDArray[np.uint32]


class Documents(Protocol):
    """n ≥ 0 documents, 0 … n−1. What is asked for is computed then; an order asks only for what it needs.

    An attribute raises MissingField where the documents do not have it.
    """

    @property
    def context_length(self) -> int:
        """Tokens in a context."""

    @property
    def lengths(self) -> NDArray[np.int64]:
        """[n], tokens."""

    @property
    def graph(self) -> Graph:
        """The undirected k-nearest-neighbour graph."""

    @property
    def vectors(self) -> Vectors:
        """[n, d], unit vectors: those that made the graph."""

    @property
    def source(self) -> NDArray[np.int64]:
        """[n], code of each document's source; codes ascend with the names."""

    @property
    def structure(self) -> NDArray[np.int64]:
        """[n], rank of the document's place in a structure, such as the path of its URL; −1 where it has none."""

    @property
    def signal(self) -> NDArray[np.float64]:
        """[n], the signal by which a curriculum is sorted; NaN where it is unknown."""

    @property
    def terms(self) -> Terms:
        """The documents' terms, for searching by words."""

    @property
    def strings_weight(self) -> float:
        """What it weighs in the order `contexts` that a context holds a string twice, ≥ 0; at 0 none are asked for."""

    @property
    def rows_filled(self) -> bool:
        """Whether contexts will be filled up, so that an order may say with what (`Order.fills`)."""

    @property
    def threads(self) -> int:
        """How many threads an order may work on, 1 or more. It is the same on any number."""

    def strings(self, members: NDArray[np.int64], every: int) -> StringSets:
        """Of some documents [m] the strings whose hash is a multiple of `every`, a power of two; of a document longer
        than a context those of `length % context_length` tokens alone: its last; its first, where rows are filled."""

    def each(
        self, parts: Sequence[NDArray[np.int64]], arrange: Callable[..., Order], *settings: bool
    ) -> Iterator[Order]:
        """The order of each of some parts of the documents ([m], ascending; no two parts have one in common), as
        `arrange(part, *settings)` makes it, for which a part is documents 0 … m−1. Several are made at a time, on
        threads or elsewhere, so `arrange` is a function of a module; their orders come in the order of the parts."""


@dataclass(frozen=True)
class ArrayDocuments:
    """`Documents` of arrays at hand; an order that asks for one which was not given raises MissingField."""

    graph: Graph
    vectors: Vectors
    lengths: NDArray[np.int64]
    context_length: int
    source: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    structure: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    signal: NDArray[np.float64] = field(default_factory=lambda: np.empty(0, np.float64))
    terms: Terms = field(default_factory=lambda: Terms(np.zeros(1, np.int64), np.empty(0, np.uint32)))
    string_sets: StringSets = field(default_factory=lambda: StringSets(np.zeros(1, np.int64), np.empty(0, np.uint32)))
    strings_weight: float = 0.0
    rows_filled: bool = False
    threads: int = 1

    def strings(self, members: NDArray[np.int64], every: int) -> StringSets:
        """Those at hand, which are to be of the tails where documents are longer than a context."""
        offsets, hashes = self.string_sets
        known(np.diff(offsets), self, "strings")
        kept = np.flatnonzero(hashes % np.uint32(every) == 0)
        bounds = np.searchsorted(kept, offsets)
        begin, count = bounds[members], np.diff(bounds)[members]
        own, places = places_of(begin, count)
        return StringSets(own, hashes[kept[places]])

    def each(
        self, parts: Sequence[NDArray[np.int64]], arrange: Callable[..., Order], *settings: bool
    ) -> Iterator[Order]:
        from sequitur.graph_sort.part import each_on_threads  # which loads numba

        return each_on_threads(self, parts, arrange, *settings)


def known(values: NDArray[np.int64] | NDArray[np.float64], documents: Documents, name: str) -> None:
    """Raises MissingField unless there is a value for each document."""
    if values.shape != documents.lengths.shape:
        raise MissingField(f"this order needs the {name} of each of {documents.lengths.size} documents")
