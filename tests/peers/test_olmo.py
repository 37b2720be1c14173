"""Raw token arrays, read by NumpyFSLDataset of OLMo-core."""

from pathlib import Path

import numpy as np
import pytest
from example_dataset import SEQ_LEN, Dataset, take, write_dataset

from sequitur.shards.exports import export

pytestmark = pytest.mark.peer


def test_every_row_is_read_pads_are_no_targets_and_documents_are_found(
    dataset: Dataset, common_reader, tmp_path: Path
) -> None:
    report = export(dataset.root, "olmo", tmp_path / "olmo")
    read = common_reader("read_olmo.py", tmp_path / "olmo")

    contexts = dataset.contexts["train"]
    real = np.arange(SEQ_LEN) < contexts.num_tokens[:, None]
    assert (report.dropped_rows, report.dropped_tokens) == ({}, 0)
    assert read["ids"] == contexts.input_ids.tolist()
    assert read["mask"] == real.tolist()
    assert not real.all()
    assert read["digest"] == report.row_digest == dataset.manifest.split("train").row_digest
    assert read["same_dtype"]
    assert read["files"] == len(dataset.manifest.split("train").shards)

    targets = np.where(real, contexts.input_ids.astype(np.int64), -100)[:, 1:]
    assert np.array_equal(np.array(read["labels"])[:, :-1], targets)

    assert report.settings["rows_with_other_documents_by_eos"] == 0
    for row, lens in enumerate(read["doc_lens"]):
        stored = contexts.doc_lens[contexts.doc_offsets[row] : contexts.doc_offsets[row + 1]].tolist()
        assert lens[: len(stored)] == stored  # the pads, which are end tokens here, come after them
        assert sum(lens) == SEQ_LEN


def test_full_rows_need_no_mask(dataset: Dataset, common_reader, tmp_path: Path) -> None:
    contexts = dataset.contexts["train"]
    full = take(contexts, np.flatnonzero(contexts.num_tokens == SEQ_LEN))
    write_dataset(tmp_path / "full", train=full)
    report = export(tmp_path / "full", "olmo", tmp_path / "olmo")

    assert report.settings["label_mask_paths"] is None
    read = common_reader("read_olmo.py", tmp_path / "olmo")
    assert read["ids"] == full.input_ids.tolist()
    assert read["digest"] == report.row_digest
