"""A dataset at a URL reads as the one it is; each shard is copied once, and only if it is what was written."""

import shutil
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import fsspec
import numpy as np
import pytest
from example_dataset import Dataset

from sequitur.shards import ContextDataset
from sequitur.shards.errors import ManifestMissing, ShardCorrupt, ShardMissing, ShardTruncated
from sequitur.shards.remote import open_remote

pytestmark = pytest.mark.forks

URL = "memory://bucket/shards"


@pytest.fixture
def url(dataset: Dataset) -> str:
    """The dataset on a remote file system."""
    system = fsspec.filesystem("memory")
    system.store.clear()
    system.put(f"{dataset.root}/", "/bucket/shards/", recursive=True)
    return URL


@pytest.mark.parametrize("mmap", [True, False])
@pytest.mark.parametrize("verify", ["none", "lazy", "full"])
def test_rows_are_those_of_the_dataset(url: str, dataset: Dataset, tmp_path: Path, mmap: bool, verify: str) -> None:
    reader = ContextDataset(url, cache=tmp_path, mmap=mmap, verify=verify)
    assert reader.fingerprint == dataset.manifest.fingerprint
    ids = reader.__getitems__(range(len(reader))).columns["input_ids"]
    np.testing.assert_array_equal(ids, dataset.contexts["train"].input_ids)


def test_only_what_is_touched_is_copied_and_only_once(url: str, dataset: Dataset, tmp_path: Path) -> None:
    reader = ContextDataset(url, cache=tmp_path)
    assert list(tmp_path.iterdir()) == []
    reader.row(0)
    shard = dataset.manifest.splits["train"].shards[0]
    copied = tmp_path / dataset.manifest.fingerprint / shard.path
    assert [file for file in tmp_path.rglob("*.arrow") if file.is_file()] == [copied]
    assert copied.read_bytes() == (dataset.root / shard.path).read_bytes()

    fsspec.filesystem("memory").rm(f"/bucket/shards/{shard.path}")
    np.testing.assert_array_equal(ContextDataset(url, cache=tmp_path).row(1), reader.row(1))


def test_the_cache_has_a_usual_place(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    ContextDataset(url).row(0)
    assert len(list((tmp_path / "sequitur").iterdir())) == 1


def damage(path: str, kind: str) -> None:
    content = bytearray(fsspec.filesystem("memory").cat(path))
    if kind == "cut":
        del content[-1:]
    elif kind == "longer":
        content += b"1"
    else:
        content[len(content) // 2] ^= 1
    fsspec.filesystem("memory").pipe(path, bytes(content))


@pytest.mark.parametrize(("kind", "error"), [("cut", ShardTruncated), ("longer", ShardCorrupt), ("flip", ShardCorrupt)])
def test_a_damaged_shard_does_not_enter_the_cache(url: str, dataset: Dataset, tmp_path: Path, kind, error) -> None:
    path = dataset.manifest.splits["train"].shards[1].path
    damage(f"/bucket/shards/{path}", kind)
    reader = ContextDataset(url, cache=tmp_path, verify="none")
    with pytest.raises(error, match=f"{path}.*{URL}"):
        reader.row(10)
    assert not [file for file in tmp_path.rglob("*") if file.is_file() and file.stat().st_size]

    fsspec.filesystem("memory").put(str(dataset.root / path), f"/bucket/shards/{path}")
    np.testing.assert_array_equal(reader.row(10), dataset.contexts["train"].input_ids[10])


def test_what_is_missing_is_named(url: str, dataset: Dataset, tmp_path: Path) -> None:
    reader = ContextDataset(url, cache=tmp_path)
    fsspec.filesystem("memory").rm(f"/bucket/shards/{dataset.manifest.splits['train'].shards[2].path}")
    with pytest.raises(ShardMissing, match=r"data-00002.*not at memory://"):
        reader.row(20)
    with pytest.raises(ManifestMissing, match=r"memory://elsewhere/manifest\.json"):
        ContextDataset("memory://elsewhere", cache=tmp_path)


def test_threads_wait_for_one_copy(url: str, dataset: Dataset, tmp_path: Path) -> None:
    remote = open_remote(url, tmp_path)
    shard = dataset.manifest.splits["train"].shards[0]
    with ThreadPoolExecutor(8) as pool:
        paths = set(pool.map(lambda _: remote.fetch(shard), range(32)))
    assert [path.read_bytes() for path in paths] == [(dataset.root / shard.path).read_bytes()]


def row_sum(root: str, cache: Path) -> int:
    reader = ContextDataset(root, cache=cache)
    return int(reader.__getitems__(range(len(reader))).columns["input_ids"].sum())


def test_processes_share_a_cache_that_one_of_them_left_behind_half_made(dataset: Dataset, tmp_path: Path) -> None:
    root, cache = tmp_path / "remote", tmp_path / "cache"
    shutil.copytree(dataset.root, root)
    folder = cache / dataset.manifest.fingerprint / "train"
    folder.mkdir(parents=True)
    (folder / ".data-00000-of-00004.arrow.partial").write_bytes(b"half")
    with get_context("fork").Pool(3) as pool:
        sums = pool.starmap(row_sum, [(f"file://{root}", cache)] * 6)
    assert set(sums) == {int(dataset.contexts["train"].input_ids.sum())}
    assert not list(folder.glob("*.partial"))
