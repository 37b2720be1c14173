"""A cache with a limit holds no more, by what was used last, and its readers read on as if there were none."""

import os
import time
from multiprocessing import get_context
from pathlib import Path

import fsspec
import numpy as np
import pytest
from example_dataset import Dataset

from sequitur.shards import ContextDataset
from sequitur.shards.errors import CacheTooSmall
from sequitur.shards.remote import open_remote

pytestmark = pytest.mark.forks


@pytest.fixture
def url(dataset: Dataset) -> str:
    system = fsspec.filesystem("memory")
    system.store.clear()
    system.put(f"{dataset.root}/", "/bucket/shards/", recursive=True)
    return "memory://bucket/shards"


def held(cache: Path) -> int:
    """Bytes of shards in a cache, whole or not."""
    return sum(file.stat().st_size for file in cache.rglob("*") if file.is_file())


def room_for(dataset: Dataset, shards: int) -> int:
    return shards * max(shard.bytes for shard in dataset.manifest.splits["train"].shards)


@pytest.mark.parametrize("mmap", [True, False])
@pytest.mark.parametrize("verify", ["none", "lazy", "full"])
def test_rows_are_those_of_the_dataset(url: str, dataset: Dataset, tmp_path: Path, mmap: bool, verify: str) -> None:
    limit = room_for(dataset, 1)
    reader = ContextDataset(url, cache=tmp_path, mmap=mmap, verify=verify, cache_bytes=limit, return_provenance=True)
    plain = ContextDataset(dataset.root, return_provenance=True)
    rows = np.random.default_rng(3).permutation(len(plain)).tolist()
    for some in (rows, rows[::-1], rows[:3]):
        ours, theirs = reader.__getitems__(some), plain.__getitems__(some)
        for name, column in theirs.columns.items():
            np.testing.assert_array_equal(ours.columns[name], column)
        for name, ragged in theirs.ragged.items():
            np.testing.assert_array_equal(ours.ragged[name].values, ragged.values)
        assert held(tmp_path) <= limit


def test_what_was_used_longest_ago_goes_first_of_whatever_dataset(url: str, dataset: Dataset, tmp_path: Path) -> None:
    shards = dataset.manifest.splits["train"].shards
    assert len(shards) >= 3
    other = tmp_path / "another-dataset/train"
    other.mkdir(parents=True)
    (other / "data-00000-of-00001.arrow").write_bytes(bytes(shards[0].bytes))
    os.utime(other / "data-00000-of-00001.arrow", (1, 1))
    remote = open_remote(url, tmp_path, limit=room_for(dataset, 3))
    first, second = (remote.fetch(shard) for shard in shards[:2])
    assert (other / "data-00000-of-00001.arrow").exists()
    time.sleep(0.02)
    remote.fetch(shards[0])
    third = remote.fetch(shards[2])
    assert [path.exists() for path in (other / "data-00000-of-00001.arrow", first, second, third)] == [0, 1, 1, 1]
    remote = open_remote(url, tmp_path, limit=room_for(dataset, 2))
    remote.fetch(dataset.manifest.splits["train"].shards[3])
    assert [path.exists() for path in (first, second, third)] == [0, 0, 1]


def test_what_is_being_opened_stays(url: str, dataset: Dataset, tmp_path: Path) -> None:
    one, two, three = dataset.manifest.splits["train"].shards[:3]
    remote = open_remote(url, tmp_path, limit=room_for(dataset, 2))
    with remote.at_hand(one) as path:
        remote.fetch(two)
        remote.fetch(three)
        assert path.exists()


def test_a_shard_that_is_larger_is_an_error_that_says_so(url: str, dataset: Dataset, tmp_path: Path) -> None:
    reader = ContextDataset(url, cache=tmp_path, cache_bytes=100)
    with pytest.raises(CacheTooSmall, match=r"data-00000.*may hold 100: raise cache_bytes"):
        reader.row(0)
    assert held(tmp_path) == 0
    with pytest.raises(ValueError, match="cache_bytes is a number of bytes, or None for no limit, not 0"):
        ContextDataset(url, cache=tmp_path, cache_bytes=0)


def sums(root: str, cache: Path, limit: int, seed: int) -> int:
    reader = ContextDataset(root, cache=cache, cache_bytes=limit, mmap=bool(seed % 2))
    total = 0
    for rows in np.array_split(np.random.default_rng(seed).permutation(len(reader)), 8):
        total += int(reader.__getitems__(rows.tolist()).columns["input_ids"].sum())
    return total


def test_processes_share_it_and_what_a_killed_one_left_goes(dataset: Dataset, tmp_path: Path) -> None:
    cache, limit = tmp_path / "cache", room_for(dataset, 2)
    folder = cache / dataset.manifest.fingerprint / "train"
    folder.mkdir(parents=True)
    (folder / ".data-00001-of-00004.arrow.partial").write_bytes(bytes(limit))
    with get_context("fork").Pool(3) as pool:
        found = pool.starmap(sums, [(f"file://{dataset.root}", cache, limit, seed) for seed in range(6)])
    assert set(found) == {int(dataset.contexts["train"].input_ids.sum())}
    assert not list(folder.glob("*.partial"))
    assert held(cache) <= limit
