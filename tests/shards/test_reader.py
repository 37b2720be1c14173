"""The reader gives the rows that were written, labels and boundaries as it says, and names damage."""

import pickle
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
from example_dataset import (
    END,
    HEADER,
    SEQ_LEN,
    Dataset,
    make_contexts,
    make_documents,
    take,
    write_dataset,
)  # fmt: skip
from torch.utils.data import DataLoader, default_collate

from sequitur.shards import ContextDataset
from sequitur.shards.contexts import Contexts
from sequitur.shards.errors import RowsInvalid, ShardCorrupt, ShardMisplaced, ShardMissing, ShardTruncated, SplitUnknown
from sequitur.shards.files import batch_layout
from sequitur.shards.format import SpecialIds, context_schema
from sequitur.shards.manifest import BatchEntry, ShardEntry

pytestmark = pytest.mark.forks


def pieces(dataset: Dataset, row: int) -> list[tuple[int, int]]:
    """(first position, length) of each piece of a row of the training split."""
    contexts = dataset.contexts["train"]
    lens = contexts.doc_lens[contexts.doc_offsets[row] : contexts.doc_offsets[row + 1]].tolist()
    return [(sum(lens[:i]), length) for i, length in enumerate(lens)]


def labels_plainly(dataset: Dataset, row: int, kind: str, attention: str) -> list[int]:
    contexts = dataset.contexts["train"]
    ids, n = contexts.input_ids[row].tolist(), int(contexts.num_tokens[row])
    firsts = {first for first, _ in pieces(dataset, row)}
    labels = []
    for position in range(SEQ_LEN):
        target = position + 1 if kind == "shifted" else position
        crosses = attention == "document" and target in firsts and target > 0
        if target < n and not crosses:
            labels.append(ids[target])
        elif kind == "shifted" and target == SEQ_LEN and contexts.next_valid[row] and attention == "full":
            labels.append(int(contexts.next_token[row]))
        else:
            labels.append(-100)
    return labels


@pytest.mark.parametrize("mmap", [True, False])
@pytest.mark.parametrize("verify", ["none", "size", "lazy", "full"])
def test_rows_are_those_written(dataset: Dataset, mmap: bool, verify: str) -> None:
    for split, contexts in dataset.contexts.items():
        reader = ContextDataset(dataset.root, split, mmap=mmap, verify=verify)
        assert len(reader) == len(contexts.num_tokens)
        for i, ids in enumerate(contexts.input_ids):
            np.testing.assert_array_equal(reader.row(i), ids)
            np.testing.assert_array_equal(reader[i]["input_ids"], ids)


def test_a_row_is_a_view_of_the_file(dataset: Dataset) -> None:
    reader = ContextDataset(dataset.root)
    assert reader.row(5).dtype == np.uint32
    assert not reader.row(5).flags.owndata
    assert not reader.row(5).flags.writeable
    assert reader.row(5).ctypes.data - reader.row(4).ctypes.data == 4 * SEQ_LEN  # of one batch


@pytest.mark.parametrize("attention", ["full", "document"])
@pytest.mark.parametrize("kind", ["shifted", "hf"])
def test_labels(dataset: Dataset, kind: str, attention: str) -> None:
    reader = ContextDataset(dataset.root, labels=kind, attention=attention)
    for i, example in enumerate(reader.__getitems__(list(range(len(reader))))):
        assert example["labels"].tolist() == labels_plainly(dataset, i, kind, attention)


def test_a_real_end_of_document_is_a_target_though_it_equals_the_pad(dataset: Dataset) -> None:
    short = int(np.argmin(dataset.contexts["train"].num_tokens))
    n = int(dataset.contexts["train"].num_tokens[short])
    assert n < SEQ_LEN
    example = ContextDataset(dataset.root)[short]
    assert example["input_ids"][n - 1 :].tolist() == [END] * (SEQ_LEN - n + 1)
    assert example["labels"][n - 2] == END
    assert example["labels"][n - 1 :].tolist() == [-100] * (SEQ_LEN - n + 1)


def test_document_attention(dataset: Dataset) -> None:
    reader = ContextDataset(dataset.root, attention="document", dtype=torch.int32)
    for i in range(len(reader)):
        example = reader[i]
        expected = [(first, length) for first, length in pieces(dataset, i)]
        n = sum(length for _, length in expected)
        if n < SEQ_LEN:
            expected.append((n, SEQ_LEN - n))
        assert example["cu_seqlens"].dtype == torch.int32
        assert example["cu_seqlens"].tolist() == [first for first, _ in expected] + [SEQ_LEN]
        assert example["position_ids"].dtype == torch.int32
        assert example["position_ids"].tolist() == [p for _, length in expected for p in range(length)]


