"""Verification finds nothing in a whole dataset, and each kind of damage by its own name."""

import dataclasses
import hashlib
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from example_dataset import BATCH_ROWS, END, Dataset, docs_table, take, write_dataset

from sequitur.shards.contexts import Contexts
from sequitur.shards.errors import (
    DocumentIncomplete,
    DocumentRepeated,
    DocumentUnknown,
    DocumentUnplaced,
    FileUnlisted,
    FileUnreadable,
    FingerprintMismatch,
    HubFilesMismatch,
    ManifestCorrupt,
    ManifestMissing,
    OrderMismatch,
    RowsInvalid,
    SchemaMismatch,
    ShardCorrupt,
    ShardError,
    ShardMisplaced,
    ShardMissing,
    ShardTruncated,
    SplitLeak,
    TokenizerMismatch,
    TotalsMismatch,
)
from sequitur.shards.format import docs_schema
from sequitur.shards.manifest import Manifest, build_manifest, manifest_json
from sequitur.shards.verify import bytes_to_read, problems, verify
from sequitur.shards.writer import write_docs


def test_a_whole_dataset_has_no_problems(dataset: Dataset) -> None:
    assert verify(dataset.root) == []
    assert verify(dataset.root, full=False) == []


def test_no_manifest(copy: Dataset) -> None:
    (copy.root / "manifest.json").unlink()
    assert [type(problem) for problem in verify(copy.root)] == [ManifestMissing]


def test_a_manifest_that_says_the_same_in_other_bytes(copy: Dataset) -> None:
    path = copy.root / "manifest.json"
    text = path.read_text()
    path.write_text(text.replace('"seq_len": 16', '"seq_len":  16'))
    (problem,) = verify(copy.root, full=False)
    assert type(problem) is ManifestCorrupt
    assert (problem.shard, problem.offset) == ("manifest.json", text.index('"seq_len": 16') + len('"seq_len": '))
    path.write_text(text.replace('"checksum"', '"checkzum"'))
    assert [type(one) for one in verify(copy.root)] == [ManifestCorrupt]


@pytest.mark.parametrize("name", ["state.json", "dataset_info.json"])
def test_the_files_of_hugging_face(copy: Dataset, name: str) -> None:
    path = copy.root / "val" / name
    path.write_text(path.read_text().replace(":", " :", 1))
    (problem,) = verify(copy.root, full=False)
    assert type(problem) is HubFilesMismatch
    assert problem.shard == f"val/{name}"
    path.unlink()
    assert [str(one) for one in verify(copy.root)] == [f"val/{name}: is missing: copy it again"]


@pytest.mark.parametrize("path", ["train/data-00004-of-00005.arrow", "docs/old.parquet", "x/y.arrow", "val/notes.txt"])
def test_files_that_nobody_lists(copy: Dataset, path: str) -> None:
    (copy.root / path).parent.mkdir(exist_ok=True)
    (copy.root / path).touch()
    (problem,) = verify(copy.root, full=False)
    assert (type(problem), problem.shard) == (FileUnlisted, path)


@pytest.mark.parametrize("path", ["README.md", "_manifest.json", "train/.tmp-x.arrow", ".cache/x.arrow"])
def test_files_that_may_lie_about(copy: Dataset, path: str) -> None:
    (copy.root / path).parent.mkdir(exist_ok=True)
    (copy.root / path).touch()
    assert verify(copy.root) == []


@pytest.mark.parametrize(
    "path", ["manifest.json", "train/data-00000-of-00004.arrow", "docs/docs-00000-of-00001.parquet"]
)
def test_a_directory_in_place_of_a_file(copy: Dataset, path: str) -> None:
    (copy.root / path).unlink()
    (copy.root / path).mkdir()
    for full in (False, True):
        (problem,) = verify(copy.root, full=full)
        assert type(problem) is FileUnreadable
        assert problem.shard == path


def test_a_schema_that_is_damaged_is_not_another_shard(copy: Dataset) -> None:
    """Its number, its run, or what makes it a schema: the batches after it are the right ones."""
    shard = copy.manifest.splits["train"].shards[1]
    content = (copy.root / shard.path).read_bytes()
    for found in (b"1/4", b"sequitur.run_id", b"input_ids", b"\xff\xff\xff\xff"):
        damaged = bytearray(content)
        damaged[content.index(found)] ^= 3
        (copy.root / shard.path).write_bytes(damaged)
        for full in (False, True):
            (problem,) = verify(copy.root, full=full)
            assert (type(problem), problem.shard, problem.offset) == (ShardCorrupt, shard.path, 0)


def test_the_end_mark(copy: Dataset) -> None:
    shard = copy.manifest.splits["train"].shards[1]
    content = bytearray((copy.root / shard.path).read_bytes())
    content[-1] ^= 1
    (copy.root / shard.path).write_bytes(content)
    (problem,) = verify(copy.root)
    assert (type(problem), problem.batch, problem.offset) == (ShardCorrupt, None, shard.bytes - 8)


def test_what_is_read_is_told(dataset: Dataset) -> None:
    told: list[int] = []
    assert list(problems(dataset.root, progress=told.append)) == []
    assert sum(told) == bytes_to_read(dataset.root)
    assert bytes_to_read(dataset.root / "none") == 0


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


def only(kind: type[ShardError], found: list[ShardError]) -> ShardError:
    (problem,) = (one for one in found if type(one) is kind)
    return problem


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


@pytest.mark.parametrize(
    ("part", "key", "message"),
    [
        ("packing", "split_docs", "documents are split, the manifest says 999"),
        ("order", "adjacent_same_group", "the manifest says 999"),
        ("order", "expected_by_chance", "the manifest says 999"),
    ],
)
def test_figures(copy: Dataset, part: str, key: str, message: str) -> None:
    rewrite(copy.root, copy.manifest, **{part: dataclasses.replace(getattr(copy.manifest, part), **{key: 999})})
    (problem,) = verify(copy.root)
    assert isinstance(problem, TotalsMismatch)
    assert message in str(problem)


def test_a_document_in_no_context(copy: Dataset) -> None:
    documents = {"train": copy.documents | {99: np.array([END], np.uint32)}}
    (entry,) = copy.manifest.docs_table
    table = docs_table(documents)
    val = pa.array(["val" if 30 <= key < 40 else "train" for key in table["doc_key"].to_pylist()])
    sink = io.BytesIO()
    entry = write_docs(sink, entry.path, table.set_column(table.num_columns - 1, docs_schema().field("split"), val))
    (copy.root / entry.path).write_bytes(sink.getvalue())
    packing = dataclasses.replace(copy.manifest.packing, dropped_tokens=1)
    rewrite(copy.root, copy.manifest, docs_table=[entry], packing=packing)
    (problem,) = verify(copy.root)
    assert type(problem) is DocumentUnplaced
    assert "doc_key 99" in str(problem)


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
    found = verify(write_dataset(tmp_path / "x", train=take(contexts, rows)).root)
    problem = only(DocumentRepeated, found)
    assert problem.batch in (0, 1)
    assert OrderMismatch in {type(one) for one in found}


def test_a_context_lost(dataset: Dataset, tmp_path: Path) -> None:
    contexts = dataset.contexts["train"]
    lost = take(contexts, np.arange(1, len(contexts.num_tokens)))
    problem = only(DocumentIncomplete, verify(write_dataset(tmp_path / "x", train=lost).root))
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
