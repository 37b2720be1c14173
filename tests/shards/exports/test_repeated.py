"""An export that was killed at any write is simply made again, with the same bytes."""

import fcntl
import os
import shutil
from contextlib import suppress
from pathlib import Path

import pytest
from example_dataset import Dataset
from killing import Killed, kill_at
from removal_queries import tree

from sequitur.shards.exports import ExportRefused, export


@pytest.mark.parametrize("target", ["olmo", "datatrove"])
def test_killed_anywhere_it_is_made_again(dataset: Dataset, tmp_path: Path, target: str) -> None:
    export(dataset.root, target, tmp_path / "whole")
    whole, ended, left = tree(tmp_path / "whole"), False, set()
    for step in range(1, 200):
        out = tmp_path / "out"
        with pytest.MonkeyPatch.context() as patch:
            kill_at(patch, step)
            with suppress(Killed):
                export(dataset.root, target, out)
                ended = True
        if ended:
            break
        before = tree(out) if out.exists() else {}
        left.add(frozenset(name.split("/")[0] for name in before))
        with pytest.MonkeyPatch.context() as patch:
            kill_at(patch, step // 2)  # the repeat is killed, too
            with suppress(Killed):
                export(dataset.root, target, out)
        export(dataset.root, target, out)
        assert tree(out) == whole, step
        shutil.rmtree(out, ignore_errors=True)
    assert ended
    assert len(left) > 2  # nothing, a part of the folder, some files moved


def test_a_whole_export_is_not_made_twice(dataset: Dataset, tmp_path: Path) -> None:
    report = export(dataset.root, "olmo", tmp_path / "out")
    with pytest.MonkeyPatch.context() as patch:
        kill_at(patch, 1)
        assert export(dataset.root, "olmo", tmp_path / "out") == report
    for target, split in (("olmo", "val"), ("mds", "train")):
        with pytest.raises(ExportRefused, match="is not empty"):
            export(dataset.root, target, tmp_path / "out", split)


def test_what_is_not_of_a_killed_export_is_left_alone(dataset: Dataset, tmp_path: Path) -> None:
    (tmp_path / ".partial").mkdir()
    (tmp_path / ".partial/contexts.bin").write_bytes(b"cut")
    (tmp_path / "notes.txt").write_text("mine")
    before = tree(tmp_path)
    with pytest.raises(ExportRefused, match="is not empty"):
        export(dataset.root, "megatron", tmp_path)
    assert tree(tmp_path) == before


def test_another_export_at_the_same_time_is_refused(dataset: Dataset, tmp_path: Path) -> None:
    descriptor = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    with pytest.raises(ExportRefused, match="another process exports to it"):
        export(dataset.root, "megatron", tmp_path)
    os.close(descriptor)
    export(dataset.root, "megatron", tmp_path)
