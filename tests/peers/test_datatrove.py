"""datatrove's .ds files, read by datatrove, which .venv has."""

from pathlib import Path

import numpy as np
import pytest
from datatrove.pipeline.tokens.merger import load_doc_ends
from datatrove.utils.dataset import DatatroveFolderDataset
from example_dataset import END, SEQ_LEN, Dataset

from sequitur.shards.digest import row_digest_sum
from sequitur.shards.exports import export


def test_folder_dataset_reads_every_row_that_has_a_next_token(dataset: Dataset, tmp_path: Path) -> None:
    report = export(dataset.root, "datatrove", tmp_path / "ds")
    folder = DatatroveFolderDataset(
        str(tmp_path / "ds"),
        seq_len=report.settings["seq_len"],
        filename_pattern=report.settings["filename_pattern"],
        token_size=report.settings["token_size"],
    )
    read = np.stack([folder[i]["input_ids"].numpy() for i in range(len(folder))])

    contexts = dataset.contexts["train"]
    followed = contexts.next_valid
    assert len(folder.files) == len(dataset.manifest.split("train").shards)
    assert len(folder) == report.rows == followed.sum()
    assert np.array_equal(read[:, :SEQ_LEN], contexts.input_ids[followed])
    assert np.array_equal(read[:, SEQ_LEN], contexts.next_token[followed])
    ids = read[:, :SEQ_LEN]
    assert row_digest_sum(ids, np.full(len(ids), SEQ_LEN)) == report.row_digest
    assert sum(report.dropped_rows.values()) == (~followed).sum()
    assert report.dropped_tokens == contexts.num_tokens[~followed].sum()


@pytest.mark.parametrize("from_eos", [None, END])
def test_positions_begin_again_with_each_document_and_each_row(
    from_eos: int | None, dataset: Dataset, tmp_path: Path
) -> None:
    report = export(dataset.root, "datatrove", tmp_path / "ds")
    folder = DatatroveFolderDataset(
        str(tmp_path / "ds"),
        seq_len=SEQ_LEN,
        filename_pattern="*.ds",
        token_size=report.settings["token_size"],
        return_positions=True,
        positions_from_eos_token_id=from_eos,
    )
    contexts = dataset.contexts["train"]
    for i, row in enumerate(np.flatnonzero(contexts.next_valid).tolist()):
        lens = contexts.doc_lens[contexts.doc_offsets[row] : contexts.doc_offsets[row + 1]].tolist()
        ended = contexts.input_ids[row, -1] == END
        lens = [*lens, 1] if ended else [*lens[:-1], lens[-1] + 1]
        positions = folder[i]["positions"].tolist()
        assert positions == np.concatenate([np.arange(n) for n in lens]).tolist()


def test_index_ends_where_the_tokens_do(dataset: Dataset, tmp_path: Path) -> None:
    report = export(dataset.root, "datatrove", tmp_path / "ds")
    for name, size in report.files.items():
        if name.endswith(".ds"):
            with (tmp_path / "ds" / f"{name}.index").open("rb") as file:
                assert load_doc_ends(file)[-1] == size // report.settings["token_size"]
