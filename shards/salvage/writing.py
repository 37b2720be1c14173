"""Writing what was found whole: its rows as new shards, its documents, and a manifest of what is left."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice, pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from sequitur.shards.atomic import write_bytes, writing
from sequitur.shards.contexts import batch_contexts, context_batch
from sequitur.shards.epochs import TRAIN, epochs_left
from sequitur.shards.format import (
    BATCH_ROWS,
    MANIFEST_NAME,
    TOKENIZER_NAME,
    context_columns,
    context_schema,
    docs_name,
    docs_schema,
    shard_name,
)
from sequitur.shards.hub_files import renew_hub_files
from sequitur.shards.manifest import FileEntry, Manifest, Packing, RowOrder, ShardEntry, split_entry
from sequitur.shards.offsets import offsets_of
from sequitur.shards.parts import first_documents, joined
from sequitur.shards.placement import Docs, Placements, count, find_documents, repeated_tokens
from sequitur.shards.row_order import count_pairs
from sequitur.shards.salvage.reading import Whole, map_file
from sequitur.shards.side_files import hashed_file_problems
from sequitur.shards.verify import Progress
from sequitur.shards.writer import plan_shards, write_docs, write_shard


class Copied(NamedTuple):
    """What is known of the rows written so far."""

    placement: Placements
    groups: dict[str, list[NDArray[np.uint64]]]
    ids: dict[str, list[NDArray[np.uint64]]]  # of contexts


def write_split(
    target: Path,
    manifest: Manifest,
    extension: int,
    split: str,
    whole: Sequence[Whole],
    copied: Copied,
    progress: Progress,
) -> list[ShardEntry]:
    """Write the kept rows of a split of a part as shards of about the size that they had; `extension` is the part's
    number, 0 of what was there first."""
    old = manifest.splits[split].shards
    rows = sum(one.rows for one in whole)
    plan = plan_shards(rows, manifest.header.seq_len, max(shard.bytes for shard in old), len(old))
    written = []
    stream = _batches(manifest, split, whole, copied, progress)
    for number, (_, shard_rows) in enumerate(plan):
        schema = context_schema(manifest.header, split, number, len(plan))
        path = f"{split}/{shard_name(number, len(plan), extension)}"
        with writing(target / path) as file:
            written.append(write_shard(file, path, islice(stream, -(-shard_rows // BATCH_ROWS)), schema))
    return written


def _batches(
    manifest: Manifest, split: str, whole: Sequence[Whole], copied: Copied, progress: Progress
) -> Iterator[pa.RecordBatch]:
    """The kept rows in batches of `BATCH_ROWS`, the last of what is left. Memory: three batches or so."""
    columns = context_columns(manifest.header.seq_len)
    waiting: list[pa.RecordBatch] = []
    for one in whole:
        batch = one.shard.batches[one.number]
        message = map_file(one.file).slice(batch.offset, batch.bytes)
        rows = pa.ipc.read_record_batch(message, columns)
        waiting.append(rows if one.kept is None else rows.filter(pa.array(one.kept)))
        progress(batch.bytes)
        while sum(part.num_rows for part in waiting) >= BATCH_ROWS or (one is whole[-1] and waiting):
            table = pa.Table.from_batches(waiting)
            (first,) = table.slice(0, BATCH_ROWS).combine_chunks().to_batches()
            waiting = table.slice(BATCH_ROWS).to_batches()
            contexts = batch_contexts(first)
            copied.placement.add(split, one.shard, one.number, contexts)
            copied.groups.setdefault(split, []).append(contexts.group_id.copy())
            copied.ids.setdefault(split, []).append(contexts.context_id.copy())
            yield context_batch(contexts, columns)


def nothing_of(part: Manifest) -> Manifest:
    """A part of which nothing is left."""
    there_were = {split: entry.rows for split, entry in part.splits.items()} | (part.order.contexts or {})
    order = replace(part.order, adjacent_same_group=0.0, expected_by_chance=0.0, contexts=there_were)
    return replace(part, splits={}, docs_table=(), packing=Packing(part.packing.policy, 0, 0, 0), order=order)


def finish_part(
    source: Path,
    target: Path,
    manifest: Manifest,
    extension: int,
    shards: dict[str, list[ShardEntry]],
    copied: Copied,
    files: Sequence[FileEntry],
    docs: Docs,
) -> Manifest:
    """Write the documents of the shards of a part, and return what is left of it."""
    pieces = copied.placement.pieces(list(shards))
    kept = np.isin(docs.key, pieces.key)
    docs_table = _write_docs(source, target, extension, files, kept)
    here = Docs(docs.key[kept], docs.n_tokens[kept], docs.split[kept])
    doc, _ = find_documents(here, pieces.key)
    splits = {
        split: split_entry(entries, len(np.unique(doc[pieces.split == i])))
        for i, (split, entries) in enumerate(shards.items())
    }
    counts, old = count(here, doc, pieces, repeated_tokens(doc, pieces.start, pieces.length)), manifest.packing
    elsewhere = min(old.elsewhere_tokens, counts.missing)  # which of the missing ones are, cannot be known any more
    cells = manifest.header.seq_len * sum(entry.rows for entry in splits.values())
    packing = Packing(
        old.policy,
        dropped_tokens=counts.missing - elsewhere,
        padded_tokens=cells - sum(entry.tokens for entry in splits.values()),
        split_docs=counts.split_docs,
        repeated_tokens=counts.repeated_tokens if old.repeated_tokens else 0,
        elsewhere_tokens=elsewhere,
    )
    groups = copied.groups.get(TRAIN) or next(iter(copied.groups.values()))
    of_train = np.concatenate([np.empty(0, np.uint64), *copied.ids.get(TRAIN, [])])
    order = _order(manifest, np.concatenate(groups), of_train)
    return replace(manifest, packing=packing, order=order, splits=splits, docs_table=tuple(docs_table))


def finish(source: Path, target: Path, manifest: Manifest, left: Sequence[Manifest]) -> Manifest:
    """Write what belongs to all that is `left` of the parts, and return the manifest of the whole."""
    new = joined(left, first_documents(manifest), _copy_removals(source, target, manifest))
    renew_hub_files(target, new)
    if (source / TOKENIZER_NAME).is_file():
        write_bytes(target / TOKENIZER_NAME, (source / TOKENIZER_NAME).read_bytes())
    return new


def _copy_removals(source: Path, target: Path, manifest: Manifest) -> list[FileEntry]:
    """Copy the records of what was removed before; those that are damaged are left out."""
    whole = [file for file in manifest.removals if not any(hashed_file_problems(source, file, MANIFEST_NAME))]
    for file in whole:
        write_bytes(target / file.path, (source / file.path).read_bytes())
    return whole


def _order(manifest: Manifest, groups: NDArray[np.uint64], of_train: NDArray[np.uint64]) -> RowOrder:
    """The old order, with how many contexts there were, and how the rows that are left lie: their groups, and the
    contexts of the split train, uint64 both."""
    epochs = epochs_left(manifest.order, of_train)
    pairs = count_pairs(groups, [epoch.rows for epoch in epochs])
    there_were = {split: entry.rows for split, entry in manifest.splits.items()} | (manifest.order.contexts or {})
    return replace(
        manifest.order,
        adjacent_same_group=pairs.share,
        expected_by_chance=pairs.chance,
        contexts=there_were,
        epochs=epochs,
    )


def _write_docs(
    source: Path, target: Path, extension: int, files: Sequence[FileEntry], kept: NDArray[np.bool_]
) -> list[FileEntry]:
    """Write the kept rows of the documents table, a file for each that has any."""
    ends = offsets_of([file.rows for file in files])
    masks = [kept[first:last] for first, last in pairwise(ends)]
    left = [(file, mask) for file, mask in zip(files, masks, strict=True) if mask.any()]
    entries = []
    for number, (file, mask) in enumerate(left):
        path = docs_name(number, len(left), extension)
        table = pq.read_table(source / file.path, schema=docs_schema()).filter(pa.array(mask))
        with writing(target / path) as sink:
            entries.append(write_docs(sink, path, table))
    return entries
