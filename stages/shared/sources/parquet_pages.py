"""What the pages of a Parquet file unpack to, told by their headers before any is unpacked.

A page is unpacked as one, and pyarrow tells nothing of pages. Headers are Thrift structs in the compact protocol
(Parquet format, `parquet.thrift`); of them only what says how long the page is, and its kind, is kept.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

import pyarrow.parquet as pq

KIND, UNPACKED, PACKED = 1, 2, 3  # fields of a page's header: integers
DICTIONARY_PAGE = 2
HEADER_BYTES, MOST_HEADER_BYTES = 2**12, 2**24  # that are read at first, and at most; the latter as Arrow does
MOST_NESTED = 16
# Types of the compact protocol
STOP, TRUE, FALSE, BYTE, I64, DOUBLE, BINARY, STRUCT = 0, 1, 2, 3, 6, 7, 8, 12


def bytes_at_once(file: BinaryIO, group: pq.RowGroupMetaData) -> int:
    """Bytes that reading a row group keeps unpacked at a time, at most: of each column a page and the dictionary.

    Reads the pages' headers alone. Raises ValueError for one that is none.
    """
    total = 0
    for number in range(group.num_columns):
        column = group.column(number)
        start = column.data_page_offset
        if column.dictionary_page_offset:
            start = min(start, column.dictionary_page_offset)
        dictionary = page = 0
        for kind, size in _pages(file, start, start + column.total_compressed_size):
            if kind == DICTIONARY_PAGE:
                dictionary = max(dictionary, size)
            else:
                page = max(page, size)
        total += dictionary + page
    return total


def _pages(file: BinaryIO, start: int, end: int) -> Iterator[tuple[int, int]]:
    """The kind of each page of a column chunk, and the bytes that it takes, packed or not, whichever are more."""
    while start < end:
        header, length = _header(file, start)
        kind, unpacked, packed = (header.get(field, -1) for field in (KIND, UNPACKED, PACKED))
        if min(kind, unpacked, packed) < 0:
            raise ValueError(f"no page begins at byte {start:,}")
        yield kind, max(unpacked, packed)
        start += length + packed


def _header(file: BinaryIO, start: int) -> tuple[dict[int, int], int]:
    """The integers of a page's header by field, and the bytes of the header."""
    size = HEADER_BYTES
    while True:
        file.seek(start)
        data = file.read(size)
        try:
            return _struct(data, 0, 0)
        except IndexError:  # it ends behind what was read
            if len(data) < size or size >= MOST_HEADER_BYTES:
                raise ValueError(f"no page begins at byte {start:,}") from None
            size *= 2


def _struct(data: bytes, place: int, nested: int) -> tuple[dict[int, int], int]:
    """The integers of a struct by field, and where it ends. Raises IndexError where it ends behind the data."""
    if nested > MOST_NESTED:
        raise ValueError("structs are nested too deep")
    found: dict[int, int] = {}
    field = 0
    while (kind := data[place] & 0x0F) != STOP:
        step = data[place] >> 4
        place += 1
        if step:
            field += step
        else:
            field, place = _integer(data, place)
        if BYTE < kind <= I64:
            found[field], place = _integer(data, place)
        else:
            place = _after(data, place, kind, nested)
    return found, place + 1


def _after(data: bytes, place: int, kind: int, nested: int) -> int:
    """Where a value ends that a field of a struct has."""
    if kind in (TRUE, FALSE):
        return place
    if kind == BYTE:
        return place + 1
    if kind == DOUBLE:
        return place + 8
    if kind == BINARY:
        size, place = _varint(data, place)
        return place + size
    if kind == STRUCT:
        return _struct(data, place, nested + 1)[1]
    raise ValueError(f"no page's header holds a value of type {kind}")  # lists, sets and maps, none of which does


def _varint(data: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while data[place] & 0x80:
        value |= (data[place] & 0x7F) << shift
        place, shift = place + 1, shift + 7
        if shift > 63:
            raise ValueError("a number has more than 64 bits")
    return value | data[place] << shift, place + 1


def _integer(data: bytes, place: int) -> tuple[int, int]:
    """A signed number, in zigzag."""
    value, place = _varint(data, place)
    return value >> 1 ^ -(value & 1), place
