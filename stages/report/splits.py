"""The contexts of each split, read back from the shards that hold them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pyarrow as pa

from sequitur.graph_sort.packing import PackedContexts
from sequitur.pipeline import artifacts
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
    """Contexts as they are stored, without their tokens, which may lie elsewhere and be more than memory holds."""

    contexts: np.ndarray  # uint64 [r], numbers
    counts: np.ndarray  # int32 [r], pieces
    documents: np.ndarray  # uint64 [p], and so on of each piece
    starts: np.ndarray  # uint32 [p]
    lengths: np.ndarray  # uint32 [p]
    num_tokens: int
    row_length: int


def _block(contexts: shard_contexts.Contexts) -> _Block:
    return _Block(
        contexts.context_id.copy(),
        np.diff(contexts.doc_offsets),
        contexts.doc_ids.copy(),
        contexts.doc_starts.copy(),
        contexts.doc_lens.copy(),
        int(contexts.num_tokens.sum(dtype=np.int64)),
        contexts.input_ids.shape[1],
    )


def read_splits(shards: Directory, *, check: bool = False) -> dict[str, Placed]:
    """Reads the contexts of each split back from its shards, which lie in DIRECTORY/SPLIT/, or in SPLIT/ alone. Memory:
    about 100 bytes a document, and a shard that lies elsewhere.

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
                blocks += [_block(batch_contexts(batch)) for batch in stream]
    single = np.zeros(1, np.int64)
    return {
        split: _placed(
            list(directories.values()),
            [epochs.epoch_bounds(shards, name) if split == TRAIN else single for name in directories],
        )
        for split, directories in splits.items()
    }


def _placed(directories: list[list[_Block]], begins: list[np.ndarray]) -> Placed:
    """The contexts of some directories, each given as its blocks in reading order, and where its epochs begin."""
    columns: list[list[np.ndarray]] = [[], [], []]
    counts, reading_orders, row_lengths, epoch, tokens, before = [], [], [], [], 0, 0
    for blocks, bounds in zip(directories, begins, strict=True):
        row = np.concatenate([block.contexts for block in blocks]).astype(np.int64)
        row_counts = np.concatenate([block.counts for block in blocks]).astype(np.int64)
        in_order = np.argsort(row)
        counts.append(row_counts[in_order])
        starts = (np.cumsum(row_counts) - row_counts)[in_order]
        pieces = np.repeat(starts - (np.cumsum(counts[-1]) - counts[-1]), counts[-1]) + np.arange(row_counts.sum())
        for column, name in zip(columns, ("documents", "starts", "lengths"), strict=True):
            column.append(np.concatenate([getattr(block, name) for block in blocks])[pieces].astype(np.int64))
        epoch.append(np.searchsorted(bounds, row[in_order], side="right") - 1)
        reading_orders.append(before + np.argsort(in_order))  # removals leave gaps in the ids
        row_lengths.append(np.full(len(row), blocks[0].row_length, dtype=np.int64))
        tokens += sum(block.num_tokens for block in blocks)
        before += len(row)
    offsets = offsets_of(np.concatenate(counts))
    contexts = PackedContexts(offsets, *map(np.concatenate, columns))
    return Placed(Cut(contexts, reading_orders, np.concatenate(row_lengths)), np.concatenate(epoch), tokens)
