"""A token is attributed to the document that brute force finds it in."""

import pickle
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from example_dataset import Dataset, write_dataset
from hypothesis import given
from hypothesis import strategies as st

from sequitur.shards import attribution
from sequitur.shards.attribution import Attribution, DocumentsByKey
from sequitur.shards.errors import DocumentUnknown, ShardCorrupt
from sequitur.shards.find import Query
from sequitur.shards.format import docs_schema
from sequitur.shards.manifest import FileEntry, read_manifest
from sequitur.shards.removal.removing import remove


def brute_force(dataset: Dataset, split: str, row: int) -> list[tuple[int, int, int]]:
    """Document, offset in it and piece of each token of a row, one after the other."""
    contexts = dataset.contexts[split]
    first, last = contexts.doc_offsets[row : row + 2].tolist()
    found = []
    for piece in range(first, last):
        start = int(contexts.doc_starts[piece])
        end, key = start + int(contexts.doc_lens[piece]), int(contexts.doc_ids[piece])
        found += [(key, offset, piece - first) for offset in range(start, end)]
    return found


@given(split=st.sampled_from(["train", "val"]), data=st.data())
def test_tokens_are_of_the_documents_that_hold_them(dataset: Dataset, split: str, data: st.DataObject) -> None:
    lookup, contexts = Attribution(dataset.root, split), dataset.contexts[split]
    last = len(contexts.num_tokens) - 1
    rows = np.array(data.draw(st.lists(st.integers(0, last), max_size=50)), dtype=np.int64)
    positions = np.array([data.draw(st.integers(0, int(contexts.num_tokens[row]) - 1)) for row in rows], dtype=np.int64)
    found = lookup.tokens(rows, positions)

    expected = [brute_force(dataset, split, row)[at] for row, at in zip(rows.tolist(), positions.tolist(), strict=True)]
    assert list(zip(*(column.tolist() for column in found), strict=True)) == expected
    ids = contexts.input_ids[rows, positions]
    assert [int(dataset.documents[key][offset]) for key, offset, _ in expected] == ids.tolist()
    table = lookup.documents(found.doc_key)
    assert table.column("doc_key").to_pylist() == found.doc_key.tolist()
    assert table.schema == docs_schema()


def test_origin_names_file_and_row(dataset: Dataset) -> None:
    lookup = pickle.loads(pickle.dumps(Attribution(dataset.root)))  # noqa: S301 - our own
    for row in range(len(dataset.contexts["train"].num_tokens)):
        key, offset, piece = brute_force(dataset, "train", row)[-1]
        found = lookup.origin(row, len(brute_force(dataset, "train", row)) - 1)
        assert (found.document["doc_key"], found.offset, found.piece) == (key, offset, piece)
        assert (found.document["source_file"], found.document["source_row"]) == ("documents.jsonl", key)
        assert lookup.row_of(found.context_id) == row == found.row


def test_one_row_serves_many_positions(dataset: Dataset) -> None:
    expected = brute_force(dataset, "train", 3)
    found = Attribution(dataset.root).tokens(3, np.arange(len(expected)))
    assert found.offset.tolist() == [offset for _, offset, _ in expected]


def test_places_that_are_not_there(dataset: Dataset) -> None:
    lookup, num_tokens = Attribution(dataset.root), dataset.contexts["train"].num_tokens
    short = int(np.flatnonzero(num_tokens < 16)[0])
    with pytest.raises(
        IndexError, match=rf"^token {num_tokens[short]} of row {short}, which holds {num_tokens[short]}$"
    ):
        lookup.tokens(short, int(num_tokens[short]))
    with pytest.raises(IndexError):
        lookup.tokens(0, -1)
    with pytest.raises(IndexError):
        lookup.tokens(len(num_tokens), 0)
    with pytest.raises(IndexError, match="context 1000 of"):
        lookup.row_of(1000)
    with pytest.raises(ValueError, match="integers"):
        lookup.tokens(0, 0.5)


@pytest.mark.parametrize("split", ["train", "val"])
def test_contexts_are_found_after_a_removal(copy: Dataset, split: str) -> None:
    remove(copy.root, Query(tuple(f"{key:032x}" for key in (3, 5, 17, 24, 32, 37))))
    lookup = Attribution(copy.root, split)
    left = read_manifest(copy.root).splits[split].rows
    ids = [lookup.origin(row, 0).context_id for row in range(left)]
    assert [lookup.row_of(context_id) for context_id in ids] == list(range(left))
    gone = set(range(len(copy.contexts[split].num_tokens))) - set(ids)
    assert gone
    for context_id in gone:
        with pytest.raises(IndexError, match="a removal left nothing of it"):
            lookup.row_of(context_id)


@given(
    sizes=st.lists(st.integers(1, 9), min_size=1, max_size=6),
    step=st.integers(1, 5),
    group=st.integers(1, 4),
    statistics=st.booleans(),
    wanted=st.lists(st.integers(0, 200), max_size=20),
)
def test_documents_over_files_and_row_groups(
    tmp_path_factory: pytest.TempPathFactory,
    sizes: list[int],
    step: int,
    group: int,
    statistics: bool,
    wanted: list[int],
) -> None:
    root = tmp_path_factory.mktemp("docs")
    keys = list(range(3, 3 + step * sum(sizes), step))
    files, at = [], 0
    for number, size in enumerate(sizes):
        rows = [dict.fromkeys(docs_schema().names) | row_of(key) for key in keys[at : at + size]]
        table = pa.Table.from_pylist(rows, schema=docs_schema())
        pq.write_table(table, root / f"{number}", row_group_size=group, write_statistics=statistics)
        files.append(FileEntry(f"{number}", 0, size, ""))
        at += size
    lookup = DocumentsByKey(root, tuple(files))

    there = [key for key in wanted if key in keys]
    assert lookup.rows(there).column("source_row").to_pylist() == there
    for key in set(wanted) - set(keys):
        with pytest.raises(DocumentUnknown, match=f"doc_key {key}:"):
            lookup.rows([*there, key])


def row_of(key: int) -> dict[str, object]:
    numbers = {"doc_key": key, "source_row": key, "n_tokens": 1, "path": 0}
    return numbers | {"doc_id": f"{key:032x}", "source": "s", "source_file": "f", "split": "train"}


def test_look_ups_read_few_row_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = write_dataset(tmp_path / "a", docs_files=8)
    opened = []
    original = attribution.opened
    monkeypatch.setattr(attribution, "opened", lambda root, file: (opened.append(file.path), original(root, file))[1])
    Attribution(dataset.root).documents([17])
    assert len(opened) <= 5  # log2 of 8 footers, the file's own, and its row group


def test_a_damaged_table_is_named(copy: Dataset) -> None:
    path = copy.root / "docs/docs-00000-of-00001.parquet"
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(ShardCorrupt, match="docs-00000"):
        Attribution(copy.root).documents([3])
