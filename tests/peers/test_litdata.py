"""LitData chunks, read by litdata's TokensLoader."""

from pathlib import Path

import numpy as np
import pytest
from example_dataset import SEQ_LEN, Dataset

from sequitur.shards.exports import export, litdata

pytestmark = pytest.mark.peer


def test_tokens_loader_reads_every_row_that_has_a_next_token(
    dataset: Dataset, common_reader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(litdata, "CHUNK_BYTES", 500)  # several chunks
    report = export(dataset.root, "litdata", tmp_path / "litdata")
    read = common_reader("read_litdata.py", tmp_path / "litdata", tmp_path, litdata.CHUNK_BYTES)

    contexts = dataset.contexts["train"]
    followed = contexts.next_valid
    ids = np.array(read["ids"], dtype=np.uint32)
    assert read["dtype"] == "torch.int32"
    assert (ids[:, :SEQ_LEN] == contexts.input_ids[followed]).all()
    assert (ids[:, SEQ_LEN] == contexts.next_token[followed]).all()
    assert read["digest"] == read["shuffled_digest"] == report.row_digest
    assert read["rows"] == read["shuffled_rows"] == report.rows == followed.sum()
    assert report.dropped_rows == {"no_next_token": 1, "short": 1}
    assert report.dropped_tokens == contexts.num_tokens[~followed].sum()
    assert not read["in_order"]
    assert len(read["remainders"]) > 3
    assert not any(read["remainders"])
    assert read["same_bytes"], "litdata's writer writes other chunks"
    assert read["same_index"], "litdata's writer writes another index"
    assert read["left"] == sorted([*report.files, "sequitur-export.json"]), "the reader deleted chunks"
