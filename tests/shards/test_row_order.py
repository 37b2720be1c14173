"""Rows lie where the order puts them, are followed by what follows them, and their neighbours are related by chance."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from example_dataset import Dataset, make_contexts, take, write_dataset
from hypothesis import given, settings
from hypothesis import strategies as st

from sequitur.shards.contexts import Contexts
from sequitur.shards.errors import NextTokenMismatch, OrderLeaks, OrderMismatch, ShardError, TotalsMismatch
from sequitur.shards.manifest import Manifest, RowOrder, build_manifest, manifest_json
from sequitur.shards.row_order import count_pairs
from sequitur.shards.verify import verify


@settings(deadline=None, max_examples=20)
@given(st.lists(st.integers(1, 9), min_size=2, max_size=6), st.integers(0, 2**32 - 1))
def test_pairs_have_the_moments_of_permutations(sizes: list[int], seed: int) -> None:
    groups = np.repeat(np.arange(len(sizes), dtype=np.uint64), sizes)
    rng = np.random.default_rng(seed)
    drawn = rng.permuted(np.tile(groups, (20_000, 1)), axis=1)
    same = (drawn[:, 1:] == drawn[:, :-1]).sum(axis=1)
    pairs = count_pairs(drawn[0])
    assert pairs.same == same[0]
    assert pairs.expected == pytest.approx(same.mean(), abs=6 * pairs.standard_error / 20_000**0.5 + 1e-9)
    assert pairs.standard_error == pytest.approx(same.std(), rel=0.1, abs=0.02)


def test_pairs_of_few_rows() -> None:
    for groups in ([], [1], [1, 1]):
        pairs = count_pairs(np.array(groups, np.uint64))
        assert pairs.standard_error == 0
        assert pairs.share == pairs.chance == float(len(groups) == 2)


def with_order(root: Path, manifest: Manifest, **changed: object) -> None:
    order = dataclasses.replace(manifest.order, **changed)
    new = build_manifest(manifest.header, manifest.packing, order, manifest.splits, manifest.docs_table)
    (root / "manifest.json").write_text(manifest_json(new))


def found(root: Path, kind: type[ShardError]) -> list[ShardError]:
    return [problem for problem in verify(root) if type(problem) is kind]


def in_order(contexts: Contexts) -> Contexts:
    return take(contexts, np.argsort(contexts.context_id))


def test_rows_elsewhere_than_the_seed_puts_them(copy: Dataset) -> None:
    with_order(copy.root, copy.manifest, seed=2)
    for full in (False, True):
        problem = verify(copy.root, full=full)[0]
        assert type(problem) is OrderMismatch
        assert problem.shard == copy.manifest.splits["train"].shards[0].path
        assert (problem.batch, problem.offset) == (0, copy.manifest.splits["train"].shards[0].batches[0].offset)


def test_two_rows_exchanged(dataset: Dataset, tmp_path: Path) -> None:
    rows = np.arange(len(dataset.contexts["train"].num_tokens))
    rows[[5, 13]] = rows[[13, 5]]
    written = write_dataset(tmp_path / "x", train=take(dataset.contexts["train"], rows))
    first, second = found(written.root, OrderMismatch)
    assert (first.shard, first.batch, second.batch) == ("train/data-00000-of-00004.arrow", 1, 0)
    assert "row 1: context" in str(first)
    assert "belongs at row 13 (1 such rows)" in str(first)


def test_rows_as_ordered(dataset: Dataset, tmp_path: Path) -> None:
    ordered = {split: in_order(contexts) for split, contexts in dataset.contexts.items()}
    written = write_dataset(tmp_path / "x", **ordered)
    with_order(written.root, written.manifest, kind="as_ordered", algo="none", seed=0)
    assert verify(written.root) == []
    assert found(dataset.root, OrderMismatch) == []
    with_order(written.root, written.manifest)
    assert len(found(written.root, OrderMismatch)) > 1


def test_neighbours_of_one_path(dataset: Dataset, tmp_path: Path) -> None:
    """Where rows lie as they should and yet their neighbours are related, as of another writer's groups."""
    contexts = dataset.contexts["train"]
    groups = np.arange(len(contexts.num_tokens), dtype=np.uint64) // np.uint64(8)
    written = write_dataset(tmp_path / "x", train=contexts._replace(group_id=groups))
    (problem,) = verify(written.root)
    assert type(problem) is OrderLeaks
    assert "32 rows" in str(problem) or "rows are of the path" in str(problem)
    assert [type(one) for one in verify(written.root, full=False)] == [OrderLeaks]


def test_contexts_taken_out_leave_the_rest_in_order(dataset: Dataset, tmp_path: Path) -> None:
    contexts = dataset.contexts["train"]
    n = len(contexts.num_tokens)
    kept = np.delete(np.arange(n), [0, 7, 8])
    written = write_dataset(tmp_path / "x", train=take(contexts, kept))
    assert len(found(written.root, OrderMismatch)) > 1
    with_order(written.root, written.manifest, contexts={"train": n})
    assert found(written.root, OrderMismatch) == []
    with_order(written.root, written.manifest, contexts={"train": n + 1})
    assert found(written.root, OrderMismatch)


def test_a_context_twice(dataset: Dataset, tmp_path: Path) -> None:
    """In the split whose seed the manifest does not tell."""
    contexts = dataset.contexts["val"]
    ids = contexts.context_id.copy()
    ids[4] = ids[1]
    written = write_dataset(tmp_path / "x", val=contexts._replace(context_id=ids))
    (problem,) = verify(written.root)
    assert type(problem) is OrderMismatch
    assert problem.shard.startswith("val/")
    assert f"context {ids[1]} is in an earlier row too" in str(problem)
    ids[4] = 10**6
    written = write_dataset(tmp_path / "y", val=contexts._replace(context_id=ids))
    assert [type(one) for one in verify(written.root)] == [OrderMismatch]


def test_next_tokens(dataset: Dataset, tmp_path: Path) -> None:
    contexts = dataset.contexts["train"]
    row = int(np.flatnonzero(contexts.next_valid)[9])
    tokens = contexts.next_token.copy()
    tokens[row] ^= 1
    written = write_dataset(tmp_path / "x", train=contexts._replace(next_token=tokens))
    (problem,) = verify(written.root)
    assert type(problem) is NextTokenMismatch
    assert (problem.shard, problem.batch) == (written.manifest.splits["train"].shards[row // 10].path, row % 10 // 4)
    assert verify(written.root, full=False) == []


@pytest.mark.parametrize(("kind", "algo"), [("sorted", "none"), ("global_permutation", "feistel-v2")])
def test_an_unknown_order(copy: Dataset, kind: str, algo: str) -> None:
    with_order(copy.root, copy.manifest, kind=kind, algo=algo)
    assert OrderMismatch in {type(problem) for problem in verify(copy.root)}
    assert TotalsMismatch not in {type(problem) for problem in verify(copy.root)}


def test_contexts_are_numbered_by_the_order(dataset: Dataset) -> None:
    """The example keeps what the checks rely on."""
    ordered = in_order(dataset.contexts["train"])
    again = make_contexts({key: dataset.documents[key] for key in range(30)})
    np.testing.assert_array_equal(ordered.input_ids, again.input_ids)
    assert RowOrder.__dataclass_fields__["contexts"].default is None
