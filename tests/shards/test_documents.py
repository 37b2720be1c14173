"""The documents table is read as it was written, and what is wrong with it is named."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from example_dataset import Dataset

from sequitur.shards.documents import by_key, read_documents
from sequitur.shards.errors import DocumentUnknown, SchemaMismatch, ShardCorrupt, ShardError, ShardMissing
from sequitur.shards.format import docs_schema

FILE = "docs/docs-00000-of-00001.parquet"
NAMES = ["doc_id", "n_tokens", "title"]


def with_ids(path: Path, ids: pa.Array) -> None:
    pq.write_table(pq.read_table(path).set_column(1, "doc_id", ids), path)


def test_reads_what_is_there(dataset: Dataset) -> None:
    written = pq.read_table(dataset.root / FILE)
    columns = ["n_tokens", "doc_key", "title"]
    read = pa.Table.from_batches(list(read_documents(dataset.root, dataset.manifest, columns)))
    assert read.equals(written.select(columns))
    assert by_key(dataset.root, dataset.manifest, [31, 2, 2], ["source_row", "split"]) == {
        2: {"doc_key": 2, "source_row": 2, "split": "train"},
        31: {"doc_key": 31, "source_row": 31, "split": "val"},
    }
    with pytest.raises(DocumentUnknown, match="doc_key 99"):
        by_key(dataset.root, dataset.manifest, [2, 99], ["split"])


def test_keys_are_found_in_whatever_row_group(copy: Dataset) -> None:
    pq.write_table(pq.read_table(copy.root / FILE), copy.root / FILE, row_group_size=3)
    found = by_key(copy.root, copy.manifest, list(copy.documents), ["doc_id"])
    assert {key: int(row["doc_id"], 16) for key, row in found.items()} == {key: key for key in copy.documents}


def test_columns_that_older_datasets_lack_are_null(copy: Dataset) -> None:
    pq.write_table(pq.read_table(copy.root / FILE).drop_columns(["title", "license"]), copy.root / FILE)
    (read,) = read_documents(copy.root, copy.manifest, ["title", "doc_key"])
    assert read.column("title").null_count == read.num_rows == len(copy.documents)
    assert read.column("title").type == docs_schema().field("title").type
    assert by_key(copy.root, copy.manifest, [3], ["license"]) == {3: {"doc_key": 3, "license": None}}


@pytest.mark.parametrize(
    ("damage", "error"),
    [
        (lambda path: path.unlink(), ShardMissing),
        (lambda path: path.write_bytes(b"PAR1"), ShardCorrupt),
        (lambda path: path.write_bytes(path.read_bytes()[:-100]), ShardCorrupt),
        (lambda path: pq.write_table(pq.read_table(path).drop_columns("doc_id"), path), SchemaMismatch),
        (lambda path: with_ids(path, pa.array(range(40))), SchemaMismatch),
        (lambda path: with_ids(path, pa.nulls(40, pa.string())), ShardCorrupt),
        (lambda path: with_ids(path, pa.array([b"\xff"] * 40).view(pa.string())), ShardCorrupt),
    ],
    ids=["gone", "cut to its mark", "cut", "no column", "other type", "nulls", "not UTF-8"],
)
def test_damage_is_named(copy: Dataset, damage: Callable[[Path], None], error: type[ShardError]) -> None:
    damage(copy.root / FILE)
    for read in (
        lambda: list(read_documents(copy.root, copy.manifest, ["doc_id"])),
        lambda: by_key(copy.root, copy.manifest, [1], ["doc_id"]),
    ):
        with pytest.raises(error) as raised:
            read()
        assert raised.value.shard == FILE
        assert "\n" not in str(raised.value)


def test_a_flipped_byte_of_a_page_is_named_or_read_otherwise(copy: Dataset) -> None:
    """Parquet's pages have no checksum here; what does not decompress or decode has a name."""
    path = copy.root / FILE
    whole = path.read_bytes()
    for position in range(4, len(whole), 97):
        path.write_bytes(whole[:position] + bytes([whole[position] ^ 0x55]) + whole[position + 1 :])
        rows = []
        with suppress(ShardError):
            rows = [row for batch in read_documents(copy.root, copy.manifest, NAMES) for row in batch.to_pylist()]
        assert len(rows) <= len(copy.documents)
