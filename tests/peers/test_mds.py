"""MDS, read by mosaicml-streaming."""

from pathlib import Path

import numpy as np
import pytest
from example_dataset import SEQ_LEN, Dataset

from sequitur.shards.exports import export, mds

pytestmark = pytest.mark.peer


def test_streaming_dataset_reads_every_full_row(
    dataset: Dataset, streaming_reader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mds, "SHARD_BYTES", 700)  # several shards
    report = export(dataset.root, "mds", tmp_path / "mds")
    (tmp_path / "read").mkdir()
    read = streaming_reader("read_mds.py", tmp_path / "mds", tmp_path / "read", mds.SHARD_BYTES)

    contexts = dataset.contexts["train"]
    full = contexts.num_tokens == SEQ_LEN
    assert (np.array(read["ids"], dtype=np.uint32) == contexts.input_ids[full]).all()
    assert read["dtype"] == "uint32"
    assert read["digest"] == read["iterated_digest"] == report.row_digest
    assert read["rows"] == read["iterated_rows"] == report.rows == full.sum()
    assert report.dropped_rows == {"short": 1}
    assert report.dropped_tokens == contexts.num_tokens[~full].sum()
    assert len(read["names"]) > 3
    assert read["same_bytes"], "MDSWriter writes other files"
    assert "Checksum failure" in read["flipped"]
