"""torchtitan's `Trainer.Config.dataloader` by shards/adapters/torchtitan.py."""

from pathlib import Path

import numpy as np
import pytest
from example_dataset import SEQ_LEN, Dataset

pytestmark = pytest.mark.peer


def test_torchtitan_reads_contexts_and_changes_the_number_of_ranks(
    dataset: Dataset, common_reader, tmp_path: Path
) -> None:
    read = common_reader("read_torchtitan.py", dataset.root, tmp_path)

    split = dataset.manifest.splits["train"]
    contexts = dataset.contexts["train"]
    assert read["rows"] == split.rows
    assert read["digest"] == split.row_digest
    assert read["labels_same"]
    assert read["positions_from_0_to_S"]
    pads = int((contexts.num_tokens < SEQ_LEN).sum())
    assert read["documents"] == len(contexts.doc_lens) + pads
    resumed = np.array(read["resumed"])
    assert np.array_equal(resumed[: split.rows], read["ids"])
    assert len(resumed) > split.rows
    assert not np.array_equal(resumed[split.rows :], read["ids"][: len(resumed) - split.rows])
    assert read["command_line"] == f"True {dataset.root} 5 document"
    assert "training.seq_len is 32" in read["refusal"]
