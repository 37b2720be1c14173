"""By cells, one by one or by several workers, the lists are those of an index."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from neighbor_runs import check, content, place, recall_of, unit, work

from sequitur.graph_sort import cell_search, cells
from sequitur.graph_sort.cell_search import nearest
from sequitur.pipeline import notes, schemas
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


def test_true_neighbours_and_their_cells_are_those_of_all_parts_together() -> None:
    vectors, ordinals, asking = unit(9, 600, 8), np.arange(600), np.arange(0, 600, 40)
    centroids = unit(10, 7, 8).astype(np.float32)
    prepared = {"queries.npy": vectors[asking], "sample.npy": asking, "stored.npy": np.ones(600, bool)}
    files: Any = SimpleNamespace(load=(prepared | {"centroids.npy": centroids}).__getitem__)
    finding = cell_assignment.NearestOfPart(files, 5)
    finding.setup()

    found: dict[int, list[tuple[float, int, int]]] = {row: [] for row in range(len(asking))}
    in_turn = np.random.default_rng(0).permutation(np.split(ordinals, 12))
    for part in [*in_turn, in_turn[0]]:
        rows = pa.FixedSizeListArray.from_arrays(vectors[part].ravel(), 8)
        ((_, lists),) = finding.process(("part", pa.record_batch({"ordinal": part, "vector": rows})))
        neighbor, cosine, cell = (schemas.list_matrix(lists.column(name)) for name in ("neighbor", "cosine", "cell"))
        assert ((neighbor >= 0) == np.isfinite(cosine)).all()
        assert ((neighbor >= 0) == (cell >= 0)).all()
        for row, several in found.items():
            several += zip((-cosine[row]).tolist(), neighbor[row].tolist(), cell[row].tolist(), strict=True)

    exact = nearest(vectors[asking], asking, vectors, ordinals, 5)
    home = cells.cells_of(vectors, centroids, 1)[:, 0]
    for row, several in found.items():
        best = sorted(set(several) - {(np.inf, -1, -1)})
        assert [neighbor for _, neighbor, _ in best[:5]] == exact.neighbor[row].tolist()
        assert [cell for _, _, cell in best[:5]] == home[exact.neighbor[row]].tolist()
        assert len(best) < 5 * 12  # what is farther was left out


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
    monkeypatch.setattr(cell_search, "QUERY_BLOCK", 7)
    monkeypatch.setattr(cell_search, "QUERY_BYTES", 1)  # so each part is searched alone
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
