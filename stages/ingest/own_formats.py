"""Input formats of the user's own: what `ingest` does for `ingest.formats`.

A module `my_package.my_format` has a function `records(file, limits)` that takes an open binary file, unpacked where
its name ends in `.gz` and the like, and yields its records in file order: each a mapping of field names to values, or a
`Bad` that says why there is none, which becomes a reject. The same file must give the same records each time.

No read and no line of the file is longer than a record may be, so that its size is no matter. Where it is not packed
it can be sought in. What the function raises ends the run: nobody could say what the rest of the file would have given.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any, BinaryIO

from sequitur.pipeline import own_modules
from sequitur.pipeline.errors import ConfigError, InputError, SequiturError
from sequitur.pipeline.names import TOO_LARGE
from sequitur.pipeline.own_modules import OwnModule
from sequitur.stages.shared.sources.compression import COMPRESSIONS, Limits, reading
from sequitur.stages.shared.sources.record_files import Bad, Records

SETTING = "ingest.formats"


def parameters(formats: Mapping[str, str]) -> dict[str, list[str]]:
    """What documents depend on: of each ending the import path of its module, and the sha256 of the module's file.

    Raises:
        ConfigError: a module cannot be used, or the ending is that of a compression.
    """
    for ending in formats:
        if ending in COMPRESSIONS:
            raise ConfigError(f"{SETTING}.{ending}: files so named are unpacked; name the ending before it")
    return {ending: [path, _load(path).digest] for ending, path in formats.items()}


def _load(path: str) -> OwnModule:
    return own_modules.load(SETTING, path, "records", ("file", "limits"))


def own_records(path: str, module: str, limits: Limits) -> Records:
    """The records of a file as the user's module yields them, by their place in the file.

    Raises:
        InputError: the file cannot be read to its end, or more is read at once than a record may have.
        OwnModuleFailed: the function raised something else, or yielded what is no record.
    """
    own = _load(module)
    with reading(path, limits) as source:
        watched = _Watched(source)
        row = 0
        try:
            for record in own.function(_BoundedFile(watched, path, limits.record), limits):
                yield row, _checked(record, own, limits, f"{path}, row {row}: ")
                row += 1
        except SequiturError:
            raise
        except Exception as error:
            if watched.failed is None:
                raise own.failed(error, f"{path}, row {row}: ") from error
        if watched.failed is not None:  # though the function may have passed over it
            raise watched.failed


def _checked(record: object, own: OwnModule, limits: Limits, where: str) -> Mapping[str, Any] | Bad:
    if isinstance(record, Bad):
        return Bad(str(record.reason), str(record.detail))
    if not isinstance(record, Mapping):
        raise own.failed(f"yielded {type(record).__name__}, not a mapping of fields or a Bad", where)
    if sum(len(value) for value in record.values() if isinstance(value, str | bytes)) > limits.record:
        return Bad(TOO_LARGE, f"more than {limits.record:,} bytes")
    return record


class _Watched(io.RawIOBase):
    """Passes bytes on, and remembers why they could not be read: that is no failure of the user's code."""

    def __init__(self, source: BinaryIO) -> None:
        self._source = source
        self.failed: Exception | None = None

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return self._source.seekable()

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self._source.seek(offset, whence)

    def tell(self) -> int:
        return self._source.tell()

    def readinto(self, buffer: Any) -> int:
        try:
            data = self._source.read(len(buffer))
        except Exception as error:
            self.failed = error
            raise
        buffer[: len(data)] = data
        return len(data)


class _BoundedFile(io.BufferedReader):
    """A file of which no read and no line takes more memory than a record and its line end may have."""

    def __init__(self, raw: io.RawIOBase, path: str, limit: int) -> None:
        super().__init__(raw)
        self._path, self._most = path, limit + 2

    def read(self, size: int | None = -1, /) -> bytes:
        return self._bounded(super().read(self._size(size)))

    def readline(self, size: int | None = -1, /) -> bytes:
        return self._bounded(super().readline(self._size(size)))

    def _size(self, size: int | None) -> int:
        return self._most + 1 if size is None or size < 0 else min(size, self._most + 1)

    def _bounded(self, data: bytes) -> bytes:
        if len(data) > self._most:
            raise InputError(
                f"{self._path}: more than {self._most - 2:,} bytes were read at once; read less, or raise "
                "ingest.max_record_bytes"
            )
        return data
