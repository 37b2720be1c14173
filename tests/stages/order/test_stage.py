"""Every order is one setting away from a run, and says what it lacks."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from job_runs import made_by

from sequitur.graph_sort.orders import contexts
from sequitur.pipeline import artifacts
from sequitur.pipeline.config import overridden
from sequitur.pipeline.errors import ConfigError
from sequitur.pipeline.runner import Runner
from sequitur.pipeline.stage import Run
from sequitur.stages.order import STAGE
from sequitur.stages.order import stage as order_stage
from sequitur.stages.order.documents import RunDocuments
from sequitur.stages.shared.columns.arrays import all_values
from sequitur.stages.shared.columns.groups import kept_column

Branch = Callable[..., Run]


@pytest.mark.parametrize("strategy", ["bm25", "cluster", "contexts", "curriculum", "knn", "source", "splice"])
def test_each_reads_what_it_needs(branch: Branch, strategy: str) -> None:
    run = branch(strategy, last="order", order={"strategy": strategy})
    assert list(STAGE.verify(run)) == []
    statistics = run.manifest("order").statistics
    assert statistics["strategy"] == strategy
    assert statistics["sorted"] == (strategy == "curriculum")
    assert (statistics["repeats"] > 0) == (strategy == "knn")


def test_a_curriculum_rises_with_its_signal(branch: Branch) -> None:
    means = {}
    for descending in (False, True):
        order = {"strategy": "curriculum", "signal": "compression_ratio", "descending": descending}
        run = branch(f"curriculum-{descending}", last="order", order=order)
        table = artifacts.read_columns(run.artifact("order"), ["ordinal", "opens"])
        signal = kept_column(run.root, "signals", "compression_ratio").to_numpy()[table["ordinal"].to_numpy()]
        context = np.cumsum(table["opens"].to_numpy()) - 1
        half = context < context[-1] / 2
        means[descending] = signal[half].mean() - signal[~half].mean()
    assert means[False] < 0 < means[True]


@pytest.mark.parametrize(
    ("order", "message"),
    [
        ({"strategy": "contxts"}, "order.strategy: no order is called contxts; did you mean contexts?"),
        ({"strategy": "structure", "structure": "thread"}, "no document has a field thread"),
        ({"strategy": "curriculum", "signal": "beauty"}, "beauty, as order.signal says, is no number"),
        ({"strategy": "curriculum", "signal": "content_hash"}, "content_hash, as order.signal says, is no number"),
    ],
)
def test_what_an_order_lacks_is_said_in_a_line(branch: Branch, order: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        branch("bad", last="order", order=order)


def test_documents_of_a_run(finished: Run) -> None:
    documents = RunDocuments(
        finished.root, finished.config.order, finished.config.pack.context_length, finished.progress
    )
    assert np.array_equal(documents.ordinals, all_values(finished.artifact("neighbors"), "ordinal"))
    assert len(documents.lengths) == len(documents.source) == len(documents.vectors) == len(documents.ordinals)
    assert np.array_equal(np.diff(documents.terms.offsets), documents.lengths)


def replace_weight(run: Run, weight: float) -> Run:
    return replace(run, config=overridden(run.config, [f"order.shared_strings={weight}"]))


def test_contexts_by_strings_are_an_order_of_the_same_documents(branch: Branch) -> None:
    orders = []
    for weight in (0.0, 100.0, 100.0):
        run = branch(f"strings-{len(orders)}", last="order", order={"shared_strings": weight})
        assert list(STAGE.verify(run)) == []
        orders.append(all_values(run.artifact("order"), "ordinal").tolist())
    assert orders[0] != orders[1] == orders[2]
    assert STAGE.estimate(run).memory > STAGE.estimate(replace_weight(run, 0.0)).memory


def test_more_threads_make_the_same_order(finished: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contexts, "CELL", 30)
    asked: list[int] = []
    threads = order_stage.threads_within
    monkeypatch.setattr(
        order_stage,
        "threads_within",
        lambda *given: asked.append(threads(*given)) or asked[-1],  # type: ignore[func-returns-value]
    )
    one, two, three = (made_by(workers, finished, "order", "order", tmp_path / str(workers)) for workers in (1, 2, 3))
    assert one == two == three
    assert set(asked) == {1, 2, 3}


def test_threads_are_no_more_than_have_room_for_a_cell(finished: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    cell = order_stage.cells_memory(contexts.CELL, 1, finished.config, 48)
    assert cell > order_stage.cells_memory(
        contexts.CELL, 1, overridden(finished.config, ["order.shared_strings=0"]), 48
    )
    for room, threads in ((5, 2), (8, 4), (100, 6), (1, 1)):
        monkeypatch.setattr(order_stage, "machine_bytes", lambda room=room: room * cell)
        assert order_stage.threads_within(6, finished.config, 48) == threads


def test_each_thread_is_counted_in_the_estimate(finished: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contexts, "CELL", 30)
    memory = [STAGE.estimate(replace(finished, runner=Runner(workers))).memory for workers in (1, 2, 3)]
    cell = order_stage.cells_memory(30, 1, finished.config, 48)
    assert np.diff(memory).tolist() == [cell, cell]
