"""How file systems are told apart, and what their errors say."""

from __future__ import annotations

import os
from pathlib import Path

import fsspec

OBJECT_STORES = frozenset({"abfs", "abfss", "az", "gcs", "gs", "memory", "oss", "s3", "s3a"})  # protocols of fsspec


def protocols(fs: fsspec.AbstractFileSystem) -> tuple[str, ...]:
    """The protocols by which a file system is known."""
    return (fs.protocol,) if isinstance(fs.protocol, str) else tuple(fs.protocol)


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
