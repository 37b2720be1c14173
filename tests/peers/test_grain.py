"""`grain.MapDataset.source(ContextDataset(…))` needs no adapter."""

import pytest
from example_dataset import Dataset

pytestmark = pytest.mark.peer


def test_grain_shuffles_resumes_and_reshards(dataset: Dataset, common_reader) -> None:
    read = common_reader("read_grain.py", dataset.root)

    split = dataset.manifest.splits["train"]
    written = dataset.contexts["train"].context_id.tolist()
    assert read["source_order"] == written
    assert read["digest"] == split.row_digest
    assert read["rows"] == read["rows_of_workers"] == split.rows
    assert sorted(read["order"]) == sorted(read["second_epoch"]) == sorted(written)
    assert len({tuple(order) for order in (written, read["order"], read["second_epoch"])}) == 3
    assert read["resumed"] == read["order"]
    assert read["elastic"] == read["order"][: len(read["elastic"])]
