"""Reading the documents table: by key, by what a person calls a document, and as a whole, batch by batch."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from sequitur.shards.errors import DocumentUnknown, SchemaMismatch, ShardCorrupt
from sequitur.shards.files import file_size
from sequitur.shards.format import docs_schema
from sequitur.shards.manifest import FileEntry, Manifest

NAMED = 10  # of several documents that a name fits, how many an error lists
_HEX = frozenset("0123456789abcdef")
_LEAST_DIGITS = 4
_BATCH_ROWS = 1 << 16


def read_documents(root: Path, manifest: Manifest, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """These columns of the documents table, some ten thousand rows at a time; those that may hold nulls and are
    not there (of an older dataset) are null throughout.

    Raises ShardMissing, ShardCorrupt or SchemaMismatch, naming the file.
    """
    for file in manifest.docs_table:
        with opened(root, file) as parquet:
            there = present(parquet.schema_arrow, columns, file.path)
            for batch in parquet.iter_batches(batch_size=_BATCH_ROWS, columns=there):
                yield completed(batch, columns)


def by_key(root: Path, manifest: Manifest, keys: Sequence[int], columns: Sequence[str]) -> dict[int, dict[str, Any]]:
    """The rows of the documents with these keys, each a dict of `columns` and `doc_key`.

    Keys ascend over all files, so only row groups whose statistics allow one of them are read. Raises as
    `read_documents` does, and DocumentUnknown for a key that is nowhere.
    """
    wanted, names = sorted(set(keys)), ["doc_key", *columns]
    found: dict[int, dict[str, Any]] = {}
    for file in manifest.docs_table:
        with opened(root, file) as parquet:
            there = present(parquet.schema_arrow, names, file.path)
            for group in range(parquet.num_row_groups):
                if not may_hold(parquet, group, wanted):
                    continue
                table = parquet.read_row_group(group, columns=there)
                rows = table.filter(pc.is_in(table["doc_key"], pa.array(wanted, pa.uint64())))
                for batch in rows.to_batches():
                    found.update((row["doc_key"], row) for row in completed(batch, names).to_pylist())
    missing = [key for key in wanted if key not in found]
    if missing:
        raise DocumentUnknown(f"docs/ lacks doc_key {missing[0]}: run verify")
    return found


def find(root: Path, manifest: Manifest, name: str) -> dict[str, Any]:
    """The one document that `name` means: its `record_id`, its `url`, `FILE:ROW` (the input file, folders or not, and
    `source_row`), or its `doc_id` or 4 hex digits and more of its beginning; the first kind that fits any.

    Returns its `doc_key`, `doc_id`, `record_id`, `url`, `source_file` and `source_row`. Reads these columns of all the
    table. Raises DocumentUnknown if there is none, or there are several; the message names the first.
    """
    names = ["doc_key", "doc_id", "record_id", "url", "source_file", "source_row"]
    found: list[list[dict[str, Any]]] = [[], [], [], []]
    for batch in read_documents(root, manifest, names):
        for rows, fits in zip(found, _fits(batch, name), strict=True):
            if fits is not None and len(rows) <= NAMED:
                rows += batch.filter(pc.fill_null(fits, False)).slice(0, NAMED + 1).to_pylist()
    first = next((rows for rows in found if rows), [])
    if not first:
        raise DocumentUnknown(
            f"no document is called {name}: give a doc_id or 4 or more first digits of it, a record_id, URL or FILE:ROW"
        )
    if len(first) > 1:
        listed = ", ".join(row["doc_id"] for row in first[:NAMED]) + (", …" if len(first) > NAMED else "")
        raise DocumentUnknown(f"{name} may be one of {listed}: give more of the doc_id")
    return first[0]


def _fits(batch: pa.RecordBatch, name: str) -> Iterator[pa.BooleanArray | None]:
    """Which rows `name` fits, by record_id, url, FILE:ROW and doc_id; None where it has not the form."""
    yield pc.equal(batch.column("record_id"), name)
    yield pc.equal(batch.column("url"), name)
    file, _, row = name.rpartition(":")
    if file and row.isdecimal() and len(row) < 19:
        files = batch.column("source_file")
        same = pc.or_(pc.equal(files, file), pc.ends_with(files, f"/{file}"))
        yield pc.and_(same, pc.equal(batch.column("source_row"), int(row)))
    else:
        yield None
    digits = name.lower()
    yield (
        pc.starts_with(batch.column("doc_id"), digits) if len(digits) >= _LEAST_DIGITS and set(digits) <= _HEX else None
    )


@contextmanager
def opened(root: Path, file: FileEntry) -> Iterator[pq.ParquetFile]:
    """A file of the documents table. Raises ShardMissing or ShardCorrupt, also for what the block does with it."""
    file_size(root, file.path)
    try:
        with pq.ParquetFile(root / file.path) as parquet:
            yield parquet
    except (pa.ArrowException, OSError) as error:
        fault = f"is not the Parquet file that was written ({' '.join(str(error).split())[:200]}): copy it again"
        raise ShardCorrupt(fault, shard=file.path) from error


def present(schema: pa.Schema, columns: Sequence[str], path: str) -> list[str]:
    """Those of the columns that a file has, each of the type that it must have."""
    known, there = docs_schema(), []
    for name in columns:
        field = known.field(name)
        index = schema.get_field_index(name)
        if index >= 0 and schema.field(index).type == field.type:
            there.append(name)
        elif index >= 0 or not field.nullable:
            raise SchemaMismatch(f"has no column {name} of type {field.type}: copy it again", shard=path)
    return there


def completed(batch: pa.RecordBatch, columns: Sequence[str]) -> pa.RecordBatch:
    """A batch of `present` columns with all of `columns`, null where they are not there. Raises pyarrow.ArrowInvalid,
    which `opened` names, for strings that are not UTF-8, and for nulls where none may be."""
    batch.validate(full=True)
    fields = [docs_schema().field(name) for name in columns]
    arrays = [
        batch.column(field.name) if field.name in batch.schema.names else pa.nulls(batch.num_rows, field.type)
        for field in fields
    ]
    for field, array in zip(fields, arrays, strict=True):
        if array.null_count and not field.nullable:
            raise pa.ArrowInvalid(f"column {field.name} holds nulls")
    return pa.RecordBatch.from_arrays(arrays, schema=pa.schema(fields))


def may_hold(parquet: pq.ParquetFile, group: int, keys: Sequence[int]) -> bool:
    """Whether a row group's statistics of its first column, `doc_key`, allow one of the keys, ascending."""
    statistics = parquet.metadata.row_group(group).column(0).statistics
    if statistics is None or not statistics.has_min_max or not isinstance(statistics.min, int):
        return True
    return any(statistics.min <= key <= statistics.max for key in keys)
