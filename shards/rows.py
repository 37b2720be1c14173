"""Random access to the rows of a split through the manifest's byte offsets, without torch.

A record batch is checked and parsed once, when first touched; from then on its rows are copied from where they lie,
straight into the caller's type. The stream is never read from its start, and nothing of it is kept in memory but 80
bytes per record batch.
"""

from contextlib import nullcontext
from functools import lru_cache
from itertools import pairwise, repeat
from os import PathLike
from pathlib import Path
from typing import Any, BinaryIO, Literal, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import DTypeLike, NDArray

from sequitur.shards.contexts import faults
from sequitur.shards.errors import RowsInvalid
from sequitur.shards.files import (
    LAYOUT,
    batch_layout,
    check_crc,
    check_shard_size,
    map_shard,
    open_shard,
    read_at,
    read_schema,
    read_sparse_message,
)
from sequitur.shards.manifest import read_manifest
from sequitur.shards.offsets import offsets_of
from sequitur.shards.parts import place_of
from sequitur.shards.remote import is_url, open_remote

Verify = Literal["none", "size", "lazy", "full"]
_OPEN_FILES = 64  # of a reader without memory maps, far below the usual limit of 1,024 in a process


class Located(NamedTuple):
    """Where n rows lie: the shard, the record batch (over all shards) and the row in that batch, each (n,) int64; and
    by its number what each shard is read from, the words of its memory map or its open file."""

    shard: NDArray[np.int64]
    batch: NDArray[np.int64]
    row: NDArray[np.int64]
    source: Any


class _Opened(NamedTuple):
    """A shard that was opened: its memory map, if one is wanted, and its checked schema; what `Located` has of it."""

    mapped: pa.Buffer | None
    schema: pa.Schema
    source: Any


