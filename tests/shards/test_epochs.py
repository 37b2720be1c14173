"""Epochs lie one after the other, each permuted by itself; what is wrong in one is found; samplers take turns."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from example_dataset import HEADER, SEQ_LEN, Dataset, docs_table, make_contexts, take, write_dataset, write_shards
from hypothesis import given
from hypothesis import strategies as st

from sequitur.shards import ContextDataLoader, ContextDataset, ElasticBatchSampler
from sequitur.shards.contexts import Contexts
from sequitur.shards.epochs import bounds, epoch_of, epochs_left, places, reading_order, rows_of_epochs
from sequitur.shards.errors import DocumentRepeated, ManifestInvalid, OrderMismatch, TotalsMismatch
from sequitur.shards.format import MANIFEST_NAME, context_columns
from sequitur.shards.manifest import (
    EpochEntry,
    Manifest,
    RowOrder,
    build_manifest,
    manifest_json,
    parse_manifest,
    read_manifest,
    split_entry,
)
from sequitur.shards.permutation import permute
from sequitur.shards.row_order import count_pairs
from sequitur.shards.salvage.salvaging import salvage
from sequitur.shards.sampler import StateMismatch
from sequitur.shards.verify import verify
from sequitur.shards.writer import hf_files, write_docs

SIZES = st.lists(st.integers(0, 40), min_size=1, max_size=5).filter(any)


@given(SIZES, st.integers(0, 2**64 - 1))
def test_each_epoch_is_a_permutation_of_its_own_contexts(sizes: list[int], seed: int) -> None:
    rows, begins = reading_order(np.array(sizes, np.int64), seed), np.cumsum([0, *sizes])
    for number, (first, end) in enumerate(pairwise(begins.tolist())):
        size = end - first
        expected = permute(np.arange(size), size, (seed + number) % 2**64) if size else np.empty(0)
        assert (rows[first:end] - first).tolist() == expected.tolist()
    assert places(rows.astype(np.uint64), begins, seed).tolist() == list(range(sum(sizes)))


@given(SIZES, st.data())
def test_contexts_are_counted_by_epoch(sizes: list[int], data: st.DataObject) -> None:
    order = RowOrder("as_ordered", "none", 0, 0.0, 0.0, epochs=tuple(EpochEntry(size, size) for size in sizes))
    left = np.array(sorted(data.draw(st.sets(st.integers(0, sum(sizes) - 1)))), np.uint64)
    of = np.repeat(np.arange(len(sizes)), sizes)

    assert bounds(order, "train", 0).tolist() == np.cumsum([0, *sizes]).tolist()
    assert bounds(order, "val", 7).tolist() == [0, 7]
    assert epoch_of(order, left).tolist() == of[left.astype(np.int64)].tolist()
    counts = np.bincount(of[left.astype(np.int64)], minlength=len(sizes)).tolist()
    assert rows_of_epochs(left, bounds(order, "train", 0)) == counts
    assert [(one.rows, one.contexts) for one in epochs_left(order, left)] == list(zip(counts, sizes, strict=True))


def joined(parts: list[Contexts]) -> Contexts:
    """Contexts of one epoch after the other, numbered on, each epoch's last without a next token."""
    columns = {name: np.concatenate([getattr(part, name) for part in parts]) for name in Contexts._fields}
    counts = np.concatenate([np.diff(part.doc_offsets) for part in parts])
    columns["doc_offsets"] = np.append(0, np.cumsum(counts)).astype(np.int32)
    columns["context_id"] = np.arange(len(columns["num_tokens"]), dtype=np.uint64)
    columns["group_id"] = columns["context_id"] // np.uint64(4)
    return Contexts(**columns)


def write_epochs(root: Path, orders: list[list[int]], *, said: list[int] | None = None, twice: bool = False) -> Dataset:
    """Documents 0 … 29, of 10 tokens each, end to end in each of some orders; `said` are the rows that the manifest
    gives to each epoch. With `twice` the first has document 0 in the place of 29, the last 29 in that of 0."""
    tokens = {key: np.array([*range(32 + key, 41 + key), 256], np.uint32) for key in range(30)}
    parts = [make_contexts({key: tokens[key] for key in order}) for order in orders]
    if twice:
        parts[0].doc_ids[parts[0].doc_ids == 29] = 0
        parts[-1].doc_ids[parts[-1].doc_ids == 0] = 29
    sizes = np.array([len(part.num_tokens) for part in parts], np.int64)
    contexts = take(joined(parts), reading_order(sizes, 1))
    entry = split_entry(write_shards(root, "train", contexts), docs=len({key for order in orders for key in order}))
    (root / "docs").mkdir()
    with (root / "docs/docs-00000-of-00001.parquet").open("wb") as sink:
        docs = write_docs(sink, "docs/docs-00000-of-00001.parquet", docs_table({"train": tokens}))
    lens = contexts.doc_lens
    base = write_dataset(root.parent / "other").manifest
    packing = replace(
        base.packing,
        padded_tokens=entry.rows * SEQ_LEN - entry.tokens,
        split_docs=len(np.unique(contexts.doc_ids[lens < 10])),
        repeated_tokens=entry.tokens - 300,
    )
    told = said or sizes.tolist()
    pairs = count_pairs(contexts.group_id, sizes.tolist())
    order = RowOrder("global_permutation", "feistel-v1", 1, pairs.share, pairs.chance)
    order = replace(order, epochs=tuple(EpochEntry(size, size) for size in told))
    manifest = build_manifest(HEADER, packing, order, {"train": entry}, [docs])
    names = [Path(shard.path).name for shard in entry.shards]
    for name, text in hf_files("train", names, manifest.fingerprint, context_columns(SEQ_LEN)).items():
        (root / "train" / name).write_text(text)
    (root / MANIFEST_NAME).write_text(manifest_json(manifest))
    return Dataset(root, manifest, {"train": contexts}, tokens)