def test_vocabulary_is_that_of_the_tokenizer(dataset: Dataset) -> None:
    reader = ContextDataset(dataset.root)
    assert (
        reader.vocab_size
        == HEADER.tokenizer.vocab_size
        == 1 + max(int(reader.row(i).max()) for i in range(len(reader)))
    )


def test_special_tokens_are_those_of_the_shards(tmp_path: Path) -> None:
    ids = SpecialIds(bos=None, eos=END, pad=0)
    reader = ContextDataset(write_dataset(tmp_path / "shards", header=replace(HEADER, special_ids=ids)).root)
    assert (reader.eos, reader.pad) == (END, 0)


def test_full_attention_adds_nothing(dataset: Dataset) -> None:
    assert set(ContextDataset(dataset.root)[0]) == {"input_ids", "labels"}
    assert set(ContextDataset(dataset.root, labels="none")[0]) == {"input_ids"}


def test_provenance(dataset: Dataset) -> None:
    reader = ContextDataset(dataset.root, return_provenance=True)
    contexts = dataset.contexts["train"]
    for i in range(len(reader)):
        example, own = reader[i], slice(*contexts.doc_offsets[i : i + 2])
        assert example["doc_ids"].tolist() == contexts.doc_ids[own].tolist()
        assert example["doc_starts"].tolist() == contexts.doc_starts[own].tolist()
        assert example["doc_lens"].tolist() == contexts.doc_lens[own].tolist()
        assert example["context_id"].item() == contexts.context_id[i]
        assert example["group_id"].item() == contexts.group_id[i]


def test_any_order_repeated_and_negative_indices(dataset: Dataset) -> None:
    reader = ContextDataset(dataset.root)
    indices = [35, 0, -1, 17, 0, 4]
    for i, example in zip(indices, reader.__getitems__(indices), strict=True):
        np.testing.assert_array_equal(example["input_ids"], dataset.contexts["train"].input_ids[i])


def test_examples_are_a_sequence(dataset: Dataset) -> None:
    examples = ContextDataset(dataset.root).__getitems__([4, 2, 9])
    assert len(examples) == len(list(examples)) == 3
    assert torch.equal(examples[-1]["input_ids"], examples[1:][1]["input_ids"])
    assert torch.equal(default_collate(examples)["labels"], examples.columns["labels"])
    assert len(ContextDataset(dataset.root, attention="document").__getitems__([])) == 0
    with pytest.raises(IndexError):
        examples[3]


@pytest.mark.parametrize("index", [36, -37])
def test_index_out_of_range(dataset: Dataset, index: int) -> None:
    with pytest.raises(IndexError, match=f"row {index} of a split of 36 rows"):
        ContextDataset(dataset.root)[index]


@pytest.mark.parametrize("mmap", [True, False])
def test_data_loader_with_workers(dataset: Dataset, mmap: bool) -> None:
    reader = ContextDataset(dataset.root, mmap=mmap)
    reader.row(0)  # opened here first, then in the workers
    loader = DataLoader(reader, batch_size=5, num_workers=2)
    ids = torch.cat([batch["input_ids"] for batch in loader])
    np.testing.assert_array_equal(ids, dataset.contexts["train"].input_ids)


def test_pickles_without_open_files(dataset: Dataset) -> None:
    reader = ContextDataset(dataset.root)
    before = len(pickle.dumps(reader))
    reader.row(0)
    assert len(pickle.dumps(reader)) == before
    again = pickle.loads(pickle.dumps(reader))  # noqa: S301
    assert again.fingerprint == reader.fingerprint == dataset.manifest.fingerprint
    np.testing.assert_array_equal(again.row(3), reader.row(3))


def test_threads_share_a_reader(dataset: Dataset) -> None:
    reader = ContextDataset(dataset.root)
    with ThreadPoolExecutor(8) as pool:
        rows = list(pool.map(reader.row, list(range(36)) * 5))
    np.testing.assert_array_equal(rows[36:72], dataset.contexts["train"].input_ids)


@pytest.mark.parametrize(
    "options", [{"attention": "none"}, {"labels": "next"}, {"dtype": torch.float32}, {"verify": "yes"}]
)
def test_wrong_options(dataset: Dataset, options: dict) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        ContextDataset(dataset.root, **options)


def test_unknown_split(dataset: Dataset) -> None:
    with pytest.raises(SplitUnknown, match="no split 'test'"):
        ContextDataset(dataset.root, "test")


def flip_byte(path: Path, offset: int) -> None:
    content = bytearray(path.read_bytes())
    content[offset] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("mmap", [True, False])
