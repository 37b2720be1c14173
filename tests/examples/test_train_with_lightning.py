"""Lightning trains on shards, and its checkpoints hold where the loader is."""

from pathlib import Path

import pytest
from example_dataset import write_dataset

pytestmark = pytest.mark.trainers


def test_it_trains_and_resumes_in_the_midst_of_an_epoch(with_trainers, tmp_path: Path) -> None:
    """An epoch has 4 batches of 8 of its 36 contexts, so that the sixth is the second of the second epoch."""
    dataset = write_dataset(tmp_path / "shards")
    found = with_trainers("run_lightning.py", dataset.root, tmp_path)
    assert len(found["whole"]) == 12
    assert found["whole"][-1] < found["whole"][0]
    assert found["parts"] == found["whole"]
