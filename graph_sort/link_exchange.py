"""Local search over paths: exchange up to three links for heavier ones.

The sequential exchange of Lin and Kernighan ("An effective heuristic algorithm for the traveling-salesman problem",
Operations Research 21(2), 1973), at most three links deep, with a queue of documents to look at (Bentley's "don't
look bits", ORSA Journal on Computing 4(4), 1992). Here paths need not be closed, nor become one.
"""

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from sequitur.graph_sort.graph import Graph

LINKS = 3  # that an exchange cuts, at most
WIDTH = 32  # heaviest neighbours of a document to which it may be linked
LONGEST = 4096  # documents of a path; longer ones are left as they are, because an exchange costs their length
LEAST_GAIN = 1e-6  # below it lies the rounding of a sum of float32 weights


class _Paths(NamedTuple):
    """Changed in place."""

    link: NDArray[np.int64]  # [n, 2], the documents joined to each; −1 for none
    weight: NDArray[np.float64]  # [n, 2], of the links; 0 for none
    path: NDArray[np.int64]  # [n], the path on which a document lies, by one of its ends
    place: NDArray[np.int64]  # [n], and where on it
    size: NDArray[np.int64]  # [n], documents on the path that is named by this end
    near: NDArray[np.float64]  # [n], weights of the edges of the document that is left open, else 0


class _Exchange(NamedTuple):
    """Links from x to y: `cut` are taken away and `added` put in; −1 for none."""

    cut: NDArray[np.int64]  # [LINKS, 2]
    added: NDArray[np.int64]  # [LINKS, 2]


def exchange_links(graph: Graph, link: NDArray[np.int64], sequence: NDArray[np.int64]) -> None:
    """Make paths of graph edges heavier; `link` int64[n, 2], −1 for none, is changed in place.

    Documents are looked at in the given sequence, each once, then those at which something has changed, and the ends
    of the paths that they are on, since what closed a cycle before need not any more. From a document a, one of its
    links (or none, at an open end) is cut, leaving p; a is joined to a neighbour b if that weighs more; b then loses a
    link, leaving c. Either p and c are joined if there is an edge, or c is joined to a neighbour d in the same way, and
    p to what d leaves. The best exchange of those from a is made; at the end no edge is left that could be put in.
    Neighbours are the WIDTH heaviest. What weighs 0 or less is not put in.

    Links must be edges of the graph. The sum of their weights never falls. Time: up to 2·WIDTH² exchanges are weighed
    for a document, of which the first link's gain rules out most: 20 to 40 µs for k = 20; and for each exchange
    made, the length of the paths it touches. Memory: 80 bytes a document.
    """
    n = len(link)
    weight = np.zeros((n, 2), np.float64)
    _weigh(*graph, link, weight)
    path, place, size = np.full(n, -1, np.int64), np.zeros(n, np.int64), np.zeros(n, np.int64)
    paths = _Paths(link, weight, path, place, size, np.zeros(n, np.float64))
    _search(*graph, paths, sequence)


@njit(cache=True, nogil=True)
def _edge(
    offsets: NDArray[np.int64], neighbor: NDArray[np.int64], weight: NDArray[np.float32], a: int, b: int
) -> float:
    """Weight of the edge from a to b, which there is."""
    if offsets[a + 1] - offsets[a] > offsets[b + 1] - offsets[b]:
        a, b = b, a
    for e in range(offsets[a], offsets[a + 1]):
        if neighbor[e] == b:
            return np.float64(weight[e])
    return 0.0


@njit(cache=True, nogil=True)
def _weigh(
    offsets: NDArray[np.int64],
    neighbor: NDArray[np.int64],
    weight: NDArray[np.float32],
    link: NDArray[np.int64],
    link_weight: NDArray[np.float64],
) -> None:
    for a in range(len(link)):
        for e in range(offsets[a], offsets[a + 1]):
            for side in range(2):
                if neighbor[e] == link[a, side]:
                    link_weight[a, side] = weight[e]


