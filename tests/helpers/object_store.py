"""A file system whose files are read by ranges, as those of object stores are: what fsspec's own local one hides."""

from typing import Any

import fsspec
from fsspec.implementations.local import LocalFileSystem
from fsspec.spec import AbstractBufferedFile

PROTOCOL = "ranges"


class RangeFile(AbstractBufferedFile):
    """`readline` of it takes no size, as with every file of s3fs, gcsfs and adlfs."""

    def _fetch_range(self, start: int, end: int) -> bytes:
        with open(self.path, "rb") as file:  # noqa: PTH123
            file.seek(start)
            return file.read(end - start)


class RangeFileSystem(LocalFileSystem):
    protocol = PROTOCOL
    local_file = False

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        stripped: str = LocalFileSystem._strip_protocol(path.removeprefix(f"{PROTOCOL}://"))
        return stripped

    def unstrip_protocol(self, name: str) -> str:
        return f"{PROTOCOL}://{self._strip_protocol(name)}"

    def _open(self, path: str, mode: str = "rb", block_size: Any = None, **options: Any) -> RangeFile:
        return RangeFile(self, path, mode, block_size or 2**16, size=self.size(path))


fsspec.register_implementation(PROTOCOL, RangeFileSystem, clobber=True)
