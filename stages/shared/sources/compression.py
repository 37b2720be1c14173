"""Compressed files, none of them trusted: what they unpack to is bounded, and a stream that ends early is an error."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, BinaryIO

import fsspec
import zstandard

from sequitur.pipeline.errors import InputError
from sequitur.pipeline.sections import Ingest

COMPRESSIONS = (".gz", ".zst", ".bz2", ".xz")
BEGINNINGS = {b"\x1f\x8b\x08": ".gz", b"\x28\xb5\x2f\xfd": ".zst", b"BZh91AY&SY": ".bz2", b"\xfd7zXZ\0": ".xz"}
LONGEST_BEGINNING = max(map(len, BEGINNINGS))
# A zstd block of 4 bytes can stand for 128 KiB, so this much input unpacks to at most 64 MiB at a time.
ZSTD_STEP = 2048
STEP = 2**16
XZ_MEMORY = 2**25  # besides the window


@dataclass(frozen=True)
class Limits:
    """Bytes that one record may have, that one file may unpack to, and that unpacking it may look back."""

    record: int
    decompressed: int
    window: int = 2**27

    @classmethod
    def of(cls, settings: Ingest) -> Limits:
        return cls(int(settings.max_record_bytes), int(settings.max_decompressed_bytes), int(settings.max_window_bytes))


def compression_of(path: str) -> str | None:
    suffix = PurePosixPath(path).suffix.lower()
    return suffix if suffix in COMPRESSIONS else None


class _ZstdFile(io.RawIOBase):
    """Unpacks any number of zstd frames, and notices when the last one is cut short."""

    def __init__(self, source: BinaryIO, window: int) -> None:
        self._source = source
        self._frame = zstandard.ZstdDecompressor(max_window_size=window).decompressobj()
        self._window, self._begun = window, False
        self._ready = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._ready:
            data = self._frame.unused_data if self._frame.eof else b""
            data = data or self._source.read(ZSTD_STEP)
            if self._frame.eof:
                again = zstandard.ZstdDecompressor(max_window_size=self._window)
                self._frame, self._begun = again.decompressobj(), False
            if not data:
                if self._begun:
                    raise EOFError
                return 0
            self._begun = True
            self._ready = memoryview(self._frame.decompress(data))
        taken = self._ready[: len(buffer)]
        buffer[: len(taken)] = taken
        self._ready = self._ready[len(taken) :]
        return len(taken)


class _XzFile(io.RawIOBase):
    """Unpacks any number of xz streams within bounded memory, and notices when the last one is cut short."""

    def __init__(self, source: BinaryIO, window: int) -> None:
        self._source, self._memory = source, XZ_MEMORY + window
        self._stream = lzma.LZMADecompressor(memlimit=self._memory)
        self._begun = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while True:
            if self._stream.eof:
                data = self._stream.unused_data.lstrip(b"\0") or self._source.read(STEP)  # streams may be padded
                self._stream, self._begun = lzma.LZMADecompressor(memlimit=self._memory), False
            else:
                data = self._source.read(STEP) if self._stream.needs_input else b""
            if not data and self._stream.needs_input:
                if self._begun:
                    raise EOFError
                return 0
            self._begun = True
            taken = self._stream.decompress(data, len(buffer))
            if taken:
                buffer[: len(taken)] = taken
                return len(taken)


class _Bounded(io.RawIOBase):
    """Passes bytes on until there are more than a limit."""

    def __init__(self, source: BinaryIO, path: str, limit: int) -> None:
        self._source, self._path, self._left, self._limit = source, path, limit, limit

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._source.read(len(buffer))
        self._left -= len(data)
        if self._left < 0:
            raise InputError(
                f"{self._path}: unpacks to more than {self._limit:,} bytes; if that is no decompression bomb raise "
                "ingest.max_decompressed_bytes"
            )
        buffer[: len(data)] = data
        return len(data)


_UNPACK: dict[str, Callable[[Any, int], Any]] = {
    ".gz": lambda raw, window: gzip.GzipFile(fileobj=raw),
    ".zst": _ZstdFile,
    ".bz2": lambda raw, window: bz2.BZ2File(raw),
    ".xz": _XzFile,
}


def compression_in(path: str) -> str | None:
    """The compression that a file's ending, or else its first bytes tell; None where they tell none."""
    with fsspec.open(path, "rb") as raw:
        return compression_of(path) or _told_by(raw.read(LONGEST_BEGINNING))


def _told_by(beginning: bytes) -> str | None:
    return next((kind for first, kind in BEGINNINGS.items() if beginning.startswith(first)), None)


@contextmanager
def reading(path: str, limits: Limits) -> Iterator[BinaryIO]:
    """An open file, unpacked by its ending, or else as its first bytes tell.

    Raises:
        InputError: it is missing or unreadable, its compressed stream is damaged or ends early, or it unpacks to more
            than the limit.
    """
    kind = compression_of(path)
    try:
        with fsspec.open(path, "rb") as raw:
            beginning = raw.read(LONGEST_BEGINNING)
            raw.seek(0)
            kind = kind or _told_by(beginning)
            if kind is None:
                yield raw
            else:
                if not beginning:
                    raise EOFError
                unpacked = _UNPACK[kind](raw, limits.window)
                yield io.BufferedReader(_Bounded(unpacked, path, limits.decompressed), 2**18)
    except EOFError as error:
        raise InputError(f"{path}: the {kind} stream ends early; the file is truncated, fetch it again") from error
    except (gzip.BadGzipFile, zlib.error, lzma.LZMAError, zstandard.ZstdError) as error:
        if needed := _window_needed(path, kind, error, limits.window):
            raise InputError(
                f"{path}: needs a window of {needed}; set ingest.max_window_bytes to as much, if the memory suffices"
            ) from error
        raise InputError(f"{path}: the {kind} stream is damaged ({error}); fetch the file again") from error
    except OSError as error:
        if kind is not None and error.errno is None:  # what bz2 raises for a damaged stream
            raise InputError(f"{path}: the {kind} stream is damaged ({error}); fetch the file again") from error
        raise InputError(f"{path}: {error.strerror or error}; check the path and its permissions") from error


def _window_needed(path: str, kind: str | None, error: Exception, window: int) -> str:
    """How large a window a stream needs that is intact but needs more than it may; empty where it is damaged."""
    if kind == ".xz" and "limit exceeded" in str(error):
        return f"more than {window:,} bytes"
    if kind == ".zst" and "too much memory" in str(error):
        with fsspec.open(path, "rb") as raw:
            return f"{zstandard.get_frame_parameters(raw.read(18)).window_size:,} bytes"
    return ""
