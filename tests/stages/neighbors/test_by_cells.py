"""By cells, one by one or by several workers, the lists are those of an index."""

from typing import Any

import numpy as np
import pytest
from neighbor_runs import check, content, place, recall_of, unit, work

from sequitur.pipeline import notes
from sequitur.pipeline.errors import ConfigError, SequiturError
from sequitur.stages.neighbors import by_cells, cell_assignment
from sequitur.stages.neighbors import stage as neighbors


@pytest.fixture
def all_cells(monkeypatch: pytest.MonkeyPatch) -> None:
    """There are cells, of which every search probes all."""
    monkeypatch.setattr(cell_assignment, "ALL_PAIRS", 0)
    monkeypatch.setattr(cell_assignment.cells, "probes_needed", lambda rank, target, most: (most, 1.0))


@pytest.mark.usefixtures("all_cells")
def test_all_cells_give_the_lists_of_the_exact_index(job_of: Any) -> None:
    vectors = unit(5, 150, 6)
    vectors[100:130] = vectors[0]  # more than a list has room for
    vectors[7] = 0
    runs = [
        work(place(job_of(method, method=method, k=5, duplicate_cosine=0.93), vectors)) for method in ("index", "cells")
    ]
    check(runs[0], 0.93)
    assert content(runs[0]) == content(runs[1])
    assert runs[1].manifest("neighbors").statistics["rounds"] > 1
    assert runs[0].manifest("neighbors").statistics == runs[1].manifest("neighbors").statistics


@pytest.mark.parametrize("method", ["index", "cells"])
def test_the_recall_asked_for_is_measured_and_reached(
    job_of: Any, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cell_assignment, "ALL_PAIRS", 0)
    run = work(place(job_of(method=method, k=10, recall_target=0.9), unit(6, 1500, 12)))
    said = run.manifest("neighbors").statistics
    assert said["method"] == "cells"
    assert said["recall_reached"]
    assert 0.9 <= said["recall"] < 1  # so it was not all that was searched
    assert abs(recall_of(run) - said["recall"]) < 0.05
    assert list(neighbors.verify(run)) == []


@pytest.mark.parametrize("method", ["index", "cells"])
def test_the_same_bytes_after_interruptions_and_in_other_blocks(
    job_of: Any, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cell_assignment, "ALL_PAIRS", 0)
    vectors = np.repeat(unit(8, 20, 12), 50, axis=0)
    once = work(place(job_of("once", method=method), vectors))
    assert once.manifest("neighbors").statistics["duplicates"] == 980
    monkeypatch.setattr(by_cells, "BLOCK", 7)
    again = place(job_of("again", method=method), vectors)
    note = notes.write
    for point in ("_truth", "_assigned", "_round-0", "_round-1", "neighbors"):

        def interrupt(files: Any, some: Any, point: str = point) -> None:
            note(files, some)
            if files.url.rpartition("/")[0].endswith(f"/{point}") and some[0][0].name.startswith("part-00001"):
                raise ConfigError(point)

        monkeypatch.setattr(notes, "write", interrupt)
        with pytest.raises(SequiturError, match=point):
            work(again)
        monkeypatch.setattr(notes, "write", note)
    assert content(work(again)) == content(once)


def test_cells_give_the_same_bytes_by_two_workers(job_of: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    options, vectors = {"method": "cells", "duplicate_cosine": 1.01}, unit(8, 300, 12)
    one = work(place(job_of("one", **options), vectors))
    monkeypatch.setattr(by_cells, "MULTIPLICATIONS_PER_SECOND", 1e-3)  # so that two are worth starting
    monkeypatch.setattr(by_cells, "BLOCK", 7)
    assert content(work(place(job_of("two", 2, **options), vectors))) == content(one)
