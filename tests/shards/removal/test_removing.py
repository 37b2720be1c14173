"""A removal is done whole or not at all, alone, and in all families."""

import os
import shutil
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from example_dataset import Dataset
from killing import Killed, kill_at
from removal_queries import ids, tree

from sequitur.shards.errors import (
    FileUnlisted,
    HubFilesMismatch,
    ShardCorrupt,
    TotalsMismatch,
)
from sequitur.shards.families import dataset_entry, families_json, read_families
from sequitur.shards.find import find
from sequitur.shards.manifest import read_manifest
from sequitur.shards.removal.intent import INTENT
from sequitur.shards.removal.removing import Removal, RemovalRefused, remove
from sequitur.shards.rows import SplitRows
from sequitur.shards.verify import verify


def test_a_dry_run_tells_the_same_and_writes_nothing(copy: Dataset) -> None:
    before = tree(copy.root)
    (told,) = remove(copy.root, ids(4, 33), contexts="drop", dry_run=True)
    assert tree(copy.root) == before
    (done,) = remove(copy.root, ids(4, 33), contexts="drop")
    assert told == Removal(**{**vars(done), "fingerprint_after": None, "record": None})


def test_equal_removals_give_equal_bytes(dataset: Dataset, tmp_path: Path) -> None:
    for name in ("a", "b"):
        shutil.copytree(dataset.root, tmp_path / name)
        remove(tmp_path / name, ids(9, 12))
        remove(tmp_path / name, ids(31), contexts="drop")
    assert tree(tmp_path / "a") == tree(tmp_path / "b")


def readable(root: Path) -> str:
    """The dataset that a reader finds, every row read: its fingerprint."""
    for split in ("train", "val"):
        SplitRows(root, split, verify="full").gather([0], np.uint32)
    leftovers = {type(problem) for problem in verify(root)}
    assert leftovers <= {FileUnlisted, HubFilesMismatch}
    return read_manifest(root).fingerprint


def test_killed_anywhere_it_is_the_old_dataset_or_the_new_one(dataset: Dataset, tmp_path: Path) -> None:
    whole = tmp_path / "whole"
    shutil.copytree(dataset.root, whole)
    remove(whole, ids(5, 31))
    after = read_manifest(whole).fingerprint
    seen = []
    for step in range(1, 100):
        root = tmp_path / "killed"
        shutil.copytree(dataset.root, root)
        with pytest.MonkeyPatch.context() as patch:
            kill_at(patch, step)
            try:
                remove(root, ids(5, 31))
                ended = True
            except Killed:
                ended = False
        seen.append(readable(root))
        remove(root, ids(5, 31))  # the same command again
        assert tree(root) == tree(whole)
        shutil.rmtree(root)
        if ended:
            break
    assert ended
    assert seen == sorted(seen, key=after.__eq__)  # the old one until it is the new one
    assert {seen[0], seen[-2], seen[-1]} == {dataset.manifest.fingerprint, after}


def test_an_error_leaves_nothing_behind(copy: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    before = tree(copy.root)

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        remove(copy.root, ids(5))
    assert tree(copy.root) == before


def test_a_damaged_batch_is_not_written_anew(copy: Dataset) -> None:
    piece = next(find(copy.root, ids(5)))
    shard = next(s for s in copy.manifest.splits["train"].shards if s.path == piece.shard)
    content = bytearray((copy.root / shard.path).read_bytes())
    at = content.index(copy.documents[5][1:4].tobytes(), shard.batches[0].offset)
    content[at] ^= 1
    (copy.root / shard.path).write_bytes(content)
    with pytest.raises(ShardCorrupt):
        remove(copy.root, ids(5))
    assert read_manifest(copy.root) == copy.manifest


def test_another_removal_at_the_same_time_is_refused(copy: Dataset) -> None:
    import fcntl

    descriptor = os.open(copy.root, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    with pytest.raises(RemovalRefused, match="another process"):
        remove(copy.root, ids(5))
    os.close(descriptor)
    assert remove(copy.root, ids(5))


@pytest.fixture
def families(dataset: Dataset, tmp_path: Path) -> Path:
    """Two datasets of the same documents."""
    root = tmp_path / "families"
    for name in ("a", "b/len-00064"):
        shutil.copytree(dataset.root, root / name)
    entries = [dataset_entry(name[0], name, dataset.manifest) for name in ("a", "b/len-00064")]
    (root / "families.json").write_text(families_json(entries))
    return root


def test_families_are_gone_through_together(families: Path) -> None:
    with pytest.raises(RemovalRefused, match="is one of the datasets in"):
        remove(families / "b/len-00064", ids(5))
    done = remove(families, ids(5, 35))
    assert [one.directory for one in done] == ["a", "b/len-00064"]
    assert verify(families) == []
    assert {one.documents for one in read_families(families)} == {38}
    assert list(find(families, ids(5), missing_ok=True)) == []


def test_families_killed_anywhere_are_finished_whatever_is_removed_next(families: Path, tmp_path: Path) -> None:
    whole = tmp_path / "whole"
    shutil.copytree(families, whole)
    remove(whole, ids(5, 31), contexts="drop")
    remove(whole, ids(7))
    ended = False
    for step in range(1, 200, 5):  # it holds at each, which takes a while
        root = tmp_path / "killed"
        shutil.copytree(families, root)
        with pytest.MonkeyPatch.context() as patch:
            kill_at(patch, step)
            with suppress(Killed):
                remove(root, ids(5, 31), contexts="drop")
                ended = True
        if not (root / INTENT).exists() and not ended:  # nothing was done, or all
            before = {read_manifest(root / name).fingerprint for name in ("a", "b/len-00064")}
            done = remove(root, ids(5, 31), contexts="drop")
            assert bool(done) == (before == {read_manifest(families / "a").fingerprint})
        remove(root, ids(7))  # another command
        assert tree(root) == tree(whole)
        shutil.rmtree(root)
        if ended:
            break
    assert ended


def test_families_are_finished_by_the_same_command(families: Path) -> None:
    remove_one = families / "a"
    hidden = families / "hidden.json"
    (families / "families.json").rename(hidden)
    remove(remove_one, ids(5))  # as if killed after the first dataset
    hidden.rename(families / "families.json")
    assert any(isinstance(problem, TotalsMismatch) for problem in verify(families))
    (done,) = remove(families, ids(5))
    assert done.directory == "b/len-00064"
    assert verify(families) == []