class Pieces(NamedTuple):
    """The pieces of n rows: those of row i are doc_lens[offsets[i]:offsets[i+1]], likewise the others."""

    offsets: NDArray[np.int64]  # (n + 1,)
    doc_lens: NDArray[np.uint32]  # (pieces,)
    doc_ids: NDArray[np.uint64]  # (pieces,)
    doc_starts: NDArray[np.uint32]  # (pieces,)


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

    `root` is a directory, or the URL of one (`remote`), whose shards are copied to `cache` when first touched.
    `mmap=False` reads with system calls instead of memory maps: on some network filesystems that is faster.
    With `cache_bytes` the cache holds no more, of what was used last, and shards are open only while they are read.
    `verify` is what is checked: "size" every file's size at once; "lazy" also each batch's CRC-32 when
    first touched, which reads all of that batch; "full" every CRC-32 at once; "none" only what reading
    cannot do without. Of a remote dataset, the size and SHA-256 of a shard are checked when it is copied.
    """

    def __init__(
        self,
        root: str | PathLike[str],
        split: str,
        *,
        mmap: bool = True,
        verify: Verify = "lazy",
        cache: str | PathLike[str] | None = None,
        cache_bytes: int | None = None,
    ) -> None:
        if verify not in ("none", "size", "lazy", "full"):
            raise ValueError(f"verify is 'none', 'size', 'lazy' or 'full', not {verify!r}")
        self._remote = open_remote(str(root), cache, cache_bytes) if is_url(root) else None
        self.manifest = read_manifest(root) if self._remote is None else self._remote.manifest
        self.root = Path(root) if self._remote is None else self._remote.directory
        self.seq_len = self.manifest.header.seq_len
        self._split = split
        self._mmap = mmap
        self._check_crc = verify in ("lazy", "full")
        self._shards = self.manifest.split(split).shards
        batches = [len(shard.batches) for shard in self._shards]
        rows = [entry.rows for shard in self._shards for entry in shard.batches]
        self._shard_of = np.repeat(np.arange(len(batches), dtype=np.int64), batches)
        self._first_batch = offsets_of(batches)
        self._first_row = offsets_of(rows)
        self._open()
        if verify != "none" and self._remote is None:
            for s, shard in enumerate(self._shards):
                check_shard_size(self.root, shard, self.seq_len, place_of(self.manifest, split, s))
        if verify == "full":
            for number in range(len(rows)):
                self._touch(number, self._open_for(self._shard_of[number : number + 1])[0])

    def __len__(self) -> int:
        return int(self._first_row[-1])

    def __getstate__(self) -> dict[str, Any]:
        per_process = ("_opened", "_source", "_layout", "_file")
        return {key: value for key, value in self.__dict__.items() if key not in per_process}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._open()

    def locate(self, indices: Any) -> Located:
        """Where the rows at `indices` lie (n ints; negative ones count from the end); their batches are checked if
        that was not done. IndexError out of range, and named errors for damage."""
        index = np.array(indices, dtype=np.int64).reshape(-1)
        count = len(self)
        if len(index) and (index.min() < 0 or index.max() >= count):
            index[index < 0] += count
            outside = np.flatnonzero((index < 0) | (index >= count))
            if len(outside):
                raise IndexError(f"row {np.ravel(indices)[outside[0]]} of a split of {count} rows")
        batch = self._first_row.searchsorted(index, side="right") - 1
        shard = self._shard_of[batch]
        opened, source = self._open_for(shard)
        known = self._layout["input_ids"][batch] != 0
        if not known.all():
            for number in np.unique(batch[~known]).tolist():
                self._touch(number, opened)
        return Located(shard, batch, index - self._first_row[batch], source)

    def row(self, index: int) -> NDArray[np.uint32]:
        """The S token ids of a row, uint32: a read-only view of the file (a copy with `mmap=False`)."""
        at = self.locate([index])
        return self._views(at.source, at.shard, self._offsets(at, "input_ids", self.seq_len), repeat(self.seq_len))[0]

    def tokens(self, at: Located, dtype: DTypeLike) -> NDArray[Any]:
        """Their token ids, (n, S) of `dtype`, an integer type: one pass from the file into the result."""
        out = np.empty((len(at.row), self.seq_len), dtype=dtype)
        if out.size:
            offsets = self._offsets(at, "input_ids", self.seq_len)
            views = self._views(at.source, at.shard, offsets, repeat(self.seq_len))
            np.concatenate(views, out=out.reshape(-1), casting="same_kind")
        return out

    def num_tokens(self, at: Located) -> NDArray[np.int64]:
        """The tokens of each row that are not pads, (n,) int64."""
        return self._values(at.source, at.shard, self._offsets(at, "num_tokens")).astype(np.int64)

    def next_token(self, at: Located) -> NDArray[np.int64]:
        """The token that would follow each row, (n,) int64; −1 for none."""
        values = self._values(at.source, at.shard, self._offsets(at, "next_token")).astype(np.int64)
        bitmap = self._layout["next_valid"][at.batch]
        has = np.flatnonzero(bitmap)
        if len(has):
            byte = bitmap[has] + (at.row[has] >> 3)
            bit = ((byte & 3) << 3) + (at.row[has] & 7)
            valid = self._values(at.source, at.shard[has], byte & ~3) >> bit.astype(np.uint32) & 1
            values[has[valid == 0]] = -1
        return values

    def origin(self, at: Located) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
        """`context_id` and `group_id` of each row, (n,) uint64."""
        ids, groups = (
            self._values(at.source, at.shard, self._offsets(at, name, 2), 2) for name in ("context_id", "group_id")
        )
        return ids.view(np.uint64), groups.view(np.uint64)

    def pieces(self, at: Located) -> Pieces:
        """The pieces of each row."""
        spans = self._values(at.source, at.shard, self._offsets(at, "doc_offsets"), 2).astype(np.int64).reshape(-1, 2)
        counts = spans[:, 1] - spans[:, 0]
        lens, ids, starts = (
            self._values(at.source, at.shard, self._layout[name][at.batch] + 4 * words * spans[:, 0], words * counts)
            for name, words in (("doc_lens", 1), ("doc_ids", 2), ("doc_starts", 1))
        )
        offsets = offsets_of(counts)
        return Pieces(offsets, lens, ids.view(np.uint64), starts)

    def gather(self, indices: Any, dtype: DTypeLike) -> Gathered:
        """Copies of the rows at `indices` with all that is known of them, token ids as `dtype`; else as `locate`."""
        at = self.locate(indices)
        pieces = self.pieces(at)
        spans = list(pairwise(pieces.offsets.tolist()))
        return Gathered(
            self.tokens(at, dtype),
            self.next_token(at),
            self.num_tokens(at),
            [pieces.doc_lens[first:last] for first, last in spans],
            [pieces.doc_ids[first:last] for first, last in spans],
            [pieces.doc_starts[first:last] for first, last in spans],
            *self.origin(at),
        )

    def _open(self) -> None:
        self._opened: dict[int, _Opened] = {}
        self._source: list[Any] = [None] * len(self._shards)  # without memory maps, files are `_file`'s
        self._layout = np.zeros(len(self._first_row) - 1, dtype=LAYOUT)  # zeros until touched
        self._file = lru_cache(_OPEN_FILES)(self._open_file)

    def _open_file(self, s: int) -> BinaryIO:
        return open_shard(self.root, self._shards[s].path)

    def _offsets(self, at: Located, column: str, words: int = 1) -> NDArray[np.int64]:
        """Byte offsets in the shards of a column's values, each of so many `words` of 4 bytes."""
        offsets: NDArray[np.int64] = self._layout[column][at.batch] + at.row * (4 * words)
        return offsets

    def _values(
        self, source: Any, shard: NDArray[np.int64], offset: NDArray[np.int64], words: Any = 1
    ) -> NDArray[np.uint32]:
        """So many `words` (n, or one for all) at each byte offset, end to end."""
        if not len(shard):
            return np.empty(0, dtype=np.uint32)
        counts = repeat(words) if isinstance(words, int) else words.tolist()
        return np.concatenate(self._views(source, shard, offset, counts))

    def _views(
        self, source: Any, shard: NDArray[np.int64], offset: NDArray[np.int64], counts: Any
    ) -> list[NDArray[np.uint32]]:
        # A view costs 0.2 µs of Python; a row of 2,048 tokens takes 1.5 µs to copy.
        places = zip(shard.tolist(), (offset >> 2).tolist(), counts, strict=False)
        if self._mmap:
            return [source[s][first : first + count] for s, first, count in places]
        return [self._read_words(source[s], s, first, count) for s, first, count in places]

    def _read_words(self, file: BinaryIO | None, s: int, first: int, count: int) -> NDArray[np.uint32]:
        content = read_at(file or self._file(s), self._shards[s].path, 4 * first, 4 * count)
        return np.frombuffer(content, dtype="<u4")

    def _touch(self, number: int, opened: dict[int, _Opened]) -> None:
        """Check a batch, and remember where its values lie; in a shard that is not among the `opened` it is then."""
        s = int(self._shard_of[number])
        b = number - int(self._first_batch[s])
        shard = self._shards[s]
        entry = shard.batches[b]
        if s not in opened:
            found = self._open_shard(s)
            self._source[s] = found.source
            opened[s] = found
        mapped, schema, file = opened[s]
        if mapped is not None:
            message = mapped.slice(entry.offset, entry.bytes)
        elif self._check_crc:
            message = pa.py_buffer(read_at(file or self._file(s), shard.path, entry.offset, entry.bytes))
        else:
            message = read_sparse_message(file or self._file(s), shard.path, entry, self.seq_len)
        if self._check_crc:
            check_crc(message, shard, b)
        layout, contexts = batch_layout(message, schema, shard, b)
        for fault in faults(contexts):
            raise RowsInvalid(f"{fault}: run `sequitur verify`", shard=shard.path, batch=b, offset=entry.offset)
        self._layout[number] = layout

    def _open_for(self, shards: NDArray[np.int64]) -> tuple[dict[int, _Opened], Any]:
        """Those that were opened, or where the cache is limited just these: open no longer than they are read, lest
        files that left the cache go on taking its disk. With what `Located` has of them."""
        if self._remote is None or self._remote.limit is None:
            return self._opened, self._source
        opened = {s: self._open_shard(s) for s in np.unique(shards).tolist()}
        return opened, {s: one.source for s, one in opened.items()}

    def _open_shard(self, s: int) -> _Opened:
        shard, place, size = self._shards[s], place_of(self.manifest, self._split, s), self._shards[s].batches[0].offset
        with nullcontext() if self._remote is None else self._remote.at_hand(shard):
            if self._mmap:
                mapped = map_shard(self.root, shard, self.seq_len, place)
                schema = read_schema(mapped.slice(0, size), shard.path, self.seq_len, place)
                return _Opened(mapped, schema, np.frombuffer(mapped, dtype="<u4", count=shard.bytes // 4))
            limited = self._remote is not None and self._remote.limit is not None
            file = self._open_file(s) if limited else None
            head = read_at(file or self._file(s), shard.path, 0, size)
            return _Opened(None, read_schema(head, shard.path, self.seq_len, place), file)
