"""Which index fits the memory: chosen and said why, built, and widened until it finds enough.

The kinds, most exact first: `exact` (float32, all of it searched), and inverted files over the cells of a k-means,
of which `nprobe` are searched: `ivf_flat` (float32), `ivf_sq8` (a byte per dimension), `ivf_pq` (product
quantization: Jégou, Douze, Schmid, "Product quantization for nearest neighbor search", TPAMI 33(1), 2011).
Whatever the index holds, exact cosines from the vectors decide (`neighbors.search`).
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal, NamedTuple

import faiss
import numpy as np
from numba import njit
from numpy.typing import NDArray

from sequitur.graph_sort import spherical_kmeans
from sequitur.graph_sort.neighbors import (
    MARGIN,
    QUERY_BLOCK,
    SCAN_BLOCK,
    VectorError,
    finite_rows,
    inverted_file,
    nearest_lists,
    propose,
    scan,
)
from sequitur.graph_sort.vectors import Vectors, dot, rows_as_float32

Kind = Literal["exact", "ivf_flat", "ivf_sq8", "ivf_pq"]

EXACT_MULTIPLICATIONS = 4e11  # n²d of exact search below which no inverted file is worth its training
MULTIPLICATIONS_PER_SECOND = 2e10  # of exact search on one core
PROBES = 32  # lists searched before `widen` says how many must be
TRAINING_POINTS = 40  # per list; faiss warns below 39
CODEBOOK = 256  # centroids of a product quantizer, of 8 bits
CODE_SAMPLE = 16_384  # of the sample, for codes: 64 per centroid; faiss's 256 take four times as long
LEAST_PER_BYTE, MOST_PER_BYTE = 4, 32  # dimensions that one byte of a product quantizer stands for
SQ8_DEPTH, PQ_DEPTH, LAST_DEPTH = 2, 8, 8  # times the candidates of an index of float32; and, at the last, of the plan
SAMPLE = 1000  # queries of which `widen` measures recall


class BudgetError(ValueError):
    """No index fits the memory; `needed` [bytes] is the least that would do."""

    def __init__(self, message: str, needed: int) -> None:
        super().__init__(message)
        self.needed = needed


class Plan(NamedTuple):
    """How vectors are to be indexed."""

    kind: Kind
    lists: int  # of the inverted file; 0 for exact
    code_bytes: int  # of a product-quantized vector; 0 for the other kinds
    depth: int  # candidates re-ranked for each query, at most
    memory_bytes: int  # the most that building and searching take at once, besides the vectors and what is found
    reason: str


class Recall(NamedTuple):
    """How wide an index must be searched."""

    recall: float  # share found of the true k nearest of the sample
    nprobe: int  # lists searched for each query, set in the index; 0 for exact
    depth: int  # candidates to re-rank: for `neighbors.search`
    queries: int  # in the sample
    reached: bool  # whether recall is what was asked for


def choose(n: int, d: int, k: int, memory_bytes: int) -> Plan:
    """The most exact plan for the k nearest of each of n vectors of d dimensions within `memory_bytes`.

    Exact as long as it takes about 20 s of one core, n²d ≤ 4e11: 32,000 documents of 384 dimensions. There
    an inverted file, whose training and search both grow with d too, is no faster. Raises BudgetError.
    """
    plans = [plan_of("exact", n, d, k)] if n * n * d <= EXACT_MULTIPLICATIONS else []
    plans += [plan_of("ivf_flat", n, d, k), plan_of("ivf_sq8", n, d, k)]
    plans += [plan_of("ivf_pq", n, d, k, m) for m in _code_sizes(d) if n >= CODEBOOK]
    for i, plan in enumerate(plans):
        if plan.memory_bytes <= memory_bytes:
            return plan._replace(reason=_reason(plan, plans[i - 1] if i else None, n, d, memory_bytes))
    least = min(plans, key=lambda plan: plan.memory_bytes)
    raise BudgetError(
        f"{n:,} vectors of {d} dimensions: no index fits {_size(memory_bytes)}; allow at least "
        f"{_size(least.memory_bytes)} ({_name(least)}), or search by cells",
        least.memory_bytes,
    )


def plan_of(kind: Kind, n: int, d: int, k: int, code_bytes: int = 0) -> Plan:
    """The plan of a kind, whatever the memory it takes; `reason` is empty. `code_bytes`, of ivf_pq, divides d."""
    lists = 0 if kind == "exact" else max(1, min(int(4 * math.sqrt(n)), n // TRAINING_POINTS))
    depth = (k + 1 + MARGIN) * {"ivf_sq8": SQ8_DEPTH, "ivf_pq": PQ_DEPTH}.get(kind, 1)
    vector_bytes = {"ivf_sq8": d, "ivf_pq": code_bytes}.get(kind, 4 * d)
    index = n * (vector_bytes + (8 if lists else 0)) + lists * (4 * d + 128) + (CODEBOOK * 4 * d if code_bytes else 0)
    coded = min(n, CODE_SAMPLE) if kind in ("ivf_sq8", "ivf_pq") else 0
    training = lists * (TRAINING_POINTS * 4 * d + 16 * d) + coded * 8 * d  # samples, sums of k-means, residuals
    blocks = 3 if code_bytes else 2  # as float32: read, on its way to the index, and as residuals to be coded
    adding = n * (8 if lists else 0) + blocks * min(n, SCAN_BLOCK) * 4 * d
    searching = min(n, QUERY_BLOCK) * (4 * d + 16 * depth)
    return Plan(kind, lists, code_bytes, depth, max(training, index + max(adding, searching)), "")


def build(plan: Plan, vectors: Vectors, seed: int, centroids: NDArray[np.float32] | None = None) -> faiss.Index:
    """The index of unit vectors [n, d], float16 or float32, which may be a memory map.

    `centroids` [lists, d] are those of `train`, if another index has them already. Deterministic, whatever the number
    of faiss's threads. 2·n·lists·d operations besides the training. Raises VectorError.
    """
    _check(vectors)
    n, d = vectors.shape
    if plan.kind == "exact":
        index = faiss.IndexFlatIP(d)
        index.codes.resize(n * d * 4)  # of what follows, only the last adding needs all of it; none moves it
        for _, block in _blocks(vectors):
            index.add(block)
        return index
    if centroids is None:
        centroids = train(plan, vectors, seed)
    filling = _empty(plan, centroids, seed)
    with _one_thread():
        filling.train(_sample(vectors, CODE_SAMPLE, seed))  # the codes only: the lists have their centroids
    _fill(filling, centroids, vectors)
    return filling


def train(plan: Plan, vectors: Vectors, seed: int) -> NDArray[np.float32]:
    """The centroids [plan.lists, d] of an inverted file: k-means of 40 vectors per list, a seeded sample.

    The sample is all that is held as float32. 800·lists²·d operations. Raises VectorError.
    """
    _check(vectors)
    rng = np.random.Generator(np.random.PCG64(seed))
    return spherical_kmeans.train(_sample(vectors, TRAINING_POINTS * plan.lists, seed), plan.lists, rng)


def widen(index: faiss.Index, plan: Plan, vectors: Vectors, k: int, recall_target: float, seed: int) -> Recall:
    """Set `index.nprobe` to the least at which `recall_target` of the true neighbours of a seeded sample are found.

    The k nearest of 1,000 documents are found exactly. Where each of them stands (how many lists are nearer to the
    query than its own, how many candidates the index ranks before it) says how many lists and candidates are
    enough, without trying. Where codes are too coarse for the depth planned, more lists are probed than hold
    enough of the neighbours, in the end all, and then a depth eight times the planned is the last resort.
    Cost: 1,000 n d multiplications and a reading of all vectors; up to six searches of the sample.
    """
    n = len(vectors)
    rng = np.random.Generator(np.random.PCG64(seed))
    asking = np.sort(rng.choice(n, size=min(n, SAMPLE), replace=False)) if n else np.empty(0, np.int64)
    queries = rows_as_float32(vectors, asking)
    lists = inverted_file(index)
    if lists is None:
        return Recall(1.0, 0, plan.depth, len(asking), True)
    truth = scan(vectors, queries, asking, k).neighbor
    true = int(np.count_nonzero(truth >= 0))
    if true == 0:
        return Recall(1.0, lists.nprobe, plan.depth, len(asking), True)
    enough = math.ceil(recall_target * true - 1e-9)
    nearer = np.sort(_nearer_lists(lists, vectors, queries, truth))
    holding = [enough + (true - enough) * quarter // 4 for quarter in range(5)]
    least = k + 1 + MARGIN
    planned = max(plan.depth, least)
    tries = [(int(nearer[held - 1]) + 1, planned) for held in holding]
    tries += [(plan.lists, planned), (plan.lists, planned * LAST_DEPTH)]
    if plan.kind == "ivf_flat":
        tries = [tries[0], tries[-2]]
    for nprobe, deepest in tries:
        lists.nprobe = nprobe
        place = np.sort(_places(propose(index, queries, min(deepest, n)), truth))
        needed = int(place[enough - 1]) + 1 if place[enough - 1] < deepest else deepest
        depth = min(max(needed, least), deepest)
        found = int(np.count_nonzero(place < depth))
        if found >= enough:
            break
    return Recall(found / true, nprobe, depth, len(asking), found >= enough)


def _check(vectors: Vectors) -> None:
    if vectors.ndim != 2 or not vectors.shape[1]:
        raise VectorError(f"vectors must be [n, d], got shape {vectors.shape}")


def _sample(vectors: Vectors, size: int, seed: int) -> NDArray[np.float32]:
    rng = np.random.Generator(np.random.PCG64(seed))
    sample = rows_as_float32(vectors, np.sort(rng.choice(len(vectors), size=min(len(vectors), size), replace=False)))
    if not np.isfinite(sample).all():
        raise VectorError("vectors hold NaN or infinity; embed them again")
    return sample


def _empty(plan: Plan, centroids: NDArray[np.float32], seed: int) -> faiss.IndexIVF:
    lists, d = centroids.shape
    quantizer = faiss.IndexFlatIP(d)
    quantizer.add(centroids)
    index: faiss.IndexIVF
    if plan.kind == "ivf_flat":
        index = faiss.IndexIVFFlat(quantizer, d, lists, faiss.METRIC_INNER_PRODUCT)
    elif plan.kind == "ivf_sq8":
        eight_bits = faiss.ScalarQuantizer.QT_8bit
        index = faiss.IndexIVFScalarQuantizer(quantizer, d, lists, eight_bits, faiss.METRIC_INNER_PRODUCT)
    else:
        index = faiss.IndexIVFPQ(quantizer, d, lists, plan.code_bytes, 8, faiss.METRIC_INNER_PRODUCT)
        index.pq.cp.seed, index.pq.cp.niter = seed % 2**31, spherical_kmeans.ITERATIONS
        index.pq.cp.min_points_per_centroid, index.pq.cp.max_points_per_centroid = 1, CODE_SAMPLE // CODEBOOK
    index.nprobe = min(PROBES, lists)
    return index


def _fill(index: faiss.IndexIVF, centroids: NDArray[np.float32], vectors: Vectors) -> None:
    """Add the vectors to lists of just the room they need: lists that grow by doubling may take twice the memory."""
    cell = np.empty(len(vectors), np.int64)
    for begin, block in _blocks(vectors):
        cell[begin : begin + len(block)] = nearest_lists(index.quantizer, centroids, block, 1).neighbor[:, 0]
    lists: Any = index.invlists
    for number, size in enumerate(np.bincount(cell, minlength=index.nlist)):
        lists.resize(number, int(size))
        lists.resize(number, 0)
    for begin, block in _blocks(vectors):
        here = cell[begin : begin + len(block)]
        index.add_core(len(block), faiss.swig_ptr(block), None, faiss.swig_ptr(here))


@contextmanager
def _one_thread() -> Iterator[None]:
    """faiss's matrix products have other last bits on another number of threads."""
    threads = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(threads)


