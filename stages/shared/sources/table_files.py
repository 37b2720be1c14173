"""Records out of Parquet and Arrow IPC files, none of them trusted: as many rows at a time as a bound of bytes allows.

A column whose values are held once, as a dictionary or as runs, may stand for a thousand times the bytes of its file;
so rows are counted by what they unpack to before they do.
"""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from sequitur.pipeline.errors import InputError
from sequitur.pipeline.names import BAD_UTF8, BAD_VALUE, TOO_LARGE
from sequitur.stages.shared.sources.arrow_messages import unpacked_sizes
from sequitur.stages.shared.sources.compression import Limits, opened, reading
from sequitur.stages.shared.sources.parquet_pages import bytes_at_once
from sequitur.stages.shared.sources.record_files import Bad, Records

# What pyarrow raises for a file that is none, or damaged; ValueError for names that are not UTF-8.
DAMAGED = (OSError, MemoryError, ValueError, pa.ArrowException)
SLICE_BYTES, SLICE_ROWS = 2**23, 1000  # of rows that are Python objects at a time
READ_BYTES = 2**20  # of a Parquet column at a time
GROUP_BYTES, GROUP_ROWS = 2**26, 64  # a larger row group is decoded so many rows at a time
# What the pages of all columns that are unpacked at a time may take: so many records of the largest size, and
# PAGE_BYTES in any case. But writers look at a page's size only once in some thousand rows, so that rows longer than
# LONG_ROW on average make larger pages.
PAGE_RECORDS, PAGE_BYTES, LONG_ROW = 4, 2**26, 2**16
VALUE_BYTES = 16  # of a value of fixed width, about


def table_records(batches: Iterator[pa.RecordBatch], first_row: int, limits: Limits, path: str) -> Records:
    """The rows of Arrow record batches; one above the record limit is passed over, not unpacked.

    Raises:
        InputError: all rows together unpack to more than the limit.
    """
    row, total = first_row, 0
    shared = _Dictionaries()
    for batch in batches:
        sizes = np.zeros(batch.num_rows, dtype=np.int64)
        for number, column in enumerate(batch.columns):
            sizes += shared.unpacked_bytes(number, column)
        total += int(sizes.sum())
        check_size(path, total, limits)
        too_large = sizes > limits.record
        start = 0
        while start < batch.num_rows:
            within = np.searchsorted(np.cumsum(sizes[start : start + SLICE_ROWS]), SLICE_BYTES, "right")
            rows = max(1, int(within))
            records = [None] if rows == 1 and too_large[start] else _records(batch.slice(start, rows))
            for offset, record in enumerate(records):
                if record is None or too_large[start + offset]:
                    record = Bad(TOO_LARGE, f"more than {limits.record:,} bytes")
                yield row + start + offset, record
            start += rows
        row += batch.num_rows


class _Dictionaries:
    """What is known of columns' dictionaries, by the column's number: thousands of batches may share a large one."""

    def __init__(self) -> None:
        self._valid: dict[int, pa.Array] = {}
        self._sizes: dict[int, tuple[pa.Array, np.ndarray]] = {}

    def validate(self, number: int, column: pa.Array) -> None:
        """Follows all that a column refers to: damaged offsets would be followed out of its buffers.

        Raises:
            pa.ArrowInvalid: it refers to what is not there.
        """
        if not _is_dictionary(column) or not _is_same(self._valid.get(number), column.dictionary):
            column.validate(full=True)
            if _is_dictionary(column):
                self._valid[number] = column.dictionary
            return
        column.indices.validate(full=True)
        first, last = pc.min_max(column.indices).as_py().values()
        if last is not None and not 0 <= first <= last < len(column.dictionary):
            raise pa.ArrowInvalid(f"indices {first} to {last} of {len(column.dictionary)} values")

    def unpacked_bytes(self, number: int, column: pa.Array) -> np.ndarray:
        """`unpacked_bytes` of a column."""
        if not _is_dictionary(column):
            return unpacked_bytes(column)
        known, sizes = self._sizes.get(number, (None, None))
        if sizes is None or not _is_same(known, column.dictionary):
            sizes = unpacked_bytes(column.dictionary)
            self._sizes[number] = column.dictionary, sizes
        return _taken(sizes, column.indices)


def _is_dictionary(column: pa.Array) -> bool:
    return isinstance(column, pa.DictionaryArray)


