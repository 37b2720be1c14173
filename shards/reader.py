"""`ContextDataset`: the contexts of a split as PyTorch examples."""

from os import PathLike
from typing import Any, Literal, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset

from shards.rows import Gathered, SplitRows, Verify

Example: TypeAlias = dict[str, torch.Tensor]

_NUMPY_DTYPES = {torch.int64: np.int64, torch.int32: np.int32}


class ContextDataset(Dataset[Example]):
    """The contexts of one split, in the written order, which is already a global shuffle (or a curriculum, where
    the manifest's order is `as_ordered`: then do not shuffle).

    An example holds `input_ids` (S,) and, as `labels` says, `labels` (S,); both of `dtype`. A position
    without a target has the label `ignore_index`. Pads are recognised by position, never by value.

    - labels "shifted": labels[t] = input_ids[t+1]; after the last token `next_token`, where there is one.
      "hf": labels = input_ids, for models that shift themselves. "none": no labels.
    - attention "full": nothing more; the whole context is one causal sequence, which is what in-context
      pretraining asks for. "document": also `position_ids` (S,) of `dtype`, which restart with each
      document, and `cu_seqlens` int32 (pieces+1,) for variable-length attention kernels; a pad tail is a
      piece of its own, so that it ends at S. No label then crosses into another document; so `next_token`,
      whose document is not recorded, is not used. `cu_seqlens` differ in length: collate them yourself, or
      use a batch size of 1.
    - return_provenance: also `context_id`, `group_id` (scalars), `doc_ids` (pieces,), all uint64, and
      `doc_starts`, `doc_lens` (pieces,) int64.

    `mmap` and `verify` are as for `SplitRows`: by default, files are memory-mapped when first touched,
    their sizes are checked now, and the CRC-32 of each batch when first touched. The dataset pickles without
    open files.
    """

    def __init__(
        self,
        root: str | PathLike[str],
        split: str = "train",
        *,
        attention: Literal["full", "document"] = "full",
        labels: Literal["shifted", "hf", "none"] = "shifted",
        ignore_index: int = -100,
        dtype: torch.dtype = torch.int64,
        mmap: bool = True,
        verify: Verify = "lazy",
        return_provenance: bool = False,
    ) -> None:
        if attention not in ("full", "document"):
            raise ValueError(f"attention is 'full' or 'document', not {attention!r}")
        if labels not in ("shifted", "hf", "none"):
            raise ValueError(f"labels is 'shifted', 'hf' or 'none', not {labels!r}")
        if dtype not in _NUMPY_DTYPES:
            raise ValueError(f"dtype is torch.int64 or torch.int32, not {dtype}")
        self._rows = SplitRows(root, split, mmap=mmap, verify=verify)
        self._attention = attention
        self._labels = labels
        self._ignore_index = ignore_index
        self._dtype = dtype
        self._return_provenance = return_provenance

    @property
    def fingerprint(self) -> str:
        """SHA-256 over the format and the contents of the whole dataset: what a training run should
        record."""
        return self._rows.manifest.fingerprint

    def __len__(self) -> int:
        return len(self._rows)

    def row(self, i: int) -> NDArray[np.uint32]:
        """The S token ids of a context, uint32: a read-only view of the file (a copy with `mmap=False`)."""
        return self._rows.row(i)

    def __getitem__(self, i: int) -> Example:
        return self.__getitems__([i])[0]

    def __getitems__(self, indices: list[int]) -> list[Example]:
        """The examples at `indices`, gathered batch by batch; the hook by which DataLoader fetches whole
        batches."""
        rows = self._rows.gather(indices, _NUMPY_DTYPES[self._dtype])
        columns: dict[str, Any] = {"input_ids": torch.from_numpy(rows.input_ids)}
        if self._labels != "none":
            columns["labels"] = torch.from_numpy(self._make_labels(rows))
        examples = [{name: column[i] for name, column in columns.items()} for i in range(len(indices))]
        for i, example in enumerate(examples):
            if self._attention == "document":
                self._add_boundaries(example, rows.doc_lens[i])
            if self._return_provenance:
                _add_provenance(example, rows, i)
        return examples

    def _make_labels(self, rows: Gathered) -> NDArray[Any]:
        n, seq_len = rows.input_ids.shape
        ignore = self._ignore_index
        last = rows.num_tokens - 1
        if self._labels == "shifted":
            labels = np.empty_like(rows.input_ids)
            labels[:, :-1] = rows.input_ids[:, 1:]
            has_next = (rows.next_token >= 0) & (self._attention == "full")
            labels[np.arange(n), last] = np.where(has_next, rows.next_token, ignore)
        else:
            labels = rows.input_ids.copy()
        for i in np.flatnonzero(rows.num_tokens < seq_len).tolist():
            labels[i, rows.num_tokens[i] :] = ignore
        if self._attention == "document":
            # where the label lies whose target is a piece's first token
            first_in_piece = 0 if self._labels == "hf" else -1
            for i, lens in enumerate(rows.doc_lens):
                labels[i, np.cumsum(lens[:-1], dtype=np.int64) + first_in_piece] = ignore
        return labels

    def _add_boundaries(self, example: Example, doc_lens: NDArray[np.uint32]) -> None:
        seq_len = self._rows.seq_len
        ends = np.cumsum(doc_lens, dtype=np.int32)
        edges = np.concatenate([np.zeros(1, dtype=np.int32), ends])
        if edges[-1] < seq_len:
            edges = np.append(edges, np.int32(seq_len))
        starts = np.repeat(edges[:-1], np.diff(edges))
        positions = np.arange(seq_len, dtype=_NUMPY_DTYPES[self._dtype]) - starts
        example["position_ids"] = torch.from_numpy(positions)
        example["cu_seqlens"] = torch.from_numpy(edges)


def _add_provenance(example: Example, rows: Gathered, i: int) -> None:
    example["context_id"] = torch.from_numpy(rows.context_id[i : i + 1])[0]
    example["group_id"] = torch.from_numpy(rows.group_id[i : i + 1])[0]
    example["doc_ids"] = torch.from_numpy(rows.doc_ids[i].copy())
    example["doc_starts"] = torch.from_numpy(rows.doc_starts[i].astype(np.int64))
    example["doc_lens"] = torch.from_numpy(rows.doc_lens[i].astype(np.int64))
