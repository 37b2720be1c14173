"""A map of a sample of documents in two dimensions: t-SNE (van der Maaten & Hinton 2008) of their vectors."""

from __future__ import annotations

from typing import Any

import numpy as np

from sequitur.pipeline import artifacts
from sequitur.pipeline.storage import Directory
from sequitur.stages.report.order_metrics import Cut
from sequitur.stages.report.tsne import tsne

DOCUMENTS = 1000  # drawn at random; t-SNE of these takes 0.2 s
PARTS = 64  # that they are drawn from, for their titles are read there
LEAST_FOR_TSNE = 40  # documents; fewer are shown by their two principal components
DIMENSIONS, PERPLEXITY = 50, 30  # principal components that distances are of; neighbours that count (§4.2 of the paper)
SCALE = 1000  # of the map's sides
MOST_OF_A_PATH = 40  # documents of a context that is drawn


def sample(tokens: Directory, placed: np.ndarray, seed: int) -> np.ndarray:
    """Some of the placed documents (int64 ordinals, ascending), by the seed, from not too many parts; ascending."""
    generator = np.random.Generator(np.random.PCG64(seed))
    ends = np.cumsum(
        [part.rows for part in artifacts.require_manifest(tokens).parts]
    )  # ordinals count on from part to part
    parts = generator.permutation(len(ends))[:PARTS]
    here = np.isin(np.searchsorted(ends, placed, side="right"), parts)
    chosen: np.ndarray = np.sort(generator.permutation(placed[here])[:DOCUMENTS])
    return chosen


def positions(vectors: np.ndarray) -> tuple[np.ndarray, str]:
    """Where documents lie on the map: int64 [n, 2] in 0 … SCALE, and how that was found.

    `vectors` are float16 [n, d]. Memory and time grow with n².
    """
    from threadpoolctl import threadpool_limits

    rows = vectors.astype(np.float64)
    if len(rows) < 3 or not np.ptp(rows, axis=0).any():
        return np.full((len(rows), 2), SCALE // 2, dtype=np.int64), "all alike"
    with threadpool_limits(1):  # whose sums do not depend on the threads
        found, how = principal_components(rows, DIMENSIONS), "principal components"
        if len(rows) >= LEAST_FOR_TSNE:
            found, how = tsne(found, min(PERPLEXITY, (len(rows) - 1) / 3)), "t-SNE"
    span = np.ptp(found[:, :2], axis=0)
    centred = found[:, :2] - found[:, :2].min(axis=0) + (span.max() - span) / 2
    return np.round(centred / (span.max() or 1) * SCALE).astype(np.int64), how


def principal_components(rows: np.ndarray, count: int) -> np.ndarray:
    """The coordinates of float64 [n, d] rows that vary most: float64 [n, count]; 0 where there are not so many.

    Each points to where its largest coordinate is positive. O(n·d·min(n, d)).
    """
    rows = rows - rows.mean(axis=0)
    wide = rows.shape[1] > rows.shape[0]
    values, axes = np.linalg.eigh(rows @ rows.T if wide else rows.T @ rows)  # ascending
    values, axes = values[::-1][:count], axes[:, ::-1][:, :count]
    found = axes * np.sqrt(np.maximum(values, 0)) if wide else rows @ axes
    found *= np.where(found[np.abs(found).argmax(axis=0), np.arange(found.shape[1])] < 0, -1, 1)
    return np.pad(found, [(0, 0), (0, count - found.shape[1])])


def document_map(tokens: Directory, train: Cut, shown: np.ndarray, vectors: np.ndarray, seed: int) -> dict[str, Any]:
    """A sample of the placed documents with the documents of the contexts `shown` (int64), which are drawn as paths.

    Args:
        tokens: whose parts the sample is drawn from.
        train: the contexts of the training split.
        shown: some of them, int64.
        vectors: float16 [n, d], by ordinal.
        seed: of the sample.

    Returns:
        `how`; `ordinals` of the documents; `points`: [x, y] of each; `paths`: `context` and `points`, indices of them.
    """
    contexts = train.contexts
    pieces = [contexts.document[contexts.offsets[one] : contexts.offsets[one + 1]][:MOST_OF_A_PATH] for one in shown]
    placed = np.unique(contexts.document)
    ordinals = np.unique(np.concatenate([sample(tokens, placed, seed), *pieces])).astype(np.int64)
    points, how = positions(vectors[ordinals])
    paths = [
        {"context": int(one), "points": np.searchsorted(ordinals, piece).tolist()}
        for one, piece in zip(shown.tolist(), pieces, strict=True)
    ]
    return {"how": how, "ordinals": ordinals.tolist(), "points": points.tolist(), "paths": paths}
