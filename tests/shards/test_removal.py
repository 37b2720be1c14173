"""After a removal nothing of the documents is left, all else is as it was, and the dataset is whole."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pyarrow.parquet as pq
import pytest
from example_dataset import HEADER, SEQ_LEN, Dataset, docs_table, make_contexts, write_dataset, write_shards
from hypothesis import given, settings
from hypothesis import strategies as st
from removal_queries import doc_id, ids, tree

from sequitur.shards.contexts import Contexts
from sequitur.shards.documents import read_documents
from sequitur.shards.errors import (
    DocumentUnknown,
    ShardCorrupt,
    ShardError,
    ShardMissing,
)
from sequitur.shards.find import Query, find
from sequitur.shards.manifest import Packing, RowOrder, build_manifest, manifest_json, read_manifest, split_entry
from sequitur.shards.removal.record import read_record
from sequitur.shards.removal.removing import RemovalRefused, remove
from sequitur.shards.removal.writing import settle
from sequitur.shards.row_order import count_pairs
from sequitur.shards.rows import SplitRows
from sequitur.shards.totals import totals
from sequitur.shards.verify import verify
from sequitur.shards.writer import write_docs

Row = tuple[list[int], int | None, list[tuple[int, int, int]]]  # tokens, next token, pieces (key, start, length)


def rows_of(contexts: Contexts) -> Iterator[tuple[int, Row]]:
    """Each row by its context_id, as plain lists."""
    for i in range(len(contexts.num_tokens)):
        first, last = contexts.doc_offsets[i : i + 2].tolist()
        pieces = zip(
            contexts.doc_ids[first:last].tolist(),
            contexts.doc_starts[first:last].tolist(),
            contexts.doc_lens[first:last].tolist(),
            strict=True,
        )
        tokens = contexts.input_ids[i, : contexts.num_tokens[i]].tolist()
        after = int(contexts.next_token[i]) if contexts.next_valid[i] else None
        yield int(contexts.context_id[i]), (tokens, after, list(pieces))


def read_rows(root: Path, split: str) -> list[tuple[int, Row]]:
    if split not in read_manifest(root).splits:
        return []
    rows = SplitRows(root, split)
    got = rows.gather(np.arange(len(rows)), np.uint32)
    counts = [0, *np.cumsum([len(lens) for lens in got.doc_lens])]
    return list(
        rows_of(
            Contexts(
                got.input_ids,
                np.maximum(got.next_token, 0).astype(np.uint32),
                got.next_token >= 0,
                got.num_tokens.astype(np.uint32),
                np.array(counts, np.int32),
                np.concatenate(got.doc_lens),
                np.concatenate(got.doc_ids),
                np.concatenate(got.doc_starts),
                got.context_id,
                got.group_id,
            )
        )
    )


def expected_rows(before: list[tuple[int, Row]], keys: set[int], contexts: str) -> list[tuple[int, Row]]:
    """Cut the plain lists."""
    by_id = dict(before)
    after = []
    for context_id, (tokens, following, pieces) in before:
        held = keys & {key for key, _, _ in pieces}
        kept_tokens: list[int] = []
        kept, at = [], 0
        for key, start, length in pieces:
            if key not in keys and not (contexts == "drop" and held):
                kept.append((key, start, length))
                kept_tokens += tokens[at : at + length]
            at += length
        opens_next = by_id.get(context_id + 1, ([], None, []))[2]
        next_goes = bool(opens_next) and (
            opens_next[0][0] in keys or (contexts == "drop" and bool(keys & {key for key, _, _ in opens_next}))
        )
        if kept:
            after.append((context_id, (kept_tokens, None if held or next_goes else following, kept)))
    return after


@settings(max_examples=20)
@given(
    keys=st.sets(st.integers(0, 39), min_size=1, max_size=25),
    contexts=st.sampled_from(["repack", "drop"]),
    again=st.sampled_from(["repack", "drop"]),
)
def test_what_is_left_is_what_was_there_without_the_documents(
    dataset: Dataset, tmp_path_factory: pytest.TempPathFactory, keys: set[int], contexts: Any, again: Any
) -> None:
    root = tmp_path_factory.mktemp("removal") / "copy"
    shutil.copytree(dataset.root, root)
    first = set(sorted(keys)[::2])
    for some, how in ((first, contexts), (keys - first, again)):
        before = {split: read_rows(root, split) for split in ("train", "val")}
        after = {split: expected_rows(rows, some, how) for split, rows in before.items()}
        here = {doc.as_py() for batch in read_documents(root, read_manifest(root), ["doc_key"]) for doc in batch[0]}
        if not some & here:
            continue
        if not after["train"]:
            with pytest.raises(RemovalRefused, match="no context would be left"):
                remove(root, ids(*some), contexts=how, missing_ok=True)
            return
        (done,) = remove(root, ids(*some), contexts=how, missing_ok=True)

        assert {split: read_rows(root, split) for split in ("train", "val")} == after
        assert verify(root) == []
        assert done.documents == len(some & here)
        assert done.documents + done.other_documents == len(documents_of(before) - documents_of(after))
        assert count_tokens(before) - count_tokens(after) == done.tokens + done.other_tokens
        gone = sum(len(before[split]) - len(after[split]) for split in after)
        assert done.contexts_gone == gone
    check_nothing_is_left(root, dataset, keys)


def count_tokens(rows: dict[str, list[tuple[int, Row]]]) -> int:
    return sum(len(row[0]) for split in rows.values() for _, row in split)


def documents_of(rows: dict[str, list[tuple[int, Row]]]) -> set[int]:
    return {key for split in rows.values() for _, row in split for key, _, _ in row[2]}


def check_nothing_is_left(root: Path, dataset: Dataset, keys: set[int]) -> None:
    """No file holds four tokens in a row of a removed document, nor its id."""
    files = [content for name, content in tree(root).items() if not name.startswith("removals/")]
    for key in keys & dataset.documents.keys():
        tokens = dataset.documents[key]
        for at in range(0, len(tokens) - 3, 4):
            window = tokens[at : at + 4].tobytes()
            assert not any(window in content for content in files)
        # the run's id is of zeros, too
        assert key == 0 or not any(doc_id(key).encode() in content for content in files)


def test_a_next_token_that_was_the_document_s_goes(copy: Dataset) -> None:
    before = dict(read_rows(copy.root, "train"))
    keys = {key: row[2][0][0] for key, row in before.items()}
    context_id = next(c for c in sorted(before)[1:] if before[c - 1][1] and before[c - 1][2][-1][0] != keys[c])
    (done,) = remove(copy.root, ids(keys[context_id]))

    after = dict(read_rows(copy.root, "train"))
    assert after[context_id - 1] == (before[context_id - 1][0], None, before[context_id - 1][2])
    assert done.next_tokens_gone >= 1


def test_only_shards_that_hold_the_document_are_rewritten(copy: Dataset) -> None:
    before, entries = tree(copy.root), copy.manifest.splits["train"].shards
    held = {piece.shard for piece in find(copy.root, ids(7))}
    (done,) = remove(copy.root, ids(7))
    after = tree(copy.root)
    kept = {name for name in before if name.endswith(".arrow") and name in after}
    assert all(before[name] == after[name] for name in kept)
    assert {name for name in before if name.endswith(".arrow")} - kept >= held
    assert done.shards_rewritten == len(entries) + len(copy.manifest.splits["val"].shards) - len(kept)
    assert 0 < done.shards_rewritten < done.shards


def test_documents_after_a_removed_one_are_not_compared_with_it(copy: Dataset) -> None:
    rows = dict(read_rows(copy.root, "train"))
    pieces = next(row[2] for row in rows.values() if len(row[2]) > 1 and row[2][1][1] == 0)
    remove(copy.root, ids(pieces[0][0]))
    table = pq.read_table(copy.root / "docs")
    cosine = dict(zip(table["doc_key"].to_pylist(), table["cosine_to_previous"].to_pylist(), strict=True))
    assert cosine[pieces[1][0]] is None
    assert sum(value is None for value in cosine.values()) <= 2
    assert verify(copy.root) == []


def test_a_shard_and_a_split_that_are_left_empty(copy: Dataset) -> None:
    rows = SplitRows(copy.root, "train").gather(np.arange(10), np.uint32)
    keys = {int(key) for some in rows.doc_ids for key in some}
    remove(copy.root, ids(*keys), contexts="drop")
    names = [shard.path for shard in read_manifest(copy.root).splits["train"].shards]
    assert all(f"-of-{len(names):05}" in name for name in names)
    assert len(names) < len(copy.manifest.splits["train"].shards)
    assert verify(copy.root) == []

    remove(copy.root, ids(*range(30, 40)))
    manifest = read_manifest(copy.root)
    assert list(manifest.splits) == ["train"]
    assert not (copy.root / "val").exists()
    assert verify(copy.root) == []
    assert totals(copy.root).documents == manifest.splits["train"].docs


def test_hugging_face_opens_what_is_left(copy: Dataset) -> None:
    remove(copy.root, ids(5, 6, 31))
    for split in ("train", "val"):
        loaded = datasets.load_from_disk(str(copy.root / split))
        assert loaded["context_id"] == [context_id for context_id, _ in read_rows(copy.root, split)]


def test_documents_by_source_license_url_and_record(tmp_path: Path) -> None:
    dataset = write_dataset(tmp_path / "a")
    licensed = Query(licenses=("MIT",))
    (done,) = remove(dataset.root, licensed)
    assert done.documents == sum(key % 5 > 0 for key in dataset.documents)
    assert verify(dataset.root) == []
    assert remove(dataset.root, licensed) == []  # done before
    with pytest.raises(DocumentUnknown, match="1 of 1 sources fit no document: else"):
        remove(dataset.root, Query(sources=("else",)))
    with pytest.raises(RemovalRefused):
        remove(dataset.root, Query(sources=("random",)))


def test_unknown_names(copy: Dataset) -> None:
    before = tree(copy.root)
    asked = Query((doc_id(3), "a", "b", "c", "d", "e", "f"))
    with pytest.raises(DocumentUnknown, match=r"^6 of 7 ids fit no document: a, b, c, d, e, …; .*--missing-ok"):
        remove(copy.root, asked)
    assert tree(copy.root) == before
    (done,) = remove(copy.root, asked, missing_ok=True)
    assert done.documents == 1
    assert remove(copy.root, ids(3)) == []


def test_the_record_tells_what_was_removed_and_not_who_asked(copy: Dataset) -> None:
    url = Query(urls=("https://example.org",))
    (done,) = remove(copy.root, url)
    manifest = read_manifest(copy.root)
    (file,) = manifest.removals
    record = read_record(copy.root, file)
    odd = {doc_id(key): len(tokens) for key, tokens in copy.documents.items() if key % 2}
    assert record.documents == odd
    assert record.other_documents == {}
    assert (record.asked.urls, record.asked.ids, len(record.asked.names)) == (1, 0, 1)
    assert b"example.org" not in (copy.root / file.path).read_bytes()
    assert (record.fingerprint_before, record.fingerprint_after) == (copy.manifest.fingerprint, manifest.fingerprint)
    assert done.fingerprint_after == manifest.fingerprint
    assert file.rows == len(odd)
    assert remove(copy.root, url) == []


@pytest.mark.parametrize(("damage", "error"), [("flip", ShardCorrupt), ("delete", ShardMissing)])
def test_verify_looks_at_the_records(copy: Dataset, damage: str, error: type[ShardError]) -> None:
    remove(copy.root, ids(5))
    path = copy.root / "removals/removal-00001.json"
    if damage == "flip":
        path.write_bytes(path.read_bytes().replace(b"19", b"18", 1))
    else:
        path.unlink()
    (problem,) = verify(copy.root)
    assert (type(problem), problem.shard) == (error, "removals/removal-00001.json")


def repeated_dataset(root: Path, documents: dict[int, np.ndarray], contexts: Contexts, repeated: int) -> None:
    """A dataset of a training split alone, rows as they are ordered."""
    entry = split_entry(write_shards(root, "train", contexts), docs=len(documents))
    path = "docs/docs-00000-of-00001.parquet"
    (root / "docs").mkdir()
    with (root / path).open("wb") as sink:
        docs = write_docs(sink, path, docs_table({"train": documents}))
    cut = set(contexts.doc_ids[contexts.doc_lens < 15].tolist())
    packing = Packing("stream", 0, entry.rows * SEQ_LEN - entry.tokens, len(cut), repeated)
    pairs = count_pairs(contexts.group_id)
    order = RowOrder("as_ordered", "none", 0, pairs.share, pairs.chance)
    manifest = build_manifest(HEADER, packing, order, {"train": entry}, [docs])
    (root / "manifest.json").write_text(manifest_json(manifest))
    settle(root, manifest)


def test_a_document_that_stands_several_times_goes_everywhere(tmp_path: Path) -> None:
    documents = {key: np.arange(20 * key, 20 * key + 15, dtype=np.uint32) for key in range(8)}
    order = [0, 1, 2, 3, 2, 4, 5, 2, 6, 7, 3]
    stream = {i: documents[key] for i, key in enumerate(order)}
    contexts = make_contexts(stream)
    contexts = contexts._replace(doc_ids=np.array(order, np.uint64)[contexts.doc_ids.astype(int)])
    repeated_dataset(tmp_path, documents, contexts, repeated=3 * 15)
    assert verify(tmp_path) == []
    (done,) = remove(tmp_path, ids(2))
    assert (done.documents, done.tokens) == (1, 45)
    packing = read_manifest(tmp_path).packing
    assert (packing.repeated_tokens, packing.dropped_tokens) == (15, 0)
    assert verify(tmp_path) == []
    (done,) = remove(tmp_path, ids(4), contexts="drop")
    assert done.other_tokens > 0
    assert verify(tmp_path) == []