def _blocks(vectors: Vectors) -> Iterator[tuple[int, NDArray[np.float32]]]:
    for begin in range(0, len(vectors), SCAN_BLOCK):
        yield begin, finite_rows(vectors, slice(begin, begin + SCAN_BLOCK))


def _nearer_lists(
    index: faiss.IndexIVF, vectors: Vectors, queries: NDArray[np.float32], truth: NDArray[np.int64]
) -> NDArray[np.int64]:
    """For each true neighbour the number of lists that are nearer to the query than the one that holds it."""
    centroids = index.quantizer.reconstruct_n(0, index.nlist)
    known, row = np.unique(truth[truth >= 0], return_inverse=True)
    home = nearest_lists(index.quantizer, centroids, vectors[known], 1).neighbor[:, 0]
    lists = np.full(truth.shape, -1, np.int64)
    lists[truth >= 0] = home[row]
    nearer = np.zeros(truth.shape, np.int64)
    _count_nearer(queries, centroids, lists, nearer)
    return nearer[truth >= 0]


@njit(cache=True, nogil=True)
def _count_nearer(
    queries: NDArray[np.float32],
    centroids: NDArray[np.float32],
    lists: NDArray[np.int64],
    nearer: NDArray[np.int64],
) -> None:
    cosine = np.empty(centroids.shape[0], np.float32)
    for i in range(lists.shape[0]):
        for c in range(cosine.size):
            cosine[c] = dot(queries[i], centroids[c])
        for j in range(lists.shape[1]):
            home = lists[i, j]
            if home < 0:
                continue
            for c in range(cosine.size):
                if cosine[c] > cosine[home] or (cosine[c] == cosine[home] and c < home):
                    nearer[i, j] += 1


