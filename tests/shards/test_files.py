"""What lies where a file of a dataset should be."""

import os

import pytest
from example_dataset import Dataset

from sequitur.shards import ContextDataset
from sequitur.shards.documents import read_documents
from sequitur.shards.errors import FileUnreadable
from sequitur.shards.verify import verify


@pytest.mark.parametrize("path", ["train/data-00000-of-00004.arrow", "docs/docs-00000-of-00001.parquet"])
def test_a_pipe_in_place_of_a_file_is_not_waited_for(copy: Dataset, path: str) -> None:
    (copy.root / path).unlink()
    os.mkfifo(copy.root / path)
    for full in (False, True):
        (problem,) = verify(copy.root, full=full)
        assert (type(problem), problem.shard) == (FileUnreadable, path)
    with pytest.raises(FileUnreadable, match="cannot be read"):
        list(read_documents(copy.root, copy.manifest, ("doc_key",))) if "docs" in path else ContextDataset(copy.root)[0]


def test_a_directory_in_place_of_a_shard_is_an_error_of_ours(copy: Dataset) -> None:
    path = copy.manifest.splits["train"].shards[0].path
    (copy.root / path).unlink()
    (copy.root / path).mkdir()
    with pytest.raises(FileUnreadable, match="cannot be read"):
        ContextDataset(copy.root)


def test_a_link_to_itself_in_place_of_a_shard_is_an_error_of_ours(copy: Dataset) -> None:
    path = copy.manifest.splits["train"].shards[0].path
    (copy.root / path).unlink()
    (copy.root / path).symlink_to(copy.root / path)
    with pytest.raises(FileUnreadable, match="cannot be read"):
        ContextDataset(copy.root)
    for full in (False, True):
        assert {(type(problem), problem.shard) for problem in verify(copy.root, full=full)} == {(FileUnreadable, path)}
