"""Verification finds nothing in a whole dataset, and each kind of damage by its own name."""

import dataclasses
import hashlib
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from example_dataset import BATCH_ROWS, Dataset, docs_table, take, write_dataset

from shards.contexts import Contexts
from shards.errors import (
    DocumentIncomplete,
    DocumentRepeated,
    DocumentUnknown,
    FingerprintMismatch,
    ManifestMissing,
    RowsInvalid,
    SchemaMismatch,
    ShardCorrupt,
    ShardMisplaced,
    ShardMissing,
    ShardTruncated,
    SplitLeak,
    TokenizerMismatch,
    TotalsMismatch,
)
from shards.manifest import Manifest, build_manifest, manifest_json
from shards.verify import verify
from shards.writer import write_docs


def test_a_whole_dataset_has_no_problems(dataset: Dataset) -> None:
    assert verify(dataset.root) == []
    assert verify(dataset.root, full=False) == []


def test_no_manifest(copy: Dataset) -> None:
    (copy.root / "manifest.json").unlink()
    assert [type(problem) for problem in verify(copy.root)] == [ManifestMissing]


def cut(root: Path, dataset: Dataset) -> None:
    shard = dataset.manifest.splits["train"].shards[0]
    with (root / shard.path).open("r+b") as file:
        file.truncate(shard.batches[1].offset)


def swap(root: Path, dataset: Dataset) -> None:
    first, second = (root / shard.path for shard in dataset.manifest.splits["train"].shards[:2])
    content = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(content)


def remove(root: Path, dataset: Dataset) -> None:
    (root / dataset.manifest.splits["val"].shards[0].path).unlink()


def edit_manifest(root: Path, dataset: Dataset) -> None:
    path = root / "manifest.json"
    path.write_text(path.read_text().replace('"seq_len": 16', '"seq_len": 32'))


def cut_docs(root: Path, dataset: Dataset) -> None:
    path = root / dataset.manifest.docs_table[0].path
    path.write_bytes(path.read_bytes()[:-1])


@pytest.mark.parametrize(
    ("damage", "kinds"),
    [
        (cut, [ShardTruncated]),
        (swap, [ShardMisplaced, ShardMisplaced]),
        (remove, [ShardMissing]),
        (edit_manifest, [FingerprintMismatch]),
        (cut_docs, [ShardTruncated]),
    ],
)
def test_damage_seen_at_a_glance(copy: Dataset, damage: Callable[[Path, Dataset], None], kinds: list) -> None:
    damage(copy.root, copy)
    for full in (False, True):
        assert [type(problem) for problem in verify(copy.root, full=full)] == kinds


def test_every_flipped_byte_is_found(copy: Dataset) -> None:
    """Wherever it lies: in the schema, a batch's metadata or body, or the end mark."""
    shard = copy.manifest.splits["val"].shards[0]
    content = (copy.root / shard.path).read_bytes()
    for offset in range(0, len(content), 97):
        flipped = bytearray(content)
        flipped[offset] ^= 0x10
        (copy.root / shard.path).write_bytes(flipped)
        (problem,) = verify(copy.root)
        assert isinstance(problem, ShardCorrupt | ShardMisplaced | SchemaMismatch), offset
        assert problem.shard == shard.path
        if offset >= shard.batches[0].offset and offset < shard.batches[-1].offset + shard.batches[-1].bytes:
            assert type(problem) is ShardCorrupt
            batch = shard.batches[problem.batch]
            assert problem.offset == batch.offset <= offset < batch.offset + batch.bytes


def test_problems_of_all_shards_are_listed(copy: Dataset) -> None:
    for number, shard in enumerate(copy.manifest.splits["train"].shards):
        content = bytearray((copy.root / shard.path).read_bytes())
        content[shard.batches[number % 2].offset + 100] ^= 1
        (copy.root / shard.path).write_bytes(content)
    assert [problem.batch for problem in verify(copy.root)] == [0, 1, 0, 1]


def rewrite(root: Path, manifest: Manifest, **changed: object) -> None:
    parts = {f.name: getattr(manifest, f.name) for f in dataclasses.fields(manifest) if f.name != "fingerprint"}
    (root / "manifest.json").write_text(manifest_json(build_manifest(**(parts | changed))))


