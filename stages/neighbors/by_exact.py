"""Neighbours by exact search in this process, on a GPU where there is one: no index, and nothing is missed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from sequitur.graph_sort.neighbors import Neighbors
from sequitur.pipeline import artifacts, builds
from sequitur.pipeline.artifacts import Manifest
from sequitur.pipeline.builds import Build
from sequitur.pipeline.runner import Runner
from sequitur.pipeline.sections import Neighbors as NeighborSettings
from sequitur.pipeline.stage import Estimate
from sequitur.stages.neighbors.lists import SEARCH, SEARCHED, Round, Search, as_batch, load, save_vectors
from sequitur.text_core.units.offsets import offsets_of


def estimate(settings: NeighborSettings, vectors: Manifest, part: int, runner: Runner) -> Estimate:
    """What searching takes; the vectors are mapped, and lie on the GPU slab by slab."""
    size = 2 * vectors.rows * vectors.statistics["dimensions"]
    return Estimate(memory=size + 36 * vectors.rows * settings.k, disk=size, mapped=size)


def search(search: Search, this: Round, target: Build) -> Mapping[str, Any]:
    """Searches a round."""
    from sequitur.graph_sort.exact_search import exact_neighbors

    on, manifest = search.gpu or "cpu", artifacts.require_manifest(search.vectors)
    search.build.files.remove(SEARCH)
    save_vectors(search.vectors, this.members, search.directory)
    search.jobs.progress.step(f"neighbors: searching on {on}")
    vectors = load(search.directory, SEARCHED)
    own = np.searchsorted(this.members, this.asking)
    queries = vectors if len(own) == len(vectors) else vectors[own]  # mapped, where all ask
    found = exact_neighbors(vectors, queries, own, search.width, on)
    neighbor = np.where(found.neighbor >= 0, this.members[np.maximum(found.neighbor, 0)], -1)
    ends = np.searchsorted(this.asking, offsets_of([part.rows for part in manifest.parts]))
    for part, begin, end in zip(manifest.parts, ends, ends[1:], strict=False):
        lists = Neighbors(neighbor[begin:end], found.cosine[begin:end])
        builds.write_part(target, part.name, as_batch(this.asking[begin:end], lists), compress=False)
    return {
        "method": "exact",
        "device": on,
        "reason": f"exact: all pairs of {len(this.members):,} documents on {on}",
        "recall": 1.0,
        "recall_queries": len(this.members),
        "recall_reached": True,
    }
