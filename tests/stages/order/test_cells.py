"""Cells that workers arrange: the orders that threads make of them, whatever was done before."""

import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sequitur.graph_sort.documents import ArrayDocuments
from sequitur.graph_sort.orders import contexts
from sequitur.graph_sort.part import Part
from sequitur.pipeline import builds
from sequitur.pipeline.errors import ConfigError, StageFailed
from sequitur.pipeline.jobs import Jobs
from sequitur.pipeline.names import NEIGHBORS, TOKENS, VECTORS
from sequitur.pipeline.progress import Progress
from sequitur.pipeline.runner import Runner
from sequitur.pipeline.stage import Run
from sequitur.pipeline.storage import Directory
from sequitur.stages.order import STAGE, cells
from sequitur.stages.order import stage as order_stage
from sequitur.stages.order.cells import ArrangeCell, Asked, SendDocuments, as_documents
from sequitur.stages.order.documents import CELLS, RunDocuments

Branch = Callable[..., Run]
SETTINGS: dict[str, dict[str, Any]] = {
    "filled": {"order": {"shared_strings": 0.5}},
    "whole": {"pack": {"context_length": 64, "policy": "whole"}},
    "no strings": {"order": {"shared_strings": 0}},
    "curriculum": {"order": {"strategy": "curriculum", "signal": "compression_ratio"}},
    "families, epochs": {"families": {"by": "source"}, "pack": {"context_length": 128, "epochs": 2}},
}


@pytest.fixture
def arranged(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Cells are small, and workers arrange them; which of them they did."""
    found: list[int] = []
    process = ArrangeCell.process

    def documents(*arguments: Any, jobs: None, **named: Any) -> RunDocuments:
        assert jobs is None  # for jobs run here
        return RunDocuments(*arguments, jobs=Jobs(Runner(), Progress(quiet=True)), **named)

    def noting(self: ArrangeCell, element: Any) -> Iterator[Any]:
        found.append(element[0])
        yield from process(self, element)

    monkeypatch.setattr(contexts, "CELL", 30)
    monkeypatch.setattr(order_stage, "RunDocuments", documents)
    monkeypatch.setattr(ArrangeCell, "process", noting)
    return found


def content(run: Run) -> dict[str, bytes]:
    directory = run.artifact("order")
    return {name: directory.read_bytes(name) for name in directory.files() if name.endswith(".arrow")}


@pytest.mark.parametrize("name", SETTINGS)
def test_workers_make_the_bytes_that_threads_make(name: str, branch: Branch, request: pytest.FixtureRequest) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(contexts, "CELL", 30)
        here = branch("here", last="order", **SETTINGS[name])
    arranged = request.getfixturevalue("arranged")
    there = branch("there", last="order", **SETTINGS[name])
    assert max(arranged) > 2
    assert content(there) == content(here)
    assert list(STAGE.verify(there)) == []
    assert not there.artifact(CELLS).exists()


def test_cells_that_were_arranged_are_not_again(
    branch: Branch, execute: Callable[..., Run], arranged: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: Any, **__: Any) -> None:
        raise ConfigError("interrupted")

    changed = {"pack": {"context_length": 96}, "order": {"shared_strings": 0.5}}
    whole = content(branch("whole", last="order", **changed))
    every, part = sorted(arranged), "part-00001-0000.arrow"
    with monkeypatch.context() as patch:
        patch.setattr(order_stage.builds, "write_part", interrupted)
        with pytest.raises(ConfigError, match="interrupted"):
            branch("run", last="order", **changed)
    (file,) = (tmp_path / "run" / CELLS).rglob(part)
    file.unlink()
    arranged.clear()
    run = execute(tmp_path / "run", "order", **changed)
    assert arranged == [1]
    assert every == list(range(len(every)))
    assert content(run) == whole


def test_a_cell_that_does_not_come_is_told(
    branch: Branch, arranged: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    process = ArrangeCell.process

    def forgetful(self: ArrangeCell, element: Any) -> Iterator[Any]:
        if element[0] != 2:
            yield from process(self, element)

    monkeypatch.setattr(ArrangeCell, "process", forgetful)
    with pytest.raises(StageFailed, match=r"1 of \d+ cells were not written; run again"):
        branch("lost", last="order", order={"shared_strings": 0.25})
    assert 2 not in arranged


@pytest.mark.parametrize(("filled", "weight"), [(False, 1.0), (True, 1.0), (True, 0.0)])
def test_what_is_sent_are_the_documents_of_a_cell(finished: Run, tmp_path: Path, filled: bool, weight: float) -> None:
    settings = finished.config.order.model_copy(update={"shared_strings": weight})
    of_run = RunDocuments(finished.root, settings, 64, finished.progress, rows_filled=filled)
    asked = Asked.of(of_run, finished.root)
    cell = np.flatnonzero(of_run.lengths % 64)[::2]
    numbers = np.full(finished.manifest(VECTORS).rows, -1, np.int32)
    numbers[of_run.ordinals[cell]] = 3
    build = builds.begin(Directory(str(tmp_path / "cells")), "f" * 32)
    build.files.write_bytes(cells.OF_ORDINAL, numbers.tobytes())
    send = SendDocuments(finished.root, build, np.array([3], np.int32), asked)
    send.setup()
    messages = [message for part in range(len(finished.manifest(TOKENS).parts)) for message in send.process(part)]
    assert {number for number, _ in messages} == {3}
    assert len(messages) > 2
    random.Random(0).shuffle(messages)
    same(as_documents([message for _, message in messages], asked), Part(of_run, cell), weight)
    assert asked.k == finished.config.neighbors.k
    assert finished.manifest(NEIGHBORS).rows == of_run.lengths.size


def same(sent: ArrayDocuments, part: Part, weight: float) -> None:
    for one, other in zip(sent.graph, part.graph, strict=True):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(sent.vectors, part.vectors)
    np.testing.assert_array_equal(sent.lengths, part.lengths)
    assert (sent.context_length, sent.rows_filled, sent.strings_weight) == (64, part.rows_filled, weight)
    if weight:
        members = np.arange(part.lengths.size)[1::2]
        for every in (1, 4):
            for one, other in zip(sent.strings(members, every), part.strings(members, every), strict=True):
                np.testing.assert_array_equal(one, other)
