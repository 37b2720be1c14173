"""Checking a whole dataset against its manifest, its format and its promise: no document lost, none repeated.

Every byte of every file is covered: by a CRC-32 or SHA-256 in the manifest, by what follows from the manifest
(state.json, dataset_info.json), or by a checksum of its own (manifest.json, families.json).
"""

import hashlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path

import numpy as np
import pyarrow as pa

from sequitur.shards.contexts import Contexts, faults, largest_token, real_tokens
from sequitur.shards.digest import add_digests, row_digest_sum
from sequitur.shards.errors import (
    OrderMismatch,
    RowsInvalid,
    SchemaMismatch,
    ShardCorrupt,
    ShardError,
    ShardMisplaced,
    TotalsMismatch,
)
from sequitur.shards.families import dataset_entry, is_parted, read_families_file
from sequitur.shards.files import Place, check_crc, map_shard, parse_batch, read_schema, unreadable
from sequitur.shards.format import FAMILIES_NAME, MANIFEST_NAME, Header, context_schema
from sequitur.shards.json_files import text_problems
from sequitur.shards.manifest import FileEntry, Manifest, ShardEntry, read_manifest
from sequitur.shards.parts import first_documents, parts
from sequitur.shards.placement import Placements, key_problems, placement_problems
from sequitur.shards.row_order import RowOrder, order_known
from sequitur.shards.side_files import (
    dataset_files,
    docs_file_problems,
    hashed_file_problems,
    hub_problems,
    salvage_record_problems,
    tokenizer_problems,
    unlisted_files,
)
from sequitur.shards.writer import END_OF_STREAM

Progress = Callable[[int], object]
"""Called with a number of bytes more that have been read."""


def verify(root: str | PathLike[str], *, full: bool = True) -> list[ShardError]:
    """All problems of the dataset in `root`, or of the datasets that its families.json lists, as unraised
    errors with shard, batch and offset; none if all is whole."""
    return list(problems(root, full=full))


def problems(
    root: str | PathLike[str], *, full: bool = True, progress: Progress = lambda read: None
) -> Iterator[ShardError]:
    """The problems as they are found.

    Without `full` what is checked is the manifest, the tokenizer, the files that are there, their sizes and schemas,
    and where rows lie, which takes some pages of each batch: 0.4 s for 1 GB. With it every byte is read, at 0.29 GB/s
    of processor time for rows of 2,048 tokens and 0.44 for 8,192 (measured: CRC-32 4 GB/s, SHA-256 1.8 in a second
    thread, row digests 0.5 to 0.9). Memory: the maps of one shard, which the system may take back, 16 to 32 bytes a
    row, and some 72 bytes a piece.

    Damaged rows have unknown pieces, so what all rows must tell together (totals of their order, the placement of
    documents) is checked only if all shards are intact.
    """
    base = Path(root)
    if is_parted(base):
        yield from _problems_of_all(base, full, progress)
    else:
        yield from _problems_of_one(base, full, progress)


def bytes_to_read(root: str | PathLike[str]) -> int:
    """How much `problems` reads with `full`: of all that can be listed, the shards and the documents tables."""
    base = Path(root)
    try:
        if is_parted(base):
            return sum(bytes_to_read(base / entry.directory) for entry in read_families_file(base).datasets)
        manifest = read_manifest(base)
    except (ShardError, OSError):
        return 0
    shards = sum(shard.bytes for split in manifest.splits.values() for shard in split.shards)
    return shards + sum(file.bytes for file in manifest.docs_table)


def open_shard(root: Path, manifest: Manifest, split: str, number: int) -> tuple[pa.Buffer, pa.Schema]:
    """A memory map of shard `number` of a split, and its schema, which is the one that the manifest demands.

    Raises ShardMissing, ShardTruncated, ShardCorrupt, ShardMisplaced or SchemaMismatch.
    """
    shards = manifest.splits[split].shards
    shard, place = shards[number], Place(split, f"{number}/{len(shards)}", manifest.header.run_id)
    mapped = map_shard(root, shard, manifest.header.seq_len, place)
    try:
        schema = read_schema(mapped.slice(0, shard.batches[0].offset), shard.path, manifest.header.seq_len, place)
        if not schema.equals(context_schema(manifest.header, split, number, len(shards)), check_metadata=True):
            raise SchemaMismatch("its schema metadata differs from the manifest: copy it again", shard=shard.path)
    except (ShardCorrupt, ShardMisplaced, SchemaMismatch) as error:
        # A schema that says something else before batches that are the right ones is damage, not another shard.
        intact = any(_damage(mapped, shard, batch) is None for batch in range(len(shard.batches)))
        if intact and not _is_as_written(mapped, shard):
            raise ShardCorrupt("its schema is damaged: copy it again", shard=shard.path, offset=0) from error
        raise
    return mapped, schema


