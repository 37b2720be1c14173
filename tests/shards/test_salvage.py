"""What is whole of a damaged dataset becomes a sound one; what is not is named, and the source stays as it was."""

import dataclasses
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from example_dataset import Dataset, take, write_dataset

from sequitur.shards.digest import row_digests
from sequitur.shards.errors import (
    ManifestCorrupt,
    ManifestInvalid,
    ManifestMissing,
    NothingWhole,
    OutputRefused,
    PathEscape,
    ShardCorrupt,
    ShardMissing,
)
from sequitur.shards.families import dataset_entry, families_json, read_families, router_file
from sequitur.shards.manifest import build_manifest, manifest_json, read_manifest
from sequitur.shards.rows import SplitRows
from sequitur.shards.salvage.salvaging import salvage
from sequitur.shards.verify import verify


def contents(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def flip(path: Path, offset: int) -> None:
    content = bytearray(path.read_bytes())
    content[offset] ^= 1
    path.write_bytes(content)


def digests(root: Path, split: str) -> list[int]:
    """Of the rows, in their order."""
    rows = SplitRows(root, split, verify="full")
    gathered = rows.gather(np.arange(len(rows)), np.uint32)
    return list(row_digests(gathered.input_ids, gathered.num_tokens.astype(np.uint32)))


def flip_batch(root: Path, dataset: Dataset) -> list[range]:
    shard = dataset.manifest.splits["train"].shards[1]
    flip(root / shard.path, shard.batches[1].offset + 200)
    return [range(14, 18)]


def cut_shard(root: Path, dataset: Dataset) -> list[range]:
    shard = dataset.manifest.splits["train"].shards[0]
    with (root / shard.path).open("r+b") as file:
        file.truncate(shard.batches[2].offset)
    return [range(8, 10)]


def empty_shard(root: Path, dataset: Dataset) -> list[range]:
    (root / dataset.manifest.splits["train"].shards[0].path).write_bytes(b"")
    return [range(10)]


def remove_shard(root: Path, dataset: Dataset) -> list[range]:
    (root / dataset.manifest.splits["train"].shards[2].path).unlink()
    return [range(20, 30)]


def swap_shards(root: Path, dataset: Dataset) -> list[range]:
    first, second = (root / shard.path for shard in dataset.manifest.splits["train"].shards[:2])
    first.rename(root / "x")
    second.rename(first)
    (root / "x").rename(second)
    return []


def flip_head(root: Path, dataset: Dataset) -> list[range]:
    flip(root / dataset.manifest.splits["train"].shards[0].path, 40)
    return []


@pytest.mark.parametrize("damage", [flip_batch, cut_shard, empty_shard, remove_shard, swap_shards, flip_head])
def test_whole_batches_are_kept_in_their_order(
    copy: Dataset, tmp_path: Path, damage: Callable[[Path, Dataset], list[range]]
) -> None:
    rows = digests(copy.root, "train")
    lost = {row for stretch in damage(copy.root, copy) for row in stretch}
    before = contents(copy.root)
    out = tmp_path / "out"
    (done,) = salvage(copy.root, out)
    assert contents(copy.root) == before
    assert verify(out) == verify(out, full=False) == []
    assert digests(out, "train") == [digest for row, digest in enumerate(rows) if row not in lost]
    assert digests(out, "val") == digests(copy.root, "val")
    assert done.rows == {"train": len(rows) - len(lost), "val": done.rows_before["val"]}
    assert bool(done.left_out) == bool(lost)
    told = json.loads((out / "salvage.json").read_text())
    assert told["from"] == copy.manifest.fingerprint
    assert told["rows"] == done.rows
    assert len(told["left_out"]) == len(done.left_out)
    salvage(copy.root, tmp_path / "again")
    assert contents(tmp_path / "again") == contents(out)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["again", "copy", "out"]


def test_counts_of_what_is_left(copy: Dataset, tmp_path: Path) -> None:
    flip_batch(copy.root, copy)
    (done,) = salvage(copy.root, tmp_path / "out")
    (problem,) = done.left_out
    assert type(problem) is ShardCorrupt
    assert problem.batch == 1
    new = read_manifest(tmp_path / "out")
    lost = copy.contexts["train"].num_tokens[14:18].sum()
    assert done.tokens == done.tokens_before - lost
    table = pq.read_table(tmp_path / "out" / new.docs_table[0].path)
    assert new.packing.dropped_tokens == sum(table["n_tokens"].to_pylist()) - done.tokens > 0
    assert new.order.contexts == done.rows_before
    assert table.num_rows == done.documents < done.documents_before
    path = tmp_path / "out/salvage.json"
    for offset in range(0, path.stat().st_size, 7):
        flip(path, offset)
        (problem,) = verify(tmp_path / "out", full=False)
        assert isinstance(problem, ManifestInvalid | ManifestCorrupt)
        assert problem.shard == "salvage.json"
        flip(path, offset)


def test_salvage_of_what_was_salvaged(copy: Dataset, tmp_path: Path) -> None:
    flip_batch(copy.root, copy)
    salvage(copy.root, tmp_path / "one")
    first = read_manifest(tmp_path / "one")
    (done,) = salvage(tmp_path / "one", tmp_path / "two")
    assert done.rows == done.rows_before
    again = read_manifest(tmp_path / "two")
    assert (again.order, again.packing, again.fingerprint) == (first.order, first.packing, first.fingerprint)


def test_a_curriculum_stays_in_order(dataset: Dataset, tmp_path: Path) -> None:
    ordered = {split: take(rows, np.argsort(rows.context_id)) for split, rows in dataset.contexts.items()}
    written = write_dataset(tmp_path / "x", **ordered)
    m = written.manifest
    order = dataclasses.replace(m.order, kind="as_ordered", algo="none", seed=0)
    manifest = build_manifest(m.header, m.packing, order, m.splits, m.docs_table)
    (written.root / "manifest.json").write_text(manifest_json(manifest))
    flip_batch(written.root, written)
    salvage(written.root, tmp_path / "out")
    assert read_manifest(tmp_path / "out").order.kind == "as_ordered"
    assert verify(tmp_path / "out") == []


def test_a_split_that_is_gone(copy: Dataset, tmp_path: Path) -> None:
    for shard in copy.manifest.splits["val"].shards:
        (copy.root / shard.path).unlink()
    (copy.root / "train/state.json").unlink()
    (done,) = salvage(copy.root, tmp_path / "out")
    assert list(done.rows) == ["train"]
    assert {type(problem) for problem in done.left_out} == {ShardMissing}
    assert verify(tmp_path / "out") == []


def test_a_damaged_documents_table_costs_the_contexts_of_its_documents(dataset: Dataset, tmp_path: Path) -> None:
    written = write_dataset(tmp_path / "x", docs_files=4)
    damaged = written.manifest.docs_table[1]
    keys = pq.read_table(written.root / damaged.path)["doc_key"].to_pylist()
    flip(written.root / damaged.path, damaged.bytes // 2)
    (done,) = salvage(written.root, tmp_path / "out")
    assert verify(tmp_path / "out") == []
    contexts = written.contexts["train"]
    first, last = contexts.doc_offsets[:-1], contexts.doc_offsets[1:]
    kept = [
        not set(keys) & set(contexts.doc_ids[i:j].tolist()) for i, j in zip(first.tolist(), last.tolist(), strict=True)
    ]
    assert done.rows["train"] == sum(kept) < len(kept)
    assert any("docs/ is damaged" in str(problem) for problem in done.left_out)


@pytest.mark.parametrize(
    ("damage", "kind"),
    [
        (lambda root: (root / "manifest.json").unlink(), ManifestMissing),
        (lambda root: flip(next((root / "docs").iterdir()), 99), NothingWhole),
        (lambda root: [flip(path, 2000) or path.write_bytes(b"") for path in root.rglob("*.arrow")], NothingWhole),
        (
            lambda root: (root / "manifest.json").write_text(
                (root / "manifest.json").read_text().replace("train/data", "../../etc")
            ),
            PathEscape,
        ),
    ],
    ids=["no manifest", "no documents", "no shard", "forged path"],
)
def test_what_cannot_be_saved(copy: Dataset, tmp_path: Path, damage: Callable[[Path], object], kind: type) -> None:
    damage(copy.root)
    before = contents(copy.root)
    with pytest.raises(kind):
        salvage(copy.root, tmp_path / "out")
    assert contents(copy.root) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copy"]


def test_places_that_are_refused(copy: Dataset, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full/x").touch()
    for out in (copy.root, copy.root / "below", tmp_path, tmp_path / "full", tmp_path / "full/x"):
        with pytest.raises(OutputRefused):
            salvage(copy.root, out)
    (tmp_path / "empty").mkdir()
    salvage(copy.root, tmp_path / "empty")
    assert verify(tmp_path / "empty") == []


def test_families(dataset: Dataset, tmp_path: Path) -> None:
    root, out = tmp_path / "root", tmp_path / "out"
    for name in ("a", "b/len-00016", "c"):
        shutil.copytree(dataset.root, root / name)
    (root / "router").mkdir()
    (root / "router/router.json").write_text("{}")
    entries = [dataset_entry(name[0], name, dataset.manifest) for name in ("a", "b/len-00016", "c")]
    (root / "families.json").write_text(families_json(entries, [router_file("router/router.json", b"{}")]))
    flip_batch(root / "b/len-00016", dataset)
    (root / "c/manifest.json").unlink()
    whole, part, lost = salvage(root, out)
    assert verify(out) == []
    assert [entry.directory for entry in read_families(out)] == ["a", "b/len-00016"]
    assert whole.left_out == ()
    assert part.left_out[0].shard == "b/len-00016/train/data-00001-of-00004.arrow"
    assert type(lost.left_out[0]) is ManifestMissing
    assert (out / "router/router.json").read_text() == "{}"