def _places(candidate: NDArray[np.int64], truth: NDArray[np.int64]) -> NDArray[np.int64]:
    """The place of each true neighbour among its query's candidates; the largest integer where it is not there."""
    missing = np.iinfo(np.int64).max
    places = np.full(truth.shape, missing)
    for i, (row, wanted) in enumerate(zip(candidate, truth, strict=True)):
        by_id = np.argsort(row, kind="stable")
        at = by_id[np.minimum(np.searchsorted(row, wanted, sorter=by_id), len(row) - 1)]
        places[i] = np.where(row[at] == wanted, at, missing)
    return places[truth >= 0]


def _code_sizes(d: int) -> list[int]:
    """Bytes that a product quantizer may give to a vector, most first: parts of equal width, 4 to 32 dimensions."""
    sizes = [m for m in range(1, d + 1) if d % m == 0 and LEAST_PER_BYTE <= d // m <= MOST_PER_BYTE]
    return sizes[::-1] or [1]


def _reason(plan: Plan, finer: Plan | None, n: int, d: int, memory_bytes: int) -> str:
    seconds = n * n * d / MULTIPLICATIONS_PER_SECOND
    if finer is not None:
        asked, allowed = _size(finer.memory_bytes), _size(memory_bytes)
        return f"{_name(plan)}: {_name(finer)} would take {asked} of the {allowed} allowed"
    if plan.kind == "exact":
        return f"exact: all pairs of {n:,} vectors of {d} dimensions take about {math.ceil(seconds)} s of one core"
    return (
        f"{_name(plan)}: fits {_size(memory_bytes)}; exact search of {n:,} vectors of {d} dimensions would take "
        f"{seconds / 3600:,.2f} hours of one core"
    )


def _name(plan: Plan) -> str:
    return f"{plan.kind} of {plan.code_bytes} bytes" if plan.code_bytes else plan.kind


def _size(size: int) -> str:
    return f"{size / 2**30:.1f} GiB" if size >= 2**30 else f"{size / 2**20:.1f} MiB"
