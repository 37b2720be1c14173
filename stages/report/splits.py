"""The contexts of each split, read back from the shards that hold them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pyarrow as pa

from sequitur.graph_sort.graph import Empty
from sequitur.graph_sort.packing import PackedContexts
from sequitur.pipeline import artifacts, scratch
from sequitur.pipeline.errors import CorruptPart
from sequitur.pipeline.storage import Directory
from sequitur.shards import contexts as shard_contexts
from sequitur.shards.contexts import batch_contexts
from sequitur.shards.epochs import TRAIN
from sequitur.stages.report import epochs
from sequitur.stages.report.order_metrics import Cut
from sequitur.text_core.units.offsets import offsets_of


class Placed(NamedTuple):
    """What the shards of a split hold, in all directories."""

    cut: Cut  # contexts by their order, not by row
    epoch: np.ndarray  # int64 [c], of each context
    num_tokens: int


class _Block(NamedTuple):
    """Contexts as they are stored, without their tokens."""

    contexts: np.ndarray  # uint64 [r], numbers
    counts: np.ndarray  # int32 [r], pieces
    documents: np.ndarray  # uint64 [p], and so on of each piece
    starts: np.ndarray  # uint32 [p]
    lengths: np.ndarray  # uint32 [p]
    num_tokens: int
    row_length: int


def _block(contexts: shard_contexts.Contexts, *, is_mapped: bool) -> _Block:
    """Views of what is mapped; else copies, for with the tokens it may be more than memory holds."""
    kept = np.asarray if is_mapped else np.copy
    return _Block(
        kept(contexts.context_id),
        np.diff(contexts.doc_offsets),
        kept(contexts.doc_ids),
        kept(contexts.doc_starts),
        kept(contexts.doc_lens),
        int(contexts.num_tokens.sum(dtype=np.int64)),
        contexts.input_ids.shape[1],
    )


def read_splits(shards: Directory, *, check: bool = False) -> dict[str, Placed]:
    """Reads the contexts of each split back from its shards, which lie in DIRECTORY/SPLIT/, or in SPLIT/ alone, into
    mapped arrays. Memory: about 40 bytes a context; where shards lie elsewhere, 16 bytes a piece and a shard.

    Raises:
        CorruptPart: with `check`, the bytes of a shard are not those that were written. Reads the tokens, too: at
            6 GB/s where they are in memory, else as fast as the disk.
    """
    manifest = artifacts.require_manifest(shards)
    splits: dict[str, dict[str, list[_Block]]] = {name: {} for name in manifest.statistics["contexts"]}
    for part in manifest.parts:
        path, _, name = part.name.rpartition("/")
        directory, _, split = path.rpartition("/")
        if split in splits and name.endswith(".arrow"):
            blocks = splits[split].setdefault(directory, [])
            buffer = shards.buffer(part.path)
            if check and (buffer.size != part.bytes or artifacts.digest(buffer) != part.checksum):
                raise CorruptPart(artifacts.damage(shards, part, "its checksum differs from the manifest's"))
            with pa.ipc.open_stream(buffer) as stream:
                blocks += [_block(batch_contexts(batch), is_mapped=shards.is_local) for batch in stream]
    single, empty = np.zeros(1, np.int64), scratch.beside(shards)
    return {
        split: _placed(
            list(directories.values()),
            [epochs.epoch_bounds(shards, name) if split == TRAIN else single for name in directories],
            empty,
        )
        for split, directories in splits.items()
    }


def _placed(directories: list[list[_Block]], begins: list[np.ndarray], empty: Empty) -> Placed:
    """The contexts of some directories, in arrays from `empty`; of each its blocks in reading order, and where its
    epochs begin."""
    every = [block for blocks in directories for block in blocks]
    count = sum(len(block.contexts) for block in every)
    offsets, row_lengths, epoch = (empty(size, np.int64) for size in (count + 1, count, count))
    columns = [empty(sum(len(block.documents) for block in every), np.int64) for _ in range(3)]
    reading_orders, before, offsets[0] = [], 0, 0
    for blocks, bounds in zip(directories, begins, strict=True):
        row = np.concatenate([block.contexts for block in blocks]).astype(np.int64)
        in_order, here = np.argsort(row), slice(before, before + len(row))
        counts = np.concatenate([block.counts for block in blocks])[in_order]
        np.cumsum(counts, dtype=np.int64, out=offsets[before + 1 : before + len(row) + 1])
        offsets[before + 1 : before + len(row) + 1] += offsets[before]
        epoch[here], row_lengths[here] = np.searchsorted(bounds, row[in_order], side="right") - 1, blocks[0].row_length
        read = empty(len(row), np.int64)  # removals leave gaps in the ids
        read[in_order] = np.arange(before, before + len(row))
        reading_orders.append(read)
        done = 0
        for block in blocks:
            places = offsets[read[done : done + len(block.contexts)]]
            done += len(block.contexts)
            own = offsets_of(block.counts)
            pieces = np.repeat(places - own[:-1], block.counts) + np.arange(own[-1])
            for column, values in zip(columns, (block.documents, block.starts, block.lengths), strict=True):
                column[pieces] = values
        before += len(row)
    contexts = PackedContexts(offsets, *columns)
    return Placed(Cut(contexts, reading_orders, row_lengths), epoch, sum(block.num_tokens for block in every))
