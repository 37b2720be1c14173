"""Adding to finished shards: the rows and documents of another dataset, behind those that are there.

    train/data-x00001-00000-of-00002.arrow    the first of two shards of the first extension
    docs/docs-x00001-00000-of-00001.parquet   its documents

No file that is there is touched but manifest.json, which lists old and new and is renamed to its place when all these
are, and Hugging Face's two small files, renewed after it. So a reader finds the old dataset or the new one, whenever
the writer is killed; and one that has the old manifest goes on reading.

In the new rows the keys of documents, contexts and paths count on from the old ones; all else is as it was.
"""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from os import PathLike
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from sequitur.shards.alone import alone
from sequitur.shards.atomic import flush_directory, writing
from sequitur.shards.contexts import Contexts, context_batch
from sequitur.shards.errors import ShardError
from sequitur.shards.families import is_parted
from sequitur.shards.find import Advance
from sequitur.shards.format import MANIFEST_NAME, Header, context_schema, docs_name, docs_schema
from sequitur.shards.format import shard_name as name_of_shard
from sequitur.shards.hub_files import renew_hub_files
from sequitur.shards.manifest import (
    FileEntry,
    Manifest,
    RowOrder,
    ShardEntry,
    manifest_json,
    read_manifest,
    split_entry,
)
from sequitur.shards.manifest_rules import contexts_of
from sequitur.shards.parts import first_documents, joined, parts
from sequitur.shards.pieces import shard_batches
from sequitur.shards.removal.intent import INTENT
from sequitur.shards.writer import write_docs, write_shard

STAGING = "_extension"  # readers pass over what begins with an underscore


class ExtensionRefused(ShardError, ValueError):
    """Nothing was changed: the two do not fit together, or something else is being done to the dataset."""


def extend(
    root: str | PathLike[str],
    addition: str | PathLike[str],
    first_document: int,
    *,
    advance: Advance = lambda step, done, total: None,
) -> Manifest:
    """Add the dataset in `addition` to the one in `root`, and return the manifest of what is there then.

    Both must have rows of one length and tokens of one tokenizer. Where it was added before, nothing is written but
    what an interrupted call left. The same two give the same bytes. Reads and writes each new row once, and checks its
    CRC-32; disk: as much as `addition`. One process, at some 300 MB a second.

    Args:
        root: a directory of shards.
        addition: another, which stays as it is.
        first_document: what the keys of its documents are counted from; above every key of `root`.
        advance: told what is being done, how much of it is done, and how much there is.

    Raises ExtensionRefused, and the named errors of damage.
    """
    base, other = Path(root), Path(addition)
    with alone(base, ExtensionRefused(f"{base}: another process is at work on these shards; wait for it")):
        _refuse(base, other)
        old, new = read_manifest(base), read_manifest(other)
        if is_added(old, new):
            shutil.rmtree(base / STAGING, ignore_errors=True)
            renew_hub_files(base, old)
            return old
        _refuse_unlike(base, old, new)
        _refuse_key(base, old, first_document)
        shutil.rmtree(base / STAGING, ignore_errors=True)
        part = _write_part(other, new, base / STAGING, old, first_document, advance)
        whole = joined([*parts(old), part], [*first_documents(old), first_document], old.removals)
        _publish(base, part)
        with writing(base / MANIFEST_NAME) as file:
            file.write(manifest_json(whole).encode())
        shutil.rmtree(base / STAGING)
        renew_hub_files(base, whole)
        return whole


def is_added(manifest: Manifest, addition: Manifest) -> bool:
    """Whether a dataset holds another one as an extension."""
    return any(one.run_id == addition.header.run_id for one in manifest.extensions)


def _refuse(base: Path, other: Path) -> None:
    for place in (base, other):
        if is_parted(place):
            raise ExtensionRefused(
                f"{place}: holds several datasets, by family or row length, which cannot be extended: make another "
                "run of the new documents, with select.against for the old ones, and train on both"
            )
    if (base / INTENT).exists():
        raise ExtensionRefused(f"{base}: a removal was begun here and is not finished: repeat the same sequitur remove")


