"""Which files an input names, on any file system that fsspec can reach: itself, those of a directory, those of a glob.

What is passed over is told, so that it can be counted: names that begin with `.` or one `_`, as of markers and of
temporary files (`_SUCCESS`; `__init__.py` is none), and links that lead nowhere or to a directory that is read already.
"""

from __future__ import annotations

import io
import os
import re
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, cast
from urllib.parse import quote

import fsspec
import xxhash
from fsspec.implementations.local import LocalFileSystem
from fsspec.spec import AbstractBufferedFile
from fsspec.utils import glob_translate

from sequitur.pipeline.errors import StorageError, unreadable
from sequitur.stages.shared.sources.remote_files import AHEAD, BEHIND, RemoteFile, is_object_store, read_all

LOCAL = "file://"
BUFFER = 2**18  # bytes taken at a time of what the file system itself reads ahead
STEP = 2**22  # bytes that are hashed at a time
HIDDEN = re.compile(r"(^|/)(\.|_(?!_))")
WILDCARD = re.compile(r"[*?\[]")
BRACES = re.compile(r"\{([^{}]*,[^{}]*)\}")
MOST_ALTERNATIVES = 10_000


class Found(NamedTuple):
    """What an input names; each list sorted, and spelled as the input is."""

    files: list[str]
    in_directory: bool  # the input is a directory
    hidden: list[str]
    no_files: list[str]  # links that lead nowhere or to what is read already, and what is neither file nor directory


def located(path: str) -> tuple[fsspec.AbstractFileSystem, str]:
    """The file system of a path, and how that spells it. A path without `://` is local: `a::b.jsonl` is a file.

    Raises:
        ValueError, ImportError: the file system is not known, or not installed.
    """
    if "://" not in path or path.startswith(LOCAL):
        return LocalFileSystem(), LocalFileSystem._strip_protocol(path.removeprefix(LOCAL))
    try:
        found: tuple[fsspec.AbstractFileSystem, str] = fsspec.core.url_to_fs(path)
    except (OSError, ImportError, ValueError):
        raise
    except Exception as error:  # the file systems of others raise what they like
        raise ValueError(f"{type(error).__name__} {error}".strip()) from error
    return found


def open_input(path: str, first: int = AHEAD, end: int = -1) -> BinaryIO:
    """An input file as its bytes lie on storage. Of one on an object store `first` bytes are asked for at first, and
    none behind `end` before one of them is read.

    Raises:
        OSError: it cannot be opened.
    """
    fs, name = located(path)
    if is_object_store(fs):
        return io.BufferedReader(RemoteFile(fs, name, first, end), BEHIND)
    opened: Any = fs.open(name, "rb")
    if isinstance(opened, AbstractBufferedFile):  # whose readline takes no size, and is slow
        return io.BufferedReader(opened, BUFFER)
    return cast(BinaryIO, opened)


def file_size(path: str) -> int:
    """Bytes of an input file as it lies on storage.

    Raises:
        InputError: it cannot be read.
    """
    fs, name = located(path)
    try:
        return int(fs.size(name) or 0)
    except OSError as error:
        raise unreadable(path, error) from error


def modified(path: str) -> datetime | None:
    """When a file was written last, in UTC; None where the file system cannot tell.

    Raises:
        InputError: it cannot be read.
    """
    fs, name = located(path)
    try:
        moment: datetime = fs.modified(name)
    except NotImplementedError:
        return None
    except OSError as error:
        raise unreadable(path, error) from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def file_url(path: str) -> str:
    """A path as a URL (RFC 8089); a relative one stays relative, so that it does not depend on where data lies."""
    return path if "://" in path else f"file:{'//' * path.startswith('/')}{quote(path)}"


def is_elsewhere(path: str) -> bool:
    """Whether an input file lies on an object store, where each request takes its time."""
    return is_object_store(located(path)[0])


def bytes_of(path: str, start: int = 0, end: int = -1) -> Iterator[bytes]:
    """The bytes of an input file from `start` to `end`, −1 for its end, as they lie on storage, some MB at a time.

    Raises:
        InputError: it cannot be read.
    """
    fs, name = located(path)
    try:
        if is_object_store(fs):
            yield from read_all(fs, name, start, end)
            return
        with open_input(path) as file:
            file.seek(start)
            while data := file.read(STEP if end < 0 else min(STEP, end - start)):
                yield data
                start += len(data)
    except OSError as error:
        raise unreadable(path, error) from error


def digest(path: str, start: int = 0, end: int = -1) -> str:
    """The xxh3-128 of the bytes of an input file from `start` to `end`, −1 for its end, as they lie on storage, in hex.

    Raises:
        InputError: it cannot be read.
    """
    found = xxhash.xxh3_128()
    for data in bytes_of(path, start, end):
        found.update(data)
    return str(found.hexdigest())


