"""What the files of a sentence-transformers directory name from outside: code of others, and folders.

sentence-transformers 5 asks for `trust_remote_code` where a model comes from the hub alone. Of a local directory, which
was downloaded as often as not, it imports and runs any class that a file names.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

LIBRARY = "sentence_transformers."
MODULES = "modules.json"


def named_outside(directory: Path) -> Iterator[tuple[str, str]]:
    """Files of a model and what they name: classes that are none of the library's, folders not within the directory.

    Files that are no JSON name nothing; the library refuses them.
    """
    for path in sorted({directory / MODULES, *directory.rglob("*config*.json")}):
        content, file = _read(path), str(path.relative_to(directory))
        yield from ((file, name) for name in _classes(content) if not name.startswith(LIBRARY))
        yield from ((file, folder) for folder in _folders(content) if not _is_within(folder))


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes()) if path.is_file() else None
    except (OSError, ValueError, RecursionError):
        return None


def _modules(content: Any) -> list[dict[str, Any]]:
    return [one for one in content if isinstance(one, dict)] if isinstance(content, list) else []


def _parts(content: Any) -> dict[str, Any]:
    """Of a Router, the classes of its parts by their folders."""
    parts = content.get("types") if isinstance(content, dict) else None
    return parts if isinstance(parts, dict) else {}


def _classes(content: Any) -> Iterator[str]:
    yield from (str(module["type"]) for module in _modules(content) if "type" in module)
    yield from map(str, _parts(content).values())
    tokenizer = content.get("tokenizer_class") if isinstance(content, dict) else None
    if isinstance(tokenizer, str) and "." in tokenizer:  # of WordEmbeddings; without a dot one of transformers
        yield tokenizer


def _folders(content: Any) -> Iterator[str]:
    yield from (str(module["path"]) for module in _modules(content) if "path" in module)
    yield from _parts(content)


def _is_within(folder: str) -> bool:
    path = PurePosixPath(folder)
    return not path.is_absolute() and ".." not in path.parts
