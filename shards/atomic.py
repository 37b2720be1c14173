"""Files that appear under their name whole or not at all, and stay after a power failure."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

TEMPORARY = ".tmp-"


@contextmanager
def writing(path: Path) -> Iterator[BinaryIO]:
    """A binary file that becomes `path`, replacing what is there, when the block ends without an error, and vanishes
    otherwise. Written beside it as `.tmp-NAME`, flushed to disk, renamed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(TEMPORARY + path.name)
    try:
        with temporary.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    flush_directory(path.parent)


def write_bytes(path: Path, content: bytes) -> None:
    """Write a small file, whole or not at all."""
    with writing(path) as file:
        file.write(content)


def flush_directory(path: Path) -> None:
    """Have the names in a directory written to disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
