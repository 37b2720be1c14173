"""What a removal changes in a dataset, found before anything is written: rows, documents, and the counts over them.

Reads the columns of pieces of all shards, 12 bytes a piece and 40 a row, and no tokens.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sequitur.shards.contexts import Contexts, piece_rows
from sequitur.shards.documents import read_documents
from sequitur.shards.errors import DocumentUnknown
from sequitur.shards.find import Advance, Selected
from sequitur.shards.manifest import Manifest, Packing, RowOrder
from sequitur.shards.pieces import batches, contains
from sequitur.shards.removal.counts import RowChange, SplitPieces, count, order_after, padded

_BUCKETS = "buckets"  # the policy whose next tokens are those of the context's own document
_NO_KEYS = np.empty(0, dtype=np.uint64)
_NO_COUNTS = np.empty(0, dtype=np.int64)


@dataclass(frozen=True)
class Plan:
    """All that changes. Keys are uint64, ascending."""

    drop: bool  # whole contexts
    rows: dict[str, RowChange]
    asked: Selected
    gone: dict[str, int]  # tokens by doc_id of documents not asked for that have nothing left
    lost: NDArray[np.uint64]  # the documents that leave docs/
    uncompared: NDArray[np.uint64]  # the documents whose neighbour in the context goes
    docs: dict[str, int]  # by split, after
    packing: Packing  # after
    order: RowOrder  # after
    tokens: int  # of the documents asked for that lie in rows
    other_tokens: int  # of other documents, lost with their contexts

    @property
    def contexts_changed(self) -> int:
        """Contexts that are shorter after."""
        return sum(int((change.changed & ~change.emptied).sum()) for change in self.rows.values())

    @property
    def contexts_gone(self) -> int:
        """Contexts of which nothing is left."""
        return sum(int(change.emptied.sum()) for change in self.rows.values())

    @property
    def next_tokens_gone(self) -> int:
        """Contexts of which the token after them alone goes."""
        return sum(int(change.unfollowed.sum()) for change in self.rows.values())


def going(keys: NDArray[np.uint64], contexts: Contexts, drop: bool) -> NDArray[np.bool_]:
    """bool (pieces,): those of the documents with these keys, or with `drop` all of the rows that hold one."""
    asked = contains(keys, contexts.doc_ids)
    if not drop or not asked.any():
        return asked
    row = piece_rows(contexts)
    hit = np.zeros(len(contexts.num_tokens), dtype=np.bool_)
    hit[row[asked]] = True
    goes: NDArray[np.bool_] = hit[row]
    return goes


def make_plan(root: Path, manifest: Manifest, asked: Selected, *, drop: bool, advance: Advance) -> Plan:
    """What removing the documents `asked` changes. Memory: 20 bytes a row, 100 for each piece and document that
    loses tokens.

    Raises the named errors of damage, and TotalsMismatch where the counts in the manifest cannot be right.
    """
    scan = _Scan(root, manifest, asked.key, drop, advance)
    rows = {split: scan.rows(split) for split in manifest.splits}
    touched = np.unique(np.concatenate([asked.key, *scan.neighbours]))
    pieces = scan.pieces(touched) if drop else scan.asked_pieces()
    known = _documents(root, manifest, np.unique(np.concatenate([touched, *scan.openers.values()])))
    for split, openers in scan.openers.items():
        rows[split].group_id[scan.opened[split]] = known.path[np.searchsorted(known.key, openers)]
    here = np.searchsorted(known.key, touched)
    counts = count(manifest, touched, known.n_tokens[here], pieces)
    lost = np.union1d(touched[counts.empty], asked.key)
    beside = here[counts.empty & ~contains(asked.key, touched)]
    of_asked = contains(asked.key, pieces.key) & pieces.goes
    return Plan(
        drop=drop,
        rows=rows,
        asked=asked,
        gone={known.doc_id[i]: int(known.n_tokens[i]) for i in beside.tolist()},
        lost=lost,
        uncompared=np.setdiff1d(np.concatenate([_NO_KEYS, *scan.uncompared]), lost),
        docs=counts.docs,
        packing=replace(counts.packing, padded_tokens=padded(manifest, rows, pieces)),
        order=order_after(manifest, rows),
        tokens=int(pieces.length[of_asked].sum()),
        other_tokens=int(pieces.length[pieces.goes & ~of_asked].sum()),
    )


class _Scan:
    """Passes over the pieces of all splits, and what they found."""

    def __init__(
        self,
        root: Path,
        manifest: Manifest,
        keys: NDArray[np.uint64],
        drop: bool,
        advance: Advance,
    ) -> None:
        self._root, self._manifest, self._keys, self._drop, self._advance = root, manifest, keys, drop, advance
        self._asked: list[SplitPieces] = []
        self.neighbours: list[NDArray[np.uint64]] = []  # documents, asked for or not, that lose a piece
        self.uncompared: list[NDArray[np.uint64]] = []
        self.opened: dict[str, NDArray[np.int64]] = {}  # rows that begin with another document than before,
        self.openers: dict[str, NDArray[np.uint64]] = {}  # and that document

    def rows(self, split: str) -> RowChange:
        """What becomes of the rows of a split."""
        none = np.empty(0, dtype=np.bool_)
        columns = [(_NO_KEYS, _NO_KEYS, none, none)]
        follows, first_goes = [none], [none]
        opened, openers = [_NO_COUNTS], [_NO_KEYS]
        for first_row, contexts in self._batches(split):
            row, first = piece_rows(contexts), contexts.doc_offsets[:-1]
            goes = going(self._keys, contexts, self._drop)
            n_going = np.bincount(row[goes], minlength=len(first))
            emptied = n_going == np.diff(contexts.doc_offsets)
            columns.append((contexts.context_id.copy(), contexts.group_id.copy(), n_going > 0, emptied))
            follows.append(contexts.next_valid)
            first_goes.append(goes[first])
            if not goes.any():
                continue
            self._note(split, contexts, goes)
            stays = np.flatnonzero(~goes)
            new = np.flatnonzero(goes[first] & ~emptied)
            opened.append(first_row + new)
            openers.append(contexts.doc_ids[stays[np.searchsorted(row[stays], new)]])
        self.opened[split], self.openers[split] = np.concatenate(opened), np.concatenate(openers)
        context_id, group_id, changed, emptied = (np.concatenate(column) for column in zip(*columns, strict=True))
        unfollowed = np.concatenate(follows) & ~changed
        if self._manifest.packing.policy == _BUCKETS:
            unfollowed[:] = False
        else:
            unfollowed &= contains(np.sort(context_id[np.concatenate(first_goes)]), context_id + np.uint64(1))
        return RowChange(context_id, group_id, changed, emptied, unfollowed)

    def asked_pieces(self) -> SplitPieces:
        """Every piece of the documents asked for, in the splits that `rows` went over."""
        return _joined(self._asked)

    def pieces(self, keys: NDArray[np.uint64]) -> SplitPieces:
        """Every piece of the documents with these keys."""
        return _joined(
            [
                self._of(split, contexts, contains(keys, contexts.doc_ids), going(self._keys, contexts, self._drop))
                for split in self._manifest.splits
                for _, contexts in self._batches(split)
            ]
        )

    def _note(self, split: str, contexts: Contexts, goes: NDArray[np.bool_]) -> None:
        asked = contains(self._keys, contexts.doc_ids) if self._drop else goes
        self._asked.append(self._of(split, contexts, asked, goes))
        self.neighbours.append(np.unique(contexts.doc_ids[goes]))
        # The documents before which a piece goes, in the same row or, where it is their own beginning, with them.
        before = np.zeros(len(goes), dtype=np.bool_)
        before[1:] = goes[:-1]
        before[contexts.doc_offsets[:-1]] = False
        begins = (contexts.doc_starts == 0) & (before | goes) & ~asked
        self.uncompared.append(np.unique(contexts.doc_ids[begins]))

    def _of(self, split: str, contexts: Contexts, which: NDArray[np.bool_], goes: NDArray[np.bool_]) -> SplitPieces:
        number = list(self._manifest.splits).index(split)
        return SplitPieces(
            contexts.doc_ids[which],
            contexts.doc_starts[which].astype(np.int64),
            contexts.doc_lens[which].astype(np.int64),
            goes[which],
            np.full(int(which.sum()), number, dtype=np.int64),
        )

    def _batches(self, split: str) -> Iterator[tuple[int, Contexts]]:
        rows = self._manifest.split(split).rows
        for batch in batches(self._root, self._manifest, split, check=False):
            self._advance(f"look through {split}", batch.first_row, rows)
            yield batch


class _Documents(NamedTuple):
    """Rows of the documents table, by ascending key."""

    key: NDArray[np.uint64]
    doc_id: list[str]
    n_tokens: NDArray[np.int64]
    path: NDArray[np.uint64]


def _documents(root: Path, manifest: Manifest, keys: NDArray[np.uint64]) -> _Documents:
    """The documents with these keys, ascending. Raises DocumentUnknown if one is not there."""
    columns: tuple[list[NDArray[np.uint64]], list[str], list[NDArray[np.int64]], list[NDArray[np.int64]]]
    columns = ([], [], [], [])
    for batch in read_documents(root, manifest, ("doc_key", "doc_id", "n_tokens", "path")):
        key = batch.column("doc_key").to_numpy()
        here = np.flatnonzero(contains(keys, key))
        columns[0].append(key[here])
        columns[1].extend(batch.column("doc_id").take(here).to_pylist())
        columns[2].append(batch.column("n_tokens").to_numpy()[here])
        columns[3].append(batch.column("path").to_numpy()[here])
    path = np.concatenate([_NO_COUNTS, *columns[3]]).astype(np.uint64)
    n_tokens = np.concatenate([_NO_COUNTS, *columns[2]])
    key = np.concatenate([_NO_KEYS, *columns[0]])
    if not np.array_equal(key, keys):
        missing = keys[~contains(np.sort(key), keys)][:1].tolist()
        raise DocumentUnknown(f"docs/ is not sorted, or lacks doc_key {missing}: run verify")
    return _Documents(key, columns[1], n_tokens, path)


def _joined(parts: list[SplitPieces]) -> SplitPieces:
    return SplitPieces(
        np.concatenate([_NO_KEYS, *(part.key for part in parts)]),
        np.concatenate([_NO_COUNTS, *(part.start for part in parts)]),
        np.concatenate([_NO_COUNTS, *(part.length for part in parts)]),
        np.concatenate([np.empty(0, dtype=np.bool_), *(part.goes for part in parts)]),
        np.concatenate([_NO_COUNTS, *(part.split for part in parts)]),
    )
