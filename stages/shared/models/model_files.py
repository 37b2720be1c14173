"""The files of a local model, and what tells them apart."""

from __future__ import annotations

from pathlib import Path

import xxhash

BLOCK_BYTES = 2**20


def files(path: Path) -> list[Path]:
    """The file, or all files of the directory, sorted; a download's cache is no part of a model."""
    if path.is_file():
        return [path]
    return sorted(file for file in path.rglob("*") if file.is_file() and ".cache" not in file.parts)


def digests(path: Path) -> dict[str, str]:
    """The xxh3-128 of each file, by its name within the directory; a block of it in memory at a time."""
    root = path if path.is_dir() else path.parent
    return {str(file.relative_to(root)): _digest(file) for file in files(path)}


def _digest(file: Path) -> str:
    state = xxhash.xxh3_128()
    with file.open("rb") as content:
        while block := content.read(BLOCK_BYTES):
            state.update(block)
    return state.hexdigest()
