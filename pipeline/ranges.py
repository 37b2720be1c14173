"""Files that lie elsewhere, of which only the ranges that are read are fetched."""

from __future__ import annotations

import io
from typing import Any

from sequitur.pipeline.storage import Directory

AHEAD = 2**16  # bytes that are fetched at least


class Ranges(io.RawIOBase):
    """A file that is not local, to read at any place: what is read is fetched, with what follows it up to AHEAD bytes.

    The file's end, where its index is, and the range fetched last are kept. Raises StorageError as it is read.
    """

    def __init__(self, directory: Directory, name: str, size: int) -> None:
        super().__init__()
        self._directory, self._name, self._size, self._at = directory, name, size, 0
        begin = max(0, size - AHEAD)
        self._kept = [(begin, directory.read_range(name, begin, size)), (0, b"")]  # the end, and the last range

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        return self._at

    def readinto(self, target: Any) -> int:
        size = min(len(target), self._size - self._at)
        if size <= 0:
            return 0
        begin, content = next((one for one in self._kept if self._holds(*one, size)), (0, b""))
        if not content:
            begin = self._at
            end = min(begin + max(size, AHEAD), self._size)
            content = self._directory.read_range(self._name, begin, end)
            self._kept[1] = (begin, content)
        found = content[self._at - begin : self._at - begin + size]
        target[: len(found)] = found
        self._at += len(found)
        return len(found)

    def _holds(self, begin: int, content: bytes, size: int) -> bool:
        return begin <= self._at and self._at + size <= begin + len(content)
