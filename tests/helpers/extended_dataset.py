"""An extended dataset, as its files stand and as its rows are read."""

from pathlib import Path

import numpy as np

from sequitur.shards.rows import SplitRows

FIRST, SECOND = 100, 200  # keys with which the documents of the extensions begin
RENEWED = ("manifest.json", "state.json")


def standing(root: Path) -> dict[str, tuple[bytes, int, int]]:
    """Content, inode and time of every file."""
    files = [path for path in root.rglob("*") if path.is_file()]
    return {
        str(path.relative_to(root)): (path.read_bytes(), path.stat().st_ino, path.stat().st_mtime_ns) for path in files
    }


def tokens(root: Path, split: str) -> list[list[int]]:
    rows = SplitRows(root, split)
    got = rows.gather(np.arange(len(rows)), np.uint32)
    return [ids[:count].tolist() for ids, count in zip(got.input_ids, got.num_tokens, strict=True)]
