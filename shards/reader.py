"""`ContextDataset`: the contexts of a split as PyTorch examples."""

from collections.abc import Iterator, Sequence
from os import PathLike
from typing import Any, Literal, NamedTuple, TypeAlias, overload

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset

from sequitur.shards.epochs import TRAIN
from sequitur.shards.offsets import offsets_of
from sequitur.shards.parts import earlier
from sequitur.shards.rows import Located, Pieces, SplitRows, Verify

Example: TypeAlias = dict[str, torch.Tensor]

_NUMPY_DTYPES = {torch.int64: np.int64, torch.int32: np.int32}


class Ragged(NamedTuple):
    """Values of n examples that differ in number: those of example i are values[offsets[i]:offsets[i+1]]."""

    values: torch.Tensor  # (all values,)
    offsets: list[int]  # n + 1


class Examples(Sequence[Example]):
    """n examples that were fetched together, and still lie together: `columns` holds tensors (n, …), `ragged` what
    differs in length. As a sequence it gives views of them, one dict per example."""

    def __init__(self, n: int, columns: dict[str, torch.Tensor], ragged: dict[str, Ragged]) -> None:
        self.columns = columns
        self.ragged = ragged
        self._n = n

    def __len__(self) -> int:
        return self._n

    @overload
    def __getitem__(self, i: int) -> Example: ...
    @overload
    def __getitem__(self, i: slice) -> list[Example]: ...
    def __getitem__(self, i: int | slice) -> Example | list[Example]:
        if isinstance(i, slice):
            return [self._example(j) for j in range(self._n)[i]]
        return self._example(range(self._n)[i])

    def __iter__(self) -> Iterator[Example]:
        return map(self._example, range(self._n))

    def _example(self, i: int) -> Example:
        example = {name: column[i] for name, column in self.columns.items()}
        for name, (values, offsets) in self.ragged.items():
            example[name] = values[offsets[i] : offsets[i + 1]]
        return example


class _Boundaries(NamedTuple):
    """`cu_seqlens` of n rows, each from 0 to S, end to end; those of row i are edges[offsets[i]:offsets[i+1]]."""

    edges: NDArray[np.int32]
    offsets: NDArray[np.int64]  # (n + 1,)