def test_a_missing_or_foreign_tokenizer(copy: Dataset) -> None:
    made = hashlib.sha256(b"{}").hexdigest()
    tokenizer = dataclasses.replace(copy.manifest.header.tokenizer, name="trained", sha256=made)
    rewrite(copy.root, copy.manifest, header=dataclasses.replace(copy.manifest.header, tokenizer=tokenizer))
    assert type(verify(copy.root)[0]) is TokenizerMismatch
    (copy.root / "tokenizer.json").write_text("{ }")
    assert "not the one" in str(verify(copy.root)[0])
    (copy.root / "tokenizer.json").write_text("{}")
    assert TokenizerMismatch not in {type(problem) for problem in verify(copy.root)}


@pytest.mark.parametrize(("key", "message"), [("padded_tokens", "pads"), ("dropped_tokens", "dropped 999")])
def test_packing_counts(copy: Dataset, key: str, message: str) -> None:
    rewrite(copy.root, copy.manifest, packing=dataclasses.replace(copy.manifest.packing, **{key: 999}))
    (problem,) = verify(copy.root)
    assert message in str(problem)


def test_document_count(copy: Dataset) -> None:
    val = dataclasses.replace(copy.manifest.splits["val"], docs=99)
    rewrite(copy.root, copy.manifest, splits=copy.manifest.splits | {"val": val})
    (problem,) = verify(copy.root)
    assert isinstance(problem, TotalsMismatch)
    assert "holds 10 documents, the manifest says 99" in str(problem)


def edited(contexts: Contexts, name: str, index: object, value: int) -> Contexts:
    array = getattr(contexts, name).copy()
    array[index] = value
    return contexts._replace(**{name: array})


@pytest.mark.parametrize(
    ("edit", "kind", "message"),
    [
        (lambda c: edited(c, "input_ids", (7, 3), 257), RowsInvalid, "token id 257 in a vocabulary of 257"),
        (lambda c: edited(c, "next_token", 0, 10**6), RowsInvalid, "token id 1000000"),
        (lambda c: edited(c, "input_ids", (np.argmin(c.num_tokens), -1), 1), RowsInvalid, "a pad tail"),
        (lambda c: edited(c, "doc_ids", 20, 777), DocumentUnknown, "doc_key 777"),
        (lambda c: edited(c, "doc_starts", 20, 500), RowsInvalid, "past its document's end"),
    ],
)
def test_rows_that_break_a_rule(
    dataset: Dataset, tmp_path: Path, edit: Callable[[Contexts], Contexts], kind: type, message: str
) -> None:
    written = write_dataset(tmp_path / "x", train=edit(dataset.contexts["train"]))
    problem = verify(written.root)[0]
    assert type(problem) is kind
    assert message in str(problem)
    assert problem.shard is not None
    assert problem.batch is not None
    assert problem.offset is not None


def test_a_context_placed_twice_in_place_of_another(dataset: Dataset, tmp_path: Path) -> None:
    contexts = dataset.contexts["train"]
    rows = np.arange(len(contexts.num_tokens))
    rows[BATCH_ROWS] = 0
    problem = verify(write_dataset(tmp_path / "x", train=take(contexts, rows)).root)[0]
    assert type(problem) is DocumentRepeated
    assert problem.batch in (0, 1)


def test_a_context_lost(dataset: Dataset, tmp_path: Path) -> None:
    contexts = dataset.contexts["train"]
    lost = take(contexts, np.arange(1, len(contexts.num_tokens)))
    problem = verify(write_dataset(tmp_path / "x", train=lost).root)[0]
    assert type(problem) is DocumentIncomplete
    assert f"{contexts.num_tokens[0]} tokens of documents are in no context" in str(problem)


def test_a_document_in_the_wrong_split(copy: Dataset) -> None:
    documents = copy.documents
    splits = {"train": {key: documents[key] for key in range(1, 30)}, "val": {0: documents[0]}}
    splits["val"] |= {key: documents[key] for key in range(30, 40)}
    sink = io.BytesIO()
    entry = write_docs(sink, copy.manifest.docs_table[0].path, docs_table(splits))
    (copy.root / entry.path).write_bytes(sink.getvalue())
    rewrite(copy.root, copy.manifest, docs_table=[entry])
    (problem,) = verify(copy.root)
    assert type(problem) is SplitLeak
    assert "doc_key 0" in str(problem)
