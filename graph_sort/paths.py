"""Paths as links between documents: made edge by edge, and laid out."""

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from sequitur.graph_sort.graph import ascending_key, weight_bits

LANES = 8  # paths that are followed at once: while the memory of one is fetched, others are looked at


class Links(NamedTuple):
    """n documents joined in pairs so that they make paths; changed in place."""

    link: NDArray[np.int64]  # [n, 2], the up to two documents joined to each; −1 for none
    open: NDArray[np.bool_]  # [n], whether a document has fewer than two, so is an end of a path
    far_end: NDArray[np.int64]  # [n, 2], of an end: the other end of its path, and how many documents that has


class Fragments(NamedTuple):
    """Paths laid end to end: fragment i is `document[starts[i]:starts[i + 1]]`.

    Each begins at its end of lower id, and they ascend by that.
    """

    document: NDArray[np.int64]  # [n]
    starts: NDArray[np.int64]  # [f + 1]
    of: NDArray[np.int64]  # [n], the fragment of each document


def unlinked(n: int) -> Links:
    """n documents, none joined to another."""
    far_end = np.ones((n, 2), np.int64)
    far_end[:, 0] = np.arange(n)
    return Links(np.full((n, 2), -1, np.int64), np.ones(n, np.bool_), far_end)


def linked(link: NDArray[np.int64]) -> Links:
    """What `link` [n, 2] joins; it must make paths."""
    links = Links(link, link[:, 1] < 0, np.empty_like(link))
    _find_far_ends(*links)
    return links


def fragments_of(links: Links) -> Fragments:
    """The paths that the links make, laid end to end. O(n)."""
    ends = np.flatnonzero(links.open)
    first = ends[ends <= links.far_end[ends, 0]]
    starts = np.zeros(first.size + 1, np.int64)
    np.cumsum(links.far_end[first, 1], out=starts[1:])
    return Fragments(*_follow(links.link, first, starts))


@njit(cache=True, nogil=True)
def edge_keys(weight: NDArray[np.float32]) -> NDArray[np.uint64]:
    """Keys of edges for `take`: they ascend as weights fall, then as places in the list ascend."""
    keys = np.empty(weight.size, np.uint64)
    bits = weight.view(np.uint32)
    for e in range(weight.size):
        keys[e] = ascending_key(bits[e], e)
    return keys


@njit(cache=True, nogil=True)
def take(a: NDArray[np.int64], b: NDArray[np.int64], keys: NDArray[np.uint64], links: Links) -> tuple[int, float]:
    """Join a[i] to b[i], in the sequence of the sorted `keys`, where both are open and no cycle closes.

    Returns how many were joined, and the sum of their weights.
    """
    joined, total = 0, 0.0
    bits = np.empty(1, np.uint32)
    weight = bits.view(np.float32)
    for key in keys:
        e = np.int64(key & np.uint64(0xFFFFFFFF))
        x, y = a[e], b[e]
        if not (links.open[x] and links.open[y]) or links.far_end[x, 0] == y:
            continue
        end_x, end_y = links.far_end[x, 0], links.far_end[y, 0]
        size = links.far_end[x, 1] + links.far_end[y, 1]
        links.far_end[end_x, 0], links.far_end[end_x, 1] = end_y, size
        links.far_end[end_y, 0], links.far_end[end_y, 1] = end_x, size
        for end, other in ((x, y), (y, x)):
            place = 0 if links.link[end, 0] < 0 else 1
            links.link[end, place] = other
            links.open[end] = place == 0
        bits[0] = weight_bits(key)
        total += np.float64(weight[0])
        joined += 1
    return joined, total


@njit(cache=True, nogil=True)
def _find_far_ends(link: NDArray[np.int64], is_open: NDArray[np.bool_], far_end: NDArray[np.int64]) -> None:
    far_end[:, 0] = -1
    for end in range(is_open.size):
        if not is_open[end] or far_end[end, 0] >= 0:
            continue
        node, previous, size = end, -1, 0
        while node >= 0:
            following = link[node, 0] if link[node, 0] != previous else link[node, 1]
            node, previous = following, node
            size += 1
        far_end[end, 0], far_end[end, 1] = previous, size
        far_end[previous, 0], far_end[previous, 1] = end, size


@njit(cache=True, nogil=True)
def _follow(
    link: NDArray[np.int64], first: NDArray[np.int64], starts: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """The fields of `Fragments` of the paths that begin at `first`, whose documents are laid to `starts`."""
    document, of = np.empty(len(link), np.int64), np.empty(len(link), np.int64)
    node, previous = np.full(LANES, -1, np.int64), np.empty(LANES, np.int64)
    path, place = np.empty(LANES, np.int64), np.empty(LANES, np.int64)
    begun, left = 0, len(link)
    while left > 0:
        for lane in range(LANES):
            if node[lane] < 0:
                if begun == first.size:
                    continue
                node[lane], previous[lane], path[lane], place[lane] = first[begun], -1, begun, starts[begun]
                begun += 1
            here = node[lane]
            document[place[lane]], of[here] = here, path[lane]
            node[lane] = link[here, 0] if link[here, 0] != previous[lane] else link[here, 1]
            previous[lane] = here
            place[lane] += 1
            left -= 1
    return document, starts, of
