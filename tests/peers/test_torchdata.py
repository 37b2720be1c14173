"""torchdata's StatefulDataLoader over a ContextDataset needs no adapter."""

import pytest
from example_dataset import Dataset

pytestmark = pytest.mark.peer


def test_stateful_data_loader_resumes_six_times_in_a_row(dataset: Dataset, common_reader) -> None:
    read = common_reader("read_torchdata.py", dataset.root)

    split = dataset.manifest.splits["train"]
    written = dataset.contexts["train"].context_id.tolist()
    for loader, result in read.items():
        assert result["digest"] == split.row_digest, loader
        assert sorted(result["epoch"]) == sorted(written), loader
        assert result["epoch"] != written, loader
        assert result["resumed"] == result["order"], loader
    order = read["elastic, 0 workers"]["order"]
    assert order == read["elastic, 2 workers"]["order"]
    assert order[: len(order) // 2] != order[len(order) // 2 :]
