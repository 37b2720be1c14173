"""Neighbours are those of brute force, and no two documents that stay are near-duplicates."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from pipeline import artifacts, schemas
from pipeline.config import validate
from pipeline.stage import Run
from stages import neighbors
from stages.arrays import all_values, all_vectors, read_graph

THRESHOLD = 0.95


def lists(run: Run) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(ordinals, neighbours, cosines) of the documents that stay."""
    table = artifacts.read_columns(run.artifact("neighbors"), ["ordinal", "neighbor", "cosine"])
    columns = [np.array(table[name].to_pylist()) for name in table.column_names]
    return columns[0], columns[1], columns[2]


@pytest.fixture
def neighbors_of(settings: Any, tmp_path: Path) -> Callable[..., Run]:
    """Runs the stage alone over some vectors."""

    def run(vectors: np.ndarray, parts: int = 3, **options: Any) -> Run:
        job = Run(validate(settings(tmp_path / "run", neighbors=options), "settings"))
        directory, dimensions = job.artifact("vectors"), vectors.shape[1]
        artifacts.begin(directory, "vectors")
        for number, ordinals in enumerate(np.array_split(np.arange(len(vectors)), parts)):
            rows = vectors[ordinals].astype(np.float16)
            column = pa.FixedSizeListArray.from_arrays(pa.array(rows.reshape(-1)), dimensions)
            batch = pa.record_batch([pa.array(ordinals), column], schema=schemas.vectors(dimensions))
            artifacts.write_part(directory, f"part-{number:05}-0000.arrow", batch, compress=False)
        artifacts.finish(directory, "vectors", {}, {}, {"dimensions": dimensions})
        artifacts.begin(job.artifact("neighbors"), "neighbors")
        artifacts.finish(job.artifact("neighbors"), "neighbors", {}, {}, neighbors.work(job))
        return job

    return run


def check(run: Run, threshold: float = THRESHOLD) -> None:
    """Compares the lists with all cosines, and the duplicates with what they are said to duplicate."""
    vectors = all_vectors(run).astype(np.float32)
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
    lost, kept = (all_values(run, "neighbors/duplicates", name) for name in ("ordinal", "duplicate_of"))
    assert np.array_equal(np.sort(np.concatenate([ordinals, lost])), np.arange(len(vectors)))
    assert np.isin(kept, ordinals).all()
    stated = all_values(run, "neighbors/duplicates", "cosine")
    np.testing.assert_allclose(cosines[lost, kept], stated, atol=1e-5)
    assert (stated >= threshold - 1e-5).all()
    assert list(neighbors.verify(run)) == []


def test_the_corpus_against_brute_force(finished: Run, rows: Any, corpus: Any) -> None:
    check(finished)
    documents = zip(rows(finished), rows(finished, "selection"), strict=True)
    name = [document["record_id"] for document, verdict in documents if verdict["kept"]]
    group = {name: corpus.shuffled.get(name, name) for name in name}
    duplicates = rows(finished, "neighbors/duplicates")
    assert len(duplicates) == len(corpus.shuffled)
    assert {group[name[row["ordinal"]]] for row in duplicates} == set(corpus.shuffled.values())
    assert all(group[name[row["ordinal"]]] == group[name[row["duplicate_of"]]] for row in duplicates)
    assert all(row["duplicate_of"] < row["ordinal"] for row in duplicates)  # the first of a group stays


def test_random_vectors_with_a_zero_among_them(neighbors_of: Any) -> None:
    vectors = np.random.default_rng(5).standard_normal((60, 8))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    vectors[7] = 0
    check(neighbors_of(vectors, k=5, duplicate_cosine=0.8), 0.8)


def angles(*degrees: float) -> np.ndarray:
    radians = np.radians(degrees)
    return np.stack([np.cos(radians), np.sin(radians)], axis=1)


def test_duplicates_do_not_chain(neighbors_of: Any) -> None:
    run = neighbors_of(angles(0, 15, 30, 120), k=3)
    check(run)
    assert lists(run)[0].tolist() == [0, 2, 3]


def test_one_that_returns_when_its_duplicate_goes(neighbors_of: Any) -> None:
    # 2 is near 1 alone, and 1 near 0, which its only neighbour (k = 1) does not tell at first.
    run = neighbors_of(angles(0, 17, 30, 180), k=1)
    check(run)
    assert lists(run)[0].tolist() == [0, 2, 3]


def test_a_group_larger_than_k(neighbors_of: Any) -> None:
    near = [40 + 0.3 * number for number in range(14)]  # each names only those beside it
    run = neighbors_of(angles(*near, 100, 160), k=2)
    check(run)
    assert lists(run)[0].tolist() == [0, 14, 15]
    assert run.manifest("neighbors").statistics["rounds"] > 2


@pytest.mark.parametrize("count", [1, 2, 4])
def test_fewer_documents_than_neighbours(neighbors_of: Any, count: int) -> None:
    check(neighbors_of(angles(0, 90, 180, 270)[:count], parts=1, k=8))


def test_above_one_the_threshold_is_off(neighbors_of: Any) -> None:
    run = neighbors_of(angles(0, 0, 0, 90), k=2, duplicate_cosine=1.01)
    assert lists(run)[0].tolist() == [0, 1, 2, 3]
    assert run.manifest("neighbors").statistics["duplicates"] == 0


def test_the_graph_speaks_of_positions_among_those_that_stay(finished: Run) -> None:
    ordinals, graph = read_graph(finished)
    assert graph.offsets.size == len(ordinals) + 1
    vectors = all_vectors(finished).astype(np.float32)[ordinals]
    node = np.repeat(np.arange(len(ordinals)), np.diff(graph.offsets))
    cosines = np.einsum("ed,ed->e", vectors[node], vectors[graph.neighbor])
    np.testing.assert_allclose(cosines, graph.weight, atol=1e-5)
