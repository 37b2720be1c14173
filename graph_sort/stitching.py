"""Fragments of an order joined end to end until they are one path."""

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from sequitur.graph_sort.cell_search import cells_from, nearest_in_cells
from sequitur.graph_sort.cells import cells_of
from sequitur.graph_sort.distinct import distinct_values
from sequitur.graph_sort.graph import Graph
from sequitur.graph_sort.paths import Fragments, edge_keys, take, unlinked
from sequitur.graph_sort.vectors import Vectors, dot, rows_as_float32

CANDIDATES = 4  # for each open end in a round
STALLED = 16  # a round that joins fewer than one in so many paths is the last of its kind
SEARCHED_EXACTLY = 4096  # open ends, at most; among more, the PROBES nearest of 4√n cells are searched
PROBES = 8


class Stitched(NamedTuple):
    """One path through all fragments."""

    document: NDArray[np.int64]  # [n], along it
    fragment: NDArray[np.int64]  # [n], of each of these, counted from 0 in this sequence
    gained: float  # sum of the cosines where fragments were joined


class _Ends(NamedTuple):
    """The first and the last documents of f fragments; a fragment of one document has one end. An end is known by its
    place here."""

    document: NDArray[np.int64]  # [m], ascending
    vector: NDArray[np.float32]  # [m, d]
    fragment: NDArray[np.int64]  # [m], its own
    mate: NDArray[np.int64]  # [m], the other end of that
    first: NDArray[np.int64]  # [f], the first end of each fragment


class _Strings(NamedTuple):
    """The paths that fragments make as they are joined: laid end to end, each from its open end of lower id, and
    ascending by that."""

    fragment: NDArray[np.int64]  # [f]
    backwards: NDArray[np.bool_]  # [f], whether fragment[i] is read from its last document to its first
    path_of: NDArray[np.int64]  # [f], the path of each fragment (not of fragment[i])
    ends: NDArray[np.int64]  # [p, 2], the first and the last end of each path


Edges = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]
"""Ends a and b, and weight, of edges that may be taken."""


def stitch(graph: Graph, vectors: Vectors, fragments: Fragments) -> Stitched:
    """Join fragments in rounds, in each of which edges between open ends are taken, heaviest first.

    First from each open end to the ends of those paths that hold a neighbour of it; when that joins less than one
    path in STALLED, to its nearest open ends by a search. When that stalls, too, the rest are laid end to end, by
    lowest id: that happens where very many ends are alike, so that all have the same few nearest.

    Beside the search, O(m) for the m graph edges of the ends. Memory: the ends' vectors, as float32.
    """
    ends = _ends(vectors, fragments)
    links = unlinked(ends.document.size)
    apart = ends.mate != np.arange(ends.mate.size)
    links.link[apart, 0] = links.far_end[apart, 0] = ends.mate[apart]
    gained = 0.0
    by_search = False
    strings = _string(links.link, np.flatnonzero(links.open), ends)
    while len(strings.ends) > 1:
        if by_search:
            edges = _nearest(ends, np.flatnonzero(links.open))
        else:
            is_open = np.flatnonzero(links.open)
            edges = _beyond_neighbors(graph, fragments.of, is_open, ends, strings)
        a, b, weight = edges
        joined, weights = take(a, b, np.sort(edge_keys(weight)), links)
        gained += weights
        strings = _string(links.link, np.flatnonzero(links.open), ends)
        if joined * STALLED < len(strings.ends):
            if by_search:
                break
            by_search = True
    document, fragment = _lay_out(fragments.document, fragments.starts, strings.fragment, strings.backwards)
    return Stitched(document, fragment, gained)


def _ends(vectors: Vectors, fragments: Fragments) -> _Ends:
    of_fragment = fragments.document[np.stack((fragments.starts[:-1], fragments.starts[1:] - 1))]
    document = distinct_values(of_fragment)
    first, last = np.searchsorted(document, of_fragment)
    mate = np.empty(document.size, np.int64)
    mate[first], mate[last] = last, first
    return _Ends(document, rows_as_float32(vectors, document), fragments.of[document], mate, first)


