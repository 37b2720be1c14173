"""The example dataset, whole or to be damaged."""

import shutil
from pathlib import Path

import pytest
from example_dataset import Dataset, write_dataset


@pytest.fixture(scope="session")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """A whole dataset; not to be changed."""
    return write_dataset(tmp_path_factory.mktemp("shards") / "dataset")


@pytest.fixture
def copy(dataset: Dataset, tmp_path: Path) -> Dataset:
    """A copy to damage."""
    root = tmp_path / "copy"
    shutil.copytree(dataset.root, root)
    return dataset._replace(root=root)
