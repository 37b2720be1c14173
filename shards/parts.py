"""The parts of a dataset that was extended: what was there first, and what each extension added.

Each part is a dataset by itself, of its own contexts, order and documents, which lies in the same root: its shards say
which of how many they are among those of the part. Nothing of a part changes when another is added.
"""

from collections.abc import Sequence
from dataclasses import astuple, replace

from sequitur.shards.files import Place
from sequitur.shards.manifest import (
    ExtensionEntry,
    FileEntry,
    Manifest,
    Packing,
    build_manifest,
    fingerprint,
    split_entry,
)
from sequitur.shards.manifest_rules import shards_of_parts


def parts(manifest: Manifest) -> list[Manifest]:
    """The manifest of each part, in order; that of the whole where it was never extended. All have its `removals`."""
    if not manifest.extensions:
        return [manifest]
    first = len(manifest.docs_table) - sum(one.docs_files for one in manifest.extensions)
    docs = {
        name: split.docs - sum(one.docs.get(name, 0) for one in manifest.extensions)
        for name, split in manifest.splits.items()
    }
    rest = [-sum(counts) for counts in zip(*(astuple(one.packing)[1:] for one in manifest.extensions), strict=True)]
    packing = _added(manifest.packing, Packing(manifest.packing.policy, *rest))
    all_shards = shards_of_parts(manifest)
    splits = {name: split_entry(shards, docs[name]) for name, shards in all_shards[0].items()}
    of_first = manifest.docs_table[:first], fingerprint(manifest.header, splits)
    found = [Manifest(manifest.header, packing, manifest.order, splits, *of_first, manifest.removals)]
    for one, shards in zip(manifest.extensions, all_shards[1:], strict=True):
        header = replace(manifest.header, created_by=one.created_by, run_id=one.run_id, config_sha256=one.config_sha256)
        splits = {name: split_entry(some, one.docs.get(name, 0)) for name, some in shards.items()}
        files = manifest.docs_table[first : first + one.docs_files]
        identity = fingerprint(header, splits)
        found.append(Manifest(header, one.packing, one.order, splits, files, identity, manifest.removals))
        first += one.docs_files
    return found


def joined(found: Sequence[Manifest], first_documents: Sequence[int], removals: Sequence[FileEntry]) -> Manifest:
    """The manifest of the whole, from those of its parts; `first_documents` are the keys with which the documents of
    each extension begin. The opposite of `parts`."""
    names = list(dict.fromkeys(name for part in found for name in part.splits))
    splits = {}
    for name in names:
        here = [part.splits[name] for part in found if name in part.splits]
        shards = [shard for split in here for shard in split.shards]
        splits[name] = split_entry(shards, sum(split.docs for split in here))
    packing = found[0].packing
    for part in found[1:]:
        packing = _added(packing, part.packing)
    extensions = [
        ExtensionEntry(
            part.header.created_by,
            part.header.run_id,
            part.header.config_sha256,
            key,
            {name: len(split.shards) for name, split in part.splits.items()},
            {name: split.docs for name, split in part.splits.items()},
            len(part.docs_table),
            part.packing,
            part.order,
        )
        for part, key in zip(found[1:], first_documents, strict=True)
    ]
    docs_table = [file for part in found for file in part.docs_table]
    return build_manifest(found[0].header, packing, found[0].order, splits, docs_table, removals, extensions)


def first_documents(manifest: Manifest) -> list[int]:
    """The key with which the documents of each extension begin."""
    return [one.first_document for one in manifest.extensions]


def place_of(manifest: Manifest, split: str, number: int) -> Place:
    """What shard `number` of a split must say that it is."""
    end = len(manifest.splits[split].shards)
    for one in reversed(manifest.extensions):
        count = one.shards.get(split, 0)
        if number >= end - count:
            return Place(split, f"{number - end + count}/{count}", one.run_id)
        end -= count
    return Place(split, f"{number}/{end}", manifest.header.run_id)


def earlier(manifest: Manifest, split: str) -> tuple[tuple[str, int], ...]:
    """The fingerprint that the dataset had before each of its extensions, and the rows of the split then; the oldest
    first. Told by the shards that are there now: where some of them were rewritten since, it is another."""
    found, so_far = [], {name: split_entry((), 0) for name in manifest.splits}
    for shards in shards_of_parts(manifest)[:-1]:
        for name, some in shards.items():
            so_far[name] = split_entry((*so_far[name].shards, *some), 0)
        there = {name: entry for name, entry in so_far.items() if entry.shards}
        found.append((fingerprint(manifest.header, there), so_far[split].rows))
    return tuple(found)


def _added(one: Packing, other: Packing) -> Packing:
    counts = zip(astuple(one)[1:], astuple(other)[1:], strict=True)
    return Packing(one.policy, *(first + second for first, second in counts))
