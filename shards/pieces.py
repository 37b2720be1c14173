"""The rows of a split from the first to the last, batch by batch, for views that look at many of them."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sequitur.shards.contexts import Contexts, faults
from sequitur.shards.errors import RowsInvalid
from sequitur.shards.files import check_crc, map_shard, parse_batch, read_schema
from sequitur.shards.manifest import Manifest
from sequitur.shards.offsets import offsets_of
from sequitur.shards.parts import place_of


class Batch(NamedTuple):
    """A record batch of a split: its arrays, and the row of the split that it begins with."""

    first_row: int
    contexts: Contexts


class Placement(NamedTuple):
    """A piece of a document in a context: tokens `start` … `start + length` of the document lie at `offset` in
    row `row` of the split; it is piece `piece` of `pieces`, from 0."""

    split: str
    row: int
    context_id: int
    piece: int
    pieces: int
    offset: int
    start: int
    length: int
    doc_key: int


def batches(root: Path, manifest: Manifest, split: str, *, check: bool) -> Iterator[Batch]:
    """The batches of a split, memory-mapped: columns that nobody looks at are not read from disk.

    With `check` each batch's CRC-32 is compared first, which reads all of it; without, only what the columns of
    pieces must keep to. Raises SplitUnknown, and named errors for damage.
    """
    first_row = 0
    for number in range(len(manifest.split(split).shards)):
        for contexts in shard_batches(root, manifest, split, number, check=check):
            yield Batch(first_row, contexts)
            first_row += len(contexts.num_tokens)


def shard_batches(root: Path, manifest: Manifest, split: str, number: int, *, check: bool) -> Iterator[Contexts]:
    """The batches of shard `number` of a split, from 0, as `batches` reads them."""
    shards = manifest.split(split).shards
    shard, place = shards[number], place_of(manifest, split, number)
    mapped = map_shard(root, shard, manifest.header.seq_len, place)
    schema = read_schema(mapped.slice(0, shard.batches[0].offset), shard.path, manifest.header.seq_len, place)
    for index, entry in enumerate(shard.batches):
        message = mapped.slice(entry.offset, entry.bytes)
        if check:
            check_crc(message, shard, index)
        contexts = parse_batch(message, schema, shard, index)
        for fault in faults(contexts):
            raise RowsInvalid(f"{fault}: copy the shard again", shard=shard.path, batch=index, offset=entry.offset)
        yield contexts


def contains(keys: NDArray[np.uint64], values: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Which of the values are among the keys, uint64 in ascending order: a binary search for each."""
    if not len(keys):
        return np.zeros(len(values), dtype=np.bool_)
    found: NDArray[np.bool_] = keys[np.minimum(np.searchsorted(keys, values), len(keys) - 1)] == values
    return found


def placements(
    root: Path,
    manifest: Manifest,
    split: str,
    keys: NDArray[np.uint64],
    on_rows: Callable[[int], None] = lambda rows: None,
) -> Iterator[Placement]:
    """Every piece of the documents with these keys (ascending), by row and place in it. Reads the columns of pieces
    alone: 16 bytes a piece and 40 a row. `on_rows` is told how many rows of the split are done."""
    for first_row, contexts in batches(root, manifest, split, check=False):
        ends = offsets_of(contexts.doc_lens)
        for piece in np.flatnonzero(contains(keys, contexts.doc_ids)).tolist():
            row = int(np.searchsorted(contexts.doc_offsets, piece, side="right")) - 1
            first, last = contexts.doc_offsets[row : row + 2].tolist()
            yield Placement(
                split=split,
                row=first_row + row,
                context_id=int(contexts.context_id[row]),
                piece=piece - first,
                pieces=last - first,
                offset=int(ends[piece] - ends[first]),
                start=int(contexts.doc_starts[piece]),
                length=int(contexts.doc_lens[piece]),
                doc_key=int(contexts.doc_ids[piece]),
            )
        on_rows(first_row + len(contexts.num_tokens))