def find_files(pattern: str, include: Sequence[str] = (), exclude: Sequence[str] = ()) -> Found:
    """The files of an input. Links to directories are followed, but each directory is entered once.

    Hidden files are passed over unless a glob itself spells out a leading `.` or `_`, as in a shell. Names are spelled
    as the pattern is (a relative one gives relative names), so that document ids do not depend on where data lies.

    Args:
        pattern: a file, a directory, or a glob, which may have {a,b} in it.
        include: globs of which a file's name, or where there is a / in the glob its path below the directory (or below
            the first wildcard), matches one; all files if none.
        exclude: globs of which it matches none.

    Raises:
        StorageError: the file system, or a directory on it, cannot be read.
    """
    found = _find(pattern, include, exclude)
    if found.files or found.hidden or found.no_files or "{" not in pattern:  # which may stand in a name, too
        return found
    every = [_find(each, include, exclude) for each in alternatives(pattern)]
    return Found(
        sorted({name for one in every for name in one.files}),
        all(one.in_directory for one in every),
        sorted({name for one in every for name in one.hidden}),
        sorted({name for one in every for name in one.no_files}),
    )


def alternatives(pattern: str) -> list[str]:
    """What a glob with {a,b} in it stands for, as in a shell; braces without a comma are themselves.

    Raises:
        StorageError: for more than 10,000 globs.
    """
    patterns = [pattern]
    while any(BRACES.search(each) for each in patterns):
        longer = []
        for each in patterns:
            braces = BRACES.search(each)
            chosen = braces[1].split(",") if braces else [""]
            start, end = braces.span() if braces else (len(each), len(each))
            longer += [each[:start] + one + each[end:] for one in chosen]
        patterns = longer
        if len(patterns) > MOST_ALTERNATIVES:
            raise StorageError(f"{pattern[:200]}: its braces stand for more than {MOST_ALTERNATIVES:,} globs; use *")
    return list(dict.fromkeys(patterns))


def _find(pattern: str, include: Sequence[str], exclude: Sequence[str]) -> Found:
    try:
        fs, path = located(pattern)
        in_directory = fs.isdir(path)
        if in_directory:
            found = _below(fs, path, None)
        elif fs.isfile(path):
            found = [(path, True)]
        else:
            found = _matches(fs, path)
    except Exception as error:
        raise StorageError(
            f"{pattern}: {str(error) or type(error).__name__}; check the path and its file system"
        ) from error
    base = len(path if in_directory else _fixed(path)) + 1
    wanted, unwanted = _matcher(include), _matcher(exclude)
    all_wanted = not in_directory and HIDDEN.search(path[base:]) is not None
    parts: tuple[list[str], list[str], list[str]] = ([], [], [])
    for name, is_file in found:
        if (include and not wanted(name[base:])) or unwanted(name[base:]):
            continue
        is_hidden = not all_wanted and HIDDEN.search(name[base:])
        parts[1 if is_hidden else 0 if is_file else 2].append(_spelled(name, pattern, fs, path))
    files, hidden, no_files = map(sorted, parts)
    return Found(files, in_directory, hidden, no_files)


def _matcher(globs: Sequence[str]) -> Callable[[str], bool]:
    """Whether a path below a directory matches one of some globs; one without a / is for the file's name."""
    spelled = [one if "/" in one else f"**/{one}" for each in globs for one in alternatives(each)]
    regexes = [re.compile(glob_translate(f"/{each.lstrip('/')}")) for each in spelled]
    return lambda name: any(regex.match(f"/{name}") for regex in regexes)


def _fixed(path: str) -> str:
    """The directory before the first wildcard of a glob; the directory of a file."""
    wildcard = WILDCARD.search(path)
    return path[: wildcard.start() if wildcard else len(path)].rpartition("/")[0]


def _matches(fs: fsspec.AbstractFileSystem, path: str) -> list[tuple[str, bool]]:
    """What matches a glob, of files and of what is none; nothing where it has no wildcard."""
    if not WILDCARD.search(path):
        return []
    root, regex = _fixed(path), re.compile(glob_translate(path))
    depth = None if "**" in path else path[len(root) + 1 :].count("/") + 1
    return [entry for entry in _below(fs, root, depth) if regex.match(entry[0])]


def _below(fs: fsspec.AbstractFileSystem, root: str, depth: int | None) -> list[tuple[str, bool]]:
    """Everything below a directory, at most so many levels, but directories: its name, and whether it is a file."""
    if isinstance(fs, LocalFileSystem):
        return list(_walk(root, depth)) if fs.isdir(root or "/") else []
    return [(str(name), True) for name in fs.find(root, maxdepth=depth)]


def _walk(root: str, depth: int | None) -> Iterator[tuple[str, bool]]:
    """The same of a local directory: links are followed after all else, and no directory is entered twice."""
    entered: set[tuple[int, int]] = set()
    directories, links = [(root, 1)], deque[tuple[str, int]]()
    while directories or links:
        directory, level = directories.pop() if directories else links.popleft()
        status = Path(directory or "/").stat()
        if (status.st_dev, status.st_ino) in entered:
            yield directory, False
            continue
        entered.add((status.st_dev, status.st_ino))
        with os.scandir(directory or "/") as entries:
            for entry in sorted(entries, key=lambda entry: entry.name):
                name = f"{directory}/{entry.name}"
                if not entry.is_dir():
                    yield name, entry.is_file()
                elif depth is None or level < depth:
                    (links if entry.is_symlink() else directories).append((name, level + 1))


def _spelled(name: str, pattern: str, fs: fsspec.AbstractFileSystem, path: str) -> str:
    if "://" in pattern:
        spelled = pattern.rstrip("/")
        return spelled.removesuffix(path) + name if spelled.endswith(path) else str(fs.unstrip_protocol(name))
    return name if pattern.startswith(("/", "~")) else os.path.relpath(name)