class ContextDataset(Dataset[Example]):
    """The contexts of one split, in the written order, which is already a global shuffle (or a curriculum, where
    `as_ordered`: then do not shuffle).

    An example holds `input_ids` (S,) and, as `labels` says, `labels` (S,); both of `dtype`. A position
    without a target has the label `ignore_index`. Pads are recognised by position, never by value.

    - labels "shifted": labels[t] = input_ids[t+1]; after the last token `next_token`, where there is one.
      "hf": labels = input_ids, for models that shift themselves. "none": no labels.
    - attention "full": nothing more; the whole context is one causal sequence, which is what in-context
      pretraining asks for. "document": also `position_ids` (S,) of `dtype`, which restart with each
      document, and `cu_seqlens` int32 (pieces+1,) for variable-length attention kernels; a pad tail is a
      piece of its own, so that it ends at S. No label then crosses into another document; so `next_token`,
      whose document is not recorded, is not used. `cu_seqlens` differ in length: `ContextCollator` joins them.
    - return_provenance: also `context_id`, `group_id` (scalars), `doc_ids` (pieces,), all uint64, and
      `doc_starts`, `doc_lens` (pieces,) int64.

    `root` is a directory or a URL, whose shards are copied to `cache` (`remote`). That holds at most `cache_bytes`, of
    what was used last; CacheTooSmall for a shard that is larger. `mmap` and `verify` are as for `SplitRows`: by
    default, files are memory-mapped when first touched, their sizes are checked now, and the CRC-32 of each batch when
    first touched. The dataset pickles without open files.
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
        cache: str | PathLike[str] | None = None,
        cache_bytes: int | None = None,
    ) -> None:
        if attention not in ("full", "document"):
            raise ValueError(f"attention is 'full' or 'document', not {attention!r}")
        if labels not in ("shifted", "hf", "none"):
            raise ValueError(f"labels is 'shifted', 'hf' or 'none', not {labels!r}")
        if dtype not in _NUMPY_DTYPES:
            raise ValueError(f"dtype is torch.int64 or torch.int32, not {dtype}")
        self._rows = SplitRows(root, split, mmap=mmap, verify=verify, cache=cache, cache_bytes=cache_bytes)
        self._split = split
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

    @property
    def seq_len(self) -> int:
        """S, the tokens of a context."""
        return self._rows.seq_len

    @property
    def vocab_size(self) -> int:
        """The tokenizer's vocabulary: every token id is below it."""
        return self._rows.manifest.header.tokenizer.vocab_size

    @property
    def eos(self) -> int | None:
        """The token that ends a document; None where the tokenizer has none."""
        return self._rows.manifest.header.special_ids.eos

    @property
    def pad(self) -> int:
        """The token that fills short rows. It may be one that text has, too: labels tell pads by their position."""
        return self._rows.manifest.header.special_ids.pad

    @property
    def attention(self) -> Literal["full", "document"]:
        """Whether examples keep the documents of a context apart."""
        return self._attention

    @property
    def ignore_index(self) -> int:
        """The label of a position without a target."""
        return self._ignore_index

    @property
    def as_ordered(self) -> bool:
        """Whether the rows are a curriculum, to be read as they lie."""
        return self._rows.manifest.order.kind == "as_ordered"

    @property
    def epoch_rows(self) -> tuple[int, ...]:
        """How many rows are of each epoch, where the training split has several, one after the other: other orders of
        the same documents. Empty where it is one epoch."""
        epochs = self._rows.manifest.order.epochs if self._split == TRAIN else ()
        return tuple(epoch.rows for epoch in epochs if epoch.rows)

    @property
    def earlier(self) -> tuple[tuple[str, int], ...]:
        """The fingerprint that the dataset had before each of its extensions, and the rows of the split then, which
        are the first of those that there are now; the oldest first."""
        return earlier(self._rows.manifest, self._split)

    def __len__(self) -> int:
        return len(self._rows)

    def row(self, i: int) -> NDArray[np.uint32]:
        """The S token ids of a context, uint32: a read-only view of the file (a copy with `mmap=False`)."""
        return self._rows.row(i)

    def __getitem__(self, i: int) -> Example:
        return self.__getitems__([i])[0]

    def __getitems__(self, indices: Sequence[int] | NDArray[np.int64]) -> Examples:
        """The examples at `indices`, copied from the files into one tensor per column; the hook by which DataLoader
        fetches whole batches. Raises IndexError out of range, and named errors for damage."""
        rows = self._rows
        at = rows.locate(indices)
        input_ids = rows.tokens(at, _NUMPY_DTYPES[self._dtype])
        columns: dict[str, Any] = {"input_ids": input_ids}
        ragged: dict[str, tuple[NDArray[Any], NDArray[np.int64]]] = {}
        apart = self._attention == "document"
        pieces = rows.pieces(at) if apart or self._return_provenance else None
        boundaries = _boundaries(pieces, self.seq_len) if pieces is not None and apart else None
        if self._labels != "none":
            columns["labels"] = self._make_labels(at, input_ids, boundaries)
        if boundaries is not None:
            columns["position_ids"] = _positions(boundaries.edges, input_ids)
            ragged["cu_seqlens"] = boundaries
        if pieces is not None and self._return_provenance:
            columns["context_id"], columns["group_id"] = rows.origin(at)
            ragged["doc_ids"] = pieces.doc_ids, pieces.offsets
            ragged["doc_starts"] = pieces.doc_starts.astype(np.int64), pieces.offsets
            ragged["doc_lens"] = pieces.doc_lens.astype(np.int64), pieces.offsets
        return Examples(
            len(at.row),
            {name: torch.from_numpy(column) for name, column in columns.items()},
            {name: Ragged(torch.from_numpy(values), ends.tolist()) for name, (values, ends) in ragged.items()},
        )

    def _make_labels(self, at: Located, input_ids: NDArray[Any], boundaries: _Boundaries | None) -> NDArray[Any]:
        """Labels (n, S); none crosses one of the `boundaries`, if they are given."""
        n, seq_len = input_ids.shape
        ignore = self._ignore_index
        num_tokens = self._rows.num_tokens(at)
        shift = 1 if self._labels == "shifted" else 0
        if shift:
            labels = np.empty_like(input_ids)
            labels[:, :-1] = input_ids[:, 1:]
            following = self._rows.next_token(at) if boundaries is None else np.full(n, -1, dtype=np.int64)
            labels[np.arange(n), num_tokens - 1] = np.where(following < 0, ignore, following)
        else:
            labels = input_ids.copy()
        for i in np.flatnonzero(num_tokens < seq_len).tolist():
            labels[i, num_tokens[i] :] = ignore
        if boundaries is not None:
            edges, offsets = boundaries
            inner = edges.astype(np.int64) + np.repeat(np.arange(n) * seq_len, np.diff(offsets))
            # where the label lies whose target is a piece's first token
            labels.reshape(-1)[inner[(edges > 0) & (edges < seq_len)] - shift] = ignore
        return labels


def _boundaries(pieces: Pieces, seq_len: int) -> _Boundaries:
    counts = np.diff(pieces.offsets)
    n = len(counts)
    ends = offsets_of(pieces.doc_lens)[pieces.offsets]
    num_tokens = np.diff(ends)
    padded = num_tokens < seq_len
    offsets = offsets_of(counts + 1 + padded)
    lens = np.zeros(offsets[-1], dtype=np.int64)  # of the piece that ends at each edge; 0 at a row's first
    place = np.arange(len(pieces.doc_lens)) - np.repeat(pieces.offsets[:-1] - offsets[:-1] - 1, counts)
    lens[place] = pieces.doc_lens
    lens[offsets[1:][padded] - 1] = seq_len - num_tokens[padded]
    edges = np.cumsum(lens) - np.repeat(np.arange(n) * seq_len, counts + 1 + padded)
    return _Boundaries(edges.astype(np.int32), offsets)


def _positions(edges: NDArray[np.int32], like: NDArray[Any]) -> NDArray[Any]:
    """Positions (n, S) that restart at each edge, of the shape and dtype of `like`."""
    lens = np.diff(edges)
    inside = lens > 0  # not from a row's end to the next one's beginning
    starts = np.repeat(edges[:-1][inside], lens[inside])
    positions: NDArray[Any] = np.arange(like.shape[1], dtype=like.dtype) - starts.reshape(like.shape).astype(like.dtype)
    return positions
