"""Which contexts hold a document: by id, source, licence or URL, in a dataset or in all below a families.json."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from sequitur.shards.documents import read_documents
from sequitur.shards.errors import DocsInvalid, DocumentUnknown
from sequitur.shards.families import dataset_directories
from sequitur.shards.manifest import Manifest, read_manifest
from sequitur.shards.pieces import placements

Advance = Callable[[str, int, int], None]
NAMED = 5  # of unknown names, how many an error lists
_COLUMNS = ("doc_key", "doc_id", "record_id", "source", "url", "license", "n_tokens")


@dataclass(frozen=True)
class Query:
    """Documents by name: those whose `doc_id` or `record_id` is one of `ids`, and those of these sources, licences
    and URLs, each compared whole. Several documents may share a `record_id`; all are meant."""

    ids: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    licenses: tuple[str, ...] = ()
    urls: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.ids or self.sources or self.licenses or self.urls)


class Names(NamedTuple):
    """The names of a query, or those of them that no document has."""

    ids: set[str]
    sources: set[str]
    licenses: set[str]
    urls: set[str]

    def __bool__(self) -> bool:
        return any(self)


class Selected(NamedTuple):
    """The documents of one dataset that a query names, in ascending order of `doc_key`."""

    key: NDArray[np.uint64]
    doc_id: list[str]
    n_tokens: NDArray[np.int64]
    unknown: Names


class Found(NamedTuple):
    """A piece of a document: `length` tokens that begin at `offset` in row `row` of a split (which lies in `shard`),
    and at `start` in the document, of `n_tokens`. It is piece `piece` of the context's `pieces`, from 0. `directory`
    is the dataset's, below that of families.json, else empty."""

    directory: str
    split: str
    row: int
    shard: str
    context_id: int
    piece: int
    pieces: int
    offset: int
    start: int
    length: int
    n_tokens: int
    doc_id: str


def names_of(query: Query) -> Names:
    """All names of a query."""
    return Names(*(set(names) for names in (query.ids, query.sources, query.licenses, query.urls)))


def select(root: Path, manifest: Manifest, query: Query) -> Selected:
    """The documents of a dataset that `query` names. Reads the table's columns of names once; memory: about 100 bytes
    for each document found."""
    wanted, seen = names_of(query), names_of(Query())
    columns: tuple[list[NDArray[np.uint64]], list[str], list[NDArray[np.int64]]] = ([], [], [])
    ids = wanted.ids | {name.lower() for name in wanted.ids}
    sets = (
        ("doc_id", ids, seen.ids),
        ("record_id", wanted.ids, seen.ids),
        ("source", wanted.sources, seen.sources),
        ("license", wanted.licenses, seen.licenses),
        ("url", wanted.urls, seen.urls),
    )
    values = [(name, pa.array(sorted(some), pa.string()), met) for name, some, met in sets if some]
    for batch in read_documents(root, manifest, _COLUMNS):
        named = pa.array(np.zeros(batch.num_rows, dtype=np.bool_))
        for name, some, met in values:
            here = pc.is_in(batch.column(name), some)
            met.update(pc.unique(batch.column(name).filter(here)).to_pylist())
            named = pc.or_(named, here)
        found = batch.filter(named)
        columns[0].append(found.column("doc_key").to_numpy())
        columns[1].extend(found.column("doc_id").to_pylist())
        columns[2].append(found.column("n_tokens").to_numpy())
    key = np.concatenate([np.empty(0, dtype=np.uint64), *columns[0]])
    if (key[1:] <= key[:-1]).any():
        raise DocsInvalid("doc_key does not rise strictly over the files of docs/: run verify")
    unknown = Names(
        {name for name in wanted.ids if not {name, name.lower()} & seen.ids},
        *(names - met for names, met in zip(wanted[1:], seen[1:], strict=True)),
    )
    return Selected(
        key,
        columns[1],
        np.concatenate([np.empty(0, dtype=np.int64), *columns[2]]),
        unknown,
    )


def common_unknown(unknown: Sequence[Names]) -> Names:
    """The names that are unknown in every one of several datasets."""
    return Names(*(set.intersection(*names) for names in zip(*unknown, strict=True)))


def refuse_unknown(unknown: Names, query: Query, remedy: str) -> None:
    """Raise DocumentUnknown, with the first few and their count, if there are unknown names."""
    kinds = zip(("id", "source", "licence", "URL"), unknown, names_of(query), strict=True)
    told = [
        f"{len(some):,} of {len(asked):,} {kind}s fit no document: {', '.join(sorted(some)[:NAMED])}"
        + (", …" if len(some) > NAMED else "")
        for kind, some, asked in kinds
        if some
    ]
    if told:
        raise DocumentUnknown("; ".join(told) + f"; {remedy}")


def find(
    root: str | PathLike[str],
    query: Query,
    *,
    missing_ok: bool = False,
    advance: Advance = lambda step, done, total: None,
) -> Iterator[Found]:
    """Every piece of the documents that `query` names, by dataset, split, row and place in the row.

    Reads the documents table, then the columns of pieces: 12 bytes a piece and 40 a row, no tokens. `advance` is told
    the step, the rows of the split done and those in all. Raises DocumentUnknown for names that no document has, unless
    `missing_ok`, before anything is yielded, and the named errors of damage.
    """
    directories = dataset_directories(root)
    manifests = [read_manifest(Path(root) / directory) for directory in directories]
    chosen = [
        select(Path(root) / directory, manifest, query)
        for directory, manifest in zip(directories, manifests, strict=True)
    ]
    if not missing_ok:
        refuse_unknown(common_unknown([one.unknown for one in chosen]), query, "correct them, or add --missing-ok")
    for directory, manifest, documents in zip(directories, manifests, chosen, strict=True):
        for split in manifest.splits if len(documents.key) else ():
            yield from _found(Path(root), directory, manifest, documents, split, advance)


def _found(
    root: Path, directory: str, manifest: Manifest, documents: Selected, split: str, advance: Advance
) -> Iterator[Found]:
    shards = manifest.split(split).shards
    ends = np.cumsum([shard.rows for shard in shards], dtype=np.int64)
    step = f"look through {directory}/{split}" if directory else f"look through {split}"

    def on_rows(rows: int) -> None:
        advance(step, rows, manifest.splits[split].rows)

    for one in placements(root / directory, manifest, split, documents.key, on_rows):
        document = int(np.searchsorted(documents.key, np.uint64(one.doc_key)))
        yield Found(
            directory=directory,
            split=split,
            row=one.row,
            shard=shards[int(np.searchsorted(ends, one.row, side="right"))].path,
            context_id=one.context_id,
            piece=one.piece,
            pieces=one.pieces,
            offset=one.offset,
            start=one.start,
            length=one.length,
            n_tokens=int(documents.n_tokens[document]),
            doc_id=documents.doc_id[document],
        )