FORTH, BACK = list(range(30)), list(range(29, -1, -1))


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    return write_epochs(tmp_path / "shards", [FORTH, BACK, FORTH[::2] + FORTH[1::2]])


def test_a_whole_dataset_of_epochs_is_whole(dataset: Dataset) -> None:
    assert verify(dataset.root) == []
    assert ContextDataset(dataset.root).epoch_rows == (19, 19, 19)


def test_a_document_twice_in_one_epoch_and_never_in_another_is_found(tmp_path: Path) -> None:
    root = write_epochs(tmp_path / "shards", [FORTH, BACK], twice=True).root
    assert [type(one) for one in verify(root)] == [DocumentRepeated]


def test_rows_of_another_epoch_than_the_manifest_says_are_found(tmp_path: Path) -> None:
    root = write_epochs(tmp_path / "shards", [FORTH, BACK], said=[18, 20]).root
    assert {type(one) for one in verify(root)} & {OrderMismatch, TotalsMismatch}


@pytest.mark.parametrize("epochs", [[EpochEntry(19, 19), EpochEntry(19, 19)], [EpochEntry(58, 57)]])
def test_epochs_that_do_not_add_up_are_refused(dataset: Dataset, epochs: list[EpochEntry]) -> None:
    manifest: Manifest = replace(dataset.manifest, order=replace(dataset.manifest.order, epochs=tuple(epochs)))
    with pytest.raises(ManifestInvalid, match="do not add up"):
        parse_manifest(manifest_json(manifest))


def test_what_is_salvaged_keeps_its_epochs(dataset: Dataset, tmp_path: Path) -> None:
    shard = dataset.manifest.splits["train"].shards[2]
    batch = shard.batches[0]
    content = bytearray((dataset.root / shard.path).read_bytes())
    content[batch.offset + batch.bytes // 2] ^= 1
    (dataset.root / shard.path).write_bytes(bytes(content))
    salvage(dataset.root, tmp_path / "saved")
    left = read_manifest(tmp_path / "saved").order.epochs

    assert verify(tmp_path / "saved") == []
    assert [one.contexts for one in left] == [19, 19, 19]
    assert sum(one.rows for one in left) == 57 - batch.rows


@pytest.mark.parametrize("shuffle", ["global", "block", "none"])
@pytest.mark.parametrize("tail", ["drop", "pad", "wrap"])
def test_a_sampler_reads_an_epoch_at_a_time(shuffle: str, tail: str) -> None:
    rows = (10, 7, 12)
    options = {"shuffle": shuffle, "tail": tail, "epoch_rows": rows, "dp_world_size": 2}
    if shuffle == "block":
        options["block_size"] = 3
    samplers = [ElasticBatchSampler(29, 4, dp_rank=rank, **options) for rank in range(2)]  # type: ignore[arg-type]
    for epoch in range(6):
        size, first = rows[epoch % 3], sum(rows[: epoch % 3])
        steps = len(samplers[0])
        assert steps == (size // 4 if tail == "drop" else -(-size // 4))
        expected = [samplers[0].global_indices(step).tolist() for step in range(steps)]
        found = [[*a, *b] for a, b in zip(*samplers, strict=True)]
        assert found == expected
        seen = [row for batch in found for row in batch]
        assert set(seen) <= set(range(first, first + size))
        assert len(set(seen)) == (size // 4 * 4 if tail == "drop" else size)


def test_a_run_goes_on_within_its_epoch_and_not_with_others(dataset: Dataset) -> None:
    data = ContextDataset(dataset.root)

    def loader() -> ContextDataLoader:
        return ContextDataLoader(data, ElasticBatchSampler.of(data, 5))

    uninterrupted = loader()
    whole = [batch["input_ids"].tolist() for _ in range(4) for batch in uninterrupted]
    first, state = [], None
    stopped = loader()
    for _ in range(2):
        for batch in stopped:
            first.append(batch["input_ids"].tolist())
            if len(first) == 5:
                state = stopped.state_dict()
                break
    assert state is not None
    assert state["epoch"] == 1
    again = loader()
    again.load_state_dict(state)
    rest = [batch["input_ids"].tolist() for _ in range(3) for batch in again]

    assert len(whole) == 12
    assert whole == [*first, *rest]
    with pytest.raises(StateMismatch, match="epoch_rows"):
        ContextDataLoader(data, ElasticBatchSampler(57, 5, fingerprint=data.fingerprint)).load_state_dict(state)


def test_epochs_that_are_not_the_rows_are_refused() -> None:
    with pytest.raises(ValueError, match="are not the 10 rows"):
        ElasticBatchSampler(10, 2, epoch_rows=(5, 6))
    with pytest.raises(ValueError, match="3 rows fill no global batch"):
        ElasticBatchSampler(10, 4, epoch_rows=(7, 3))
