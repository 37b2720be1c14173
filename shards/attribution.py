"""From a token of a context to the document it is of: source file and row, and the token's place in the document.

A row is found by binary search over the record batches, its piece by binary search over the ends of its pieces, and the
document by binary search over the files of docs/ and their row groups, by the statistics in their footers, and within
one row group. Nothing is read whole.
"""

from collections.abc import Callable
from functools import lru_cache
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import ArrayLike, NDArray

from sequitur.shards.documents import completed, opened, present
from sequitur.shards.epochs import TRAIN, bounds, places
from sequitur.shards.errors import DocumentUnknown
from sequitur.shards.format import docs_schema
from sequitur.shards.manifest import FileEntry
from sequitur.shards.manifest_rules import contexts_of
from sequitur.shards.parts import parts
from sequitur.shards.pieces import contains
from sequitur.shards.rows import SplitRows, Verify

_ROW_GROUPS = 4  # kept, of up to 65,536 documents each


class Tokens(NamedTuple):
    """What n tokens are of, each array (n,): the document's key, the token's offset in the document, and the piece of
    the context, from 0."""

    doc_key: NDArray[np.uint64]
    offset: NDArray[np.int64]
    piece: NDArray[np.int64]


class Origin(NamedTuple):
    """Where one token comes from: it is token `offset` of `document`, a row of the documents table."""

    split: str
    row: int
    context_id: int
    token: int
    piece: int
    offset: int
    document: dict[str, Any]


class Attribution:
    """Looks up tokens of one split of the dataset in the local directory `root`; picklable.

    `verify` is as for `SplitRows`: by default the CRC-32 of a batch is compared when first touched. A look-up takes
    O(log n) steps in rows, pieces and documents; the first one in a row group of docs/ reads it, some 10 ms, and the
    last few are kept.
    """

    def __init__(self, root: str | PathLike[str], split: str = "train", *, verify: Verify = "lazy") -> None:
        self._rows = SplitRows(root, split, verify=verify)
        self._split = split
        self._documents = DocumentsByKey(Path(root), self._rows.manifest.docs_table)

    def tokens(self, rows: ArrayLike, positions: ArrayLike) -> Tokens:
        """What the tokens at `positions` of `rows` are of: n ints each, or one of either for all.

        Raises IndexError for a row or a position that is not there (a pad is of no document), and named errors for
        damage.
        """
        row, position = np.broadcast_arrays(_integers(rows), _integers(positions))
        if not row.size:
            return Tokens(np.empty(0, np.uint64), np.empty(0, np.int64), np.empty(0, np.int64))
        unique, inverse = np.unique(row, return_inverse=True)
        at = self._rows.locate(unique)
        num_tokens = self._rows.num_tokens(at)[inverse]
        outside = np.flatnonzero((position < 0) | (position >= num_tokens))
        if len(outside):
            first = outside[0]
            raise IndexError(f"token {position[first]} of row {row[first]}, which holds {num_tokens[first]}")
        pieces = self._rows.pieces(at)
        ends = np.cumsum(pieces.doc_lens, dtype=np.int64)  # of the rows end to end
        begins = ends - pieces.doc_lens
        target = begins[pieces.offsets[:-1]][inverse] + position
        piece = np.searchsorted(ends, target, side="right")
        offset = pieces.doc_starts[piece].astype(np.int64) + target - begins[piece]
        return Tokens(pieces.doc_ids[piece], offset, piece - pieces.offsets[:-1][inverse])

    def documents(self, keys: ArrayLike) -> pa.Table:
        """The rows of the documents table for n keys, in their order; columns as `docs_schema`. Raises DocumentUnknown,
        and named errors for damage. Memory: the rows, and one row group at a time."""
        return self._documents.rows(keys)

    def origin(self, row: int, token: int) -> Origin:
        """Where token `token` of row `row` comes from. Raises as `tokens` and `documents` do."""
        found = self.tokens(row, token)
        document = self.documents(found.doc_key).to_pylist()[0]
        row = range(len(self._rows))[row]
        context_id = int(self._rows.origin(self._rows.locate([row]))[0][0])
        return Origin(self._split, row, context_id, token, int(found.piece[0]), int(found.offset[0]), document)

    def row_of(self, context_id: int) -> int:
        """The row that holds a context. In O(log n) where the manifest tells the order of the split, which is the
        training split's or `as_ordered`; else every row's id is read. Raises IndexError if no row does."""
        first, begins = 0, np.zeros(1, dtype=np.int64)
        for part in parts(self._rows.manifest):
            rows = part.splits[self._split].rows if self._split in part.splits else 0
            begins = bounds(part.order, self._split, contexts_of(part.order, self._split, rows))
            if begins[0] <= context_id < begins[-1]:
                break
            first += rows
        else:
            raise IndexError(f"context {context_id} of a split of {begins[-1]}")
        here, order = range(first, first + rows), part.order
        if order.kind == "as_ordered":
            row = self._search(context_id, here, int)
        elif self._split == TRAIN:
            row = self._search(context_id, here, lambda one: int(places(np.array([one]), begins, order.seed)[0]))
        else:
            ids, _ = self._rows.origin(self._rows.locate(np.arange(first, first + rows)))
            row = next(iter((first + np.flatnonzero(ids == context_id)).tolist()), None)
        if row is None:
            raise IndexError(f"no row holds context {context_id}: a removal left nothing of it")
        return row

    def _search(self, context_id: int, rows: range, place: Callable[[int], int]) -> int | None:
        """Places rise with rows, whether or not contexts were taken out between them."""
        low, high, wanted = rows.start, rows.stop, place(context_id)
        while low < high:
            middle = (low + high) // 2
            found = int(self._rows.origin(self._rows.locate([middle]))[0][0])
            if found == context_id:
                return middle
            low, high = (middle + 1, high) if place(found) < wanted else (low, middle)
        return None