def _refuse_unlike(base: Path, old: Manifest, new: Manifest) -> None:
    def of(header: Header) -> tuple[object, ...]:
        tokenizer = header.tokenizer
        return header.seq_len, tokenizer.sha256, tokenizer.vocab_size, header.special_ids, header.boundaries

    if of(old.header) != of(new.header):
        raise ExtensionRefused(
            f"{base}: has rows of another length, or tokens of another tokenizer, than what is added"
        )
    if old.order.epochs or new.order.epochs:
        raise ExtensionRefused(
            f"{base}: has several epochs, to which no rows can be added: make another run of the new documents, with "
            "select.against for the old ones, and train on both"
        )
    if old.order.kind != new.order.kind:
        raise ExtensionRefused(f"{base}: only one of the two is a curriculum; order both by the same strategy")


def _refuse_key(base: Path, old: Manifest, first_document: int) -> None:
    for file in old.docs_table[-1:]:
        keys = pq.read_table(base / file.path, columns=["doc_key"])["doc_key"]
        if len(keys) and keys[-1].as_py() >= first_document:
            raise ExtensionRefused(f"{base}: holds document {keys[-1]}; give a first_document above it")


def _write_part(
    source: Path, new: Manifest, target: Path, old: Manifest, first_document: int, advance: Advance
) -> Manifest:
    """Write the shards and documents of `new` to `target`, numbered on from `old`; returns the part that they make."""
    number = len(old.extensions) + 1
    header = replace(
        old.header,
        created_by=new.header.created_by,
        run_id=new.header.run_id,
        config_sha256=new.header.config_sha256,
    )
    first_context = _first_contexts(old, new)
    total, done = sum(len(split.shards) for split in new.splits.values()), 0
    splits = {}
    for name, split in new.splits.items():
        entries: list[ShardEntry] = []
        for shard in range(len(split.shards)):
            advance("add shards", done, total)
            path = f"{name}/{name_of_shard(shard, len(split.shards), number)}"
            schema = context_schema(header, name, shard, len(split.shards))
            moved = _moved(source, new, name, shard, first_document, first_context[name])
            with writing(target / path) as file:
                entries.append(write_shard(file, path, (context_batch(one, schema) for one in moved), schema))
            done += 1
        splits[name] = split_entry(entries, split.docs)
    docs = _write_docs(source, new, target, number, first_document)
    order: RowOrder = replace(new.order, first={name: first for name, first in first_context.items() if first} or None)
    return replace(new, header=header, order=order, splits=splits, docs_table=tuple(docs), removals=())


def _first_contexts(old: Manifest, new: Manifest) -> dict[str, int]:
    """By split, how many contexts the parts that are there had."""
    found = dict.fromkeys(new.splits, 0)
    for part in parts(old):
        for name in found:
            rows = part.splits[name].rows if name in part.splits else 0
            found[name] += contexts_of(part.order, name, rows)
    return found


def _moved(
    source: Path, new: Manifest, split: str, shard: int, first_document: int, first_context: int
) -> Iterator[Contexts]:
    for contexts in shard_batches(source, new, split, shard, check=True):
        yield contexts._replace(
            doc_ids=_counted_on(contexts.doc_ids, first_document),
            context_id=_counted_on(contexts.context_id, first_context),
            group_id=_counted_on(contexts.group_id, first_document),  # there are no more paths than documents
        )


def _counted_on(ids: NDArray[np.uint64], first: int) -> NDArray[np.uint64]:
    moved: NDArray[np.uint64] = ids + np.uint64(first)
    return moved


def _write_docs(source: Path, new: Manifest, target: Path, number: int, first_document: int) -> list[FileEntry]:
    entries = []
    for index, file in enumerate(new.docs_table):
        docs = pq.read_table(source / file.path, schema=docs_schema())
        for column in ("doc_key", "path"):
            where, field = docs.schema.get_field_index(column), docs.schema.field(column)
            moved = docs[column].to_numpy() + np.array(first_document, dtype=field.type.to_pandas_dtype())
            docs = docs.set_column(where, field, pa.array(moved, field.type))
        path = docs_name(index, len(new.docs_table), number)
        with writing(target / path) as sink:
            entries.append(write_docs(sink, path, docs))
    return entries


def _publish(base: Path, part: Manifest) -> None:
    """Move the files of a part to their places, where no manifest lists them yet."""
    files = [*(shard.path for split in part.splits.values() for shard in split.shards)]
    files += [file.path for file in part.docs_table]
    for path in files:
        (base / path).parent.mkdir(exist_ok=True)
        (base / STAGING / path).replace(base / path)
    for folder in {(base / path).parent for path in files}:
        flush_directory(folder)
