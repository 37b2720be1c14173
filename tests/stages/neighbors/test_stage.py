"""Neighbours are those of brute force, and no two documents that stay are near-duplicates."""

import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from rich.console import Console

from sequitur.graph_sort import neighbor_plans
from sequitur.pipeline import artifacts, schemas
from sequitur.pipeline.beam import Runner
from sequitur.pipeline.config import validate
from sequitur.pipeline.errors import ConfigError, CorruptPart, SequiturError
from sequitur.pipeline.progress import Progress
from sequitur.pipeline.stage import Run
from sequitur.stages.neighbors import by_cells, by_gpu, cell_assignment
from sequitur.stages.neighbors import stage as neighbors
from sequitur.stages.shared.columns.arrays import all_values, read_graph
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
    """Puts vectors, and tokens if any, where the stage looks for them."""
    dimensions = vectors.shape[1]
    artifacts.begin(job.artifact("vectors"), "vectors")
    artifacts.begin(job.artifact("tokens"), "tokens")
    for number, ordinals in enumerate(np.array_split(np.arange(len(vectors)), parts)):
        name, rows = f"part-{number:05}-0000.arrow", vectors[ordinals].astype(np.float16)
        column = pa.FixedSizeListArray.from_arrays(pa.array(rows.reshape(-1)), dimensions)
        batch = pa.record_batch([pa.array(ordinals), column], schema=schemas.vectors(dimensions))
        artifacts.write_part(job.artifact("vectors"), name, batch, compress=False)
        ids = pa.array([tokens[ordinal] for ordinal in ordinals] if tokens else [], schemas.TOKENS.field(1).type)
        batch = pa.record_batch([pa.array(ordinals if tokens else [], pa.int64()), ids], schema=schemas.TOKENS)
        artifacts.write_part(job.artifact("tokens"), name, batch, compress=False)
    artifacts.finish(job.artifact("tokens"), "tokens", {}, {}, {})
    artifacts.finish(job.artifact("vectors"), "vectors", {}, {}, {"dimensions": dimensions} | statistics)
    return job


def work(job: Run) -> Run:
    artifacts.begin(job.artifact("neighbors"), "neighbors")
    artifacts.finish(job.artifact("neighbors"), "neighbors", {}, {}, neighbors.work(job))
    return job


@pytest.fixture
def job_of(settings: Any, tmp_path: Path) -> Callable[..., Run]:
    """A run of some settings for the stage, in a directory of its own."""

    def make(name: str = "run", workers: int = 1, sections: Mapping[str, Any] | None = None, **options: Any) -> Run:
        content = settings(tmp_path / name, neighbors=options, **(sections or {}))
        return Run(validate(content, "settings"), Runner(workers))

    return make


@pytest.fixture
def neighbors_of(job_of: Callable[..., Run]) -> Callable[..., Run]:
    """Runs the stage alone over some vectors."""

    def run(vectors: np.ndarray, parts: int = 3, **options: Any) -> Run:
        return work(place(job_of(**options), vectors, parts))

    return run


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
    ordinals, graph = read_graph(finished.artifact("neighbors"))
    assert graph.offsets.size == len(ordinals) + 1
    vectors = StoredVectors(finished.artifact("vectors"), own=False)[ordinals].astype(np.float32)
    node = np.repeat(np.arange(len(ordinals)), np.diff(graph.offsets))
    cosines = np.einsum("ed,ed->e", vectors[node], vectors[graph.neighbor])
    np.testing.assert_allclose(cosines, graph.weight, atol=1e-5)


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


