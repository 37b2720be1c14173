"""What a job made, compared with what it made before; the line in which it ends."""

from pathlib import Path
from typing import Any

import xxhash

PACK = {"context_length": 48, "policy": "stream", "validation_share": 0.2, "shard_bytes": 2**18}
OWN = ("_lock", "_state", "config.yaml")  # tell of the run itself, not of what it made


def content(root: Path) -> dict[str, str]:
    """The checksum of every file of a run that does not tell of the run itself."""
    files = [path for path in root.rglob("*") if path.is_file() and path.relative_to(root).parts[0] not in OWN]
    return {str(path.relative_to(root)): xxhash.xxh3_128_hexdigest(path.read_bytes()) for path in files}


def written(root: Path) -> dict[str, tuple[int, int]]:
    """Inode and time of writing of every such file."""
    status = {name: (root / name).stat() for name in content(root)}
    return {name: (one.st_ino, one.st_mtime_ns) for name, one in status.items()}


def changed(before: dict[str, Any], after: dict[str, Any]) -> set[str]:
    """Artifacts of which a file is new, gone or other than before."""
    return {name.split("/")[0] for name in before.keys() | after.keys() if before.get(name) != after.get(name)}


def mistake(ended: Any, code: int = 1) -> str:
    """The one line that a mistake prints after the announcements of stages."""
    *announced, line = ended.err.splitlines()
    assert ended.code == code
    assert ended.out == ""
    assert line.startswith("error: ")
    assert all(
        "will take up to" in other or "done before" in other or " rows " in other or "is made anew" in other
        for other in announced
    )
    return line.removeprefix("error: ")