def read_batch(mapped: pa.Buffer, schema: pa.Schema, header: Header, shard: ShardEntry, number: int) -> Contexts:
    """Batch `number` of a shard, with its CRC-32 and every rule on its rows checked. Raises ShardCorrupt or
    RowsInvalid."""
    batch = shard.batches[number]
    message = mapped.slice(batch.offset, batch.bytes)
    check_crc(message, shard, number)
    contexts = parse_batch(message, schema, shard, number)
    found = faults(contexts) or _token_faults(contexts, header)
    if found:
        raise RowsInvalid("; ".join(found), shard=shard.path, batch=number, offset=batch.offset)
    return contexts


def _problems_of_all(base: Path, full: bool, progress: Progress) -> Iterator[ShardError]:
    """Those of each dataset in its turn, and whether it is the one that is listed."""
    try:
        families = read_families_file(base)
    except ShardError as error:
        yield error
        return
    except OSError as error:
        yield unreadable(FAMILIES_NAME, error)
        return
    yield from text_problems(base, FAMILIES_NAME)
    for entry in families.datasets:
        directory = entry.directory
        found = problems(base / directory, full=full, progress=progress)
        yield from (problem.within(directory) for problem in found)
        try:
            if entry != dataset_entry(entry.family, directory, read_manifest(base / directory)):
                yield TotalsMismatch(f"{FAMILIES_NAME} lists another dataset than is there", shard=directory)
        except (ShardError, OSError):
            continue  # told already
    for file in families.router:
        yield from _named(hashed_file_problems(base, file, FAMILIES_NAME), file.path)
    yield from unlisted_files(base, {file.path for file in families.router}, {e.directory for e in families.datasets})


def _problems_of_one(base: Path, full: bool, progress: Progress) -> Iterator[ShardError]:
    try:
        manifest = read_manifest(base)
    except ShardError as error:
        yield error
        return
    except OSError as error:
        yield unreadable(MANIFEST_NAME, error)
        return
    yield from text_problems(base, MANIFEST_NAME)
    small = [
        tokenizer_problems(base, manifest.header),
        hub_problems(base, manifest),
        unlisted_files(base, dataset_files(manifest), set()),
        salvage_record_problems(base),
        *(hashed_file_problems(base, file, MANIFEST_NAME) for file in manifest.removals),
    ]
    for found in small:
        yield from _named(found, "")
    begins = [0, *first_documents(manifest), None]
    for part, first, end in zip(parts(manifest), begins, begins[1:], strict=False):
        intact = True
        for problem in _problems_of_part(base, part, manifest.docs_table, full, progress):
            intact = False
            yield problem
        if full and intact and manifest.extensions:
            yield from _named(key_problems(base, part, first or 0, end), "docs")


def _problems_of_part(
    base: Path, part: Manifest, docs_table: tuple[FileEntry, ...], full: bool, progress: Progress
) -> Iterator[ShardError]:
    """Those of the shards and documents of a part, `docs_table` being that of the whole."""
    yield from _padding_problems(part)
    unknown = list(order_known(part))
    yield from unknown
    damaged = False
    with ThreadPoolExecutor(1) as beside:
        walk = _Walk(base, part, full, progress, beside, RowOrder(part, tokens=full))
        for split, entry in part.splits.items():
            for number, shard in enumerate(entry.shards):
                for problem in _named(walk.shard_problems(split, number), shard.path):
                    damaged = damaged or not isinstance(problem, OrderMismatch)
                    yield problem
    found: list[ShardError] = []
    for file in part.docs_table:
        found += docs_file_problems(base, file, docs_table, full)
        progress(file.bytes)
    yield from found
    if not damaged and not unknown:
        yield from walk.order.problems()
    if full and not damaged and not found:
        yield from _named(placement_problems(base, part, walk.placement), "docs")


