"""Hugging Face's Trainer trains on shards, and resumes."""

from pathlib import Path

import pytest
from example_dataset import write_dataset

pytestmark = pytest.mark.trainers


def test_it_trains_resumes_and_keeps_documents_apart(with_trainers, tmp_path: Path) -> None:
    dataset = write_dataset(tmp_path / "shards")
    found = with_trainers("run_transformers.py", dataset.root, tmp_path)
    assert len(found["whole"]) == 6
    assert found["whole"][-1] < found["whole"][0]
    assert found["again"][-3:] == found["whole"][-3:]
    assert found["document"] != found["whole"]
    assert found["difference"] < 1e-4 * found["largest"]
