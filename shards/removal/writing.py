"""Writing a planned removal: new shards, new files of docs/, the record; and clearing what is no longer listed."""

import hashlib
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path, PurePosixPath

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from sequitur.shards.atomic import TEMPORARY, writing
from sequitur.shards.contexts import Contexts, context_batch
from sequitur.shards.documents import read_documents
from sequitur.shards.find import Advance, Query, common_unknown
from sequitur.shards.format import MANIFEST_NAME, context_schema, docs_schema, shard_name
from sequitur.shards.hub_files import renew_hub_files
from sequitur.shards.manifest import (
    FileEntry,
    Manifest,
    ShardEntry,
    SplitEntry,
    split_entry,
)
from sequitur.shards.parts import first_documents, joined, parts
from sequitur.shards.pieces import contains, shard_batches
from sequitur.shards.removal.counts import RowChange
from sequitur.shards.removal.plan import Plan, going
from sequitur.shards.removal.record import FOLDER, Record, SplitRows, asked_of, read_record, record_json, record_path
from sequitur.shards.removal.repack import without_pieces
from sequitur.shards.writer import write_docs, write_shard

_HF_FILES = ("state.json", "dataset_info.json")


def write_removal(
    root: Path, manifest: Manifest, plans: Sequence[Plan | None], query: Query, advance: Advance
) -> Manifest:
    """Write what the plan of each part changes under new names, and the record of it; the manifest that lists them is
    returned, not written. Holds one batch of contexts at a time, about three times."""
    replaced: dict[str, str | None] = {}
    left = [
        part if plan is None else _write_part(root, part, number, plan, replaced, advance)
        for number, (part, plan) in enumerate(zip(parts(manifest), plans, strict=True))
    ]
    keys = first_documents(manifest)
    after = joined(left, keys, manifest.removals)
    record = _record(manifest, [plan for plan in plans if plan is not None], query, after, replaced)
    content = record_json(record)
    path = record_path(record.number)
    with writing(root / path) as file:
        file.write(content)
    names = len(record.documents) + len(record.other_documents)
    entry = FileEntry(path, len(content), names, hashlib.sha256(content).hexdigest())
    return joined(left, keys, (*manifest.removals, entry))


def _write_part(
    root: Path, part: Manifest, extension: int, plan: Plan, replaced: dict[str, str | None], advance: Advance
) -> Manifest:
    """A part of the dataset after the removal; `extension` is its number, 0 of what was there first."""
    splits: dict[str, SplitEntry] = {}
    for name in part.splits:
        shards = _write_split(root, part, extension, name, plan, replaced, advance)
        if shards:
            splits[name] = split_entry(shards, plan.docs[name])
    docs = _write_docs(root, part, plan, replaced)
    return replace(part, packing=plan.packing, order=plan.order, splits=splits, docs_table=tuple(docs))


def settle(root: Path, manifest: Manifest) -> None:
    """Make the files in `root` those of `manifest`, its own: what an unfinished removal wrote goes, and what the last
    finished one replaced; Hugging Face's two files of each split are renewed. Doing it twice does no harm."""
    number = len(manifest.removals) + 1
    ours = re.compile(rf"{re.escape(TEMPORARY)}.*|.*-r{number:05}\.(arrow|parquet)|removal-{number:05}\.json")
    for folder in (*manifest.splits, "docs", FOLDER):
        if (root / folder).is_dir():
            for path in sorted((root / folder).iterdir()):
                if ours.fullmatch(path.name):
                    path.unlink()
    (root / f"{TEMPORARY}{MANIFEST_NAME}").unlink(missing_ok=True)
    renew_hub_files(root, manifest)
    if manifest.removals:
        _delete_replaced(root, manifest)


def _delete_replaced(root: Path, manifest: Manifest) -> None:
    listed = {shard.path for split in manifest.splits.values() for shard in split.shards}
    listed |= {file.path for file in manifest.docs_table}
    replaced = read_record(root, manifest.removals[-1]).replaced
    for old in sorted(replaced.keys() - listed):
        (root / old).unlink(missing_ok=True)
    for folder in sorted({PurePosixPath(old).parts[0] for old in replaced} - manifest.splits.keys() - {"docs"}):
        for name in _HF_FILES:
            (root / folder / name).unlink(missing_ok=True)
        with suppress(OSError):  # it may hold something of the user's
            (root / folder).rmdir()


