"""Cosines along a path are those of its neighbours, told apart by whether a boundary lies between."""

import numpy as np
import pytest

from sequitur.graph_sort.packing import PackedContexts
from sequitur.stages.report import path as report_path
from sequitur.stages.report import reading as report_reading
from sequitur.stages.report.order_metrics import Cut


@pytest.fixture
def cut() -> Cut:
    """Contexts of 3, 1 and 2 pieces; document 3 is split over the last two."""
    document = np.array([0, 1, 2, 3, 3, 4])
    contexts = PackedContexts(
        np.array([0, 3, 4, 6]), document, np.array([0, 0, 0, 0, 9, 0]), np.array([3, 3, 4, 9, 1, 5])
    )
    return Cut(contexts, [np.array([2, 0, 1])], np.array([10, 10, 10]))


@pytest.fixture
def vectors() -> np.ndarray:
    return np.array([[1, 0], [1, 0], [0, 1], [0.6, 0.8], [0, 1]], dtype=np.float16)


def test_neighbours_in_contexts_and_across_boundaries(cut: Cut, vectors: np.ndarray) -> None:
    cosines = report_path.path_cosines(cut, vectors)
    np.testing.assert_allclose(cosines, [np.nan, 1, 0, 0.8, np.nan, 0.8], atol=1e-3)

    told = report_path.along_the_path(cut, cosines)

    assert (told["pieces"], told["contexts"]) == (6, 3)
    assert told["inside"] == pytest.approx(0.6, abs=1e-3)
    assert told["between"] == pytest.approx(0.8, abs=1e-3)
    assert [one["mean"] for one in told["bins"]] == pytest.approx([1, 0, 0.8], abs=1e-3)
    (stretch,) = (one for one in told["stretches"] if one["name"] == "beginning")
    assert stretch["documents"] == [0, 1, 2, 3, 3, 4]
    assert stretch["boundaries"] == [0, 3, 4]
    assert stretch["contexts"] == [0, 2]
    assert stretch["cosines"][0] is None
    assert report_path.fill([cut]) == [0] * 12 + [1] + [0] * 5 + [1, 1]  # 6, 9 and 10 of 10 tokens


def test_contexts_are_chosen_from_the_least_coherent_to_the_most(cut: Cut, vectors: np.ndarray) -> None:
    coherence = report_path.context_cosines(cut, report_path.path_cosines(cut, vectors))
    np.testing.assert_allclose(coherence, [0.5, np.nan, 0.8], atol=1e-3)
    assert report_reading.chosen_contexts(cut, coherence).tolist() == [0, 2, 1]

    many = 50
    alike = PackedContexts(np.arange(0, 4 * many + 1, 4), *(np.zeros(4 * many, dtype=np.int64),) * 3)
    chosen = report_reading.chosen_contexts(Cut(alike, [np.arange(many)], 10), np.arange(many)[::-1] / many)
    assert chosen[0] == many - 1
    assert chosen[-1] == 0
    assert len(chosen) == report_reading.CONTEXTS


def test_an_order_of_one_document_has_no_neighbours() -> None:
    one = Cut(PackedContexts(np.array([0, 1]), *(np.array([0]),) * 2, np.array([5])), [np.array([0])], np.array([10]))
    cosines = report_path.path_cosines(one, np.ones((1, 2), dtype=np.float16))
    told = report_path.along_the_path(one, cosines)
    assert (told["inside"], told["between"], told["bins"]) == (None, None, [])
