"""What is written is a plain Arrow stream, the same bytes each time, and what its manifest entry says."""

import hashlib
import io
import zlib
from pathlib import Path

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from example_dataset import HEADER, SEQ_LEN, Dataset, write_dataset

from sequitur.shards.contexts import context_batch
from sequitur.shards.errors import ContextsInvalid, DocsInvalid
from sequitur.shards.format import context_columns, context_schema, docs_schema
from sequitur.shards.writer import plan_shards, write_docs, write_shard


def files(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_same_rows_give_the_same_bytes(dataset: Dataset, tmp_path: Path) -> None:
    assert files(write_dataset(tmp_path / "again").root) == files(dataset.root)


def test_a_shard_is_an_arrow_stream(dataset: Dataset) -> None:
    shard = dataset.manifest.splits["train"].shards[1]
    with pa.ipc.open_stream((dataset.root / shard.path).read_bytes()) as stream:
        table = stream.read_all()
    assert table.schema.equals(context_schema(HEADER, "train", 1, 4), check_metadata=True)
    ids = np.array(table["input_ids"].to_pylist(), np.uint32)
    np.testing.assert_array_equal(ids, dataset.contexts["train"].input_ids[10:20])
    assert table["next_token"].null_count == int((~dataset.contexts["train"].next_valid[10:20]).sum())


def test_the_bytes_are_those_of_arrows_own_writer(dataset: Dataset) -> None:
    schema = context_columns(SEQ_LEN)
    batch = context_batch(dataset.contexts["train"], schema)
    ours, theirs = io.BytesIO(), io.BytesIO()
    write_shard(ours, "x", [batch, batch], schema)
    with pa.ipc.new_stream(theirs, schema) as writer:
        writer.write_batch(batch)
        writer.write_batch(batch)
    assert ours.getvalue() == theirs.getvalue()


def test_the_entry_describes_the_bytes(dataset: Dataset) -> None:
    for shard in dataset.manifest.splits["train"].shards:
        content = (dataset.root / shard.path).read_bytes()
        assert (shard.bytes, shard.sha256) == (len(content), hashlib.sha256(content).hexdigest())
        for batch in shard.batches:
            message = content[batch.offset : batch.offset + batch.bytes]
            assert zlib.crc32(message) == batch.crc32
            assert pa.ipc.read_message(message).type == "record batch"
        assert content[batch.offset + batch.bytes :] == b"\xff\xff\xff\xff\0\0\0\0"


def test_wrong_batches_are_refused(dataset: Dataset) -> None:
    batch = context_batch(dataset.contexts["train"], context_columns(SEQ_LEN))
    with pytest.raises(ContextsInvalid, match="x, batch 0 at byte"):
        write_shard(io.BytesIO(), "x", [batch], context_columns(SEQ_LEN * 2))
    with pytest.raises(ContextsInvalid, match="1 … 1024 rows"):
        write_shard(io.BytesIO(), "x", [batch.slice(0, 0)], context_columns(SEQ_LEN))


def test_datasets_opens_a_split_unconverted(dataset: Dataset) -> None:
    for split, contexts in dataset.contexts.items():
        opened = datasets.load_from_disk(str(dataset.root / split))
        assert opened.split == split
        assert opened.data.schema.equals(context_columns(SEQ_LEN))
        assert {Path(file["filename"]).parent for file in opened.cache_files} == {dataset.root / split}
        table = opened.with_format("arrow")[:]
        np.testing.assert_array_equal(np.array(table["input_ids"].to_pylist()), contexts.input_ids)
        assert table["doc_ids"].combine_chunks().values.to_pylist() == contexts.doc_ids.tolist()


def test_datasets_tells_splits_apart(dataset: Dataset) -> None:
    opened = [datasets.load_from_disk(str(dataset.root / split)) for split in ("train", "val")]
    assert opened[0]._fingerprint != opened[1]._fingerprint


@pytest.mark.parametrize(
    ("rows", "seq_len", "shards", "rows_each"),
    [
        (0, 2048, 0, 0),
        (10, 2048, 1, 10),
        (5_000, 2048, 5, 1024),  # 64 shards would fall below a batch
        (100_000, 2048, 98, 1024),  # ≥ 64 shards
        (10_000_000, 8192, 611, 16_384),  # 512 MiB of token ids
        (10_000, 262_144, 10, 1024),  # a batch exceeds 512 MiB
    ],
)
def test_plan_shards(rows: int, seq_len: int, shards: int, rows_each: int) -> None:
    plan = plan_shards(rows, seq_len)
    assert len(plan) == shards
    assert sum(count for _, count in plan) == rows
    assert [first for first, _ in plan] == [rows_each * i for i in range(shards)]
    assert all(count == rows_each for _, count in plan[:-1])


def test_docs_table_is_sorted_parquet(dataset: Dataset) -> None:
    table = pq.read_table(dataset.root / dataset.manifest.docs_table[0].path)
    assert table.schema.equals(docs_schema())
    with pytest.raises(DocsInvalid, match="does not rise strictly"):
        write_docs(io.BytesIO(), "docs/x.parquet", pa.concat_tables([table, table]))