def _is_same(one: pa.Array | None, other: pa.Array) -> bool:
    """Whether two arrays are one, by where their bytes lie."""
    if one is None or len(one) != len(other):
        return False
    places = [[buffer and buffer.address for buffer in array.buffers()] for array in (one, other)]
    return places[0] == places[1]


def check_size(path: str, size: int, limits: Limits) -> None:
    """Refuses a file that unpacks to more bytes than the limit.

    Raises:
        InputError: it does.
    """
    if size > limits.decompressed:
        raise InputError(
            f"{path}: unpacks to {size:,} bytes and more; if that is no decompression bomb raise "
            "ingest.max_decompressed_bytes"
        )


def _records(batch: pa.RecordBatch) -> list[Mapping[str, Any] | Bad]:
    try:
        return list(batch.to_pylist())
    except (ValueError, OverflowError, LookupError) as error:  # text not in UTF-8, a time or zone that Python has not
        if batch.num_rows > 1:
            return [record for row in range(batch.num_rows) for record in _records(batch.slice(row, 1))]
        return [Bad(BAD_UTF8 if isinstance(error, UnicodeError) else BAD_VALUE, str(error)[:200])]


def unpacked_bytes(column: pa.Array) -> np.ndarray:
    """About how many bytes each value of a column takes once it stands alone, int64 [values]."""
    kind, count = column.type, len(column)
    if isinstance(column, pa.ExtensionArray):
        return unpacked_bytes(column.storage)
    if pa.types.is_dictionary(kind):
        return _taken(unpacked_bytes(column.dictionary), column.indices)
    if pa.types.is_run_end_encoded(kind):
        ends = column.run_ends.to_numpy()
        runs = np.searchsorted(ends, np.arange(column.offset, column.offset + count), "right")
        return unpacked_bytes(column.values)[runs]
    if pa.types.is_string_view(kind) or pa.types.is_binary_view(kind):
        views = np.frombuffer(column.buffers()[1], dtype=np.int32).reshape(-1, 4)
        return views[column.offset : column.offset + count, 0].astype(np.int64)
    if pa.types.is_struct(kind):
        return sum((unpacked_bytes(field) for field in column.flatten()), np.zeros(count, dtype=np.int64))
    if pa.types.is_fixed_size_list(kind):
        width = kind.list_size
        values = column.values.slice(column.offset * width, count * width)
        return unpacked_bytes(values).reshape(count, width).sum(axis=1)
    if isinstance(column, pa.ListViewArray | pa.LargeListViewArray):
        offsets, lengths = (part.to_numpy().astype(np.int64) for part in (column.offsets, column.sizes))
        before = np.concatenate(([0], np.cumsum(unpacked_bytes(column.values))))
        return before[offsets + lengths] - before[offsets] + VALUE_BYTES
    if isinstance(column, pa.ListArray | pa.LargeListArray):  # of which a map is one
        offsets = column.offsets.to_numpy().astype(np.int64)
        before = np.concatenate(([0], np.cumsum(unpacked_bytes(column.values))))
        return before[offsets[1:]] - before[offsets[:-1]] + VALUE_BYTES
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or _is_binary(kind):
        texts: np.ndarray = pc.fill_null(pc.binary_length(column), 0).to_numpy().astype(np.int64)
        return texts
    return np.full(count, VALUE_BYTES, dtype=np.int64)


def _is_binary(kind: pa.DataType) -> bool:
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind))


def _taken(sizes: np.ndarray, indices: pa.Array) -> np.ndarray:
    chosen = pc.fill_null(indices, 0).to_numpy().astype(np.int64)
    return np.where(indices.is_valid().to_numpy(zero_copy_only=False), np.append(sizes, 0)[chosen], 0)


def parquet_records(path: str, groups: range | None, first_row: int, limits: Limits) -> Records:
    """The rows of some row groups of a Parquet file, of all if None.

    Raises:
        InputError: it is no Parquet file or damaged, has two columns of a name, or unpacks to more than the limit, in
            all or at a time.
    """
    try:
        with opened(path, limits) as raw, pq.ParquetFile(raw) as footer:
            _check_names(path, footer.schema_arrow)
            groups = range(footer.num_row_groups) if groups is None else groups
            check_size(path, sum(footer.metadata.row_group(group).total_byte_size for group in groups), limits)
            for group in groups:
                _check_pages(path, group, raw, footer.metadata.row_group(group), limits)
            file = pq.ParquetFile(
                raw, metadata=footer.metadata, read_dictionary=_texts_held_once(footer), buffer_size=READ_BYTES
            )
            yield from table_records(_parquet_batches(file, groups), first_row, limits, path)
    except DAMAGED as error:
        raise InputError(f"{path}: not a readable Parquet file ({first_line(error)}); fetch it again") from error