@pytest.fixture
def all_cells(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every search probes all cells."""
    monkeypatch.setattr(cell_assignment.cells, "probes_needed", lambda rank, target, most: (most, 1.0))


def test_a_gpu_gives_the_lists_of_the_exact_index(job_of: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    vectors = unit(5, 150, 6)
    runs = [work(place(job_of("index", k=5, duplicate_cosine=0.93, method="index"), vectors))]
    monkeypatch.setattr(by_gpu, "device", lambda name, is_local: "cpu")  # the same kernels on a CPU
    runs.append(work(place(job_of("gpu", k=5, duplicate_cosine=0.93), vectors)))
    index, gpu = ({name: data for name, data in content(run).items() if name.endswith(".arrow")} for run in runs)
    assert index == gpu
    assert runs[1].manifest("neighbors").statistics["method"] == "gpu_exact"


@pytest.mark.usefixtures("all_cells")
def test_all_cells_give_the_lists_of_the_exact_index(job_of: Any) -> None:
    vectors = unit(5, 150, 6)
    vectors[100:120] = vectors[:20]
    vectors[7] = 0
    runs = [
        work(place(job_of(method, method=method, k=5, duplicate_cosine=0.93), vectors)) for method in ("index", "cells")
    ]
    check(runs[0], 0.93)
    index, cells = ({name: data for name, data in content(run).items() if name.endswith(".arrow")} for run in runs)
    assert index == cells
    assert runs[1].manifest("neighbors").statistics["rounds"] > 1
    assert runs[1].manifest("neighbors").statistics["method"] == "cells"


@pytest.mark.parametrize("method", ["index", "cells"])
def test_the_recall_asked_for_is_measured_and_reached(
    job_of: Any, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(neighbor_plans, "EXACT_MULTIPLICATIONS", 0)
    run = work(place(job_of(method=method, k=10, recall_target=0.9), unit(6, 1500, 12)))
    said = run.manifest("neighbors").statistics
    assert said["method"] == {"index": "ivf_flat"}.get(method, method)
    assert said["recall_reached"]
    assert 0.9 <= said["recall"] < 1  # so it was not all that was searched
    assert abs(recall_of(run) - said["recall"]) < 0.05
    assert list(neighbors.verify(run)) == []


@pytest.mark.parametrize("method", ["index", "cells"])
def test_the_same_bytes_after_interruptions_and_in_other_blocks(
    job_of: Any, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(neighbor_plans, "EXACT_MULTIPLICATIONS", 0)
    vectors = np.repeat(unit(8, 200, 12), 2, axis=0)
    once = work(place(job_of("once", method=method), vectors))
    assert once.manifest("neighbors").statistics["duplicates"] == 200
    monkeypatch.setattr(by_cells, "BLOCK", 7)
    again = place(job_of("again", method=method), vectors)
    record, points = artifacts.record_part, ["_truth", "_assigned"] if method == "cells" else []
    points += ["_round-0", "_round-1", "neighbors"]
    for point in points:

        def interrupt(directory: Any, part: Any, point: str = point) -> None:
            record(directory, part)
            if directory.url.endswith(f"/{point}") and part.name.startswith("part-00001"):
                raise ConfigError(point)

        monkeypatch.setattr(artifacts, "record_part", interrupt)
        with pytest.raises(SequiturError, match=point):
            work(again)
        monkeypatch.setattr(artifacts, "record_part", record)
    assert content(work(again)) == content(once)


def test_cells_give_the_same_bytes_by_two_workers(job_of: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    options, vectors = {"method": "cells", "duplicate_cosine": 1.01}, unit(8, 300, 12)
    one = work(place(job_of("one", **options), vectors))
    monkeypatch.setattr(by_cells, "MULTIPLICATIONS_PER_SECOND", 1e-3)  # so that two are worth starting
    monkeypatch.setattr(by_cells, "BLOCK", 7)
    assert content(work(place(job_of("two", 2, **options), vectors))) == content(one)


def test_the_models_own_cosine_decides(job_of: Any) -> None:
    own = angles(0, 17, 90, 116, 200, 220)  # cosines of the pairs: 0.956, 0.899, 0.940
    words = angles(0, 90, 0, 0, 0, 5)  # 0, 1, 0.996
    joint = np.concatenate([np.sqrt(0.7) * own, np.sqrt(0.3) * words], axis=1)
    job = job_of(k=5, sections={"embed": {"lexical_weight": 0.3}})
    run = work(place(job, joint, model_dimensions=2))
    assert lists(run)[0].tolist() == [0, 2, 3, 4, 5]
    np.testing.assert_allclose(
        all_values(run.artifact("neighbors/duplicates"), "cosine"), np.cos(np.radians(17)), atol=1e-3
    )
    assert run.manifest("neighbors").statistics["duplicates_at_cosine"]["0.93"] == 2


def test_duplicates_must_share_tokens_where_that_is_asked_for(job_of: Any) -> None:
    tokens = [range(100), range(100), range(100, 200), range(50, 150), range(13)]
    run = work(place(job_of(k=4, duplicate_jaccard=0.3), angles(0, 1, 2, 3, 4), tokens=tokens))
    (row,) = artifacts.read_columns(run.artifact("neighbors/duplicates"), ["ordinal", "jaccard"]).to_pylist()
    assert row == {"ordinal": 1, "jaccard": 1}
    run = work(place(job_of("low", k=4, duplicate_jaccard=0.2), angles(0, 1, 2, 3, 4), tokens=tokens))
    lost = artifacts.read_columns(run.artifact("neighbors/duplicates"), ["ordinal", "duplicate_of", "jaccard"])
    # Of 88 n-grams each, 38 are in both of 0 and 3; 3 is as near to 2, which it shares 38 with, too.
    assert [(row["ordinal"], row["duplicate_of"]) for row in lost.to_pylist()] == [(1, 0), (3, 2)]
    assert lost["jaccard"].to_pylist() == pytest.approx([1, 38 / 138])
    assert neighbors.STAGE.parents_of(run.config) == ("vectors", "tokens")
    assert neighbors.STAGE.parents_of(job_of().config) == ("vectors",)


@pytest.mark.parametrize("share", [0.7, 0.2])
def test_a_subset_is_searched_again(job_of: Any, share: float) -> None:
    job = job_of(k=3, duplicate_cosine=0.999, sections={"select": {"subset": {"by": "coverage", "share": share}}})
    run = work(place(job, unit(12, 60, 3)))
    ordinals, found, _ = lists(run)
    assert len(ordinals) == int(share * (60 - run.manifest("neighbors").statistics["duplicates"]))
    assert recall_of(run) == 1
    assert np.isin(found, ordinals).all()
    assert list(neighbors.verify(run)) == []


def test_other_thresholds_are_tried(neighbors_of: Any) -> None:
    statistics = neighbors_of(angles(0, 9, 90, 115), k=3).manifest("neighbors").statistics
    assert statistics["duplicates_at_cosine"] == {f"0.{at}": 1 + (at == 90) for at in range(90, 99)} | {"0.99": 0}
    assert statistics["duplicates"] == 1


def test_bad_vectors_and_a_budget_for_nothing(job_of: Any) -> None:
    with pytest.raises(ConfigError, match=r"^neighbors.memory: .*allow at least .*"):
        work(place(job_of("small", memory=1), angles(0, 90, 180)))
    job = place(job_of("small", memory=1), angles(0, 90, 180))
    with pytest.raises(ConfigError, match=r"^neighbors.memory: "):
        neighbors.estimate(job)
    vectors = angles(0, 90, 180)
    vectors[2, 1] = np.nan
    with pytest.raises(CorruptPart, match=r"vectors/part-00002-0000.arrow: a vector holds NaN"):
        work(place(job_of("nan"), vectors))
    with pytest.raises(CorruptPart, match=r"vectors of 2 dimensions where the others have 3; delete .* embed anew"):
        work(place(job_of("other"), angles(0, 90, 180), dimensions=3))


def test_it_says_what_it_does_and_that_k_is_too_large(job_of: Any) -> None:
    said = io.StringIO()
    job = job_of(k=8)
    job = Run(job.config, progress=Progress(Console(file=said, soft_wrap=True)))
    work(place(job, angles(0, 90, 180)))
    few, why = said.getvalue().splitlines()
    assert few == "neighbors  k is 8 and there are 3 documents; the lists end with none (-1)"
    assert why.startswith("neighbors  exact: ")
    assert why.endswith("; recall 1.000 over 3 documents")
