"""A map of a sample of documents in two dimensions: t-SNE (van der Maaten & Hinton 2008) of their vectors."""

from __future__ import annotations

from typing import Any

import numpy as np

from sequitur.graph_sort.distinct import distinct_values
from sequitur.pipeline import artifacts, scratch
from sequitur.pipeline.storage import Directory
from sequitur.stages.report.order_metrics import Cut
from sequitur.stages.shared.columns.arrays import distinct_ordinals

DOCUMENTS = 1000  # drawn at random; t-SNE of these takes about a second
PARTS = 64  # that they are drawn from, for their titles are read there
LEAST_FOR_TSNE = 40  # documents; fewer are shown by their two principal components
DIMENSIONS, PERPLEXITY = 50, 30  # principal components that distances are of; neighbours that count (§4.2 of the paper)
ITERATIONS, ANGLE = 400, 0.7  # enough for an overview: from 500 and 0.5 the divergence differs by a hundredth
SCALE = 1000  # of the map's sides
MOST_OF_A_PATH = 40  # documents of a context that is drawn


def sample(tokens: Directory, placed: np.ndarray, seed: int) -> np.ndarray:
    """Some of the placed documents (int64 ordinals, ascending), by the seed, from not too many parts; ascending."""
    generator = np.random.Generator(np.random.PCG64(seed))
    ends = np.cumsum(
        [part.rows for part in artifacts.require_manifest(tokens).parts]
    )  # ordinals count on from part to part
    begins = np.searchsorted(placed, np.append(0, ends)).tolist()
    parts = np.sort(generator.permutation(len(ends))[:PARTS]).tolist()
    here = np.concatenate([placed[:0], *(placed[begins[part] : begins[part + 1]] for part in parts)])
    chosen: np.ndarray = np.sort(generator.permutation(here)[:DOCUMENTS])
    return chosen


def positions(vectors: np.ndarray, seed: int) -> tuple[np.ndarray, str]:
    """Where documents lie on the map: int64 [n, 2] in 0 … SCALE, and how that was found.

    Args:
        vectors: float16 [n, d]. Memory and time grow with n log n.
        seed: of the search for them.
    """
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits

    rows, seed = vectors.astype(np.float32), seed % 2**32
    if len(rows) < 3 or not np.ptp(rows, axis=0).any():
        return np.full((len(rows), 2), SCALE // 2, dtype=np.int64), "all alike"
    how = "principal components"
    with threadpool_limits(1):  # whose sums do not depend on the threads; two are hardly faster
        found = PCA(min(DIMENSIONS, *rows.shape), random_state=seed).fit_transform(rows)
        if len(rows) >= LEAST_FOR_TSNE:
            perplexity = min(PERPLEXITY, (len(rows) - 1) / 3)
            settings = {"perplexity": perplexity, "max_iter": ITERATIONS, "angle": ANGLE, "init": "pca"}
            found = TSNE(2, random_state=seed, **settings).fit_transform(found)
            how = "t-SNE"
    found = np.pad(found, [(0, 0), (0, 1)])[:, :2]  # vectors may have but one dimension
    span = np.ptp(found, axis=0)
    centred = found - found.min(axis=0) + (span.max() - span) / 2
    return np.round(centred / (span.max() or 1) * SCALE).astype(np.int64), how


def document_map(tokens: Directory, train: Cut, shown: np.ndarray, vectors: np.ndarray, seed: int) -> dict[str, Any]:
    """A sample of the placed documents with the documents of the contexts `shown` (int64), which are drawn as paths.

    Args:
        tokens: whose parts the sample is drawn from.
        train: the contexts of the training split.
        shown: some of them, int64.
        vectors: float16 [n, d], by ordinal.
        seed: of the sample and of the map.

    Returns:
        `how`; `ordinals` of the documents; `points`: [x, y] of each; `paths`: `context` and `points`, indices of them.
    """
    contexts = train.contexts
    pieces = [contexts.document[contexts.offsets[one] : contexts.offsets[one + 1]][:MOST_OF_A_PATH] for one in shown]
    placed = distinct_ordinals([contexts.document], vectors.shape[0], scratch.beside(tokens))
    ordinals = distinct_values(np.concatenate([sample(tokens, placed, seed), *pieces])).astype(np.int64)
    points, how = positions(vectors[ordinals], seed)
    paths = [
        {"context": int(one), "points": np.searchsorted(ordinals, piece).tolist()}
        for one, piece in zip(shown.tolist(), pieces, strict=True)
    ]
    return {"how": how, "ordinals": ordinals.tolist(), "points": points.tolist(), "paths": paths}