def largest_pages(path: str, limits: Limits) -> int:
    """Bytes of pages that reading a Parquet file keeps unpacked at a time, at most.

    Raises:
        InputError: it is no Parquet file or damaged.
    """
    try:
        with opened(path, limits) as raw, pq.ParquetFile(raw) as footer:
            groups = map(footer.metadata.row_group, range(footer.num_row_groups))
            sizes = [0, *(bytes_at_once(raw, group) for group in groups if _has_long_rows(group))]
    except DAMAGED as error:
        raise InputError(f"{path}: not a readable Parquet file ({first_line(error)}); fetch it again") from error
    return max(_most_at_once(limits), *sizes)


def _most_at_once(limits: Limits) -> int:
    return max(PAGE_RECORDS * limits.record, PAGE_BYTES)


def _has_long_rows(group: pq.RowGroupMetaData) -> bool:
    return bool(group.total_byte_size > LONG_ROW * group.num_rows)


def _check_pages(path: str, number: int, file: BinaryIO, group: pq.RowGroupMetaData, limits: Limits) -> None:
    """Refuses a row group whose pages are larger than `largest_pages` says, whatever its footer says of them."""
    size = 0 if _has_long_rows(group) else bytes_at_once(file, group)
    if size > _most_at_once(limits):
        raise InputError(
            f"{path}: the pages of row group {number} unpack to {size:,} bytes at a time; write smaller pages, or "
            f"raise ingest.max_record_bytes to {-(-size // PAGE_RECORDS):,}"
        )


def _texts_held_once(file: pq.ParquetFile) -> list[str]:
    """Columns that a file holds as a dictionary of texts, to be left so until they are records."""
    kinds = ("STRING", "NONE")
    columns = [file.schema.column(index) for index in range(len(file.schema))]
    return [each.path for each in columns if each.physical_type == "BYTE_ARRAY" and each.logical_type.type in kinds]


def _parquet_batches(file: pq.ParquetFile, groups: range) -> Iterator[pa.RecordBatch]:
    for group in groups:
        about = file.metadata.row_group(group)
        rows = GROUP_ROWS if about.total_byte_size > GROUP_BYTES else SLICE_ROWS
        read = 0
        for batch in file.iter_batches(rows, row_groups=[group]):
            yield batch
            read += batch.num_rows
        if read != about.num_rows:
            raise ValueError(f"row group {group} holds {read:,} rows, its footer says {about.num_rows:,}")


def arrow_records(path: str, limits: Limits) -> Records:
    """The rows of an Arrow IPC file or stream; a compressed one is unpacked into memory.

    Raises:
        InputError: it is no such file or damaged, has two columns of a name, or unpacks to more than the limit.
    """
    with reading(path, limits) as file:
        source = file if file.seekable() else io.BytesIO(file.read())
        check_size(path, sum(unpacked_sizes(source)), limits)
        source.seek(0)
        try:
            yield from table_records(_arrow_batches(path, source), 0, limits, path)
        except DAMAGED as error:
            raise InputError(f"{path}: not a readable Arrow file ({first_line(error)}); fetch it again") from error


def largest_batch(path: str, limits: Limits) -> int:
    """Bytes that the largest batch of an Arrow file unpacks to, which is in memory as one; 0 where there is none.

    Raises:
        InputError: the file cannot be read.
    """
    with reading(path, limits) as file:
        return max(unpacked_sizes(file), default=0)


def _check_names(path: str, schema: pa.Schema) -> None:
    twice = [name for name, count in Counter(schema.names).items() if count > 1]
    if twice:
        raise InputError(f"{path}: has two columns {twice[0]!r}; rename one of them")


def _arrow_batches(path: str, source: BinaryIO) -> Iterator[pa.RecordBatch]:
    is_file = source.read(6) == b"ARROW1"
    source.seek(0)
    ipc = pa.ipc.open_file(source) if is_file else pa.ipc.open_stream(source)
    _check_names(path, ipc.schema)
    shared = _Dictionaries()
    for batch in map(ipc.get_batch, range(ipc.num_record_batches)) if is_file else ipc:
        batch.validate()
        for number, column in enumerate(batch.columns):
            shared.validate(number, column)
        yield batch


def first_line(error: BaseException) -> str:
    """What an error says, in short."""
    return str(error).strip().split("\n", 1)[0][:200]
