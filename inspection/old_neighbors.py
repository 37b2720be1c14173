"""How near the documents of an extension are to those that a run had before: of each the nearest, by cosine.

Compared are the model's own vectors, which both have of the same model, exactly; where there are many new documents, a
seeded sample of them. The old vectors are read once, block by block, from where they lie.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from sequitur.pipeline.names import VECTORS
from sequitur.pipeline.storage import Directory
from sequitur.stages.shared.columns.stored_vectors import StoredVectors

SAMPLE = 20_000  # new documents that are looked at: 20,000 × 10 million × 256 takes some minutes on eight cores
BLOCK = 16_384  # old documents at a time
QUERIES = 4096  # new documents at a time: 256 MiB of cosines
LEVELS = (0.7, 0.8, 0.9, 0.95)


def nearest_old(
    new: Directory,
    old: Sequence[Directory],
    seed: int,
    told: Callable[[int, int], None] = lambda done, total: None,
    sample: int = SAMPLE,
) -> dict[str, Any]:
    """The cosine of new documents to the nearest old one.

    Args:
        new: a run with finished `vectors`.
        old: others, with vectors of the same model.
        seed: of the sample.
        told: the old documents that are done, and how many there are.
        sample: most new documents that are looked at.

    Returns:
        `documents` that are new, `compared`: how many of them were looked at, those without a vector not among them;
        the `median` of their cosines, and `above`: by level how many are at it or above; `share` of each.

    Cost: compared × old × dimensions multiplications; memory 2 bytes a dimension of what is looked at, and 400 MiB.
    """
    vectors = StoredVectors(new / VECTORS, own=True)
    count = vectors.shape[0]
    chosen = np.arange(count)
    if count > sample:
        chosen = np.sort(np.random.Generator(np.random.PCG64(seed)).choice(count, sample, replace=False))
    mine = vectors[chosen].astype(np.float32)
    mine = mine[mine.any(axis=1)]
    best = np.full(len(mine), -1.0, dtype=np.float32)
    stores = [StoredVectors(root / VECTORS, own=True) for root in old]
    done, total = 0, sum(store.shape[0] for store in stores)
    for store in stores:
        for start in range(0, store.shape[0], BLOCK):
            block = store[np.arange(start, min(start + BLOCK, store.shape[0]))].astype(np.float32)
            for first in range(0, len(mine), QUERIES):
                here = slice(first, first + QUERIES)
                np.maximum(best[here], (mine[here] @ block.T).max(axis=1), out=best[here])
            done += len(block)
            told(done, total)
    above = {str(level): int(np.count_nonzero(best >= level)) for level in LEVELS}
    return {
        "documents": count,
        "compared": len(mine),
        "median": round(float(np.median(best)), 4) if len(best) else None,
        "above": above,
        "share": {level: round(number / max(len(mine), 1), 6) for level, number in above.items()},
    }
