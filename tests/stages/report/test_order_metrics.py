"""Orders measured as a trainer meets them: cut as pack cuts, and told by the text that stands in the contexts."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sequitur.graph_sort import metrics, orders
from sequitur.graph_sort.packing import Likeness
from sequitur.pipeline import artifacts
from sequitur.pipeline.config import overridden
from sequitur.pipeline.progress import Progress
from sequitur.pipeline.stage import Run
from sequitur.stages.report import order_metrics, splits
from sequitur.stages.report.order_metrics import Cut, Yardstick
from sequitur.stages.shared.columns.arrays import read_graph
from sequitur.stages.shared.columns.stored_vectors import StoredVectors, unit
from sequitur.stages.shared.columns.token_ranges import document_lengths
from sequitur.text_core.signals.in_context_gain import compressed_sizes, gain


@pytest.fixture
def by(finished: Run) -> Yardstick:
    return order_metrics.yardstick(finished.root, finished.config)


@pytest.fixture
def changed(finished: Run) -> Callable[..., Run]:
    """The finished run with another configuration, of which only what is measured is asked."""
    return lambda *settings: replace(finished, config=overridden(finished.config, settings))


@pytest.fixture
def shuffled(by: Yardstick) -> orders.Order:
    """A random order of all kept documents."""
    n = len(by.lengths)
    return orders.uncut(np.random.default_rng(0).permutation(n), np.arange(n))


def cut_of(run: Run, order: orders.Order, by: Yardstick) -> Cut:
    """An order of all kept documents, as the run would cut it."""
    return order_metrics.cut(order, np.arange(len(by.lengths)), by.lengths, run.config.pack, run.config.seed)


def measured(cut: Cut, by: Yardstick, gain_contexts: int, every: int = 1) -> dict[str, Any]:
    some = by._replace(sample=by.sample._replace(contexts=gain_contexts, every=every))
    return order_metrics.measure(cut, some, Progress(quiet=True))


def texts_by_ordinal(run: Run, rows: Callable[..., list[dict[str, Any]]]) -> list[bytes]:
    kept = [row["kept"] for row in rows(run, "selection")]
    return [row["text"].encode() for row, stays in zip(rows(run, run.text), kept, strict=True) if stays]


@pytest.mark.parametrize("policy", ["whole", "filled", "stream"])
def test_an_order_is_cut_as_pack_cuts_it(branch: Any, policy: str) -> None:
    run = branch("run", pack={"policy": policy, "context_length": 256, "validation_share": 0})
    ordinals, graph = read_graph(run.artifact("neighbors"))
    names = ["ordinal", "path", "opens", "fills"]
    table = artifacts.read_columns(run.artifact("order"), names)
    columns = [table[name].to_numpy() for name in names]
    order = orders.Order(np.searchsorted(ordinals, columns[0]), *columns[1:3], fills=columns[3])
    assert order.fills.any() == (policy == "filled")

    lengths = document_lengths(run.artifact("tokens"))
    alike = Likeness(graph, np.arange(len(ordinals)))
    cut = order_metrics.cut(order, ordinals, lengths, run.config.pack, run.config.seed, alike)

    packed = splits.read_splits(run.artifact("shards"))["train"].cut
    for ours, theirs in zip(cut.contexts, packed.contexts, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    np.testing.assert_array_equal(np.concatenate(cut.reading_orders), np.concatenate(packed.reading_orders))
    np.testing.assert_array_equal(cut.row_lengths, packed.row_lengths)


def test_gain_is_that_of_the_contexts_text(
    finished: Run, changed: Any, by: Yardstick, shuffled: orders.Order, rows: Any
) -> None:
    texts = texts_by_ordinal(finished, rows)
    cut = cut_of(changed("pack.policy=whole"), shuffled, by)
    documents = np.split(cut.contexts.document, cut.contexts.offsets[1:-1])
    sizes = [compressed_sizes([texts[document] for document in context]) for context in documents if len(context) > 1]
    expected = gain(np.array(sizes))

    every = measured(cut, by, gain_contexts=10**6)
    sample = measured(cut, by, gain_contexts=20)

    assert every["in_context_gain"] == pytest.approx(expected.gain)
    assert every["in_context_gain_error"] == pytest.approx(expected.error)
    assert every["in_context_gain_contexts"] == len(sizes)
    assert sample["in_context_gain_contexts"] == 20
    assert abs(sample["in_context_gain"] - expected.gain) < 4 * sample["in_context_gain_error"]
    assert sample == measured(cut, by, gain_contexts=20)
    saved = sum(alone - given for given, alone in sizes)
    assert every["bytes_saved_per_token"] == pytest.approx(saved / cut.contexts.length.sum())


def test_gain_is_measured_quickly_of_most(
    finished: Run, by: Yardstick, shuffled: orders.Order, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(order_metrics, "LEAST_GAIN_CONTEXTS", 4)
    cut = cut_of(finished, shuffled, by)

    every, some = (measured(cut, by, gain_contexts=10**6, every=number) for number in (1, 3))

    assert some["in_context_gain_contexts"] == every["in_context_gain_contexts"] > 12
    error = some["in_context_gain_error"]
    assert some["in_context_gain"] == pytest.approx(every["in_context_gain"], abs=4 * error)
    assert every["in_context_gain"] != some["in_context_gain"]
    assert some["bytes_saved_per_token"] == pytest.approx(every["bytes_saved_per_token"], rel=0.2)
    assert error < 3 * every["in_context_gain_error"]
    few = measured(cut, by, gain_contexts=4, every=3)  # of which all are measured in full
    assert few == measured(cut, by, gain_contexts=4, every=1)


def test_cosines_are_the_models_and_those_of_the_graph_stand_beside(
    finished: Run, by: Yardstick, shuffled: orders.Order
) -> None:
    cut = cut_of(finished, shuffled, by)
    others = np.random.default_rng(1).standard_normal((len(by.lengths), 8))
    others = (others / np.linalg.norm(others, axis=1, keepdims=True)).astype(np.float16)
    alone = measured(cut, by, 2)

    both = measured(cut, by._replace(of_graph=others), 2)

    coherence = metrics.coherence(cut.contexts, StoredVectors(finished.artifact("vectors"), own=False).all())
    assert both["adjacency"] == alone["adjacency"] == coherence.adjacency
    assert both["graph_pairwise"] == metrics.coherence(cut.contexts, others).pairwise
    assert {name for name in both if name not in alone} == {
        f"graph_{name}" for name in alone if name in coherence._asdict() or name.startswith("leakage")
    }
    assert by.of_graph is None
    assert abs(alone["leakage_z"]) < 5


def test_excess_gain() -> None:
    measured, chance = (
        {"in_context_gain": gain, "in_context_gain_error": error} for gain, error in ((0.5, 0.03), (0.2, 0.04))
    )
    found = order_metrics.excess_gain(measured, chance)
    assert found == {"excess_gain": pytest.approx(0.3), "excess_gain_error": pytest.approx(0.05)}
    nothing = order_metrics.excess_gain(measured, {"in_context_gain": None, "in_context_gain_error": None})
    assert nothing == {"excess_gain": None, "excess_gain_error": None}


@pytest.mark.parametrize("block", [1, 4, 2**16])
def test_histogram_by_hand(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(order_metrics, "BLOCK", block)
    assert order_metrics.histogram(np.array([2, 3, 4, 15, 8, 8])) == [
        {"from": 2, "to": 3, "count": 2},
        {"from": 4, "to": 7, "count": 1},
        {"from": 8, "to": 15, "count": 3},
    ]
    assert order_metrics.histogram(np.empty(0, np.int64)) == []


@pytest.mark.parametrize("own", [True, False])
def test_stored_vectors_are_read_as_arrays_are(finished: Run, tmp_path: Path, own: bool) -> None:
    run = replace(finished, config=overridden(finished.config, [f"output={tmp_path}/run"]))
    shutil.copytree(finished.artifact("vectors").path(), run.artifact("vectors").path())
    manifest = run.manifest("vectors")
    with_words = {**manifest.statistics, "model_dimensions": 40}
    run.artifact("vectors").write_json("_manifest.json", replace(manifest, statistics=with_words).to_json())
    expected = artifacts.read_columns(run.artifact("vectors"), ["vector"])["vector"]
    expected = np.array(expected.to_pylist(), dtype=np.float16).reshape(manifest.rows, -1)
    if own:
        expected = unit(expected[:, :40].astype(np.float32)).astype(np.float16)

    stored = StoredVectors(run.artifact("vectors"), own=own)

    assert stored.shape == expected.shape == (manifest.rows, 40 if own else 48)
    some = np.random.default_rng(0).integers(0, manifest.rows, 500)
    np.testing.assert_array_equal(stored[some], expected[some])
    np.testing.assert_array_equal(stored.all(), expected)
    assert stored[some[:0]].shape == (0, expected.shape[1])
