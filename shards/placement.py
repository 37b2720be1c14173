"""Where the tokens of each document lie: the check that none is lost, none repeated, and none in two
splits."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from sequitur.shards.contexts import Contexts, piece_rows
from sequitur.shards.epochs import TRAIN, epoch_of
from sequitur.shards.errors import (
    DocsInvalid,
    DocumentIncomplete,
    DocumentRepeated,
    DocumentUnknown,
    DocumentUnplaced,
    RowsInvalid,
    ShardError,
    SplitLeak,
    TotalsMismatch,
)
from sequitur.shards.format import docs_schema
from sequitur.shards.manifest import FileEntry, Manifest, RowOrder, ShardEntry


class Docs(NamedTuple):
    """The columns of the documents table that the check needs, over all its files."""

    key: NDArray[np.uint64]
    n_tokens: NDArray[np.int64]
    split: NDArray[np.int64]  # index into the names of the splits, −1 for none of them


class PlacedPieces(NamedTuple):
    """Every piece of every context. Memory: 40 bytes per piece, and as much again while they are checked."""

    key: NDArray[np.uint64]
    start: NDArray[np.int64]
    length: NDArray[np.int64]
    split: NDArray[np.int32]  # index into the names of the splits
    batch: NDArray[np.int64]  # index into `Placements.batches`
    epoch: NDArray[np.int32]  # of the split train; else 0


@dataclass
class Placements:
    """Collects the pieces of one batch after another; `order` says of which epoch they are."""

    order: RowOrder
    batches: list[tuple[str, ShardEntry, int]] = field(default_factory=list)
    parts: list[tuple[NDArray[np.uint64], NDArray[np.int64], NDArray[np.int64], NDArray[np.int32]]] = field(
        default_factory=list
    )

    def add(self, split: str, shard: ShardEntry, batch: int, contexts: Contexts) -> None:
        """Take the pieces of batch number `batch` of `shard`."""
        self.batches.append((split, shard, batch))
        start, length = contexts.doc_starts.astype(np.int64), contexts.doc_lens.astype(np.int64)
        epoch = np.zeros(len(start), dtype=np.int32)
        if split == TRAIN and self.order.epochs:
            epoch = epoch_of(self.order, contexts.context_id)[piece_rows(contexts)]
        self.parts.append((contexts.doc_ids.copy(), start, length, epoch))

    def pieces(self, split_names: Sequence[str]) -> PlacedPieces:
        """All pieces taken so far."""
        counts = [len(part[0]) for part in self.parts]
        split_of_batch = np.array([split_names.index(split) for split, _, _ in self.batches], dtype=np.int32)
        batch = np.repeat(np.arange(len(counts), dtype=np.int64), counts)
        return PlacedPieces(
            key=_concatenate([part[0] for part in self.parts], np.uint64),
            start=_concatenate([part[1] for part in self.parts], np.int64),
            length=_concatenate([part[2] for part in self.parts], np.int64),
            split=split_of_batch[batch],
            batch=batch,
            epoch=_concatenate([part[3] for part in self.parts], np.int32),
        )


class Counts(NamedTuple):
    """What became of the tokens of the documents, as in `Packing`."""

    missing: int  # tokens in no context: dropped, or elsewhere
    repeated_tokens: int
    split_docs: int


def count(docs: Docs, doc: NDArray[np.int64], pieces: PlacedPieces, repeated: NDArray[np.int64]) -> Counts:
    """The counts over `pieces`, each of the document at `doc` (int64) of `docs`, and its `repeated_tokens`."""
    once = int((pieces.length - repeated).sum())
    cut = pieces.length < docs.n_tokens[doc]
    return Counts(int(docs.n_tokens.sum()) - once, int(repeated.sum()), len(np.unique(doc[cut])))


def placement_problems(root: str | PathLike[str], manifest: Manifest, placement: Placements) -> Iterator[ShardError]:
    """What is wrong with where the documents lie, given the pieces of all shards: one problem of each kind,
    with its first instance and its count. The files of docs/ must be intact."""
    names = list(manifest.splits)
    try:
        docs = read_docs(Path(root), manifest.docs_table, names)
    except DocsInvalid as error:
        yield error
        return
    if (docs.key[1:] <= docs.key[:-1]).any():
        yield DocsInvalid("doc_key does not rise strictly over the files of docs/: write them sorted")
        return
    pieces = placement.pieces(names)
    doc, known = find_documents(docs, pieces.key)
    if not known.all():
        yield _problem(DocumentUnknown, "a document that docs/ lacks", np.flatnonzero(~known), pieces, placement)
        return
    repeated = again = repeated_tokens(doc, pieces.start, pieces.length)
    said = manifest.packing.repeated_tokens
    if epochs := len(manifest.order.epochs):  # each has a document once
        again, said = repeated_tokens(doc * epochs + pieces.epoch, pieces.start, pieces.length), 0
    found = [
        (SplitLeak, "docs/ has the document in another split", docs.split[doc] != pieces.split),
        (RowsInvalid, "a piece past its document's end", pieces.start + pieces.length > docs.n_tokens[doc]),
        (DocumentRepeated, "tokens that are also in another piece", (again > 0) & (said == 0)),
    ]
    for kind, fault, wrong in found:
        if wrong.any():
            yield _problem(kind, fault, np.flatnonzero(wrong), pieces, placement)
    yield from _wrong_counts(docs, doc, pieces, repeated, manifest)


def key_problems(root: Path, part: Manifest, first: int, end: int | None) -> Iterator[ShardError]:
    """Whether the documents of a part have keys from `first` on, below `end` where another part follows."""
    keys = [pq.read_table(root / file.path, columns=["doc_key"])["doc_key"].to_numpy() for file in part.docs_table]
    for file, key in zip(part.docs_table, keys, strict=True):
        if len(key) and (int(key.min()) < first or (end is not None and int(key.max()) >= end)):
            yield DocsInvalid(
                "holds a doc_key of another part of the dataset: run verify on the original", shard=file.path
            )
            return


def find_documents(docs: Docs, key: NDArray[np.uint64]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Where in `docs` each key is (int64), and whether it is there."""
    doc = np.searchsorted(docs.key, key).astype(np.int64)
    known = doc < len(docs.key)
    known[known] = docs.key[doc[known]] == key[known]
    return doc, known


