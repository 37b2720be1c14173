"""Contexts are read back as they were written, whatever directories they lie in, and without their tokens."""

import shutil
from dataclasses import replace
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

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


@given(st.lists(st.lists(st.lists(st.integers(0, 3), min_size=1, max_size=4), min_size=1, max_size=3), max_size=3))
def test_contexts_are_put_in_their_order(directories: list[list[list[int]]]) -> None:
    generator, total = np.random.default_rng(len(directories)), 0
    given_blocks, expected, reading_orders, epochs = [], [], [], []
    for blocks in directories:  # of each context how many pieces
        ids = generator.choice(100, sum(map(len, blocks)), replace=False).astype(np.uint64)  # removals leave gaps
        made, of_id = [], {}
        for counts in blocks:
            own, ids_of_block = generator.integers(1, 9, (sum(counts), 3)), ids[len(of_id) : len(of_id) + len(counts)]
            columns = own[:, 0].astype(np.uint64), *own[:, 1:].astype(np.uint32).T.copy()
            made.append(splits._Block(ids_of_block, np.array(counts, np.int32), *columns, 10 * len(counts), 64))
            of_id |= zip(ids_of_block.tolist(), np.split(own, np.cumsum(counts)[:-1]), strict=True)
        in_order = sorted(of_id)
        reading_orders.append([total + in_order.index(one) for one in of_id])
        expected += [of_id[one] for one in in_order]
        epochs += [int(one >= 50) for one in in_order]
        given_blocks.append(made)
        total += len(of_id)

    found = splits._placed(given_blocks, [np.array([0, 50])] * len(directories), np.empty)

    pieces = np.concatenate([np.empty((0, 3), np.int64), *expected])
    np.testing.assert_array_equal(np.stack(found.cut.contexts[1:], axis=1), pieces)
    assert np.diff(found.cut.contexts.offsets).tolist() == list(map(len, expected))
    assert [read.tolist() for read in found.cut.reading_orders] == reading_orders
    assert found.epoch.tolist() == epochs
    assert (found.num_tokens, found.cut.row_lengths.tolist()) == (10 * total, [64] * total)


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
