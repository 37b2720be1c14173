"""Vectors for the stage `neighbors` alone, and what it makes of them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from sequitur.pipeline import artifacts, builds, schemas
from sequitur.pipeline.stage import Run
from sequitur.stages.neighbors import stage as neighbors
from sequitur.stages.shared.columns.arrays import all_values
from sequitur.stages.shared.columns.stored_vectors import StoredVectors

THRESHOLD = 0.95


def lists(run: Run) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(ordinals, neighbours, cosines) of the documents that stay."""
    table = artifacts.read_columns(run.artifact("neighbors"), ["ordinal", "neighbor", "cosine"])
    columns = [np.array(table[name].to_pylist()) for name in table.column_names]
    return columns[0], columns[1], columns[2]


def place(
    job: Run, vectors: np.ndarray, parts: int = 3, tokens: Sequence[Sequence[int]] = (), **statistics: Any
) -> Run:
    """Puts vectors, tokens if any, and all documents as kept, of one source, where the stage looks for them."""
    dimensions = vectors.shape[1]
    builds.begin(job.artifact("vectors"), "vectors")
    builds.begin(job.artifact("tokens"), "tokens")
    for number, ordinals in enumerate(np.array_split(np.arange(len(vectors)), parts)):
        name, rows = f"part-{number:05}-0000.arrow", vectors[ordinals].astype(np.float16)
        column = pa.FixedSizeListArray.from_arrays(pa.array(rows.reshape(-1)), dimensions)
        batch = pa.record_batch([pa.array(ordinals), column], schema=schemas.vectors(dimensions))
        builds.write_part(job.build("vectors"), name, batch, compress=False)
        ids = pa.array([tokens[ordinal] for ordinal in ordinals] if tokens else [], schemas.TOKENS.field(1).type)
        batch = pa.record_batch([pa.array(ordinals if tokens else [], pa.int64()), ids], schema=schemas.TOKENS)
        builds.write_part(job.build("tokens"), name, batch, compress=False)
    one = pa.array(["one"] * len(vectors), pa.string())
    columns = {
        "documents": {"source": one},
        "signals": {"language": one},
        "selection": {"kept": pa.array([True] * len(vectors))},
    }
    for artifact, column in columns.items():
        builds.begin(job.artifact(artifact), artifact)
        builds.write_part(job.build(artifact), "part-00000-0000.arrow", pa.record_batch(column), compress=False)
        builds.finish(job.build(artifact), {}, {}, {})
    builds.finish(job.build("tokens"), {}, {}, {})
    builds.finish(job.build("vectors"), {}, {}, {"dimensions": dimensions} | statistics)
    return job


def place_texts(job: Run, texts: Sequence[str], parts: int = 2) -> Run:
    """Puts the texts of documents where the stage looks for them, a dropped one among those of each part."""
    for name in ("documents", "signals", "selection"):
        job.root.remove(name)
        builds.begin(job.artifact(name), name)
    for number, ordinals in enumerate(np.array_split(np.arange(len(texts)), parts)):
        name = f"part-{number:05}-0000.arrow"
        kept = [texts[ordinal] for ordinal in ordinals]
        text = pa.array([kept[0], "dropped", *kept[1:]], pa.large_string())
        one = pa.array(["one"] * len(text), pa.string())
        rows = [(True, int(ordinals[0])), (False, None), *((True, int(ordinal)) for ordinal in ordinals[1:])]
        columns = [pa.array([row[0] for row in rows]), pa.array([row[1] for row in rows], pa.int64())]
        batches = {
            "documents": pa.record_batch({"text": text, "source": one}),
            "signals": pa.record_batch({"language": one}),
            "selection": pa.record_batch(columns, ["kept", "ordinal"]),
        }
        for artifact, batch in batches.items():
            builds.write_part(job.build(artifact), name, batch, compress=False)
    builds.finish(job.build("signals"), {}, {}, {})
    builds.finish(job.build("documents"), {}, {}, {"text_bytes": sum(map(len, texts))})
    builds.finish(job.build("selection"), {}, {}, {"kept": len(texts)})
    return job


def work(job: Run) -> Run:
    builds.begin(job.artifact("neighbors"), "neighbors")
    builds.finish(job.build("neighbors"), {}, {}, neighbors.work(job))
    return job


def content(run: Run) -> dict[str, bytes]:
    """Every file that the stage left."""
    root = Path(run.artifact("neighbors").path())
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def check(run: Run, threshold: float = THRESHOLD) -> None:
    """Compares the lists with all cosines, and the duplicates with what they are said to duplicate."""
    vectors = StoredVectors(run.artifact("vectors"), own=False).all().astype(np.float32)
    cosines = vectors @ vectors.T
    np.fill_diagonal(cosines, -2)
    ordinals, found, near = lists(run)
    among = cosines[np.ix_(ordinals, ordinals)]
    assert among.max(initial=-2) < threshold
    k = min(found.shape[1], len(ordinals) - 1)
    best = -np.sort(-among, axis=1)[:, :k]
    np.testing.assert_allclose(near[:, :k], best, atol=1e-5)
    rows = np.arange(len(ordinals))[:, None]
    np.testing.assert_allclose(cosines[ordinals[rows], found[:, :k]], near[:, :k], atol=1e-5)
    assert (found[:, k:] == -1).all()
    assert all(len(set(row[:k])) == k and own not in row for own, row in zip(ordinals, found.tolist(), strict=True))
    lost, kept = (all_values(run.artifact("neighbors/duplicates"), name) for name in ("ordinal", "duplicate_of"))
    assert np.array_equal(np.sort(np.concatenate([ordinals, lost])), np.arange(len(vectors)))
    assert np.isin(kept, ordinals).all()
    stated = all_values(run.artifact("neighbors/duplicates"), "cosine")
    np.testing.assert_allclose(cosines[lost, kept], stated, atol=1e-5)
    assert (stated >= threshold - 1e-5).all()
    assert list(neighbors.verify(run)) == []


def angles(*degrees: float) -> np.ndarray:
    radians = np.radians(degrees)
    return np.stack([np.cos(radians), np.sin(radians)], axis=1)


def unit(seed: int, count: int, dimensions: int) -> np.ndarray:
    vectors = np.random.default_rng(seed).standard_normal((count, dimensions))
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


def recall_of(run: Run) -> float:
    """The share of the true neighbours that the lists name."""
    vectors, k = StoredVectors(run.artifact("vectors"), own=False).all().astype(np.float32), run.config.neighbors.k
    ordinals, found, _ = lists(run)
    cosines = vectors[ordinals] @ vectors[ordinals].T
    np.fill_diagonal(cosines, -2)
    best = ordinals[np.argsort(-cosines, axis=1)[:, :k]]
    return float(np.mean([len({*a} & {*b}) / k for a, b in zip(best.tolist(), found.tolist(), strict=True)]))
