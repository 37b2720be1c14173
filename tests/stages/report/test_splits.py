"""Contexts are read back as they were written, whatever directories they lie in, and without their tokens."""

import shutil
from dataclasses import replace
from typing import Any

import numpy as np

from sequitur.pipeline.stage import Run
from sequitur.stages.report import splits
from sequitur.stages.report.order_metrics import held_by


def test_contexts_are_read_from_every_directory(branch: Any) -> None:
    run = branch("run")
    once = splits.read_splits(run.artifact("shards"))
    shards, manifest = run.artifact("shards"), run.manifest("shards")
    moved = []
    for directory in ("of/web", "of/books"):
        shutil.copytree(shards.path(), shards.path(directory), ignore=shutil.ignore_patterns("of"))
        moved += [replace(part, name=f"{directory}/{part.name}") for part in manifest.parts]
    shards.write_json("_manifest.json", replace(manifest, parts=tuple(moved)).to_json())

    twice = splits.read_splits(run.artifact("shards"))

    assert list(twice) == ["train", "val"]
    for split, placed in twice.items():
        contexts, before = placed.cut.contexts, once[split].cut.contexts
        count = len(before.offsets) - 1
        assert placed.num_tokens == 2 * once[split].num_tokens
        for ours, theirs in zip(contexts[1:], before[1:], strict=True):
            np.testing.assert_array_equal(ours, np.tile(theirs, 2))
        np.testing.assert_array_equal(np.diff(contexts.offsets), np.tile(np.diff(before.offsets), 2))
        (first,) = once[split].cut.reading_orders
        np.testing.assert_array_equal(placed.cut.reading_orders[1], first + count)


def test_an_order_in_other_arrays_is_the_same(finished: Run) -> None:
    made: list[np.ndarray] = []

    def empty(shape: Any, dtype: Any) -> np.ndarray:
        made.append(np.zeros(shape, dtype))
        return made[-1]

    cut = splits.read_splits(finished.artifact("shards"))["train"].cut
    held = held_by(empty, cut)

    for found, expected in zip(held.contexts, cut.contexts, strict=True):
        np.testing.assert_array_equal(found, expected)
        assert any(found is one for one in made)
    np.testing.assert_array_equal(held.reading_orders[0], cut.reading_orders[0])
    np.testing.assert_array_equal(held.row_lengths, cut.row_lengths)
