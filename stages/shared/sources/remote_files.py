"""Input files on an object store, read by ranges: as many bytes at a time as one request should bring, and no more."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import fsspec

from sequitur.pipeline.file_systems import OBJECT_STORES, protocols

AHEAD = 2**24  # bytes of one request, where a file is read on
BEHIND = 2**16  # bytes of one request, where only the rest of a line is wanted; and that are taken at a time
FASTER = 4  # times as many with each request, up to that


def is_object_store(fs: fsspec.AbstractFileSystem) -> bool:
    return bool(OBJECT_STORES & set(protocols(fs)))


def read_range(fs: fsspec.AbstractFileSystem, name: str, start: int, end: int) -> bytes:
    """The bytes of an object from `start` to `end`, or to its own end; none behind it. One request.

    Raises:
        OSError: it cannot be read.
    """
    try:
        return bytes(fs.cat_file(name, start=start, end=end))
    except FileNotFoundError:
        raise
    except (OSError, ValueError):  # stores refuse a range that begins where the object ends
        if start >= (fs.size(name) or 0):
            return b""
        raise


def read_all(fs: fsspec.AbstractFileSystem, name: str, start: int, end: int) -> Iterator[bytes]:
    """The bytes of an object from `start` to `end`, −1 for its own, a request at a time."""
    while end < 0 or start < end:
        asked = AHEAD if end < 0 else min(AHEAD, end - start)
        data = read_range(fs, name, start, start + asked)
        if data:
            yield data
        if len(data) < asked:
            return
        start += asked


class RemoteFile(io.RawIOBase):
    """An object as a file. Memory: the bytes of one request.

    Args:
        fs: its file system.
        name: as that spells it.
        first: bytes that are asked for where the file is begun, or read on elsewhere; `FASTER` times as many with each
            request that follows, up to `AHEAD`.
        end: behind which nothing is asked for before it is read, and then little; −1 for the object's own.
    """

    def __init__(self, fs: fsspec.AbstractFileSystem, name: str, first: int = AHEAD, end: int = -1) -> None:
        self._fs, self._name, self._first, self._next, self._until = fs, name, first, first, end
        self._at, self._start, self._held, self._end = 0, 0, memoryview(b""), -1

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        if whence == io.SEEK_END and self._end < 0:
            self._end = int(self._fs.size(self._name) or 0)
        self._at = max(0, offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._end}[whence])
        return self._at

    def readinto(self, buffer: Any) -> int:
        if not self._start <= self._at < self._start + len(self._held):
            self._fetch(len(buffer))
        begin = self._at - self._start
        taken = self._held[begin : begin + len(buffer)]
        buffer[: len(taken)] = taken
        self._at += len(taken)
        return len(taken)

    def _fetch(self, wanted: int) -> None:
        if 0 <= self._end <= self._at:
            self._start, self._held = self._at, memoryview(b"")
            return
        reads_on = self._at == self._start + len(self._held) and len(self._held) > 0
        self._next = min(FASTER * self._next, AHEAD) if reads_on else self._first
        size = max(self._next, wanted)
        if self._until >= 0:
            size = min(size, max(self._until - self._at, BEHIND))
        data = read_range(self._fs, self._name, self._at, self._at + size)
        if len(data) < size:
            self._end = self._at + len(data)
        self._start, self._held = self._at, memoryview(data)