def _nearest(ends: _Ends, is_open: NDArray[np.int64]) -> Edges:
    """Edges between each open end and its nearest."""
    vectors = ends.vector[is_open]
    n = len(vectors)
    # Cells around some of the ends: better ones, by k-means, would take longer to make than all the searching.
    count = 1 if n <= SEARCHED_EXACTLY else min(int(4 * n**0.5), n // 40)
    probed = cells_of(vectors, vectors[:: n // count][:count], min(PROBES, count))
    around = cells_from(np.ascontiguousarray(probed[:, 0]), count)
    nearest = nearest_in_cells(vectors, around, vectors, np.arange(n, dtype=np.int64), probed, CANDIDATES)
    row, column = np.nonzero(nearest.neighbor >= 0)
    return is_open[row], is_open[nearest.neighbor[row, column]], nearest.cosine[row, column]


@njit(cache=True, nogil=True)
def _beyond_neighbors(
    graph: Graph,
    fragment_of: NDArray[np.int64],
    is_open: NDArray[np.int64],
    ends: _Ends,
    strings: _Strings,
) -> Edges:
    """Edges from each open end to the ends of other paths that hold neighbours of it: the best few by cosine."""
    offsets, neighbor, _ = graph
    found, cosine = np.empty(CANDIDATES, np.int64), np.empty(CANDIDATES, np.float32)
    seen = np.full(len(strings.ends), -1, np.int64)  # of a path, by which end
    room = is_open.size * CANDIDATES
    a, b, weight = np.empty(room, np.int64), np.empty(room, np.int64), np.empty(room, np.float32)
    count = 0
    for end in is_open:
        seen[strings.path_of[ends.fragment[end]]] = end
        held = 0
        for e in range(offsets[ends.document[end]], offsets[ends.document[end] + 1]):
            path = strings.path_of[fragment_of[neighbor[e]]]
            if seen[path] == end:
                continue
            seen[path] = end
            for side in range(1 if strings.ends[path, 0] == strings.ends[path, 1] else 2):
                other = strings.ends[path, side]
                c = np.float32(dot(ends.vector[end], ends.vector[other]))
                at = held
                while at > 0 and c > cosine[at - 1]:
                    at -= 1
                if at == CANDIDATES:
                    continue
                held = min(held + 1, CANDIDATES)
                for m in range(held - 1, at, -1):
                    found[m], cosine[m] = found[m - 1], cosine[m - 1]
                found[at], cosine[at] = other, c
        for m in range(held):
            a[count], b[count], weight[count] = end, found[m], cosine[m]
            count += 1
    return a[:count], b[:count], weight[:count]


@njit(cache=True, nogil=True)
def _string(link: NDArray[np.int64], is_open: NDArray[np.int64], ends: _Ends) -> _Strings:
    """The paths that the links between ends make."""
    f = ends.first.size
    sequence, backwards = np.empty(f, np.int64), np.empty(f, np.bool_)
    path_of, outer = np.full(f, -1, np.int64), np.empty((f, 2), np.int64)
    count, paths = 0, 0
    for end in is_open:
        if path_of[ends.fragment[end]] >= 0:
            continue
        entered, left = end, -1
        while entered >= 0:
            fragment = ends.fragment[entered]
            sequence[count], backwards[count] = fragment, entered != ends.first[fragment]
            path_of[fragment] = paths
            count += 1
            before, left = left, ends.mate[entered]
            within = before if left == entered else ends.mate[left]  # the link that does not lead on
            entered = link[left, 0] if link[left, 0] != within else link[left, 1]
        outer[paths, 0], outer[paths, 1] = end, left
        paths += 1
    return _Strings(sequence, backwards, path_of, outer[:paths].copy())


@njit(cache=True, nogil=True)
def _lay_out(
    document: NDArray[np.int64], starts: NDArray[np.int64], sequence: NDArray[np.int64], backwards: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The documents of the fragments in this sequence, and how many fragments were before each."""
    along, fragment = np.empty_like(document), np.empty_like(document)
    count = 0
    for i in range(sequence.size):
        piece = document[starts[sequence[i]] : starts[sequence[i] + 1]]
        along[count : count + piece.size] = piece[::-1] if backwards[i] else piece
        fragment[count : count + piece.size] = i
        count += piece.size
    return along, fragment
