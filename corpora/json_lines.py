"""Files of JSON lines, written whole or not at all."""

import contextlib
import gzip
from collections.abc import Iterable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, BinaryIO

import zstandard


def write_lines(path: Path, lines: Iterable[bytes]) -> None:
    """The file appears under its name only when written whole; compressed when that ends in .zst or .gz."""
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        with temporary.open("wb") as file, _compressed(file, path.suffix) as out:
            for line in lines:
                out.write(line)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _compressed(file: BinaryIO, suffix: str) -> AbstractContextManager[Any]:
    """Open compressed output into `file`: the same bytes for the same content, so neither name nor time."""
    if suffix == ".zst":
        return zstandard.ZstdCompressor(level=6).stream_writer(file, closefd=False)
    if suffix == ".gz":
        return gzip.GzipFile("", "wb", fileobj=file, mtime=0)
    return contextlib.nullcontext(file)
