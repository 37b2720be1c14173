"""A batch is its examples, whether they come together or one by one; sequences are those of the rows end to end."""

import numpy as np
import pytest
import torch
from example_dataset import SEQ_LEN, Dataset

from sequitur.shards import ContextCollator, ContextDataset

ROWS = [5, 0, 35, 5, 12]


def assert_same(one: dict, other: dict) -> None:
    assert one.keys() == other.keys()
    for name, value in one.items():
        assert torch.equal(value, other[name]) if isinstance(value, torch.Tensor) else value == other[name], name


@pytest.mark.parametrize("attention", ["full", "document"])
@pytest.mark.parametrize("provenance", [False, True])
def test_together_or_one_by_one(dataset: Dataset, attention: str, provenance: bool) -> None:
    reader = ContextDataset(dataset.root, attention=attention, return_provenance=provenance)
    collate = ContextCollator(attention=attention)
    assert_same(collate(reader.__getitems__(ROWS)), collate([reader[i] for i in ROWS]))


def test_full_attention_gives_rows_and_labels_without_copying(dataset: Dataset) -> None:
    examples = ContextDataset(dataset.root).__getitems__(ROWS)
    batch = ContextCollator()(examples)
    assert set(batch) == {"input_ids", "labels"}
    assert batch["input_ids"].shape == (len(ROWS), SEQ_LEN)
    assert batch["input_ids"].is_contiguous()
    assert batch["input_ids"].data_ptr() == examples[0]["input_ids"].data_ptr()


def test_sequences_of_a_batch(dataset: Dataset) -> None:
    reader = ContextDataset(dataset.root, attention="document")
    batch = ContextCollator(attention="document")(reader.__getitems__(ROWS))

    edges = [0]
    for i, row in enumerate(ROWS):
        edges += (reader[row]["cu_seqlens"][1:] + i * SEQ_LEN).tolist()
    assert batch["cu_seqlens"].dtype == torch.int32
    assert batch["cu_seqlens"].tolist() == edges
    assert type(batch["max_seqlen"]) is int
    assert batch["max_seqlen"] == max(np.diff(edges))
    positions = batch["position_ids"].view(-1)
    assert [i for i, position in enumerate(positions.tolist()) if position == 0] == edges[:-1]


def test_padded_to_a_fixed_number(dataset: Dataset) -> None:
    examples = ContextDataset(dataset.root, attention="document").__getitems__(ROWS)
    edges = ContextCollator(attention="document")(examples)["cu_seqlens"]
    padded = ContextCollator(attention="document", pad_cu_seqlens_to=40)(examples)["cu_seqlens"]
    assert padded.tolist() == edges.tolist() + [len(ROWS) * SEQ_LEN] * (40 - len(edges))


@pytest.mark.parametrize("options", [{"pad_cu_seqlens_to": 4}, {"max_num_seqs": 3}])
def test_too_many_documents_are_said(dataset: Dataset, options: dict) -> None:
    examples = ContextDataset(dataset.root, attention="document").__getitems__(ROWS)
    with pytest.raises(ValueError, match="documents in a batch, and place for 3"):
        ContextCollator(attention="document", **options)(examples)


def test_a_mask_for_sdpa(dataset: Dataset) -> None:
    """By a loop over all pairs, from what was written; pads follow the tokens, and see pads before them."""
    contexts = dataset.contexts["train"]
    short = int(np.flatnonzero(contexts.num_tokens < SEQ_LEN)[0])
    rows = [*ROWS, short]
    reader = ContextDataset(dataset.root, attention="document")
    mask = ContextCollator(attention="document", sdpa_mask=True)(reader.__getitems__(rows))["attention_mask"]
    assert (mask.dtype, mask.shape) == (torch.bool, (len(rows), 1, SEQ_LEN, SEQ_LEN))
    for i, row in enumerate(rows):
        lens = contexts.doc_lens[slice(*contexts.doc_offsets[row : row + 2])]
        of = [number for number, length in enumerate(lens) for _ in range(length)]
        of += ["pad"] * (SEQ_LEN - len(of))
        sees = [[k <= q and of[q] == of[k] for k in range(SEQ_LEN)] for q in range(SEQ_LEN)]
        assert mask[i, 0].tolist() == sees
    assert mask.any(dim=-1).all()  # of nothing a softmax is NaN
    assert "attention_mask" not in ContextCollator(attention="document")(reader.__getitems__(rows))


def test_provenance(dataset: Dataset) -> None:
    reader = ContextDataset(dataset.root, return_provenance=True)
    batch = ContextCollator()(reader.__getitems__(ROWS))
    contexts = dataset.contexts["train"]
    assert batch["context_id"].tolist() == contexts.context_id[ROWS].tolist()
    for i, row in enumerate(ROWS):
        own = slice(*contexts.doc_offsets[row : row + 2])
        its = slice(*batch["doc_offsets"][i : i + 2].tolist())
        for name in ("doc_ids", "doc_starts", "doc_lens"):
            assert batch[name][its].tolist() == getattr(contexts, name)[own].tolist()


def test_document_attention_wants_a_dataset_that_has_it(dataset: Dataset) -> None:
    with pytest.raises(ValueError, match="open the dataset with attention='document'"):
        ContextCollator(attention="document")(ContextDataset(dataset.root).__getitems__(ROWS))
    with pytest.raises(ValueError, match="sdpa_mask go with attention='document'"):
        ContextCollator(sdpa_mask=True)
    with pytest.raises(ValueError, match="go with attention='document'"):
        ContextCollator(max_num_seqs=3)
    with pytest.raises(ValueError, match="'causal'"):
        ContextCollator(attention="causal")
