"""Neighbours by exact search on a GPU, in this process: no index, and nothing is missed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from sequitur.graph_sort.neighbors import Neighbors
from sequitur.pipeline import artifacts
from sequitur.pipeline.stage import Estimate, Run
from sequitur.stages.neighbors.lists import SEARCH, VECTORS, Round, as_batch, load, save_vectors


def device(run: Run) -> str | None:
    """The GPU that `embed.device` names or `auto` finds, where the job runs here; None where there is none."""
    import torch

    name = run.config.embed.device
    if not run.runner.is_local or not (name == "auto" or name.startswith("cuda")) or not torch.cuda.is_available():
        return None
    return "cuda" if name == "auto" else name


def estimate(run: Run, part: int) -> Estimate:
    """What searching takes; the vectors are mapped, and lie on the GPU slab by slab."""
    vectors, k = run.manifest("vectors"), run.config.neighbors.k
    size = 2 * vectors.rows * vectors.statistics["dimensions"]
    return Estimate(memory=2 * size + 36 * vectors.rows * k, disk=size)


def search(run: Run, this: Round) -> Mapping[str, Any]:
    """Searches a round, all of it anew: finding out who has lost a neighbour would hardly be faster."""
    from sequitur.graph_sort.exact_search import exact_neighbors

    on, manifest = device(run) or "cpu", run.manifest("vectors")
    target = run.artifact(this.target)
    run.root.remove(SEARCH)
    save_vectors(run, this.members)
    run.progress.step(f"neighbors: searching on {on}")
    vectors = load(run.artifact(SEARCH), VECTORS)
    places = np.arange(len(vectors), dtype=np.int64)
    found = exact_neighbors(vectors, vectors, places, run.config.neighbors.k, on)
    neighbor = np.where(found.neighbor >= 0, this.members[np.maximum(found.neighbor, 0)], -1)
    ends = np.searchsorted(this.members, np.cumsum([0, *(part.rows for part in manifest.parts)]))
    for part, begin, end in zip(manifest.parts, ends, ends[1:], strict=False):
        lists = Neighbors(neighbor[begin:end], found.cosine[begin:end])
        artifacts.write_part(target, part.name, as_batch(this.members[begin:end], lists), compress=False)
    return {
        "method": "gpu_exact",
        "reason": f"gpu_exact: all pairs of {len(this.members):,} documents on {on}",
        "recall": 1.0,
        "recall_queries": len(this.members),
        "recall_reached": True,
    }
