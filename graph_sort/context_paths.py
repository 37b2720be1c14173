"""The reading order inside each context: the path of the greatest sum of cosines of consecutive documents."""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from sequitur.graph_sort.vectors import dot

EXACT = 9  # documents of a context up to which the best path is found by trying all
RUN = 512  # documents arranged at a time; a longer context is arranged run by run
SWEEPS = 24
_SMALL = 1e-9


@njit(cache=True, nogil=True)
def arrange(offsets: NDArray[np.int64], rows: NDArray[np.float32], opening: NDArray[np.float64]) -> NDArray[np.int64]:
    """The order of the rows [m, d] of each context, which are offsets[c] … offsets[c + 1] − 1: int64[m], a permutation.

    What is maximised is Σ cos(d_i, d_i+1) + opening[d_1]: `opening` [m] says how well a row may begin a context.
    Up to EXACT documents by dynamic programming over subsets (Held and Karp, J. SIAM 10(1), 1962); beyond, by nearest
    neighbours and then 2-opt and or-opt (Bentley, ORSA Journal on Computing 4(4), 1992), up to SWEEPS times.
    Time O(2^EXACT · EXACT²) or O(RUN · m · (d + SWEEPS)) a context; memory 8·RUN² bytes.
    """
    order = np.empty(rows.shape[0], np.int64)
    for c in range(offsets.size - 1):
        for begin in range(offsets[c], offsets[c + 1], RUN):
            end = min(begin + RUN, offsets[c + 1])
            cosine = _cosines(rows[begin:end], opening[begin:end])
            path = _best_path(cosine) if end - begin <= EXACT else _good_path(cosine)
            for i in range(end - begin):
                order[begin + i] = begin + path[i + 1] - 1
    return order


@njit(cache=True, nogil=True)
def _cosines(rows: NDArray[np.float32], opening: NDArray[np.float64]) -> NDArray[np.float64]:
    """[m + 1, m + 1]: a node 0 stands before the path, the others are the rows."""
    m = rows.shape[0]
    cosine = np.zeros((m + 1, m + 1))
    for i in range(m):
        cosine[0, i + 1] = cosine[i + 1, 0] = opening[i]
        for j in range(i):
            cosine[i + 1, j + 1] = cosine[j + 1, i + 1] = dot(rows[i], rows[j])
    return cosine


@njit(cache=True, nogil=True)
def _best_path(cosine: NDArray[np.float64]) -> NDArray[np.int64]:
    """The heaviest path from node 0 through all others; of equals the one whose last nodes are lowest."""
    m = cosine.shape[0] - 1
    weight = np.full((1 << m, m), -np.inf)  # of the best path over a subset of nodes that ends at one of them
    before = np.full((1 << m, m), -1, np.int64)
    for i in range(m):
        weight[1 << i, i] = cosine[0, i + 1]
    for subset in range(1, 1 << m):
        for i in range(m):
            if not subset >> i & 1 or subset == 1 << i:
                continue
            rest = subset ^ (1 << i)
            for j in range(m):
                if rest >> j & 1 and weight[rest, j] + cosine[j + 1, i + 1] > weight[subset, i]:
                    weight[subset, i] = weight[rest, j] + cosine[j + 1, i + 1]
                    before[subset, i] = j
    path = np.zeros(m + 1, np.int64)
    subset = (1 << m) - 1
    node = np.argmax(weight[subset])
    for at in range(m, 0, -1):
        path[at] = node + 1
        subset, node = subset ^ (1 << node), before[subset, node]
    return path


@njit(cache=True, nogil=True)
def _good_path(cosine: NDArray[np.float64]) -> NDArray[np.int64]:
    """Nearest neighbours from node 0, then changes that add to the path, while there are any."""
    nodes = cosine.shape[0]
    path = np.zeros(nodes, np.int64)
    used = np.zeros(nodes, np.bool_)
    used[0] = True
    for at in range(1, nodes):
        nearest = -1
        for node in range(nodes):
            if not used[node] and (nearest < 0 or cosine[path[at - 1], node] > cosine[path[at - 1], nearest]):
                nearest = node
        path[at] = nearest
        used[nearest] = True
    for _ in range(SWEEPS):
        reversed_some = _reverse_runs(cosine, path)
        moved_some = _move_runs(cosine, path)
        if not (reversed_some or moved_some):
            break
    return path


@njit(cache=True, nogil=True)
def _reverse_runs(cosine: NDArray[np.float64], path: NDArray[np.int64]) -> bool:
    """2-opt: reverse path[i … j] wherever that adds to the path."""
    nodes = path.size
    changed = False
    for i in range(1, nodes - 1):
        for j in range(i + 1, nodes):
            gain = cosine[path[i - 1], path[j]] - cosine[path[i - 1], path[i]]
            if j + 1 < nodes:
                gain += cosine[path[i], path[j + 1]] - cosine[path[j], path[j + 1]]
            if gain > _SMALL:
                path[i : j + 1] = path[i : j + 1][::-1].copy()
                changed = True
    return changed


@njit(cache=True, nogil=True)
def _move_runs(cosine: NDArray[np.float64], path: NDArray[np.int64]) -> bool:
    """Or-opt: move up to three consecutive nodes, either way round, to where that adds most to the path."""
    nodes = path.size
    changed = False
    for length in range(1, 4):
        for i in range(1, nodes - length + 1):
            head, tail = path[i], path[i + length - 1]
            ends = i + length == nodes
            lost = cosine[path[i - 1], head]
            if not ends:
                lost += cosine[tail, path[i + length]] - cosine[path[i - 1], path[i + length]]
            best, best_after, turned = _SMALL, -1, False
            for after in range(nodes):
                if i - 1 <= after < i + length:
                    continue
                ahead = cosine[path[after], head], cosine[path[after], tail]
                if after + 1 < nodes:
                    follower = path[after + 1]
                    between = cosine[path[after], follower]
                    ahead = (
                        ahead[0] + cosine[tail, follower] - between,
                        ahead[1] + cosine[head, follower] - between,
                    )
                if max(ahead) - lost > best:
                    best, best_after, turned = max(ahead) - lost, after, ahead[1] > ahead[0]
            if best_after < 0:
                continue
            moved = path[i : i + length].copy()
            if turned:
                moved = moved[::-1].copy()
            if best_after > i:
                path[i : best_after - length + 1] = path[i + length : best_after + 1].copy()
                path[best_after - length + 1 : best_after + 1] = moved
            else:
                path[best_after + 1 + length : i + length] = path[best_after + 1 : i].copy()
                path[best_after + 1 : best_after + 1 + length] = moved
            changed = True
    return changed