def repeated_tokens(doc: NDArray[np.int64], start: NDArray[np.int64], length: NDArray[np.int64]) -> NDArray[np.int64]:
    """How many tokens of each piece, `length` from `start` on of document `doc`, an earlier one of its document holds,
    by where they begin."""
    order = np.lexsort((start, doc))
    start, end = start[order], (start + length)[order]
    # How far its document is covered before each piece: a running maximum that each document begins anew, above all
    # ends of the one before it.
    above = doc[order] * (int(end.max(initial=0)) + 1)
    covered = np.maximum.accumulate(end + above)
    before = np.zeros(len(order), dtype=np.int64)
    before[1:] = np.maximum(covered[:-1] - above[1:], 0)
    repeated = np.zeros(len(order), dtype=np.int64)
    repeated[order] = np.clip(before - start, 0, end - start)
    return repeated


def _wrong_counts(
    docs: Docs, doc: NDArray[np.int64], pieces: PlacedPieces, repeated: NDArray[np.int64], manifest: Manifest
) -> Iterator[ShardError]:
    """Pieces that do not run past an end, and add up without what is repeated, cover every document exactly."""
    packing, counts = manifest.packing, count(docs, doc, pieces, repeated)
    dropped, elsewhere = packing.dropped_tokens, packing.elsewhere_tokens
    placed = np.zeros(len(docs.key), dtype=np.int64)
    np.add.at(placed, doc, pieces.length - repeated)
    if counts.missing != dropped + elsewhere:
        example = docs.key[placed < docs.n_tokens][:1].tolist()
        besides = f" and put {elsewhere} elsewhere" if elsewhere else ""
        yield DocumentIncomplete(
            f"{counts.missing} tokens of documents are in no context, but the packing dropped {dropped}{besides}; "
            f"doc_key {example}"
        )
    unplaced = docs.key[placed == 0]
    if len(unplaced):
        yield DocumentUnplaced(f"docs/ lists {len(unplaced)} documents that are in no context; doc_key {unplaced[0]}")
    if packing.repeated_tokens and counts.repeated_tokens != packing.repeated_tokens:
        yield TotalsMismatch(
            f"{counts.repeated_tokens} tokens are repeated, the manifest says {packing.repeated_tokens}"
        )
    if counts.split_docs != packing.split_docs:
        yield TotalsMismatch(f"{counts.split_docs} documents are split, the manifest says {packing.split_docs}")
    for i, (name, split) in enumerate(manifest.splits.items()):
        there = len(np.unique(doc[pieces.split == i]))
        if there != split.docs:
            yield TotalsMismatch(f"split {name!r} holds {there} documents, the manifest says {split.docs}")


def _problem(
    kind: type[ShardError], fault: str, wrong: NDArray[np.int64], pieces: PlacedPieces, placement: Placements
) -> ShardError:
    piece = wrong[0]
    _, shard, batch = placement.batches[pieces.batch[piece]]
    detail = f"{fault}: doc_key {pieces.key[piece]}, tokens from {pieces.start[piece]} ({len(wrong)} such pieces)"
    return kind(detail, shard=shard.path, batch=batch, offset=shard.batches[batch].offset)


def read_docs(root: Path, files: Sequence[FileEntry], split_names: Sequence[str]) -> Docs:
    """The documents in `files`, in their order. Memory: 24 bytes each, and a file at a time. Raises DocsInvalid."""
    columns = ["doc_key", "n_tokens", "split"]
    keys, counts, splits = [], [], []
    for file in files:
        try:
            table = pq.read_table(root / file.path, columns=columns, schema=docs_schema())
        except (pa.ArrowException, OSError) as error:
            raise DocsInvalid(f"unreadable ({error}): write it anew", shard=file.path) from error
        split = pc.index_in(table.column("split"), value_set=pa.array(split_names, pa.string()))
        keys.append(table.column("doc_key").to_numpy())
        counts.append(table.column("n_tokens").to_numpy())
        splits.append(pc.fill_null(split, -1).to_numpy().astype(np.int64))
    return Docs(_concatenate(keys, np.uint64), _concatenate(counts, np.int64), _concatenate(splits, np.int64))


def _concatenate(parts: list[NDArray[Any]], dtype: type[np.generic]) -> NDArray[Any]:
    return np.concatenate([np.empty(0, dtype=dtype), *parts])
