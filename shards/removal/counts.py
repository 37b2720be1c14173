"""The counts of a dataset without some of its pieces: documents, tokens, pads, and neighbours of one group."""

from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sequitur.shards.epochs import epochs_left
from sequitur.shards.errors import TotalsMismatch
from sequitur.shards.manifest import Manifest, Packing, RowOrder
from sequitur.shards.placement import repeated_tokens
from sequitur.shards.row_order import count_pairs


class RowChange(NamedTuple):
    """What becomes of each row of a split."""

    context_id: NDArray[np.uint64]
    group_id: NDArray[np.uint64]  # after
    changed: NDArray[np.bool_]  # loses a piece
    emptied: NDArray[np.bool_]  # loses all
    unfollowed: NDArray[np.bool_]  # stays, but its next token was the first of a piece that goes

    def at(self, rows: slice) -> "RowChange":
        """Of some rows."""
        return RowChange(
            self.context_id[rows], self.group_id[rows], self.changed[rows], self.emptied[rows], self.unfollowed[rows]
        )

    @property
    def touched(self) -> NDArray[np.bool_]:
        """Rows that are not as they were."""
        return self.changed | self.unfollowed


class SplitPieces(NamedTuple):
    """Pieces of documents that lose tokens; `goes` where it is one of the lost."""

    key: NDArray[np.uint64]
    start: NDArray[np.int64]
    length: NDArray[np.int64]
    goes: NDArray[np.bool_]
    split: NDArray[np.int64]

    def at(self, which: NDArray[np.bool_]) -> "SplitPieces":
        """Some of them."""
        return SplitPieces(self.key[which], self.start[which], self.length[which], self.goes[which], self.split[which])


class Counts(NamedTuple):
    empty: NDArray[np.bool_]  # documents that have nothing left
    docs: dict[str, int]
    packing: Packing


def count(manifest: Manifest, keys: NDArray[np.uint64], n_tokens: NDArray[np.int64], pieces: SplitPieces) -> Counts:
    """The counts of the manifest without the pieces that go. `keys` ascend; `pieces` are all of these documents."""
    document = np.searchsorted(keys, pieces.key)
    stays = ~pieces.goes
    before, after = _covered(document, pieces, len(keys)), _covered(document[stays], pieces.at(stays), len(keys))
    total = np.bincount(document, weights=pieces.length, minlength=len(keys)).astype(np.int64)
    left = np.bincount(document[stays], weights=pieces.length[stays], minlength=len(keys)).astype(np.int64)
    had, empty = total > 0, left == 0
    unplaced = int((n_tokens - before)[empty].sum())  # which the manifest counts as dropped or, with buckets, elsewhere
    elsewhere = min(manifest.packing.elsewhere_tokens, unplaced)
    short = np.zeros(len(keys), dtype=np.bool_)
    short[document[pieces.length < n_tokens[document]]] = True
    docs = {}
    for number, (name, split) in enumerate(manifest.splits.items()):
        here = pieces.split == number
        docs[name] = split.docs - len(np.unique(document[here])) + len(np.unique(document[here & stays]))
    old = manifest.packing
    packing = replace(
        old,
        dropped_tokens=old.dropped_tokens - (unplaced - elsewhere) + int((before - after)[~empty].sum()),
        elsewhere_tokens=old.elsewhere_tokens - elsewhere,
        repeated_tokens=old.repeated_tokens - int((total - before).sum()) + int((left - after).sum()),
        split_docs=old.split_docs - int((short & had & empty).sum()),
    )
    if min(packing.dropped_tokens, packing.repeated_tokens, packing.split_docs, *docs.values(), 0) < 0:
        raise TotalsMismatch("the counts in manifest.json are less than what is removed: run verify")
    return Counts(empty, docs, packing)


def _covered(document: NDArray[np.int64], pieces: SplitPieces, count: int) -> NDArray[np.int64]:
    """int64 (count,): how many tokens of each document its pieces hold, those in several once."""
    new = pieces.length - repeated_tokens(document, pieces.start, pieces.length)
    return np.bincount(document, weights=new, minlength=count).astype(np.int64)


def padded(manifest: Manifest, rows: dict[str, RowChange], pieces: SplitPieces) -> int:
    """The pads of all rows that are left."""
    left = sum(int((~change.emptied).sum()) for change in rows.values())
    tokens = sum(split.tokens for split in manifest.splits.values()) - int(pieces.length[pieces.goes].sum())
    return left * manifest.header.seq_len - tokens


def order_after(manifest: Manifest, rows: dict[str, RowChange]) -> RowOrder:
    """How the rows that are left lie: neighbours by group in the training split, and how many contexts there were."""
    old = manifest.order
    there_were = old.contexts or {}
    contexts = {split: there_were.get(split, len(change.emptied)) for split, change in rows.items()}
    fewer = any(contexts[split] > int((~change.emptied).sum()) for split, change in rows.items())
    change = rows.get("train") or next(iter(rows.values()))
    epochs = epochs_left(old, change.context_id[~change.emptied])
    pairs = count_pairs(change.group_id[~change.emptied], [epoch.rows for epoch in epochs])
    return replace(
        old,
        adjacent_same_group=pairs.share,
        expected_by_chance=pairs.chance,
        contexts={**there_were, **contexts} if fewer else old.contexts,
        epochs=epochs,
    )
