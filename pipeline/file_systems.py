"""How file systems are told apart, and what their errors say."""

from __future__ import annotations

import os
from pathlib import Path

import fsspec

OBJECT_STORES = frozenset({"abfs", "abfss", "az", "gcs", "gs", "memory", "oss", "s3", "s3a"})  # protocols of fsspec


def protocols(fs: fsspec.AbstractFileSystem) -> tuple[str, ...]:
    """The protocols by which a file system is known."""
    return (fs.protocol,) if isinstance(fs.protocol, str) else tuple(fs.protocol)


def remove(fs: fsspec.AbstractFileSystem, path: str) -> None:
    """Removes a file, or what is below a directory; nothing happens where neither is there. Of an object store one
    listing tells of both."""
    known = set(protocols(fs))
    if not OBJECT_STORES & known or "memory" in known:  # of which folders are things of their own
        if fs.exists(path):
            fs.rm(path, recursive=True)
        return
    above, _, name = path.rpartition("/")
    fs.invalidate_cache(above)
    if there := [one for one in fs.find(above, prefix=name) if f"{one}/".startswith(f"{path}/")]:
        fs.rm(there)


def reason_of(error: Exception) -> str:
    """What an error of any file system says, in a line."""
    known = isinstance(error, OSError | ImportError | ValueError)
    return (known and (getattr(error, "strerror", None) or str(error))) or f"{type(error).__name__} {error}".strip()


def sync_directory(path: Path) -> None:
    """Has the names in a local directory written to disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
