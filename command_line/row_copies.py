"""Of shards that lie elsewhere what one row needs, to be shown here: files as long as there, the rest of them holes."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from sequitur.pipeline.progress import Progress
    from sequitur.pipeline.storage import Directory
    from sequitur.shards.manifest import Manifest

FOOTER_BYTES = 2**16  # of a Parquet file that are fetched first; its footer may be longer
Stretch = tuple[int, int]  # of bytes


class _Copy:
    """A local directory with some bytes of the files of another."""

    def __init__(self, source: Directory, root: Path) -> None:
        self.source, self.root, self.read = source, root, 0

    def whole(self, name: str) -> None:
        content = self.source.read_bytes(name)
        self.read += len(content)
        (self.root / name).write_bytes(content)

    def some(self, name: str, size: int, stretches: Sequence[Stretch]) -> None:
        """Fetches stretches of a file, each by a request; what it holds of others stays."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("r+b" if path.exists() else "wb") as file:
            file.truncate(size)
            for start, end in stretches:
                file.seek(start)
                file.write(content := self.source.read_range(name, start, end))
                self.read += len(content)


@contextmanager
def copied_row(directory: Directory, split: str | None, row: int, progress: Progress) -> Iterator[Path | None]:
    """A directory in which a row of a split can be shown, until the block ends; None where several datasets lie there.
    Costs a request for each shard's beginning and batch, and a few for each file of the documents table.

    Raises:
        ShardError: the manifest is none.
        StorageError: it cannot be read.
    """
    from sequitur.pipeline.progress import human
    from sequitur.shards.format import MANIFEST_NAME, TOKENIZER_NAME
    from sequitur.shards.manifest import read_manifest

    names = set(directory.names())
    if MANIFEST_NAME not in names:
        yield None
        return
    with tempfile.TemporaryDirectory() as scratch:
        copy = _Copy(directory, Path(scratch))
        copy.whole(MANIFEST_NAME)
        manifest = read_manifest(copy.root)
        if TOKENIZER_NAME in names:
            copy.whole(TOKENIZER_NAME)
        chosen = split or next(iter(sorted(manifest.splits, key="train".__ne__)))
        if chosen in manifest.splits:
            _fetch_row(copy, manifest, chosen, row)
        progress.say(f"read {human(copy.read)} of {directory.url}")
        yield copy.root


def _fetch_row(copy: _Copy, manifest: Manifest, split: str, row: int) -> None:
    from sequitur.shards.rows import SplitRows

    first = 0
    for shard in manifest.splits[split].shards:
        wanted: list[Stretch] = []
        for batch in shard.batches:
            if first <= row < first + batch.rows:
                wanted = [(0, shard.batches[0].offset), (batch.offset, batch.offset + batch.bytes)]
            first += batch.rows
        copy.some(shard.path, shard.bytes, wanted)
    if row < first:
        _fetch_documents(copy, manifest, SplitRows(copy.root, split).gather([row], np.uint32).doc_ids[0].tolist())


def _fetch_documents(copy: _Copy, manifest: Manifest, keys: Sequence[int]) -> None:
    """The footers of the documents table, and the row groups that may hold some of the keys."""
    from sequitur.shards.documents import may_hold, opened

    for file in manifest.docs_table:
        tail = max(file.bytes - FOOTER_BYTES, 0)
        copy.some(file.path, file.bytes, [(tail, file.bytes)])
        with (copy.root / file.path).open("rb") as local:
            local.seek(file.bytes - 8)
            footer = file.bytes - 8 - int.from_bytes(local.read(4), "little")
        if 0 <= footer < tail:
            copy.some(file.path, file.bytes, [(footer, tail)])
        with opened(copy.root, file) as parquet:
            groups = [
                parquet.metadata.row_group(one)
                for one in range(parquet.num_row_groups)
                if may_hold(parquet, one, sorted(set(keys)))
            ]
        stretches = []
        for group in groups:
            columns = [group.column(number) for number in range(group.num_columns)]
            starts = [min(one.data_page_offset, one.dictionary_page_offset or one.data_page_offset) for one in columns]
            ends = [start + one.total_compressed_size for start, one in zip(starts, columns, strict=True)]
            stretches.append((min(starts), max(ends)))
        copy.some(file.path, file.bytes, stretches)
