"""Clusters of duplicates: connected components of the verified pairs, and the pair that condemns each document."""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from sequitur.text_core.units.arrays import distinct_pairs, read_only

_FAR = np.int64(2**62)  # the distance where no path is known yet


class UnconnectedSurvivorError(ValueError):
    """A node's survivor cannot be reached from it along the edges."""


def connected_components(edges: npt.NDArray[np.int64], nodes: int) -> npt.NDArray[np.int64]:
    """The smallest member of each node's component, int64[nodes], from undirected edges int64[e, 2].

    Union by smaller root with path halving: near-linear. Raises ValueError for an edge outside [0, nodes).
    """
    labels = np.arange(nodes, dtype=np.int64)
    _link(_checked(edges, nodes), labels)
    return labels


def evidence(
    edges: npt.NDArray[np.int64],
    survivors: npt.NDArray[np.int64],
    empty: Callable[[int, npt.DTypeLike], npt.NDArray[Any]] = np.empty,
) -> npt.NDArray[np.int64]:
    """The edge on which each node was found a duplicate of its survivor: an index into edges, int64[nodes].

    `survivors` int64[nodes] names the kept member of each node's component, itself for the kept. A node's evidence
    is the first edge of a shortest path to its survivor, of several the one with the lowest index; −1 for
    survivors. Following the evidence from edge to edge leads to the survivor. Linear in nodes and edges. Memory: 24
    bytes a node; 8 a node and 16 an edge more are in arrays from `empty`, which may be on disk. Raises ValueError for
    an edge or survivor outside [0, nodes), UnconnectedSurvivorError when a path is missing.
    """
    survivors = read_only(survivors, np.int64)
    nodes = len(survivors)
    if nodes and (survivors.min() < 0 or survivors.max() >= nodes):
        raise ValueError(f"survivors must lie in [0, {nodes})")
    edges = _checked(edges, nodes)
    distances = np.full(nodes, -1, dtype=np.int64)
    _fill_distances(edges, survivors, empty(2 * len(edges), np.int64), empty(nodes, np.int64), distances)
    result = np.full(nodes, -1, dtype=np.int64)
    _fill_evidence(edges, survivors, distances, 0, result)
    _check_reached(result, survivors)
    return result


def _check_reached(result: npt.NDArray[np.int64], survivors: npt.NDArray[np.int64]) -> None:
    lost = np.flatnonzero((result == -1) & (survivors != np.arange(len(survivors))))
    if len(lost):
        raise UnconnectedSurvivorError(
            f"{len(lost)} nodes have no path to their survivor, node {lost[0]} none to {survivors[lost[0]]}: "
            "choose survivors within the components of the same edges"
        )


