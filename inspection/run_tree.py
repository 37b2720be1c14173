"""All files below a run, by their paths from it. Links are told, not followed: what they lead to is not the run's."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sequitur.pipeline.errors import from_storage
from sequitur.pipeline.storage import TEMPORARY, Directory


@dataclass(frozen=True)
class RunTree:
    """What lies below a directory.

    Attributes:
        files: by path what deleting it frees, in bytes: nothing for a file that has a second name.
        folders: that are directories of their own; object stores have none.
        links: symbolic links, and what is neither a file nor a directory.
    """

    files: dict[str, int]
    folders: frozenset[str]
    links: frozenset[str]

    def names(self, folder: str) -> list[str]:
        """The names in a folder, sorted; in the topmost one for an empty path."""
        start = f"{folder}/" if folder else ""
        every = (path for some in (self.files, self.folders, self.links) for path in some)
        return sorted({path[len(start) :].partition("/")[0] for path in every if path.startswith(start)})

    def within(self, path: str) -> list[str]:
        """The files at a path or below it."""
        return [one for one in self.files if one == path or one.startswith(f"{path}/")]

    def links_within(self, path: str) -> list[str]:
        """The links below a path."""
        return sorted(one for one in self.links if one.startswith(f"{path}/"))


def tree_of(root: Directory) -> RunTree:
    """Looks through a run. One listing, of an object store one request for a thousand files."""
    if not root.is_local:
        return RunTree(root.sizes(), frozenset(), frozenset())
    files, folders, links = dict[str, int](), set[str](), set[str]()
    pending = [""]
    while pending:
        folder = pending.pop()
        for entry in _entries(root.path(folder)):
            path = f"{folder}/{entry.name}" if folder else entry.name
            if entry.is_dir(follow_symlinks=False):
                folders.add(path)
                pending.append(path)
            elif entry.is_file(follow_symlinks=False):
                about = entry.stat(follow_symlinks=False)
                files[path] = about.st_size if about.st_nlink == 1 else 0
            else:
                links.add(path)
    return RunTree(dict(sorted(files.items())), frozenset(folders), frozenset(links))


def _entries(path: str) -> Iterator[os.DirEntry[str]]:
    try:
        with os.scandir(path) as entries:
            yield from entries
    except OSError as error:
        raise from_storage(error, path) from error


def delete(root: Directory, path: str) -> None:
    """Deletes a file, or a directory with all below it, unless a link has come to lead there meanwhile. Locally a
    directory is there whole, or only by the name of a temporary file."""
    if not root.is_local:
        root.remove(path)
        return
    place = Path(root.path(path))
    if place.is_symlink() or Path(root.path()).resolve() not in place.resolve().parents:
        return
    above, _, name = path.rpartition("/")
    if place.is_dir() and not name.startswith(TEMPORARY):
        path = f"{above}/{TEMPORARY}{name}" if above else f"{TEMPORARY}{name}"
        root.remove(path)
        place.rename(root.path(path))
    root.remove(path)
