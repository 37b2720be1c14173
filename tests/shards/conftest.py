"""The example dataset, whole or to be damaged."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from example_dataset import HEADER, Dataset, write_dataset
from extended_dataset import FIRST, SECOND

from sequitur.shards.extending import extend


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


@pytest.fixture(scope="session")
def additions(tmp_path_factory: pytest.TempPathFactory) -> list[Dataset]:
    root = tmp_path_factory.mktemp("additions")
    return [
        write_dataset(root / name, header=replace(HEADER, run_id=name), train_docs=docs)
        for name, docs in (("one", 24), ("two", 9))
    ]


@pytest.fixture
def extended(copy: Dataset, additions: list[Dataset]) -> Dataset:
    """The example dataset, extended twice."""
    extend(copy.root, additions[0].root, FIRST)
    extend(copy.root, additions[1].root, SECOND)
    return copy