def test_a_flipped_byte_is_named_when_touched(copy: Dataset, mmap: bool) -> None:
    shard = copy.manifest.splits["train"].shards[1]
    flip_byte(copy.root / shard.path, shard.batches[1].offset + shard.batches[1].bytes - 1)
    reader = ContextDataset(copy.root, mmap=mmap)
    reader.row(10 + 3)
    place = f"data-00001-of-00004.arrow, batch 1 at byte {shard.batches[1].offset}: its CRC-32"
    with pytest.raises(ShardCorrupt, match=place) as caught:
        reader.row(10 + 4)
    assert (caught.value.shard, caught.value.batch) == (shard.path, 1)
    with pytest.raises(ShardCorrupt, match=place):
        ContextDataset(copy.root, mmap=mmap, verify="full")


def test_a_cut_at_a_batch_boundary_is_named_at_once(copy: Dataset) -> None:
    shard = copy.manifest.splits["train"].shards[2]
    with (copy.root / shard.path).open("r+b") as file:
        file.truncate(shard.batches[2].offset)
    with pytest.raises(ShardTruncated, match="data-00002"):
        ContextDataset(copy.root)
    for mmap in (True, False):
        with pytest.raises(ShardTruncated, match="data-00002"):
            ContextDataset(copy.root, mmap=mmap, verify="none").row(29)


def test_swapped_shards_are_named(copy: Dataset) -> None:
    first, second = (copy.root / shard.path for shard in copy.manifest.splits["train"].shards[:2])
    content = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(content)
    for mmap in (True, False):
        with pytest.raises(ShardMisplaced, match=r"data-00000.*says that it is.*1/4"):
            ContextDataset(copy.root, mmap=mmap, verify="size").row(0)


def batch_message(contexts: Contexts, **options: object) -> tuple[pa.Buffer, pa.Schema, ShardEntry]:
    """The message of a record batch of `contexts`, unchecked; `options` are those of Arrow's writer."""
    schema = context_schema(HEADER, "train", 0, 1)
    lists = {name: [getattr(contexts, name).tolist()] for name in ("doc_lens", "doc_ids", "doc_starts")}
    ids = pa.array(contexts.input_ids.tolist(), schema.field("input_ids").type)
    columns = {"input_ids": ids, **{name: pa.array(rows, schema.field(name).type) for name, rows in lists.items()}}
    for name in ("next_token", "num_tokens", "context_id", "group_id"):
        columns[name] = pa.array(getattr(contexts, name))
    batch = pa.RecordBatch.from_arrays([columns[name] for name in schema.names], schema=schema)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        writer.write_batch(batch)
        offset = len(schema.serialize())
        size = sink.tell() - offset
    shard = ShardEntry("train/x.arrow", offset + size, 1, 16, "", "", (BatchEntry(offset, size, 1, 0),))
    return sink.getvalue().slice(offset, size), schema, shard


def test_where_values_lie(dataset: Dataset) -> None:
    one = take(dataset.contexts["train"], np.array([3]))
    message, schema, shard = batch_message(one)
    layout, contexts = batch_layout(message, schema, shard, 0)
    for name in ("input_ids", "num_tokens", "doc_lens", "doc_ids", "context_id"):
        array = getattr(one, name)
        found = np.frombuffer(message, array.dtype, array.size, int(layout[name]) - shard.batches[0].offset)
        np.testing.assert_array_equal(found, array.reshape(-1))
        np.testing.assert_array_equal(getattr(contexts, name), array)


def test_a_compressed_batch_lies_nowhere(dataset: Dataset) -> None:
    message, schema, shard = batch_message(take(dataset.contexts["train"], np.array([3])), compression="lz4")
    with pytest.raises(ShardCorrupt, match="compressed or not aligned"):
        batch_layout(message, schema, shard, 0)


@pytest.mark.parametrize("verify", ["none", "lazy"])
@pytest.mark.parametrize("mmap", [True, False])
def test_intact_bytes_that_break_a_rule_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mmap: bool, verify: str
) -> None:
    contexts = make_contexts(make_documents(np.random.default_rng(1), range(30)))
    contexts.num_tokens[5] = SEQ_LEN + 1
    monkeypatch.setattr("sequitur.shards.contexts.faults", lambda contexts: [])
    wrong = write_dataset(tmp_path / "wrong", train=contexts)
    monkeypatch.undo()
    reader = ContextDataset(wrong.root, mmap=mmap, verify=verify)
    reader.row(3)
    with pytest.raises(RowsInvalid, match=r"data-00000.*, batch 1 at byte \d+: row 1: num_tokens is not 1 … S"):
        reader.row(4)


def test_a_missing_shard_is_named(copy: Dataset) -> None:
    (copy.root / copy.manifest.splits["train"].shards[3].path).unlink()
    with pytest.raises(ShardMissing, match="data-00003"):
        ContextDataset(copy.root)
    with pytest.raises(ShardMissing, match="data-00003"):
        ContextDataset(copy.root, verify="none", mmap=False).row(35)