@njit(cache=True, nogil=True)
def _search(
    offsets: NDArray[np.int64],
    neighbor: NDArray[np.int64],
    weight: NDArray[np.float32],
    paths: _Paths,
    sequence: NDArray[np.int64],
) -> int:
    n = sequence.size
    waits = np.ones(n, np.bool_)
    queue = sequence.copy()
    first, waiting, made = 0, n, 0
    for a in sequence:
        if paths.path[a] < 0:
            _number(paths, a)
    trial = _Exchange(np.full((LINKS, 2), -1, np.int64), np.full((LINKS, 2), -1, np.int64))
    best = _Exchange(trial.cut.copy(), trial.added.copy())
    while waiting > 0:
        a = queue[first]
        first, waiting = (first + 1) % n, waiting - 1
        waits[a] = False
        if _best_exchange(offsets, neighbor, weight, paths, a, trial, best) <= LEAST_GAIN:
            continue
        made += 1
        for x, y in best.cut:
            if y >= 0:
                _unlink(paths, x, y)
                _unlink(paths, y, x)
        for x, y in best.added:
            if y >= 0:
                w = _edge(offsets, neighbor, weight, x, y)
                _link(paths, x, y, w)
                _link(paths, y, x, w)
        touched = best.cut.ravel()
        touched = touched[touched >= 0]
        paths.path[touched] = -1
        for x in touched:
            end = _number(paths, x) if paths.path[x] < 0 else x
            for changed in (x, paths.path[x], end):
                if not waits[changed]:
                    waits[changed] = True
                    queue[(first + waiting) % n] = changed
                    waiting += 1
    return made


@njit(cache=True, nogil=True)
def _best_exchange(
    offsets: NDArray[np.int64],
    neighbor: NDArray[np.int64],
    weight: NDArray[np.float32],
    paths: _Paths,
    a: int,
    trial: _Exchange,
    best: _Exchange,
) -> float:
    """The exchange from a that gains most is written to `best`; returns its gain, LEAST_GAIN if there is none."""
    most = LEAST_GAIN
    for side_a in range(2 if paths.size[paths.path[a]] <= LONGEST else 0):
        p, w_ap = paths.link[a, side_a], paths.weight[a, side_a]
        if p >= 0:
            for e in range(offsets[p], offsets[p + 1]):
                paths.near[neighbor[e]] = weight[e]
        trial.cut[0, 0], trial.cut[0, 1] = a, p
        for e in range(offsets[a], min(offsets[a + 1], offsets[a] + WIDTH)):
            b, w_ab = neighbor[e], np.float64(weight[e])
            if w_ab <= w_ap:
                break
            if not _may_join(paths, a, b):
                continue
            trial.added[0, 0], trial.added[0, 1] = a, b
            for side_b in range(2):
                c = paths.link[b, side_b]
                gain = w_ab - w_ap - paths.weight[b, side_b]
                trial.cut[1, 0], trial.cut[1, 1] = b, c
                most = _close(paths, gain, c, p, 1, trial, best, most)
                if c >= 0:
                    most = _third_cut(offsets, neighbor, weight, paths, gain, trial, best, most)
        if p >= 0:
            for e in range(offsets[p], offsets[p + 1]):
                paths.near[neighbor[e]] = 0
    return most


@njit(cache=True, nogil=True)
def _third_cut(
    offsets: NDArray[np.int64],
    neighbor: NDArray[np.int64],
    weight: NDArray[np.float32],
    paths: _Paths,
    gain: float,
    trial: _Exchange,
    best: _Exchange,
    most: float,
) -> float:
    """Weighs what can follow upon two cuts that leave p and c open; returns the most that is gained so far."""
    a, p = trial.cut[0]
    c = trial.cut[1, 1]
    trial.added[1, 0] = c
    for e in range(offsets[c], min(offsets[c + 1], offsets[c] + WIDTH)):
        d, w = neighbor[e], np.float64(weight[e])
        if gain + w <= 0:
            break
        if not _may_join(paths, c, d):
            continue
        for side in range(2):
            q = paths.link[d, side]
            if (d == a and q == p) or (d == p and q == a):
                continue  # it is cut already
            trial.added[1, 1] = trial.cut[2, 0] = d
            trial.cut[2, 1] = q
            most = _close(paths, gain + w - paths.weight[d, side], q, p, 2, trial, best, most)
    trial.cut[2], trial.added[1] = -1, -1
    return most


