"""Exports, read back with numpy alone; tests/peers reads them with the libraries that they are for."""

import json
import struct
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from example_dataset import END, HEADER, SEQ_LEN, Dataset, make_contexts, make_documents, take, write_dataset
from hypothesis import given, settings
from hypothesis import strategies as st

from sequitur.shards.contexts import Contexts
from sequitur.shards.digest import add_digests, row_digest_sum
from sequitur.shards.errors import ShardCorrupt, ShardError, TotalsMismatch
from sequitur.shards.exports import ExportRefused, export
from sequitur.shards.exports.datatrove import document_ends
from sequitur.shards.exports.olmo import rows_cut_otherwise
from sequitur.shards.exports.source import select
from sequitur.shards.exports.staging import REPORT_NAME
from sequitur.shards.families import dataset_entry, families_json
from sequitur.shards.format import Header
from sequitur.shards.manifest import manifest_json


class Read(NamedTuple):
    """What a format gives back: tokens (rows, S or S+1), and where they are real."""

    ids: np.ndarray
    real: np.ndarray


def read_megatron(out: Path) -> Read:
    index = (out / "contexts.idx").read_bytes()
    magic, version, code, rows, ends = struct.unpack_from("<9sQBQQ", index)
    assert (magic, version, ends) == (b"MMIDIDX\0\0", 1, rows + 1)
    dtype = {8: np.dtype("<u2"), 4: np.dtype("<i4")}[code]
    lengths = np.frombuffer(index, "<i4", rows, 34)
    offsets = np.frombuffer(index, "<i8", rows, 34 + 4 * rows)
    assert (lengths == SEQ_LEN).all()
    assert (offsets == np.arange(rows) * SEQ_LEN * dtype.itemsize).all()
    assert np.frombuffer(index, "<i8", offset=34 + 12 * rows).tolist() == list(range(rows + 1))
    ids = np.fromfile(out / "contexts.bin", dtype).reshape(rows, SEQ_LEN)
    return Read(ids, np.ones_like(ids, dtype=bool))


def read_datatrove(out: Path) -> Read:
    size = json.loads((out / REPORT_NAME).read_text())["settings"]["token_size"]
    files = [np.fromfile(path, f"<u{size}").reshape(-1, SEQ_LEN + 1) for path in sorted(out.glob("*.ds"))]
    for path, ids in zip(sorted(out.glob("*.ds")), files, strict=True):
        ends = np.fromfile(f"{path}.index", "<u8")
        assert (np.diff(ends.astype(np.int64)) > 0).all()
        assert ends[-1] == ids.size
        assert path.with_name(f"{path.name}.metadata").read_text().splitlines()[:2] == [f"bytes|{size}", str(ids.size)]
    ids = np.concatenate(files)
    return Read(ids, np.ones_like(ids, dtype=bool))


def read_olmo(out: Path) -> Read:
    dtype = json.loads((out / REPORT_NAME).read_text())["settings"]["dtype"]

    def whole(folder: str, dtype: str) -> np.ndarray:
        return np.concatenate([np.fromfile(p, dtype).reshape(-1, SEQ_LEN) for p in sorted((out / folder).glob("*"))])

    ids = whole("tokens", dtype)
    padded = (out / "label_mask").exists()
    return Read(ids, whole("label_mask", "bool") if padded else np.ones_like(ids, dtype=bool))


READERS = {"datatrove": read_datatrove, "megatron": read_megatron, "olmo": read_olmo}


@st.composite
def contexts_of_any_kind(draw: st.DrawFn) -> Contexts:
    """Rows long and short, of one or several pieces, whose next token is known or not, with the end token anywhere."""
    rows = draw(st.integers(1, 14))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    num_tokens = np.where(rng.random(rows) < draw(st.sampled_from([0.2, 0.8, 1.0])), SEQ_LEN, 1)
    num_tokens = np.where(num_tokens == 1, rng.integers(1, SEQ_LEN + 1, rows), num_tokens).astype(np.uint32)
    cuts = [np.flatnonzero(rng.random(n - 1) < 0.2) + 1 for n in num_tokens]
    lens = [np.diff([0, *cut, n]) for cut, n in zip(cuts, num_tokens, strict=True)]
    ids = rng.choice([*range(97, 110), END], (rows, SEQ_LEN)).astype(np.uint32)
    ids[np.arange(SEQ_LEN) >= num_tokens[:, None]] = END
    pieces = sum(map(len, lens))
    return Contexts(
        input_ids=ids,
        next_token=rng.choice([97, END], rows).astype(np.uint32),
        next_valid=(num_tokens == SEQ_LEN) & (rng.random(rows) < 0.7),
        num_tokens=num_tokens,
        doc_offsets=np.cumsum([0, *map(len, lens)], dtype=np.int32),
        doc_lens=np.concatenate(lens).astype(np.uint32),
        doc_ids=np.arange(pieces, dtype=np.uint64),
        doc_starts=np.zeros(pieces, np.uint32),
        context_id=np.arange(rows, dtype=np.uint64),
        group_id=np.zeros(rows, np.uint64),
    )