class DocumentsByKey:
    """Rows of the documents table by `doc_key`, which ascends over all its files."""

    def __init__(self, root: Path, files: tuple[FileEntry, ...]) -> None:
        self._root, self._files = root, files
        self._open()

    def __getstate__(self) -> dict[str, Any]:
        return {"_root": self._root, "_files": self._files}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._open()

    def rows(self, keys: ArrayLike) -> pa.Table:
        """The rows for n keys, in their order."""
        unique, inverse = np.unique(np.asarray(keys, dtype=np.uint64).reshape(-1), return_inverse=True)
        parts, left = [docs_schema().empty_table()], unique
        while len(left):
            group = self._group(*self._place(int(left[0])))
            there = group.column("doc_key").to_numpy()
            here = left[: max(int(np.searchsorted(left, there[-1], side="right")), 1)]
            if not contains(there, here).all():
                raise DocumentUnknown(f"docs/ lacks doc_key {here[~contains(there, here)][0]}: run verify")
            parts.append(group.take(np.searchsorted(there, here)))
            left = left[len(here) :]
        return pa.concat_tables(parts).take(inverse)

    def _open(self) -> None:
        self._firsts = lru_cache(len(self._files) + 1)(self._read_firsts)
        self._group = lru_cache(_ROW_GROUPS)(self._read_group)

    def _place(self, key: int) -> tuple[int, int]:
        """The file and the row group that hold `key`, if any does."""
        low, high = 0, len(self._files)
        while high - low > 1:  # the last file that begins at `key` or before
            middle = (low + high) // 2
            firsts = self._firsts(middle)
            low, high = (middle, high) if len(firsts) and int(firsts[0]) <= key else (low, middle)
        if not self._files or not len(self._firsts(low)):
            raise DocumentUnknown(f"docs/ lacks doc_key {key}: run verify")
        return low, max(int(np.searchsorted(self._firsts(low), np.uint64(key), side="right")) - 1, 0)

    def _read_firsts(self, number: int) -> NDArray[np.uint64]:
        """The first key of each row group of a file that has rows."""
        with opened(self._root, self._files[number]) as parquet:
            firsts = []
            for group in range(parquet.num_row_groups):
                if not parquet.metadata.row_group(group).num_rows:
                    raise pa.ArrowInvalid("a row group without rows")
                statistics = parquet.metadata.row_group(group).column(0).statistics
                if statistics is not None and statistics.has_min_max and isinstance(statistics.min, int):
                    firsts.append(statistics.min)
                else:
                    firsts.append(parquet.read_row_group(group, columns=["doc_key"])["doc_key"][0].as_py())
            return np.array(firsts, dtype=np.uint64)

    def _read_group(self, number: int, group: int) -> pa.Table:
        file, names = self._files[number], docs_schema().names
        with opened(self._root, file) as parquet:
            table = parquet.read_row_group(group, columns=present(parquet.schema_arrow, names, file.path))
            batch = completed(table.combine_chunks().to_batches()[0], names)
            return pa.table(batch.columns, schema=docs_schema())


def _integers(values: ArrayLike) -> NDArray[np.int64]:
    given = np.asarray(values)
    if given.size and given.dtype.kind not in "iu":
        raise ValueError(f"rows and positions must be integers, got {given.dtype}")
    return given.astype(np.int64).reshape(-1)
