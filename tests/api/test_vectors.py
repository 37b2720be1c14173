"""An order of vectors, and its contexts, are those that the stages make of the same documents."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

import sequitur
from sequitur.pipeline.errors import ConfigError
from sequitur.pipeline.stage import Run
from sequitur.stages.report.stage import read_splits


def placed(run: Run) -> pa.Table:
    """The documents that have a place in the order, by ordinal."""
    columns = ["ordinal", "vector", "tokens", "source", "position", "path", "opens"]
    return sequitur.open_run(run.config.output).documents(columns).filter(pc.is_valid(pc.field("position")))


@pytest.mark.parametrize(("strategy", "policy"), [("contexts", "filled"), ("path", "stream"), ("source", "whole")])
def test_order_and_contexts_are_the_stages(branch: Callable[..., Run], strategy: str, policy: str) -> None:
    ordering = {"strategy": strategy, "shared_strings": 0}
    packing = {"policy": policy, "context_length": 1024, "validation_share": 0}
    run = branch(strategy, "pack", order=ordering, pack=packing)
    documents = placed(run)
    source = np.unique(documents["source"].to_pylist(), return_inverse=True)[1]
    known = {"source": source} if strategy == "source" else {}
    how = {"strategy": strategy, "context_length": 1024, "policy": policy, "k": 8, "seed": 0, **known}
    order = sequitur.order(documents["vector"], documents["tokens"], **how)
    by_place = documents.take(order.permutation)
    assert by_place["position"].to_pylist() == list(range(len(documents)))
    assert (by_place["path"].to_pylist(), by_place["opens"].to_pylist()) == (order.path.tolist(), order.opens.tolist())

    contexts = sequitur.pack(order, documents["tokens"], 1024, policy)
    stored = read_splits(run.artifact("shards"))["train"].cut.contexts
    for name in ("offsets", "start", "length"):
        np.testing.assert_array_equal(getattr(contexts, name), getattr(stored, name))
    np.testing.assert_array_equal(documents["ordinal"].to_numpy()[contexts.document], stored.document)


def test_documents_without_lengths_count_one_each() -> None:
    vectors = np.random.default_rng(1).standard_normal((40, 8))
    order = sequitur.order(vectors, context_length=4, k=5)
    assert sorted(order.permutation.tolist()) == list(range(40))
    contexts = sequitur.pack(order, np.ones(40), 4)
    assert set(np.diff(contexts.offsets).tolist()) == {4}
    units = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    np.testing.assert_array_equal(sequitur.order(units, context_length=4, k=5).permutation, order.permutation)
    np.testing.assert_array_equal(sequitur.order(8 * vectors, context_length=4, k=5).permutation, order.permutation)
    assert sequitur.order(np.empty((0, 8))).permutation.size == 0


def test_a_permutation_alone_can_be_packed() -> None:
    contexts = sequitur.pack([2, 0, 1], [3, 9, 4], 8, "stream")
    assert [contexts.document.tolist(), contexts.start.tolist(), contexts.length.tolist()] == [
        [2, 0, 1, 1],
        [0, 0, 0, 1],
        [4, 3, 1, 8],
    ]
    assert contexts.offsets.tolist() == [0, 3, 4]


def test_mistakes_are_named() -> None:
    vectors = np.eye(3)
    for wrong, said in (
        ({"strategy": "contxts"}, "no order is called contxts; did you mean contexts"),
        ({"strategy": "source"}, "order.strategy source: this order needs the source"),
        ({"sources": [0, 1, 2]}, "goes by nothing called sources"),
    ):
        arguments: dict[str, Any] = wrong
        with pytest.raises(ConfigError, match=said):
            sequitur.order(vectors, **arguments)
    with pytest.raises(ConfigError, match="no policy is called wole; there are whole, filled, stream"):
        sequitur.pack([0], [1], policy="wole")
    with pytest.raises(ValueError, match=r"lengths must be \[3\], a number for each vector, not \[2\]"):
        sequitur.order(vectors, [1, 2])
    with pytest.raises(ValueError, match=r"vectors must be \[n, d\]"):
        sequitur.order([1.0, 0.0])
    with pytest.raises(ValueError, match="NaN or infinity"):
        sequitur.order([[1.0, np.inf], [np.nan, 0.0]])
