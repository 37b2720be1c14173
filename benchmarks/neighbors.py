"""The search for neighbours against faiss's indexes on the same vectors, and the stage against itself before.

    python -m benchmarks.neighbors [--text FILE] [--before DIRECTORY] [--vectors 1000000] [--dimensions 256]
                                   [--queries 20000] [--peers ivf_flat ivf_sq8 fast_scan hnsw]

`--text` takes documents (JSONL), embeds them by the recipe without rules and uses their vectors; without it they are a
seeded mixture on the sphere: a centre for every 200 vectors, in 32 dimensions (text embeddings, too, have far fewer
than they have columns), where clusters overlap, turned into the dimensions asked for with a little noise in all.

Every way looks for the k = 20 nearest of the same documents, in two blocks as the stage does in parts, on one thread;
each is widened until it finds 0.95 of the true neighbours of 1,000 others. Ours are cells, multiplied; the peers are
faiss's: IVF-Flat and IVF-SQ8 of 1,024 lists (4·√n beyond 200,000), PQ fast-scan with the best 10·k ranked again by
exact cosines, and HNSW. Seconds are the processor's, of the search alone and with all that is built before it, scaled
to all documents.

One JSON object is the last line: for each way `NAME_seconds`, `NAME_build_seconds` and `NAME_recall`;
`search_vs_ivf_flat` and `search_vs_best` are the peer's seconds over ours, `total_vs_best` with the building; of the
stage on the text `rounds` and `stage_seconds`, and `stage_vs_before`, where `--before` names a checkout of the code
before, whose environment is ours.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from threadpoolctl import threadpool_limits

from sequitur.graph_sort import cells, spherical_kmeans
from sequitur.graph_sort.cell_search import cells_from, nearest, nearest_in_cells
from sequitur.graph_sort.neighbors import keep_nearest, nothing_found
from sequitur.stages.neighbors.cell_assignment import cells_for

K, RECALL, CHECKED = 20, 0.95, 1000
PER_CENTRE, LATENT = 200, 32  # vectors of a centre, and dimensions of the mixture
PEERS = ("ivf_flat", "ivf_sq8", "fast_scan", "hnsw")
ENTRY = "from sequitur.command_line.main import main; main()"
CPU = time.process_time
Search = Callable[[np.ndarray], np.ndarray]


def mixture(n: int, d: int, seed: int = 0) -> np.ndarray:
    """n unit vectors of d dimensions, float16."""
    rng = np.random.Generator(np.random.PCG64(seed))
    turn = rng.standard_normal((LATENT, d), dtype=np.float32)
    centres = rng.standard_normal((n // PER_CENTRE + 1, LATENT), dtype=np.float32)
    vectors = np.empty((n, d), dtype=np.float16)
    for begin in range(0, n, 65_536):
        size = min(65_536, n - begin)
        latent = centres[rng.integers(len(centres), size=size)] + rng.standard_normal((size, LATENT), dtype=np.float32)
        block = latent @ turn + rng.standard_normal((size, d), dtype=np.float32)
        vectors[begin : begin + size] = block / np.linalg.norm(block, axis=1, keepdims=True)
    return vectors


def recall(found: np.ndarray, truth: np.ndarray) -> float:
    """The share of the true neighbours [q, k] that are among those found."""
    return sum(len({*a} & {*b}) for a, b in zip(found.tolist(), truth.tolist(), strict=True)) / truth.size


def ours(vectors: np.ndarray, checked: np.ndarray, truth: np.ndarray) -> Search:
    """Cells as the stage makes them, and the search in as many as the recall needs."""
    n, d = vectors.shape
    rng, count = np.random.Generator(np.random.PCG64(1)), cells_for(n, d)
    sample = np.sort(rng.choice(n, min(n, cells.TRAINING_POINTS * count), replace=False))
    centroids = spherical_kmeans.train(vectors[sample].astype(np.float32), count, rng)
    home = cells.cells_of(vectors, centroids, 1)[:, 0]
    places = cells.places(vectors[checked], centroids, home[truth].astype(np.int64))
    probes, _ = cells.probes_needed(places.reshape(-1), RECALL, count)
    stored = cells_from(home, count)

    def search(asked: np.ndarray) -> np.ndarray:
        probed = cells.cells_of(vectors[asked], centroids, probes)
        return nearest_in_cells(vectors, stored, vectors[asked], asked, probed, K).neighbor

    return search


def of_faiss(name: str) -> Callable[[np.ndarray, np.ndarray, np.ndarray], Search]:
    """An index of faiss, widened until it finds enough."""

    def prepare(vectors: np.ndarray, checked: np.ndarray, truth: np.ndarray) -> Search:
        n, d = vectors.shape
        lists = 1024 if n <= 200_000 else int(4 * n**0.5)
        kinds = {
            "ivf_flat": f"IVF{lists},Flat",
            "ivf_sq8": f"IVF{lists},SQ8",
            "fast_scan": f"IVF{lists},PQ{d // 4}x4fs",
            "hnsw": "HNSW24,SQfp16",
        }
        index = faiss.index_factory(d, kinds[name], faiss.METRIC_INNER_PRODUCT)
        wide = vectors.astype(np.float32)
        index.train(wide[:: max(1, n // (40 * lists))])
        index.add(wide)
        del wide
        depth = 10 * K if name == "fast_scan" else K + 1

        def search(asked: np.ndarray) -> np.ndarray:
            queries = vectors[asked].astype(np.float32)
            candidate = index.search(queries, depth)[1]
            if name != "fast_scan":
                others = candidate != asked[:, None]
                first = np.argsort(~others, axis=1, kind="stable")[:, :K]
                return np.take_along_axis(candidate, first, axis=1)
            found = nothing_found(len(asked), K)
            keep_nearest(vectors, queries, asked, candidate, found)
            return found.neighbor

        parameters: Any = index.hnsw if name == "hnsw" else index  # type: ignore[attr-defined]
        for width in (16, 24, 32, 40, 48, 56, 64, 80, 96, 128, 192, 256, 512):
            setattr(parameters, "efSearch" if name == "hnsw" else "nprobe", width)
            if recall(search(checked), truth) >= RECALL:
                break
        return search

    return prepare


def measured(
    prepare: Callable[[np.ndarray, np.ndarray, np.ndarray], Search], vectors: np.ndarray, arguments: Namespace
) -> tuple[float, float, float]:
    """Seconds of searching all, seconds of building, and the recall of what is searched."""
    n, rng = len(vectors), np.random.Generator(np.random.PCG64(3))
    checked = np.sort(rng.choice(n, min(n, CHECKED), replace=False))
    ids = np.arange(n, dtype=np.int64)
    truth = nearest(vectors[checked], checked, vectors, ids, K).neighbor
    started = CPU()
    search = prepare(vectors, checked, truth)
    built = CPU() - started
    begin = int(rng.integers(max(1, n - arguments.queries)))
    blocks = np.array_split(ids[begin : begin + arguments.queries], 2)
    started = CPU()
    found = np.concatenate([search(block) for block in blocks])
    seconds = (CPU() - started) * n / len(found)
    some = rng.choice(len(found), min(len(found), CHECKED), replace=False)
    asked = ids[begin + some]
    return seconds, built, recall(found[some], nearest(vectors[asked], asked, vectors, ids, K).neighbor)


def run(code: Path, config: Path, *options: str) -> float:
    """Processor seconds of a run by the command line of a checkout."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-c", ENTRY, "run", str(config), "--workers", "1", *options]
    environment = {**os.environ, "PYTHONPATH": str(code)}
    subprocess.run(command, check=True, cwd=code, env=environment, stdout=sys.stderr)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def of_text(arguments: Namespace, scratch: Path) -> tuple[np.ndarray, dict[str, Any]]:
    """The vectors of the documents, and what the stage `neighbors` took for them."""
    from sequitur.pipeline.storage import Directory
    from sequitur.stages.shared.columns.stored_vectors import StoredVectors

    here, figures = Path(__file__).parents[1], {}
    codes = {"stage_seconds": here} | ({"stage_seconds_before": arguments.before} if arguments.before else {})
    for name, code in codes.items():
        output, config = scratch / name, scratch / f"{name}.yaml"
        inputs = {"inputs": [str(arguments.text.resolve())]}
        config.write_text(json.dumps({"output": str(output), "ingest": inputs, "select": {"rules": "none"}}))
        run(code, config, "--until", "embed")
        figures[name] = round(run(code, config, "--only", "neighbors"), 1)
        statistics = json.loads((output / "neighbors" / "_manifest.json").read_text())["statistics"]
        figures[name.replace("stage_seconds", "rounds")] = statistics["rounds"]
    if arguments.before:
        figures["stage_vs_before"] = round(figures["stage_seconds_before"] / figures["stage_seconds"], 2)
    return StoredVectors(Directory(str(scratch / "stage_seconds" / "vectors")), own=False).all(), figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--text", type=Path, help="JSONL of documents")
    parser.add_argument("--before", type=Path, help="checkout of other code to compare the stage with")
    parser.add_argument("--vectors", type=int, default=200_000)
    parser.add_argument("--dimensions", type=int, default=256)
    parser.add_argument("--queries", type=int, default=20_000)
    parser.add_argument("--peers", nargs="*", choices=PEERS, default=["ivf_flat"])
    arguments = parser.parse_args()
    figures: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as scratch:
        if arguments.text:
            vectors, figures = of_text(arguments, Path(scratch))
        else:
            vectors = mixture(arguments.vectors, arguments.dimensions)
    figures |= {"documents": len(vectors), "dimensions": vectors.shape[1]}
    faiss.omp_set_num_threads(1)
    ways = {"ours": ours} | {name: of_faiss(name) for name in arguments.peers}
    with threadpool_limits(1):
        measured(ours, vectors[:2000], arguments)  # compiles
        for name, prepare in ways.items():
            seconds, built, found = measured(prepare, vectors, arguments)
            print(f"{name}: {seconds:.1f} s, built in {built:.1f} s, recall {found:.3f}", file=sys.stderr)
            figures |= {f"{name}_seconds": round(seconds, 2), f"{name}_build_seconds": round(built, 2)}
            figures[f"{name}_recall"] = round(found, 4)
    if arguments.peers:
        mine, mine_in_all = figures["ours_seconds"], figures["ours_seconds"] + figures["ours_build_seconds"]
        searched = {name: figures[f"{name}_seconds"] for name in arguments.peers}
        in_all = [searched[name] + figures[f"{name}_build_seconds"] for name in arguments.peers]
        figures["search_vs_best"] = round(min(searched.values()) / mine, 2)
        figures["total_vs_best"] = round(min(in_all) / mine_in_all, 2)
        if "ivf_flat" in searched:
            figures["search_vs_ivf_flat"] = round(searched["ivf_flat"] / mine, 2)
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