def evidence_of_chunks(
    chunks: Iterable[npt.NDArray[np.int64]], survivors: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    """As `evidence`, for edges that come in chunks int64[e, 2], one of which is held at a time.

    `chunks` is iterated as often as the longest shortest path has edges, or less, and twice more. An edge's index
    counts over all chunks.
    """
    survivors = read_only(survivors, np.int64)
    nodes = len(survivors)
    distances = np.where(survivors == np.arange(nodes), 0, _FAR)
    changed = True
    while changed:
        changed = False
        for chunk in chunks:
            changed |= _relax(_checked(chunk, nodes), survivors, distances)
    distances[distances == _FAR] = -1
    result = np.full(nodes, -1, dtype=np.int64)
    first = 0
    for chunk in chunks:
        _fill_evidence(_checked(chunk, nodes), survivors, distances, first, result)
        first += len(chunk)
    _check_reached(result, survivors)
    return result


def star_round(edges: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """One large-star and one small-star over all edges at once: int64[e, 2], larger member first, distinct, sorted.

    The connected components stay what they were; repeated until nothing changes, every node that is not the smallest
    of its component has a single edge, to that smallest one (Kiveris, Lattanzi, Mirrokni, Rastogi and Vassilvitskii,
    "Connected Components in MapReduce and Beyond", SoCC 2014, §3.2: O(log² nodes) rounds).
    """
    return small_star(large_star(np.concatenate((edges, edges[:, ::-1]))))


def large_star(directed: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Large-star for some nodes, from all their directed edges (node, neighbour), int64[e, 2], in any order.

    Each neighbour larger than its node is linked to the least of the node and its neighbours: int64[e', 2], larger
    member first, distinct, sorted. Costs two sorts.
    """
    node, neighbor, least = _least_around(directed)
    larger = neighbor > node
    return distinct_pairs(np.column_stack((neighbor[larger], least[larger])))


def small_star(edges: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Small-star for some nodes, from all edges (node, smaller neighbour), int64[e, 2], in any order.

    The node and each smaller neighbour are linked to the least of these: int64[e', 2], larger member first, distinct,
    sorted. Costs two sorts.
    """
    node, neighbor, least = _least_around(edges)
    linked = np.column_stack((np.concatenate((node, neighbor)), np.concatenate((least, least))))
    return distinct_pairs(linked[linked[:, 0] > linked[:, 1]])


def _least_around(
    directed: npt.NDArray[np.int64],
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Nodes, neighbours, and the least of each node and all its neighbours, in the order of the nodes."""
    if not len(directed):
        nothing = np.empty(0, dtype=np.int64)
        return nothing, nothing, nothing
    order = np.argsort(directed[:, 0], kind="stable")
    node, neighbor = directed[order, 0], directed[order, 1]
    begins = np.append(True, node[1:] != node[:-1])
    least = np.minimum.reduceat(np.minimum(node, neighbor), np.flatnonzero(begins))
    return node, neighbor, least[np.cumsum(begins) - 1]


def _checked(edges: npt.NDArray[np.int64], nodes: int) -> npt.NDArray[np.int64]:
    edges = read_only(edges, np.int64)
    if len(edges) and (edges.min() < 0 or edges.max() >= nodes):
        raise ValueError(f"edges must join nodes in [0, {nodes})")
    return edges


@njit(cache=True, nogil=True)
def _link(edges: npt.NDArray[np.int64], parents: npt.NDArray[np.int64]) -> None:
    for edge in range(len(edges)):
        a = _root(parents, edges[edge, 0])
        b = _root(parents, edges[edge, 1])
        parents[max(a, b)] = min(a, b)
    for node in range(len(parents)):  # a parent is never larger than its child, so it is settled already
        parents[node] = parents[parents[node]]


@njit(cache=True, nogil=True)
def _root(parents: npt.NDArray[np.int64], node: int) -> int:
    while parents[node] != node:
        parents[node] = parents[parents[node]]
        node = parents[node]
    return node


@njit(cache=True, nogil=True)
def _fill_distances(
    edges: npt.NDArray[np.int64],
    survivors: npt.NDArray[np.int64],
    neighbors: npt.NDArray[np.int64],
    queue: npt.NDArray[np.int64],
    distances: npt.NDArray[np.int64],
) -> None:
    """Edges from each node to its survivor: breadth-first from all survivors at once. Distances are −1 before, and stay
    so where there is no path. `neighbors`, two for each edge, and `queue`, of all nodes, are room to work in."""
    nodes = len(survivors)
    begins = np.zeros(nodes + 1, dtype=np.int64)  # at first where the neighbours of each node end
    for edge in range(len(edges)):
        begins[edges[edge, 0]] += 1
        begins[edges[edge, 1]] += 1
    for node in range(nodes):
        begins[node + 1] += begins[node]
    for edge in range(len(edges)):
        a, b = edges[edge, 0], edges[edge, 1]
        begins[a] -= 1
        neighbors[begins[a]] = b
        begins[b] -= 1
        neighbors[begins[b]] = a

    queued = 0
    for node in range(nodes):
        if survivors[node] == node:
            distances[node] = 0
            queue[queued] = node
            queued += 1
    read = 0
    while read < queued:
        node = queue[read]
        read += 1
        for i in range(begins[node], begins[node + 1]):
            neighbor = neighbors[i]
            if distances[neighbor] == -1 and survivors[neighbor] == survivors[node]:
                distances[neighbor] = distances[node] + 1
                queue[queued] = neighbor
                queued += 1


@njit(cache=True, nogil=True)
def _relax(edges: npt.NDArray[np.int64], survivors: npt.NDArray[np.int64], distances: npt.NDArray[np.int64]) -> bool:
    """Shortens distances over each edge in turn, forth and back; whether one was shortened."""
    changed = False
    for step in range(2 * len(edges)):
        edge = step if step < len(edges) else 2 * len(edges) - 1 - step
        a, b = edges[edge, 0], edges[edge, 1]
        if survivors[a] == survivors[b]:
            if distances[a] > distances[b] + 1:
                distances[a] = distances[b] + 1
                changed = True
            elif distances[b] > distances[a] + 1:
                distances[b] = distances[a] + 1
                changed = True
    return changed


@njit(cache=True, nogil=True)
def _fill_evidence(
    edges: npt.NDArray[np.int64],
    survivors: npt.NDArray[np.int64],
    distances: npt.NDArray[np.int64],
    first: int,
    result: npt.NDArray[np.int64],
) -> None:
    for edge in range(len(edges)):
        a, b = edges[edge, 0], edges[edge, 1]
        if survivors[a] != survivors[b] or distances[a] == -1 or distances[b] == -1:
            continue
        if distances[a] == distances[b] + 1 and result[a] == -1:
            result[a] = first + edge
        if distances[b] == distances[a] + 1 and result[b] == -1:
            result[b] = first + edge
