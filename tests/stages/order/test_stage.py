"""Every order is one setting away from a run, and says what it lacks."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from sequitur.pipeline import artifacts
from sequitur.pipeline.errors import ConfigError
from sequitur.pipeline.stage import Run
from sequitur.stages.order.documents import RunDocuments
from sequitur.stages.order.stage import STAGE
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
