"""Recall and speed of each plan of an index against plain faiss calls of the same index.

    python -m benchmarks.neighbors [--sizes 100000 1000000] [--dimensions 256] [--k 20] [--recall 0.95] [--threads 1]

The corpus is a seeded mixture on the sphere: a centre for every 200 vectors, in 32 dimensions (text embeddings, too,
have far fewer than they have columns), where clusters overlap, turned into the dimensions asked for with a little
noise in all of them. It is stored as float16 and mapped, as in a run. For each size each plan is built and widened to
the recall asked for; then 10,000 of the documents (4,000 of more than 100,000, and 1,000 where all are searched) look
for their k nearest: in turn by `neighbors.search`, which ranks candidates again by exact cosines, and by `index.search`
of the same index, as wide, with float32 queries. Recall is measured on 1,000 of them against a search of everything.
Indexes are built on all cores, over the same centroids. Searches are timed by the processor's time, so that other
processes count for little: rates are those of one core.

Prints one JSON object last: for each size N and plan P `P_recall_N`, `P_faiss_recall_N`, `P_queries_per_second_N`,
`P_faiss_queries_per_second_N`, their ratio `P_vs_faiss_N`, and `P_build_seconds_N`, `P_widen_seconds_N`, `P_nprobe_N`,
`P_depth_N`, `P_bytes_N` (of the index) and `P_planned_bytes_N`; `train_seconds_N` of the centroids; then `peak_bytes`
of the process. About eight minutes on two cores.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sys
import tempfile
import time
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path

import faiss
import numpy as np

from sequitur.graph_sort import neighbor_plans
from sequitur.graph_sort.neighbor_plans import Plan
from sequitur.graph_sort.neighbors import scan, search

KINDS = ("exact", "ivf_flat", "ivf_sq8", "ivf_pq")
PER_CENTRE, LATENT = 200, 32  # vectors of a centre, and dimensions of the mixture
CPU = time.process_time
CHECKED = 1000  # queries whose recall is measured
ROUNDS = 3  # each way in turn, of which the best is taken


def mixture(path: Path, n: int, d: int, seed: int = 0) -> np.ndarray:
    """Writes n unit vectors of d dimensions, float16; returns them as a memory map."""
    rng = np.random.Generator(np.random.PCG64(seed))
    turn = rng.standard_normal((LATENT, d), dtype=np.float32)
    centres = rng.standard_normal((n // PER_CENTRE + 1, LATENT), dtype=np.float32)
    vectors = np.lib.format.open_memmap(path, mode="w+", dtype=np.float16, shape=(n, d))
    for begin in range(0, n, 65_536):
        size = min(65_536, n - begin)
        latent = centres[rng.integers(len(centres), size=size)] + rng.standard_normal((size, LATENT), dtype=np.float32)
        block = latent @ turn + rng.standard_normal((size, d), dtype=np.float32)
        vectors[begin : begin + size] = block / np.linalg.norm(block, axis=1, keepdims=True)
    vectors.flush()
    return np.load(path, mmap_mode="r")


def measure(
    vectors: np.ndarray, plan: Plan, centroids: np.ndarray, truth: np.ndarray, asked: np.ndarray, arguments: Namespace
) -> dict[str, float]:
    n, k = len(vectors), arguments.k
    faiss.omp_set_num_threads(os.cpu_count() or 1)
    index, build_seconds = timed(lambda: neighbor_plans.build(plan, vectors, 1, centroids))
    widened, widen_seconds = timed(lambda: neighbor_plans.widen(index, plan, vectors, k, arguments.recall, seed=2))
    if n > 100_000:
        asked = asked[:1000] if plan.kind == "exact" else asked[:4000]
    faiss.omp_set_num_threads(arguments.threads)
    queries = vectors[asked]
    as_float32 = queries.astype(np.float32)
    ours = plain = np.inf
    for _ in range(ROUNDS if n <= 100_000 else 2):
        found, seconds = timed(lambda: search(index, vectors, queries, asked, k, widened.depth).neighbor, CPU)
        ours = min(ours, seconds)
        (_, faiss_found), seconds = timed(lambda: index.search(as_float32, k + 1), CPU)
        plain = min(plain, seconds)
    return {
        "recall": recall(found, truth),
        "faiss_recall": recall(without_self(faiss_found, asked), truth),
        "queries_per_second": len(asked) / ours,
        "faiss_queries_per_second": len(asked) / plain,
        "vs_faiss": plain / ours,
        "build_seconds": build_seconds,
        "widen_seconds": widen_seconds,
        "nprobe": widened.nprobe,
        "depth": widened.depth,
        "bytes": index_bytes(index),
        "planned_bytes": plan.memory_bytes,
    }


def of_size(vectors: np.ndarray, arguments: Namespace) -> dict[str, float]:
    n, d = vectors.shape
    asked = np.random.Generator(np.random.PCG64(3)).choice(n, size=min(n, 10_000), replace=False)
    compile_kernels(vectors[:3000])
    checked = asked[:CHECKED]
    truth = scan(vectors, vectors[checked], checked, arguments.k).neighbor
    faiss.omp_set_num_threads(os.cpu_count() or 1)
    flat = neighbor_plans.plan_of("ivf_flat", n, d, arguments.k)
    centroids, seconds = timed(lambda: neighbor_plans.train(flat, vectors, seed=1))
    figures = {f"train_seconds_{n}": round(seconds, 1)}
    for kind in arguments.plans:
        plan = neighbor_plans.plan_of(kind, n, d, arguments.k, d // 4 if kind == "ivf_pq" else 0)
        measured = measure(vectors, plan, centroids, truth, asked, arguments)
        line = ", ".join(f"{name} {value:.4g}" for name, value in measured.items())
        print(f"{kind} of {n:,}: {line}", file=sys.stderr)
        figures |= {f"{kind}_{name}_{n}": round(float(value), 4) for name, value in measured.items()}
    return figures


def compile_kernels(vectors: np.ndarray) -> None:
    plan = neighbor_plans.plan_of("ivf_flat", *vectors.shape, 1)
    index = neighbor_plans.build(plan, vectors, seed=0)
    neighbor_plans.widen(index, plan, vectors, 1, 0.5, seed=0)
    search(index, vectors, vectors[:1], np.zeros(1, np.int64), 1)


def timed(call: Callable, clock: Callable = time.perf_counter) -> tuple:
    start = clock()
    result = call()
    return result, clock() - start


def without_self(found: np.ndarray, asked: np.ndarray) -> np.ndarray:
    """The first k of k + 1 found, after the query itself; what is taken out is −1."""
    return np.where(found == asked[:, None], -1, found)


def recall(found: np.ndarray, truth: np.ndarray) -> float:
    """Share of the true neighbours [c, k] of the first c queries that are found."""
    k = truth.shape[1]
    kept = [[node for node in row if node >= 0][:k] for row in found[: len(truth)].tolist()]
    hits = sum(len(set(row) & set(wanted)) for row, wanted in zip(kept, truth.tolist(), strict=True))
    return hits / truth.size


def index_bytes(index: faiss.Index) -> int:
    if not isinstance(index, faiss.IndexIVF):
        return int(index.ntotal * index.d * 4)
    return int(index.ntotal * (index.code_size + 8) + index.nlist * index.d * 4)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--dimensions", type=int, default=256)
    parser.add_argument("--k", type=int, default=20)
    parser.add_argument("--recall", type=float, default=0.95)
    parser.add_argument("--threads", type=int, default=1, help="of faiss while searching")
    parser.add_argument("--plans", nargs="+", choices=KINDS, default=list(KINDS))
    arguments = parser.parse_args()
    figures: dict[str, float] = {}
    for n in arguments.sizes:
        with tempfile.TemporaryDirectory() as directory:
            vectors = mixture(Path(directory) / "vectors.npy", n, arguments.dimensions)
            figures |= of_size(vectors, arguments)
            del vectors
    figures["peak_bytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