@njit(cache=True, nogil=True)
def _may_join(paths: _Paths, x: int, y: int) -> bool:
    return bool(paths.link[x, 0] != y and paths.link[x, 1] != y and paths.size[paths.path[y]] <= LONGEST)


@njit(cache=True, nogil=True)
def _close(
    paths: _Paths,
    gain: float,
    x: int,
    y: int,
    depth: int,
    trial: _Exchange,
    best: _Exchange,
    most: float,
) -> float:
    """Weighs an exchange that leaves x and y open, with and without an edge between them; the larger of the gains."""
    if x >= 0 and y >= 0 and x != paths.link[y, 0] and x != paths.link[y, 1]:
        w = paths.near[x]
        if w > 0 and gain + w > most:
            trial.added[depth, 0], trial.added[depth, 1] = x, y
            if _makes_paths(paths, trial):
                best.cut[:], best.added[:] = trial.cut, trial.added
                most = gain + w
            trial.added[depth] = -1
    if gain > most and _makes_paths(paths, trial):
        best.cut[:], best.added[:] = trial.cut, trial.added
        return gain
    return most


@njit(cache=True, nogil=True)
def _makes_paths(paths: _Paths, exchange: _Exchange) -> bool:
    """Whether the added links close no cycle: no two of them join the same pieces, directly or over a third."""
    piece = np.empty((LINKS, 2, 2), np.int64)  # of both ends of an added link: the path, and the piece of it
    for i in range(LINKS):
        for j in range(2):
            x = exchange.added[i, j]
            piece[i, j, 0], piece[i, j, 1] = -1 - 2 * i - j, 0
            if exchange.added[i, 1] >= 0:
                piece[i, j, 0] = paths.path[x]
                for u, v in exchange.cut:
                    if v >= 0 and paths.path[u] == paths.path[x]:
                        piece[i, j, 1] += paths.place[x] > min(paths.place[u], paths.place[v])
    for i in range(LINKS):
        if piece[i, 0, 0] == piece[i, 1, 0] and piece[i, 0, 1] == piece[i, 1, 1]:
            return False
        for k in range(i + 1, LINKS):  # what joins one of the two joins the other
            for j in range(2):
                if piece[k, j, 0] == piece[i, 1, 0] and piece[k, j, 1] == piece[i, 1, 1]:
                    piece[k, j, 0], piece[k, j, 1] = piece[i, 0, 0], piece[i, 0, 1]
    return True


@njit(cache=True, nogil=True)
def _number(paths: _Paths, node: int) -> int:
    """Write path and place of all documents on the path through a node. Returns its other end than names it."""
    previous, end = -1, node
    while True:  # to one end
        following = paths.link[end, 0] if paths.link[end, 0] != previous else paths.link[end, 1]
        if following < 0:
            break
        previous, end = end, following
    place, previous, label = 0, -1, end
    while end >= 0:
        paths.path[end], paths.place[end] = label, place
        following = paths.link[end, 0] if paths.link[end, 0] != previous else paths.link[end, 1]
        previous, end = end, following
        place += 1
    paths.size[label] = place
    return previous


@njit(cache=True, nogil=True)
def _unlink(paths: _Paths, x: int, y: int) -> None:
    """x loses its link to y; what is left comes first."""
    if paths.link[x, 0] == y:
        paths.link[x, 0], paths.weight[x, 0] = paths.link[x, 1], paths.weight[x, 1]
    paths.link[x, 1], paths.weight[x, 1] = -1, 0.0


@njit(cache=True, nogil=True)
def _link(paths: _Paths, x: int, y: int, weight: float) -> None:
    place = 0 if paths.link[x, 0] < 0 else 1
    paths.link[x, place], paths.weight[x, place] = y, weight
