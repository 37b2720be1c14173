"""What the messages of an Arrow IPC file unpack to, told by their metadata before any is unpacked.

The metadata are flatbuffers (Arrow columnar format, "Serialization and interprocess communication"); of them only what
says how long buffers are is read here, with every place checked against the bytes that are there.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from typing import BinaryIO

CONTINUATION = b"\xff\xff\xff\xff"
MAGIC = b"ARROW1\0\0"
DICTIONARY_BATCH, RECORD_BATCH = 2, 3  # kinds of message that hold buffers
MOST_METADATA = 2**26


def unpacked_sizes(file: BinaryIO) -> Iterator[int]:
    """Bytes that each dictionary and record batch of an IPC file or stream unpacks to, in file order.

    Ends where the file is no such file, or is damaged: whoever reads it will say so.
    """
    try:
        prefix = file.read(8)
        if prefix == MAGIC:
            prefix = file.read(8)
        while len(prefix) == 8:
            is_new = prefix.startswith(CONTINUATION)
            (length,) = struct.unpack("<i", prefix[4:] if is_new else prefix[:4])
            if not 8 <= length <= MOST_METADATA:
                return  # 0 is the end
            metadata = file.read(length) if is_new else prefix[4:] + file.read(length - 4)
            size, body, places = _buffers(metadata)
            read = 0
            for place in sorted(places):
                _skip(file, place - read)
                (unpacked,) = struct.unpack("<q", file.read(8))
                size += max(unpacked, 0)  # −1: this buffer is not packed
                read = place + 8
            _skip(file, body - read)
            if size or body:
                yield size or body
            prefix = file.read(8)
    except (struct.error, ValueError, IndexError):
        return


def _skip(file: BinaryIO, size: int) -> None:
    if size < 0:
        raise ValueError("the buffers of a message overlap")
    if file.seekable():
        file.seek(size, io.SEEK_CUR)
        return
    while size and (read := len(file.read(min(size, 2**20)))):
        size -= read


def _buffers(metadata: bytes) -> tuple[int, int, list[int]]:
    """Of a message: the bytes of its buffers that are not packed, the bytes of its body, and where in the body packed
    buffers begin, with the 8 bytes that say what they unpack to."""
    message = struct.unpack_from("<i", metadata, 0)[0]
    body = _field(metadata, message, 3, "<q")
    kind, header = _field(metadata, message, 1, "<B"), _table(metadata, message, 2)
    if kind == DICTIONARY_BATCH and header:
        header = _table(metadata, header, 1)
    elif kind != RECORD_BATCH:
        return 0, body, []
    compression, vector = _table(metadata, header, 3), _table(metadata, header, 2)
    if not compression or not vector:
        return body, body, []
    count = struct.unpack_from("<i", metadata, vector)[0]
    places = [struct.unpack_from("<qq", metadata, vector + 4 + 16 * index) for index in range(count)]
    return 0, body, [place for place, length in places if length > 8]


def _field(metadata: bytes, table: int, index: int, kind: str) -> int:
    """A scalar of a flatbuffers table, 0 where it is left out."""
    place = _place(metadata, table, index)
    return int(struct.unpack_from(kind, metadata, place)[0]) if place else 0


def _table(metadata: bytes, table: int, index: int) -> int:
    """Where a table or vector begins that a table refers to, 0 where it is left out."""
    place = _place(metadata, table, index)
    return place + struct.unpack_from("<i", metadata, place)[0] if place else 0


def _place(metadata: bytes, table: int, index: int) -> int:
    if not 0 < table < len(metadata):
        raise ValueError("a message refers to what is not in it")
    layout = table - struct.unpack_from("<i", metadata, table)[0]
    if not 0 <= layout < len(metadata):
        raise ValueError("a message refers to what is not in it")
    if 4 + 2 * index >= struct.unpack_from("<H", metadata, layout)[0]:
        return 0
    offset = struct.unpack_from("<H", metadata, layout + 4 + 2 * index)[0]
    return table + offset if offset else 0
