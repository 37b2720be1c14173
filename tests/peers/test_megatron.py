"""Megatron's .bin and .idx, read by IndexedDataset and GPTDataset of megatron-core."""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from example_dataset import SEQ_LEN, Dataset

from sequitur.shards.digest import row_digest_sum
from sequitur.shards.exports import ExportReport, export

pytestmark = pytest.mark.peer


@pytest.fixture(scope="module")
def exported(
    dataset: Dataset, common_reader, tmp_path_factory: pytest.TempPathFactory
) -> tuple[ExportReport, dict[str, Any]]:
    """The report of an export, and what Megatron reads of it."""
    folder: Path = tmp_path_factory.mktemp("exported")
    report = export(dataset.root, "megatron", folder / "megatron")
    return report, common_reader("read_megatron.py", folder / "megatron", folder)


def test_indexed_dataset_reads_every_full_row(dataset: Dataset, exported: tuple[ExportReport, dict[str, Any]]) -> None:
    report, read = exported
    contexts = dataset.contexts["train"]
    full = contexts.num_tokens == SEQ_LEN
    assert read["ids"] == contexts.input_ids[full].tolist()
    assert read["dtype"] == report.settings["dtype"] == "uint16"
    assert read["same_unmapped"]
    assert read["same_bytes"], "Megatron's own builder writes other files"
    assert read["digest"] == report.row_digest
    assert report.dropped_rows == {"short": int((~full).sum())}
    assert report.dropped_tokens == contexts.num_tokens[~full].sum()


def test_every_sample_is_one_context(exported: tuple[ExportReport, dict[str, Any]]) -> None:
    report, read = exported
    assert read["helper"] == ".so", "the index helper in C++ was not built"
    rows = Counter(map(tuple, read["ids"]))
    for mode, samples, missing in (
        ("extra", report.settings["samples"]["add_extra_token_to_sequence"], 1),
        ("no_extra", report.settings["samples"]["no_extra_token"], 0),
    ):
        found = Counter(map(tuple, read[mode]["ids"]))
        assert found.total() == samples == report.rows - missing
        assert found <= rows, "a sample that is not one context"
        assert (rows - found).total() == missing
    no_extra = np.array(read["no_extra"]["ids"])
    assert row_digest_sum(no_extra, np.full(len(no_extra), SEQ_LEN)) == report.row_digest
    assert Counter(map(tuple, read["two_epochs"]["ids"])) <= rows + rows
    assert len(read["two_epochs"]["ids"]) == 2 * report.rows - 1


def test_samples_attend_to_all_of_the_context_and_lose_no_target_but_the_last(
    exported: tuple[ExportReport, dict[str, Any]],
) -> None:
    _, read = exported
    firsts = {row[0] for row in read["ids"]}
    for mode in ("extra", "no_extra"):
        samples = read[mode]
        assert samples["full_attention"]
        assert all(positions == list(range(SEQ_LEN)) for positions in samples["positions"])
        assert all(labels[:-1] == ids[1:] for labels, ids in zip(samples["labels"], samples["ids"], strict=True))
        assert all(mask[:-1] == [1] * (SEQ_LEN - 1) for mask in samples["loss_mask"])
    # the last target is the first token of whichever context comes next, or none
    assert all(labels[-1] in firsts for labels in read["extra"]["labels"])
    assert all(mask[-1] == 1 for mask in read["extra"]["loss_mask"])
    assert all(mask[-1] == 0 for mask in read["no_extra"]["loss_mask"])
