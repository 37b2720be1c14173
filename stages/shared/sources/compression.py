"""Compressed files, none of them trusted: what they unpack to is bounded, and a stream that ends early is an error."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import re
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, BinaryIO

import pyarrow as pa
import zstandard

from sequitur.pipeline.errors import InputError, unreadable
from sequitur.pipeline.sections import Ingest
from sequitur.stages.shared.sources.input_paths import bytes_of, open_input
from sequitur.stages.shared.sources.remote_files import AHEAD

BEGINNINGS = {
    b"\x1f\x8b\x08": ".gz",
    b"\x28\xb5\x2f\xfd": ".zst",
    b"BZh": ".bz2",
    b"\xfd7zXZ\0": ".xz",
    b"\x04\x22\x4d\x18": ".lz4",
}
COMPRESSIONS = (*BEGINNINGS.values(), ".br")
BZIP2_BEGINNING = re.compile(rb"BZh[1-9](1AY&SY|\x17\x72\x45\x38\x50\x90)")  # a block, or the end of an empty stream
LONGEST_BEGINNING = 10
# A zstd block of 4 bytes can stand for 128 KiB, so this much input unpacks to at most 64 MiB at a time.
ZSTD_STEP = 2048
STEP = 2**16
XZ_MEMORY = 2**25  # besides the window


@dataclass(frozen=True)
class Limits:
    """Bytes that one record may have, that one file may unpack to, that unpacking it may look back, and that are asked
    for at first of one elsewhere; and its copy on this machine, if there is one, that is read instead."""

    record: int
    decompressed: int
    window: int = Ingest.model_fields["max_window_bytes"].default
    first: int = AHEAD
    copy: str | None = None

    @classmethod
    def of(cls, settings: Ingest) -> Limits:
        return cls(int(settings.max_record_bytes), int(settings.max_decompressed_bytes), int(settings.max_window_bytes))


def compression_of(path: str) -> str | None:
    suffix = PurePosixPath(path).suffix.lower()
    return suffix if suffix in COMPRESSIONS else None


class _ZstdFile(io.RawIOBase):
    """Unpacks any number of zstd frames, and notices when the last one is cut short."""

    def __init__(self, source: BinaryIO, window: int) -> None:
        self._source, self._window = source, window
        self._next_frame()
        self._ready = memoryview(b"")

    def _next_frame(self) -> None:
        self._frame = zstandard.ZstdDecompressor(max_window_size=self._window).decompressobj()
        self._begun = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._ready:
            data = self._frame.unused_data if self._frame.eof else b""
            data = data or self._source.read(ZSTD_STEP)
            if self._frame.eof:
                self._next_frame()
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


class _Streams(io.RawIOBase):
    """Unpacks any number of xz or bzip2 streams, takes no byte after them for nothing, and notices a cut one.

    Args:
        source: the packed bytes.
        decompressor: makes the standard library's object for one stream.
        padding: a byte that may stand between streams.
    """

    def __init__(self, source: BinaryIO, decompressor: Callable[[], Any], padding: bytes = b"") -> None:
        self._source, self._decompressor, self._padding = source, decompressor, padding
        self._next_stream()

    def _next_stream(self) -> None:
        self._stream, self._begun = self._decompressor(), False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while True:
            data = b""
            if self._stream.eof:
                data = self._stream.unused_data
                self._next_stream()
            if not data and self._stream.needs_input:
                data = self._source.read(STEP)
                if not data:
                    if self._begun:
                        raise EOFError
                    return 0
            if not self._begun and self._padding:
                data = data.lstrip(self._padding)
                if not data:
                    continue
            self._begun = True
            taken = self._stream.decompress(data, len(buffer))
            if taken:
                buffer[: len(taken)] = taken
                return len(taken)


def _by_arrow(codec: str) -> Callable[[Any, int], pa.CompressedInputStream]:
    """Arrow's reader of a codec: several streams in a row, a cut or damaged one is an OSError without a number."""
    return lambda raw, window: pa.CompressedInputStream(pa.PythonFile(raw, "r"), codec)


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
    ".bz2": lambda raw, window: _Streams(raw, bz2.BZ2Decompressor),
    ".xz": lambda raw, window: _Streams(raw, lambda: lzma.LZMADecompressor(memlimit=XZ_MEMORY + window), b"\0"),
    ".lz4": _by_arrow("lz4"),
    ".br": _by_arrow("brotli"),
}


def compression_in(path: str, named: str | None = None) -> str | None:
    """The compression that a file's ending, or else its first bytes tell; None where they tell none. The ending is that
    of the name that it has elsewhere, if one is given.

    Raises:
        InputError: the file cannot be read.
    """
    return compression_of(named or path) or _packed_by(beginning_of(path, LONGEST_BEGINNING))


def told_by(beginning: bytes, kinds: Mapping[bytes, str]) -> str | None:
    """The kind of what begins as one of some kinds does, None where none does."""
    return next((kind for first, kind in kinds.items() if beginning.startswith(first)), None)


def _packed_by(beginning: bytes) -> str | None:
    found = told_by(beginning, BEGINNINGS)
    return None if found == ".bz2" and not BZIP2_BEGINNING.match(beginning) else found


def beginning_of(path: str, size: int) -> bytes:
    """The first bytes of a file as they lie on storage.

    Raises:
        InputError: the file cannot be read.
    """
    return b"".join(bytes_of(path, 0, size))


def opened(path: str, limits: Limits, end: int = -1) -> BinaryIO:
    """An input file, or its copy, as its bytes lie on storage; it is read to byte `end`, and little further.

    Raises:
        OSError: it cannot be opened.
    """
    return open_input(limits.copy or path, limits.first, end)


@contextmanager
def reading(path: str, limits: Limits, start: int = 0, end: int = -1) -> Iterator[BinaryIO]:
    """An open file, unpacked by its ending, or else as its first bytes tell; as it lies where it is read from byte
    `start` on. `end` is that to which it is read, −1 for its own.

    Raises:
        InputError: it is missing or unreadable, its compressed stream is damaged or ends early, or it unpacks to more
            than the limit.
    """
    kind = compression_of(path)
    try:
        with opened(path, limits, end) as raw:
            beginning = b"" if start else raw.read(LONGEST_BEGINNING)
            raw.seek(start)
            kind = None if start else kind or _packed_by(beginning)
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
        if kind is None or error.errno is not None:
            raise unreadable(path, error) from error
        # Without a number: what bz2 and Arrow raise for a stream that is damaged or cut.
        what = "ends early" if "runcated" in str(error) else f"is damaged ({error})"
        raise InputError(f"{path}: the {kind} stream {what}; fetch the file again") from error


def _window_needed(path: str, kind: str | None, error: Exception, window: int) -> str:
    """How large a window a stream needs that is intact but needs more than it may; empty where it is damaged."""
    if kind == ".xz" and "limit exceeded" in str(error):
        return f"more than {window:,} bytes"
    if kind == ".zst" and "too much memory" in str(error):
        try:
            return f"{zstandard.get_frame_parameters(beginning_of(path, 18)).window_size:,} bytes"
        except zstandard.ZstdError:  # no frame of its own, or a window that the format does not allow
            return f"more than {window:,} bytes"
    return ""
