"""The layout of LitData chunks, read by hand; tests/peers/test_litdata.py reads them with the library."""

import json
from pathlib import Path

import numpy as np
import pytest
from example_dataset import SEQ_LEN, Dataset

from sequitur.shards.exports import export, litdata


def test_chunks_are_whole_rows_of_context_and_next_token(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(litdata, "CHUNK_BYTES", 500)

    report = export(dataset.root, "litdata", tmp_path / "out")

    rows = []
    index = json.loads((tmp_path / "out/index.json").read_text())
    for chunk in index["chunks"]:
        content = (tmp_path / "out" / chunk["filename"]).read_bytes()
        n = chunk["chunk_size"]
        assert chunk["dim"] == n * (SEQ_LEN + 1)
        assert chunk["chunk_bytes"] == len(content)
        assert np.frombuffer(content, "<u4", count=1)[0] == n
        offsets = np.frombuffer(content, "<u4", count=n + 2)[1:]
        assert offsets.tolist() == [4 * (n + 2) + 4 * (SEQ_LEN + 1) * i for i in range(n + 1)]
        rows.append(np.frombuffer(content, "<i4", offset=4 * (n + 2)).reshape(n, SEQ_LEN + 1))
    contexts = dataset.contexts["train"]
    followed = contexts.next_valid
    read = np.concatenate(rows)
    assert len(rows) > 1
    assert np.array_equal(read[:, :-1], contexts.input_ids[followed])
    assert np.array_equal(read[:, -1], contexts.next_token[followed])
    assert index["updated_at"] == dataset.manifest.fingerprint
    assert report.rows == followed.sum()
    assert report.settings["block_size"] == SEQ_LEN + 1