@settings(deadline=None, max_examples=40)
@given(contexts=contexts_of_any_kind(), target=st.sampled_from(sorted(READERS)))
def test_every_row_is_read_back_or_counted(
    contexts: Contexts, target: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    root = tmp_path_factory.mktemp("any")
    write_dataset(root / "shards", train=contexts)
    full = contexts.num_tokens == SEQ_LEN
    kept = {"megatron": full, "datatrove": full & contexts.next_valid, "olmo": full | True}[target]
    if not kept.any():
        with pytest.raises(ExportRefused, match=r"pack\.policy: filled"):
            export(root / "shards", target, root / "out")
        assert not (root / "out").exists()
        return

    report = export(root / "shards", target, root / "out")

    wanted = contexts.input_ids[kept]
    if target == "datatrove":
        wanted = np.concatenate([wanted, contexts.next_token[kept, None]], axis=1)
    found = READERS[target](root / "out")
    assert np.array_equal(found.ids, wanted)
    assert np.array_equal(found.real[:, :SEQ_LEN], np.arange(SEQ_LEN) < contexts.num_tokens[kept, None])
    reasons = {"short": int((~kept & ~full).sum()), "no_next_token": int((~kept & full).sum())}
    assert report.dropped_rows == {reason: rows for reason, rows in reasons.items() if rows}
    assert report.rows == kept.sum()
    assert (report.tokens, report.dropped_tokens) == (contexts.num_tokens[kept].sum(), contexts.num_tokens[~kept].sum())
    assert report.row_digest == row_digest_sum(contexts.input_ids[kept], contexts.num_tokens[kept])


@settings(deadline=None)
@given(contexts=contexts_of_any_kind(), rows=st.data())
def test_select_takes_rows_with_their_pieces(contexts: Contexts, rows: st.DataObject) -> None:
    n = len(contexts.num_tokens)
    chosen = np.array(rows.draw(st.lists(st.integers(0, n - 1), min_size=1)))
    for found, wanted in zip(select(contexts, chosen), take(contexts, chosen), strict=True):
        assert np.array_equal(found, wanted)
        assert found.dtype == wanted.dtype


@settings(deadline=None)
@given(contexts=contexts_of_any_kind())
def test_rows_cut_otherwise_are_those_whose_documents_the_end_token_does_not_give(contexts: Contexts) -> None:
    wanted = []
    for row, n in enumerate(contexts.num_tokens.tolist()):
        lens = contexts.doc_lens[contexts.doc_offsets[row] : contexts.doc_offsets[row + 1]]
        text = contexts.input_ids[row, :n].tolist()
        if [i + 1 for i, token in enumerate(text) if token == END or i == n - 1] != np.cumsum(lens).tolist():
            wanted.append(row)

    assert rows_cut_otherwise(contexts, END).tolist() == wanted
    pieces = np.diff(contexts.doc_offsets)
    assert rows_cut_otherwise(contexts, None).tolist() == np.flatnonzero(pieces > 1).tolist()


@settings(deadline=None)
@given(contexts=contexts_of_any_kind())
def test_document_ends_count_the_next_token_to_the_last_piece_unless_that_ended(contexts: Contexts) -> None:
    full = np.flatnonzero(contexts.num_tokens == SEQ_LEN)
    if not len(full):
        return
    rows = select(contexts, full)
    wanted = []
    for row, ids in enumerate(rows.input_ids.tolist()):
        lens = rows.doc_lens[rows.doc_offsets[row] : rows.doc_offsets[row + 1]].tolist()
        lens = [*lens, 1] if ids[-1] == END else [*lens[:-1], lens[-1] + 1]
        wanted += (row * (SEQ_LEN + 1) + np.cumsum(lens)).tolist()

    assert document_ends(rows, END).tolist() == wanted


def with_vocabulary(size: int) -> Header:
    return replace(HEADER, tokenizer=replace(HEADER.tokenizer, vocab_size=size))


@pytest.mark.parametrize(
    ("target", "vocab_size", "setting"),
    [
        ("megatron", 65_499, ("dtype", "uint16")),
        ("megatron", 65_500, ("dtype", "int32")),
        ("datatrove", 65_536, ("token_size", 2)),
        ("datatrove", 65_537, ("token_size", 4)),
        ("olmo", 257, ("dtype", "uint16")),
        ("olmo", 65_537, ("dtype", "uint32")),
    ],
)
def test_width_of_a_token_follows_the_vocabulary(
    target: str, vocab_size: int, setting: tuple[str, object], tmp_path: Path
) -> None:
    contexts = make_contexts(make_documents(np.random.default_rng(1), range(9)))
    contexts.input_ids[0, 0] = vocab_size - 1
    write_dataset(tmp_path / "shards", header=with_vocabulary(vocab_size), train=contexts)

    name, value = setting
    assert export(tmp_path / "shards", target, tmp_path / "out").settings[name] == value
    assert READERS[target](tmp_path / "out").ids[0, 0] == vocab_size - 1


@pytest.mark.parametrize("target", READERS)
def test_vocabulary_too_large_is_refused(target: str, tmp_path: Path) -> None:
    write_dataset(tmp_path / "shards", header=with_vocabulary((1 << 32) + 1))

    with pytest.raises(ShardError, match="does not fit"):
        export(tmp_path / "shards", target, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("target", READERS)
def test_report_lies_beside_the_files_and_equal_datasets_give_equal_bytes(
    target: str, dataset: Dataset, tmp_path: Path
) -> None:
    report = export(dataset.root, target, tmp_path / "one")
    (tmp_path / "other").mkdir()
    export(dataset.root, target, tmp_path / "other")

    def content(name: str) -> dict[str, bytes]:
        folder = tmp_path / name
        return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}

    files = content("one")
    assert files == content("other")
    assert json.loads(files.pop(REPORT_NAME)) == report.to_json()
    assert {name: len(data) for name, data in files.items()} == report.files
    assert report.fingerprint == dataset.manifest.fingerprint


def test_nothing_dropped_gives_the_digest_of_the_split(dataset: Dataset, tmp_path: Path) -> None:
    report = export(dataset.root, "olmo", tmp_path / "out", "val")

    assert (report.dropped_rows, report.dropped_tokens) == ({}, 0)
    assert report.row_digest == dataset.manifest.split("val").row_digest


@pytest.mark.parametrize("target", READERS)
def test_damage_ends_the_export_with_its_place_and_leaves_nothing(target: str, copy: Dataset, tmp_path: Path) -> None:
    shard = copy.manifest.split("train").shards[1]
    path = copy.root / shard.path
    content = bytearray(path.read_bytes())
    content[shard.batches[2].offset + 200] ^= 1
    path.write_bytes(content)
    (tmp_path / "out").mkdir()

    with pytest.raises(ShardCorrupt) as caught:
        export(copy.root, target, tmp_path / "out")
    assert (caught.value.shard, caught.value.batch) == (shard.path, 2)
    assert list((tmp_path / "out").iterdir()) == []


def test_rows_other_than_the_manifests_are_told(copy: Dataset, tmp_path: Path) -> None:
    split = copy.manifest.split("train")
    shards = [replace(split.shards[0], row_digest="0" * 32), *split.shards[1:]]
    forged = replace(split, shards=tuple(shards), row_digest=add_digests(shard.row_digest for shard in shards))
    manifest = replace(copy.manifest, splits=copy.manifest.splits | {"train": forged})
    (copy.root / "manifest.json").write_text(manifest_json(manifest))

    with pytest.raises(TotalsMismatch, match="'train'"):
        export(copy.root, "olmo", tmp_path / "out")


@pytest.mark.parametrize("existing", [False, True])
def test_interruption_leaves_nothing(existing: bool, dataset: Dataset, tmp_path: Path) -> None:
    def stop(done: int, total: int) -> None:
        if done > total // 2:
            raise KeyboardInterrupt

    out = tmp_path / "out"
    if existing:
        out.mkdir()
    with pytest.raises(KeyboardInterrupt):
        export(dataset.root, "megatron", out, advance=stop)
    assert list(tmp_path.rglob("*")) == [out] * existing


def test_disk_that_fills_at_the_last_file_leaves_nothing(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rename = Path.rename

    def fail(self: Path, target: Path) -> Path:
        if self.name == REPORT_NAME:
            raise OSError(28, "No space left on device")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", fail)
    (tmp_path / "out").mkdir()
    with pytest.raises(OSError, match="No space"):
        export(dataset.root, "olmo", tmp_path / "out")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_what_cannot_be_done_is_refused(dataset: Dataset, tmp_path: Path) -> None:
    (tmp_path / "used").mkdir()
    (tmp_path / "used/notes.txt").write_text("mine")
    (tmp_path / "families").mkdir()
    entries = [dataset_entry(name, name, dataset.manifest) for name in ("web", "code")]
    (tmp_path / "families/families.json").write_text(families_json(entries))

    for root, target, out, fault in (
        (dataset.root, "webdataset", "new", "datatrove, litdata, mds, megatron, olmo"),
        (dataset.root, "megatron", "used", "not empty"),
        (dataset.root, "megatron", "used/notes.txt", "is a file"),
        (tmp_path / "families", "megatron", "new", "families/web, .*families/code"),
        (tmp_path / "nowhere", "megatron", "new", "manifest.json is missing"),
    ):
        with pytest.raises(ShardError, match=fault):
            export(root, target, tmp_path / out)
    with pytest.raises(ShardError, match="train, val"):
        export(dataset.root, "megatron", tmp_path / "new", "test")
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["notes.txt", "families.json"]
