"""Finding what is whole of a damaged dataset: batch by batch, and row by row where the documents table is damaged."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from sequitur.shards.contexts import Contexts
from sequitur.shards.errors import ShardCorrupt, ShardError, ShardMissing, ShardTruncated
from sequitur.shards.format import context_schema
from sequitur.shards.manifest import FileEntry, Manifest, ShardEntry
from sequitur.shards.placement import Docs, find_documents
from sequitur.shards.side_files import docs_file_problems
from sequitur.shards.verify import Progress, read_batch


class Whole(NamedTuple):
    """A whole batch: its shard and number, and which of its rows are kept; None for all."""

    shard: ShardEntry
    number: int
    file: Path
    kept: NDArray[np.bool_] | None

    @property
    def rows(self) -> int:
        """How many are kept."""
        return self.shard.batches[self.number].rows if self.kept is None else int(self.kept.sum())


def whole_docs(source: Path, manifest: Manifest, left_out: list[ShardError]) -> Iterator[FileEntry]:
    """The whole files of the documents table; what is wrong with the others goes to `left_out`."""
    for file in manifest.docs_table:
        found = list(docs_file_problems(source, file, manifest.docs_table, full=True))
        left_out += found
        if not found:
            yield file


def whole_batches(
    source: Path, manifest: Manifest, split: str, docs: Docs, left_out: list[ShardError], progress: Progress
) -> Iterator[Whole]:
    """The whole batches of a split, in their order; what is not goes to `left_out`."""
    shards = manifest.splits[split].shards
    files = _where_shards_lie(source, manifest)
    for number, shard in enumerate(shards):
        schema = context_schema(manifest.header, split, number, len(shards))
        try:
            mapped = map_file(files[shard.path])
        except OSError:
            left_out.append(ShardMissing("is not there, or cannot be read", shard=shard.path))
            continue
        for index, batch in enumerate(shard.batches):
            progress(batch.bytes)
            try:
                if mapped.size < batch.offset + batch.bytes:
                    fault = f"the shard ends at byte {mapped.size}"
                    raise ShardTruncated(fault, shard=shard.path, batch=index, offset=batch.offset)
                contexts = read_batch(mapped, schema, manifest.header, shard, index)
            except ShardError as error:
                left_out.append(error)
                continue
            kept = _known_rows(contexts, docs)
            if not kept.all():
                fault = f"{int((~kept).sum())} of its contexts hold documents of which docs/ is damaged"
                left_out.append(ShardCorrupt(fault, shard=shard.path, batch=index, offset=batch.offset))
            if kept.any():
                yield Whole(shard, index, files[shard.path], None if kept.all() else kept)


def _known_rows(contexts: Contexts, docs: Docs) -> NDArray[np.bool_]:
    """Rows all of whose documents are in `docs`."""
    _, known = find_documents(docs, contexts.doc_ids)
    kept: NDArray[np.bool_] = np.logical_and.reduceat(known, contexts.doc_offsets[:-1])  # no row is without a piece
    return kept


def _where_shards_lie(source: Path, manifest: Manifest) -> dict[str, Path]:
    """The file of each listed shard, by its path: the one of that name, but where another says that it is that shard.

    A mistake does no harm: what is read from a file is compared with the checksums of the shard that is looked for.
    """
    expected = {
        shard.path: (split, f"{number}/{len(entry.shards)}", manifest.header.run_id)
        for split, entry in manifest.splits.items()
        for number, shard in enumerate(entry.shards)
    }
    says = {path: _identity(source / path) for path in expected}
    by_identity = {identity: path for path, identity in reversed(says.items())}
    return {
        path: source / (path if says[path] == wanted else by_identity.get(wanted, path))
        for path, wanted in expected.items()
    }


def _identity(path: Path) -> tuple[str, ...]:
    """Split, number and run of a shard, as it says itself; nothing if it cannot be read."""
    try:
        metadata = pa.ipc.read_schema(map_file(path)).metadata or {}
    except (OSError, pa.ArrowException):
        return ()
    keys = (b"sequitur.split", b"sequitur.shard", b"sequitur.run_id")
    return tuple(metadata.get(key, b"").decode("utf-8", "replace") for key in keys)


def map_file(path: Path) -> pa.Buffer:
    if path.stat().st_size == 0:
        return pa.py_buffer(b"")  # an empty file cannot be mapped
    with pa.memory_map(str(path)) as file:
        return file.read_buffer()
