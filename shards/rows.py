"""Random access to the rows of a split through the manifest's byte offsets, without torch.

A row costs a binary search and, through a memory map, one page fault or so; the stream is never read from
its start.
"""

from functools import lru_cache
from os import PathLike
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import DTypeLike, NDArray

from shards.contexts import Contexts
from shards.files import (
    Place,
    check_crc,
    check_shard_size,
    map_shard,
    parse_batch,
    read_range,
    read_schema,
    read_sparse_message,
)
from shards.manifest import read_manifest

Verify = Literal["none", "size", "lazy", "full"]
_CACHED_BATCHES = 1024


class Gathered(NamedTuple):
    """Copied rows, in the order asked for: input_ids (n, S); next_token (n,) int64, −1 for none; num_tokens
    (n,) int64; and per row the pieces' doc_lens, doc_ids, doc_starts."""

    input_ids: NDArray[Any]
    next_token: NDArray[np.int64]
    num_tokens: NDArray[np.int64]
    doc_lens: list[NDArray[np.uint32]]
    doc_ids: list[NDArray[np.uint64]]
    doc_starts: list[NDArray[np.uint32]]
    context_id: NDArray[np.uint64]
    group_id: NDArray[np.uint64]


class SplitRows:
    """The rows of one split, opened lazily in each process; picklable, and safe to share between threads.

    `mmap=False` reads each row with a seek and a read instead: on some network filesystems that is faster.
    `verify` is what is checked: "size" every file's size at once; "lazy" also each batch's CRC-32 when
    first touched, which reads all of that batch; "full" every CRC-32 at once; "none" only what reading
    cannot do without.
    """

    def __init__(self, root: str | PathLike[str], split: str, *, mmap: bool = True, verify: Verify = "lazy") -> None:
        if verify not in ("none", "size", "lazy", "full"):
            raise ValueError(f"verify is 'none', 'size', 'lazy' or 'full', not {verify!r}")
        self.root = Path(root)
        self.manifest = read_manifest(root)
        self.seq_len = self.manifest.header.seq_len
        self._split = split
        self._mmap = mmap
        self._check_crc = verify in ("lazy", "full")
        self._shards = self.manifest.split(split).shards
        self._places = [(s, b) for s, shard in enumerate(self._shards) for b in range(len(shard.batches))]
        rows = [entry.rows for shard in self._shards for entry in shard.batches]
        self._first_row = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(rows, dtype=np.int64)])
        self._open()
        if verify != "none":
            for s, shard in enumerate(self._shards):
                check_shard_size(self.root, shard, self.seq_len, self._place(s))
        if verify == "full":
            for number in range(len(self._places)):
                self._batch(number)

    def __len__(self) -> int:
        return int(self._first_row[-1])

    def __getstate__(self) -> dict[str, Any]:
        per_process = ("_heads", "_intact", "_batch")
        return {key: value for key, value in self.__dict__.items() if key not in per_process}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._open()

    def row(self, index: int) -> NDArray[np.uint32]:
        """The S token ids of a row, uint32: a read-only view of the file (a copy with `mmap=False`)."""
        (number,), (row,) = self._locate([index])
        batch, _ = self._batch(int(number))
        ids: NDArray[np.uint32] = (
            batch.input_ids[row] if self._mmap else self._read_rows(int(number), np.array([row]))[0]
        )
        return ids

    def gather(self, indices: Any, dtype: DTypeLike) -> Gathered:
        """Copies of the rows at `indices` (n ints; negative ones count from the end), token ids as `dtype`.

        Batches are visited once each, whatever the order of `indices`. Raises IndexError out of range, and
        named errors for damage.
        """
        numbers, rows = self._locate(indices)
        n = len(numbers)
        out = Gathered(
            input_ids=np.empty((n, self.seq_len), dtype=dtype),
            next_token=np.empty(n, dtype=np.int64),
            num_tokens=np.empty(n, dtype=np.int64),
            doc_lens=[np.empty(0, dtype=np.uint32)] * n,
            doc_ids=[np.empty(0, dtype=np.uint64)] * n,
            doc_starts=[np.empty(0, dtype=np.uint32)] * n,
            context_id=np.empty(n, dtype=np.uint64),
            group_id=np.empty(n, dtype=np.uint64),
        )
        for number in np.unique(numbers).tolist():
            where = np.flatnonzero(numbers == number)
            row = rows[where]
            batch, _ = self._batch(number)
            out.input_ids[where] = batch.input_ids[row] if self._mmap else self._read_rows(number, row)
            out.next_token[where] = np.where(batch.next_valid[row], batch.next_token[row].astype(np.int64), -1)
            out.num_tokens[where] = batch.num_tokens[row]
            out.context_id[where] = batch.context_id[row]
            out.group_id[where] = batch.group_id[row]
            starts, ends = batch.doc_offsets[row].tolist(), batch.doc_offsets[row + 1].tolist()
            for i, start, end in zip(where.tolist(), starts, ends, strict=True):
                out.doc_lens[i] = batch.doc_lens[start:end]
                out.doc_ids[i] = batch.doc_ids[start:end]
                out.doc_starts[i] = batch.doc_starts[start:end]
        return out

    def _open(self) -> None:
        self._heads: dict[int, tuple[pa.Buffer | None, pa.Schema]] = {}
        self._intact: set[int] = set()
        self._batch = lru_cache(_CACHED_BATCHES)(self._load_batch)

    def _locate(self, indices: Any) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        given = np.asarray(indices, dtype=np.int64).reshape(-1)
        index = np.where(given < 0, given + len(self), given)
        outside = (index < 0) | (index >= len(self))
        if outside.any():
            raise IndexError(f"row {given[outside][0]} of a split of {len(self)} rows")
        number = np.searchsorted(self._first_row, index, side="right") - 1
        return number, index - self._first_row[number]

    def _load_batch(self, number: int) -> tuple[Contexts, int]:
        """The batch's arrays, and the offset in the file of its token ids; without a memory map these are
        left out of the arrays, for `_read_rows` to read."""
        s, b = self._places[number]
        shard, entry = self._shards[s], self._shards[s].batches[b]
        mapped, schema = self._head(s)
        check = self._check_crc and number not in self._intact
        if mapped is not None:
            message, values = mapped.slice(entry.offset, entry.bytes), 0
            if check:
                check_crc(message, shard, b)
        else:
            if check:
                check_crc(read_range(self.root, shard.path, entry.offset, entry.bytes), shard, b)
            message, values = read_sparse_message(self.root, shard.path, entry, self.seq_len)
        if check:
            self._intact.add(number)
        contexts = parse_batch(message, schema, shard, b)
        if mapped is None:
            contexts = Contexts._make([contexts.input_ids[:0].copy(), *(array.copy() for array in contexts[1:])])
        return contexts, values

    def _head(self, s: int) -> tuple[pa.Buffer | None, pa.Schema]:
        """The memory map of a shard, if one is wanted, and the shard's checked schema."""
        if s not in self._heads:
            shard = self._shards[s]
            size = shard.batches[0].offset
            mapped = map_shard(self.root, shard, self.seq_len, self._place(s)) if self._mmap else None
            head = read_range(self.root, shard.path, 0, size) if mapped is None else mapped.slice(0, size)
            self._heads[s] = mapped, read_schema(head, shard.path, self.seq_len, self._place(s))
        return self._heads[s]

    def _place(self, s: int) -> Place:
        return Place(self._split, f"{s}/{len(self._shards)}", self.manifest.header.run_id)

    def _read_rows(self, number: int, rows: NDArray[np.int64]) -> NDArray[np.uint32]:
        shard = self._shards[self._places[number][0]]
        _, values = self._batch(number)
        size = 4 * self.seq_len
        out = np.empty((len(rows), self.seq_len), dtype=np.uint32)
        for i, row in enumerate(rows.tolist()):
            out[i] = np.frombuffer(read_range(self.root, shard.path, values + row * size, size), dtype="<u4")
        return out
