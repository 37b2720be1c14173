"""torchtitan reads the example as it reads its own configurations; its Trainer wants a GPU: none is made."""

from pathlib import Path

import pytest
from example_dataset import HEADER, SEQ_LEN, write_dataset

pytestmark = pytest.mark.trainers


def test_the_configuration_fits_the_shards(with_trainers, tmp_path: Path) -> None:
    dataset = write_dataset(tmp_path / "shards")
    found = with_trainers("run_torchtitan.py", dataset.root)
    size = HEADER.tokenizer.vocab_size
    assert found == {
        "trainer": "Trainer.Config",
        "input": [2, SEQ_LEN],
        "positions": list(range(SEQ_LEN)),
        "labels": [2, SEQ_LEN],
        "embedding": [size, 256],
        "head": [size, 256],
        "loss": size,
    }