@dataclass
class _Walk:
    """Goes through the shards, and gathers what their rows tell together."""

    root: Path
    manifest: Manifest
    full: bool
    progress: Progress
    beside: ThreadPoolExecutor  # computes the SHA-256 meanwhile
    order: RowOrder
    placement: Placements = field(init=False)

    def __post_init__(self) -> None:
        self.placement = Placements(self.manifest.order)

    def shard_problems(self, split: str, number: int) -> Iterator[ShardError]:
        """Those of shard `number` of a split."""
        shard = self.manifest.splits[split].shards[number]
        try:
            mapped, schema = open_shard(self.root, self.manifest, split, number)
        except (ShardError, OSError) as error:
            self.order.skip(split, shard.rows)
            self.progress(shard.bytes)
            yield error if isinstance(error, ShardError) else unreadable(shard.path, error)
            return
        if self.full:
            yield from self._all_bytes(mapped, schema, split, shard)
        else:
            yield from self._places_of_rows(mapped, schema, split, shard)

    def _places_of_rows(
        self, mapped: pa.Buffer, schema: pa.Schema, split: str, shard: ShardEntry
    ) -> Iterator[ShardError]:
        for number, batch in enumerate(shard.batches):
            try:
                contexts = parse_batch(mapped.slice(batch.offset, batch.bytes), schema, shard, number)
            except ShardError as error:
                self.order.skip(split, batch.rows)
                yield _damage(mapped, shard, number) or error
                continue
            try:
                self.order.add(split, shard, number, contexts)
            except OrderMismatch as error:
                yield _damage(mapped, shard, number) or error

    def _all_bytes(self, mapped: pa.Buffer, schema: pa.Schema, split: str, shard: ShardEntry) -> Iterator[ShardError]:
        sha256, end, tokens = hashlib.sha256(), 0, 0
        digests = []
        for number, batch in enumerate(shard.batches):
            first, end = end, batch.offset + batch.bytes
            hashing = self.beside.submit(sha256.update, mapped.slice(first, end - first))
            try:
                contexts = read_batch(mapped, schema, self.manifest.header, shard, number)
            except ShardError as error:
                self.order.skip(split, batch.rows)
                yield error
            else:
                self.placement.add(split, shard, number, contexts)
                tokens += int(contexts.num_tokens.sum(dtype=np.int64))
                digests.append(row_digest_sum(contexts.input_ids, contexts.num_tokens))
                try:
                    self.order.add(split, shard, number, contexts)
                except OrderMismatch as error:
                    yield error
            hashing.result()
            self.progress(end - first)
        if len(digests) < len(shard.batches):
            return
        sha256.update(mapped.slice(end))
        self.progress(mapped.size - end)
        if sha256.hexdigest() != shard.sha256:
            ended = mapped.size - end == len(END_OF_STREAM) and mapped.slice(end).to_pybytes() == END_OF_STREAM
            fault = "its SHA-256 is not the manifest's, though its batches are intact: copy it again"
            yield ShardCorrupt(fault, shard=shard.path, offset=0 if ended else end)
        if tokens != shard.tokens:
            yield TotalsMismatch(f"{tokens} tokens, the manifest says {shard.tokens}", shard=shard.path)
        if add_digests(digests) != shard.row_digest:
            yield TotalsMismatch("its row digest is not the manifest's", shard=shard.path)


def _token_faults(contexts: Contexts, header: Header) -> list[str]:
    vocab_size, pad = header.tokenizer.vocab_size, header.special_ids.pad
    real, largest = real_tokens(contexts), largest_token(contexts)
    short = contexts.num_tokens < header.seq_len
    found = []
    if largest >= vocab_size:
        found.append(f"token id {largest} in a vocabulary of {vocab_size}")
    if (contexts.input_ids[short][~real[short]] != pad).any():
        found.append(f"a pad tail holds something other than {pad}")
    return found


def _padding_problems(manifest: Manifest) -> Iterator[ShardError]:
    cells = manifest.header.seq_len * sum(split.rows for split in manifest.splits.values())
    padded = cells - sum(split.tokens for split in manifest.splits.values())
    if padded != manifest.packing.padded_tokens:
        yield TotalsMismatch(f"{padded} pads, the manifest says {manifest.packing.padded_tokens}")


def _damage(mapped: pa.Buffer, shard: ShardEntry, number: int) -> ShardCorrupt | None:
    """What is wrong with the bytes of a batch."""
    batch = shard.batches[number]
    try:
        check_crc(mapped.slice(batch.offset, batch.bytes), shard, number)
    except ShardCorrupt as error:
        return error
    return None


def _is_as_written(mapped: pa.Buffer, shard: ShardEntry) -> bool:
    return hashlib.sha256(mapped).hexdigest() == shard.sha256


def _named(found: Iterator[ShardError], path: str) -> Iterator[ShardError]:
    """The problems of a file, the last of which may be that the system does not let us read it."""
    try:
        yield from found
    except OSError as error:
        yield unreadable(path or str(error.filename), error)
