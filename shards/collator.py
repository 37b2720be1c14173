"""`ContextCollator`: examples of a `ContextDataset` as one batch."""

from collections.abc import Sequence
from typing import Any, Literal, TypeAlias

import torch

from sequitur.shards.reader import Example, Examples, Ragged

Batch: TypeAlias = dict[str, Any]

_PROVENANCE = ("doc_ids", "doc_starts", "doc_lens")


class ContextCollator:
    """Examples as a batch: `input_ids` and, where there are any, `labels`, both (B, S).

    - attention "document": also `position_ids` (B, S), `cu_seqlens` int32 (sequences + 1,) and `max_seqlen`, a Python
      int, as FlashAttention's variable-length functions take them: the B rows count as one of B·S tokens, so flatten
      the batch with `.view(-1)`. `pad_cu_seqlens_to` makes `cu_seqlens` always so long, by empty sequences at the end,
      for compiled models that a changing shape would compile anew. More than `max_num_seqs` sequences raise
      ValueError; as many as `pad_cu_seqlens_to` has place for, if it is not given.
    - sdpa_mask, with attention "document": also `attention_mask` bool (B, 1, S, S), true where the row's token sees the
      column's, as `scaled_dot_product_attention(attn_mask=…)` takes it: each document itself, backwards; a pad no
      token of a document, nor any of them it. S² bytes a row: for long contexts take `cu_seqlens`.
    - provenance, where the dataset gives it: `context_id` and `group_id` (B,); `doc_ids`, `doc_starts`, `doc_lens`
      (pieces,), and `doc_offsets` int64 (B+1,): the pieces of row i are doc_ids[doc_offsets[i]:doc_offsets[i+1]].

    What `ContextDataset.__getitems__` gave is taken as it lies, without copying; a list of examples is stacked.
    """

    def __init__(
        self,
        *,
        attention: Literal["full", "document"] = "full",
        pad_cu_seqlens_to: int | None = None,
        max_num_seqs: int | None = None,
        sdpa_mask: bool = False,
    ) -> None:
        if attention not in ("full", "document"):
            raise ValueError(f"attention is 'full' or 'document', not {attention!r}")
        if attention == "full" and (pad_cu_seqlens_to or max_num_seqs or sdpa_mask):
            raise ValueError("pad_cu_seqlens_to, max_num_seqs and sdpa_mask go with attention='document'")
        self._attention = attention
        self._sdpa_mask = sdpa_mask
        self._pad_to = pad_cu_seqlens_to
        self._limit = max_num_seqs if max_num_seqs or not pad_cu_seqlens_to else pad_cu_seqlens_to - 1

    def __call__(self, examples: Sequence[Example]) -> Batch:
        if not isinstance(examples, Examples):
            examples = _joined(examples)
        batch: Batch = dict(examples.columns)
        cu_seqlens = examples.ragged.get("cu_seqlens")
        if self._attention == "document":
            if cu_seqlens is None:
                raise ValueError("the examples have no cu_seqlens: open the dataset with attention='document'")
            batch |= self._sequences(cu_seqlens, seq_len=batch["input_ids"].shape[1])
            if self._sdpa_mask:
                batch["attention_mask"] = _mask(batch["position_ids"])
        else:
            batch.pop("position_ids", None)
        if "doc_ids" in examples.ragged:
            batch |= {name: examples.ragged[name].values for name in _PROVENANCE}
            batch["doc_offsets"] = torch.tensor(examples.ragged["doc_ids"].offsets)
        return batch

    def _sequences(self, each: Ragged, seq_len: int) -> Batch:
        """`cu_seqlens` and `max_seqlen` of the rows end to end, from those of each row."""
        counts = torch.tensor(each.offsets).diff()
        rows = torch.repeat_interleave(torch.arange(len(counts)), counts)
        ends = (each.values + rows * seq_len)[each.values > 0]
        if self._limit is not None and len(ends) > self._limit:
            raise ValueError(
                f"{len(ends)} documents in a batch, and place for {self._limit}: raise max_num_seqs and "
                "pad_cu_seqlens_to, or read fewer rows at once"
            )
        longest = int(torch.diff(ends, prepend=ends.new_zeros(1)).max())
        edges = torch.full((max(self._pad_to or 0, len(ends) + 1),), int(ends[-1]), dtype=torch.int32)
        edges[0] = 0
        edges[1 : len(ends) + 1] = ends
        return {"cu_seqlens": edges, "max_seqlen": longest}


def _mask(positions: torch.Tensor) -> torch.Tensor:
    """Which tokens see which, bool (B, 1, S, S), where each sequence begins at a position 0."""
    sequence = (positions == 0).cumsum(1)
    return (sequence[:, :, None] == sequence[:, None, :]).tril()[:, None]


def _joined(examples: Sequence[Example]) -> Examples:
    ragged = [name for name in ("cu_seqlens", *_PROVENANCE) if name in examples[0]]
    columns = [name for name in examples[0] if name not in ragged]
    return Examples(
        len(examples),
        {name: torch.stack([example[name] for example in examples]) for name in columns},
        {name: _ragged([example[name] for example in examples]) for name in ragged},
    )


def _ragged(values: list[torch.Tensor]) -> Ragged:
    offsets = [0]
    for value in values:
        offsets.append(offsets[-1] + len(value))
    return Ragged(torch.cat(values), offsets)
