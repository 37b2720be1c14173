"""The layout of MDS files, read by hand; tests/peers/test_mds.py reads them with the library."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from example_dataset import SEQ_LEN, Dataset

from sequitur.shards.exports import export, mds


def test_shards_hold_the_full_rows_and_the_index_describes_them(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mds, "SHARD_BYTES", 700)

    report = export(dataset.root, "mds", tmp_path / "out")

    rows = []
    index = json.loads((tmp_path / "out/index.json").read_text())
    for shard in index["shards"]:
        content = (tmp_path / "out" / shard["raw_data"]["basename"]).read_bytes()
        assert len(content) == shard["raw_data"]["bytes"] <= 700
        assert hashlib.sha256(content).hexdigest() == shard["raw_data"]["hashes"]["sha256"]
        n = shard["samples"]
        offsets = np.frombuffer(content, "<u4", count=n + 2)[1:]
        config = json.loads(content[4 * (n + 2) : offsets[0]])
        assert config.items() <= shard.items()
        assert offsets[-1] == len(content)
        rows.append(np.frombuffer(content, "<u4", offset=int(offsets[0])).reshape(n, SEQ_LEN))
    contexts = dataset.contexts["train"]
    full = contexts.num_tokens == SEQ_LEN
    assert len(rows) > 1
    assert np.array_equal(np.concatenate(rows), contexts.input_ids[full])
    assert report.dropped_rows == {"short": int((~full).sum())}
    assert report.settings == {"column": "tokens", "encoding": f"ndarray:uint32:{SEQ_LEN}", "validate_hash": "sha256"}
