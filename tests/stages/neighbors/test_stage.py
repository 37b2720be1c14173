"""Neighbours are those of brute force, and no two documents that stay are near-duplicates."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from job_runs import made_by
from neighbor_runs import angles, check, content, lists, place, recall_of, unit, work
from rich.console import Console

from sequitur.pipeline.errors import CorruptPart
from sequitur.pipeline.progress import Progress
from sequitur.pipeline.stage import Run
from sequitur.stages.neighbors import by_cells, by_exact, by_index, cell_assignment, near_duplicates, words
from sequitur.stages.neighbors import stage as neighbors
from sequitur.stages.neighbors.declaration import parameters
from sequitur.stages.shared.columns.arrays import read_graph
from sequitur.stages.shared.columns.stored_vectors import StoredVectors
from sequitur.stages.shared.models import choices


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


@pytest.mark.parametrize("count", [1, 2, 4])
def test_fewer_documents_than_neighbours(neighbors_of: Any, count: int) -> None:
    check(neighbors_of(angles(0, 90, 180, 270)[:count], parts=1, k=8))


def test_the_graph_speaks_of_positions_among_those_that_stay(finished: Run) -> None:
    ordinals, graph = read_graph(finished.artifact("neighbors"))
    assert graph.offsets.size == len(ordinals) + 1
    vectors = StoredVectors(finished.artifact("vectors"), own=False)[ordinals].astype(np.float32)
    node = np.repeat(np.arange(len(ordinals)), np.diff(graph.offsets))
    cosines = np.einsum("ed,ed->e", vectors[node], vectors[graph.neighbor])
    np.testing.assert_allclose(cosines, graph.weight, atol=1e-5)


def test_a_gpu_gives_the_lists_of_the_exact_index(job_of: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    vectors = unit(5, 150, 6)
    runs = [work(place(job_of("index", k=5, duplicate_cosine=0.93, method="index"), vectors))]
    monkeypatch.setattr(choices, "gpu", lambda name: "cpu")  # the same kernels on a CPU
    runs.append(work(place(job_of("gpu", k=5, duplicate_cosine=0.93, method="exact"), vectors)))
    index, gpu = ({name: data for name, data in content(run).items() if name.endswith(".arrow")} for run in runs)
    assert index == gpu
    assert runs[1].manifest("neighbors").statistics["method"] == "exact"


@pytest.mark.parametrize(
    ("options", "is_local", "method"),
    [
        ({}, True, by_index),
        ({"memory": 1}, True, by_index),
        ({}, False, by_index),
        ({"memory": 1}, False, by_cells),
        ({"method": "index", "memory": 1}, False, by_index),
        ({"method": "cells"}, True, by_cells),
        ({"method": "exact"}, False, by_exact),
    ],
)
def test_what_searches(job_of: Any, options: Any, is_local: bool, method: Any) -> None:
    job = place(job_of(**options), angles(0, 90, 180))
    assert neighbors.method_of(job.config.neighbors, job.manifest("vectors"), is_local) is method


def test_memory_and_the_way_of_the_vectors_change_nothing(job_of: Any) -> None:
    settings = ({}, {"memory": 1, "method": "index"}, {"method": "cells"}, {"k": 3}, {"method": "exact"})
    first, *same, longer, exact = (parameters(job_of(f"{i}", **some).config) for i, some in enumerate(settings))
    assert same == [first, first]
    assert first not in (longer, exact)


@pytest.mark.parametrize("share", [0.7, 0.2])
def test_a_subset_is_searched_again(job_of: Any, share: float) -> None:
    job = job_of(k=3, duplicate_cosine=0.999, sections={"select": {"subset": {"by": "coverage", "share": share}}})
    run = work(place(job, unit(12, 60, 3)))
    ordinals, found, _ = lists(run)
    assert len(ordinals) == int(share * (60 - run.manifest("neighbors").statistics["duplicates"]))
    assert recall_of(run) == 1
    assert np.isin(found, ordinals).all()
    assert list(neighbors.verify(run)) == []


def test_bad_vectors(job_of: Any) -> None:
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


def test_near_duplicates_that_take_most_of_a_source_or_a_language_give_an_alarm(job_of: Any) -> None:
    said = io.StringIO()
    job = Run(job_of(k=8).config, progress=Progress(Console(file=said, soft_wrap=True)))
    work(place(job, np.concatenate([angles(*[0.0] * 30), unit(1, 10, 2)])))
    lost = job.manifest("neighbors").statistics["duplicates"]
    alarms = job.manifest("neighbors").statistics["alarms"]
    common = {
        "step": "semantic_duplicate",
        "name": "one",
        "documents": 40,
        "reached": 40,
        "lost": lost,
        "share": lost / 40,
    }
    assert alarms == [{**common, "of": of} for of in ("source", "language")]
    assert f"warning: semantic_duplicate takes much of language one {lost / 40:.1%} of 40\n" in said.getvalue()


def test_more_threads_make_the_same_lists_and_duplicates(
    finished: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cell_assignment, "ALL_PAIRS", 0)  # so that cells are made
    monkeypatch.setattr(words, "WORDS_AT_ONCE", 20_000)
    monkeypatch.setattr(words, "WORDS_OF_THREAD", 2000)
    monkeypatch.setattr(words, "PAIRS_AT_ONCE", 20)
    one, two, three = (
        made_by(workers, finished, "neighbors", "neighbors", tmp_path / str(workers)) for workers in (1, 2, 3)
    )
    assert one == two == three
    assert len(one) > 3


def test_more_threads_find_the_same_cosines(job_of: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(near_duplicates, "PAIRS_AT_ONCE", 5)
    sections = {"embed": {"lexical_weight": 0.3}}
    one, two, three = (
        content(
            work(
                place(
                    job_of(f"{workers}", workers, sections, k=4, duplicate_cosine=0.5),
                    unit(1, 200, 6),
                    parts=7,
                    model_dimensions=3,
                )
            )
        )
        for workers in (1, 2, 3)
    )
    assert one == two == three