def _write_split(
    root: Path,
    manifest: Manifest,
    extension: int,
    split: str,
    plan: Plan,
    replaced: dict[str, str | None],
    advance: Advance,
) -> list[ShardEntry]:
    """The shards of a split of a part after the removal. Where one is left empty, the others count anew, and are
    all rewritten, for each says which of how many it is."""
    shards, change, number = manifest.splits[split].shards, plan.rows[split], len(manifest.removals) + 1
    ends = np.cumsum([shard.rows for shard in shards])
    rows = [slice(end - shard.rows, end) for end, shard in zip(ends.tolist(), shards, strict=True)]
    left = [i for i, here in enumerate(rows) if not change.emptied[here].all()]
    todo = sum(1 for i in left if len(left) < len(shards) or change.touched[rows[i]].any())
    replaced.update((shards[i].path, None) for i in range(len(shards)) if i not in left)
    entries: list[ShardEntry] = []
    done = 0
    for place, i in enumerate(left):
        if len(left) == len(shards) and not change.touched[rows[i]].any():
            entries.append(shards[i])
            continue
        advance(f"write {split}", done, todo)
        path = f"{split}/{_renamed(shard_name(place, len(left), extension), number)}"
        schema = context_schema(manifest.header, split, place, len(left))
        blocks = _contexts(root, manifest, split, i, plan, change.at(rows[i]))
        batches = (context_batch(contexts, schema) for contexts in blocks if len(contexts.num_tokens))
        with writing(root / path) as file:
            entries.append(write_shard(file, path, batches, schema))
        replaced[shards[i].path] = path
        done += 1
    return entries


def _contexts(
    root: Path, manifest: Manifest, split: str, number: int, plan: Plan, change: RowChange
) -> Iterator[Contexts]:
    """The batches of a shard without what goes; `change` is of its rows."""
    first = 0
    for contexts in shard_batches(root, manifest, split, number, check=True):
        rows = slice(first, first + len(contexts.num_tokens))
        first = rows.stop
        followed = contexts.next_valid & ~change.unfollowed[rows]
        contexts = contexts._replace(group_id=change.group_id[rows], next_valid=followed)
        goes = going(plan.asked.key, contexts, plan.drop)
        yield without_pieces(contexts, goes, manifest.header.special_ids.pad) if goes.any() else contexts


def _write_docs(root: Path, manifest: Manifest, plan: Plan, replaced: dict[str, str | None]) -> list[FileEntry]:
    entries, number = [], len(manifest.removals) + 1
    for file in manifest.docs_table:
        batches = read_documents(root, replace(manifest, docs_table=(file,)), docs_schema().names)
        docs = pa.concat_tables(
            [docs_schema().empty_table(), *(pa.table(batch.columns, schema=docs_schema()) for batch in batches)]
        )
        key = docs.column("doc_key").to_numpy()
        lost, alone = contains(plan.lost, key), contains(plan.uncompared, key)
        if not lost.any() and not alone.any():
            entries.append(file)
            continue
        left = _without_cosines(docs, alone).filter(pa.array(~lost))
        replaced[file.path] = None
        if left.num_rows:
            path = f"docs/{_renamed(PurePosixPath(file.path).name, number)}"
            with writing(root / path) as sink:
                entries.append(write_docs(sink, path, left))
            replaced[file.path] = path
    return entries


def _without_cosines(docs: pa.Table, alone: NDArray[np.bool_]) -> pa.Table:
    index = docs.schema.get_field_index("cosine_to_previous")
    cosine = pc.if_else(pa.array(alone), pa.scalar(None, pa.float32()), docs.column(index))
    return docs.set_column(index, docs.schema.field(index), cosine)


def _record(
    manifest: Manifest, plans: Sequence[Plan], query: Query, after: Manifest, replaced: dict[str, str | None]
) -> Record:
    splits, unknown = after.splits, common_unknown([plan.asked.unknown for plan in plans])
    return Record(
        number=len(manifest.removals) + 1,
        contexts="drop" if plans[0].drop else "repack",
        asked=asked_of(query, unknown),
        documents={
            name: tokens
            for plan in plans
            for name, tokens in zip(plan.asked.doc_id, plan.asked.n_tokens.tolist(), strict=True)
        },
        other_documents={name: tokens for plan in plans for name, tokens in plan.gone.items()},
        tokens=sum(plan.tokens for plan in plans),
        other_tokens=sum(plan.other_tokens for plan in plans),
        contexts_changed=sum(plan.contexts_changed for plan in plans),
        contexts_gone=sum(plan.contexts_gone for plan in plans),
        next_tokens_gone=sum(plan.next_tokens_gone for plan in plans),
        splits={
            name: SplitRows(
                split.rows,
                splits[name].rows if name in splits else 0,
                split.tokens,
                splits[name].tokens if name in splits else 0,
            )
            for name, split in manifest.splits.items()
        },
        replaced=replaced,
        fingerprint_before=manifest.fingerprint,
        fingerprint_after=after.fingerprint,
    )


def _renamed(name: str, number: int) -> str:
    """A file name that tells the removal that wrote it: data-00003-of-00064-r00001.arrow."""
    stem, dot, suffix = name.rpartition(".")
    return f"{re.sub(r'-r[0-9]{5}$', '', stem)}-r{number:05}{dot}{suffix}"
