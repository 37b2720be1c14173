"""What the entries of manifest.json must keep to, whoever wrote them."""

from __future__ import annotations

import re
from dataclasses import astuple
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from sequitur.shards.errors import ManifestInvalid, PathEscape
from sequitur.shards.format import LONGEST_CONTEXT, MANIFEST_NAME

if TYPE_CHECKING:
    from sequitur.shards.manifest import Manifest, RowOrder, ShardEntry


def check_entries(manifest: Manifest) -> None:
    """Raise ManifestInvalid or PathEscape for entries that cannot be, or contradict each other."""
    if not 1 <= manifest.header.seq_len <= LONGEST_CONTEXT:
        raise ManifestInvalid(f"seq_len is {manifest.header.seq_len}; it must be 1 … {LONGEST_CONTEXT:,}")
    for name, split in manifest.splits.items():
        check_path(name)
        for shard in split.shards:
            check_path(shard.path)
            if PurePosixPath(shard.path).parent != PurePosixPath(name):
                raise PathEscape(f"lies outside the folder of its split, {name!r}", shard=shard.path)
            _check_batches(shard)
    for file in (*manifest.docs_table, *manifest.removals):
        check_path(file.path)
    _check_extensions(manifest)
    _check_orders(manifest)


def check_path(path: str) -> None:
    """Raise PathEscape for a path out of the root. Lexically: the Hugging Face hub's cache holds links out of
    the folder, which are not the manifest's doing."""
    parts = path.split("/")
    if any(part in ("", ".", "..") for part in parts) or any(char in path for char in "\\:\0"):
        raise PathEscape(f"{MANIFEST_NAME} names {path!r}, which is not a plain path below the root")


def shards_of_parts(manifest: Manifest) -> list[dict[str, tuple[ShardEntry, ...]]]:
    """The shards of each part by split, where it has any: of what was there first, then of each extension."""
    found: list[dict[str, tuple[ShardEntry, ...]]] = [{} for _ in range(1 + len(manifest.extensions))]
    for name, split in manifest.splits.items():
        end = len(split.shards)
        for number in reversed(range(len(found))):
            count = manifest.extensions[number - 1].shards.get(name, 0) if number else end
            if count:
                found[number][name] = split.shards[end - count : end]
            end -= count
    return found


def contexts_of(order: RowOrder, split: str, rows: int) -> int:
    """How many contexts a split of a part had when it was packed, of which `rows` are left."""
    return (order.contexts or {}).get(split, rows)


def _check_extensions(manifest: Manifest) -> None:
    if not manifest.extensions:
        return
    of_all, extensions = manifest.packing, manifest.extensions
    sums = [sum(counts) for counts in zip(*(astuple(one.packing)[1:] for one in extensions), strict=True)]
    more = [name for one in extensions for name in {*one.shards, *one.docs} if name not in manifest.splits]
    for name, split in manifest.splits.items():
        counts = (sum(one.shards.get(name, 0) for one in extensions), sum(one.docs.get(name, 0) for one in extensions))
        more += [name] * (counts[0] > len(split.shards) or counts[1] > split.docs)
    files = sum(one.docs_files for one in extensions)
    keys = [one.first_document for one in extensions]
    if (
        more
        or files > len(manifest.docs_table)
        or any(one > whole for one, whole in zip(sums, astuple(of_all)[1:], strict=True))
        or keys != sorted(set(keys))
    ):
        raise ManifestInvalid("extensions: they hold more than the dataset, or their documents are not in order")


def _check_orders(manifest: Manifest) -> None:
    """Each part's rows are of the contexts that it had, and these follow on those of the part before."""
    before: dict[str, int] = {}
    orders = [manifest.order, *(one.order for one in manifest.extensions)]
    for order, shards in zip(orders, shards_of_parts(manifest), strict=True):
        rows = {name: sum(shard.rows for shard in some) for name, some in shards.items()}
        for name, count in rows.items():
            if not count <= contexts_of(order, name, count) <= 1 << 63:
                raise ManifestInvalid(f"split {name!r} has more rows than its order had contexts, or that had too many")
            if (order.first or {}).get(name, 0) != before.get(name, 0):
                raise ManifestInvalid(f"split {name!r}: the contexts of an extension do not follow on those before it")
        _check_epochs(order, rows.get("train", 0))
        for name in {*rows, *(order.contexts or {})}:
            before[name] = before.get(name, 0) + contexts_of(order, name, rows.get(name, 0))


def _check_epochs(order: RowOrder, rows: int) -> None:
    sums = sum(epoch.rows for epoch in order.epochs), sum(epoch.contexts for epoch in order.epochs)
    there_were = contexts_of(order, "train", rows)
    if order.epochs and (sums != (rows, there_were) or any(epoch.rows > epoch.contexts for epoch in order.epochs)):
        raise ManifestInvalid("order: the epochs do not add up to the rows of the split 'train' and to its contexts")


def _check_batches(shard: ShardEntry) -> None:
    if not re.fullmatch("[0-9a-f]{32}", shard.row_digest):
        raise ManifestInvalid("its row_digest is not 32 hex digits", shard=shard.path)
    if not shard.batches:
        raise ManifestInvalid("holds no batch", shard=shard.path)
    end = 0
    for number, batch in enumerate(shard.batches):
        if batch.offset < end or batch.rows == 0 or batch.bytes == 0:
            raise ManifestInvalid("is empty, or overlaps the one before it", shard=shard.path, batch=number)
        end = batch.offset + batch.bytes
    if end > shard.bytes or sum(batch.rows for batch in shard.batches) != shard.rows:
        raise ManifestInvalid("its batches do not add up to its bytes and rows", shard=shard.path)
