"""Notes of the parts of a build that are whole: a few in one file, as JSON.

    documents/<build>/_parts/<part>.json     [{name, rows, bytes, checksum, about}, …], named by the first of them

A note comes after its part. Where a file takes no time each part has one of its own. Elsewhere a worker puts those of a
few seconds together: a killed one has done that little in vain, and a part costs one request instead of three. The name
of such a file has a hash of what it holds: a second attempt at the first part shall not replace the notes of others.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from sequitur.pipeline import artifacts
from sequitur.pipeline.artifacts import Part
from sequitur.pipeline.errors import CorruptPart
from sequitur.pipeline.storage import TEMPORARY, Directory

PARTS = "_parts"
TOGETHER_SECONDS = 5.0  # of work whose notes are written together
Noted = tuple[Part, Mapping[str, Any]]  # a part, and what is to be known about it


def write(files: Directory, noted: Sequence[Noted]) -> None:
    """Notes parts that are whole, in one file; `files` is where the workers of their build write."""
    if noted:
        name = noted[0][0].name.replace("/", "--")
        if len(noted) > 1:
            names = "\n".join(part.name for part, _ in noted)
            name = f"{name}--{len(noted)}-{artifacts.digest(names.encode())[:16]}"
        (files / PARTS).write_json(f"{name}.json", [{**part.to_json(), "about": about} for part, about in noted])


def read(files: Directory, folder: str, names: Sequence[str] | None = None) -> dict[Part, Mapping[str, Any]]:
    """The parts that are noted, in order of their names, and what is noted about each.

    Args:
        files: where the workers of their build write.
        folder: of the parts, as `Part` has it.
        names: of files of notes; all that are there, if not given.

    Raises:
        CorruptPart: a note is not what was written.
    """
    directory = files / PARTS
    names = names_of(files) if names is None else names
    found: dict[str, Noted] = {}
    for name, noted in zip(names, directory.read_json_of(list(names)), strict=True):
        try:
            some = noted if isinstance(noted, list) else [noted]
            of_file = [(artifacts.part_of(note, directory.path(name), folder), dict(note["about"])) for note in some]
        except (KeyError, TypeError, ValueError) as error:
            raise CorruptPart(f"{directory.path(name)}: not a note of a part; delete it and run again") from error
        found.update((part.name.replace("/", "--"), (part, about)) for part, about in of_file)
    return dict(found[name] for name in sorted(found))


def names_of(files: Directory) -> list[str]:
    """The names of the files of notes."""
    return [name for name in (files / PARTS).names() if not name.startswith(TEMPORARY)]


class Together:
    """Notes of parts that one worker writes one after the other."""

    def __init__(self, files: Directory) -> None:
        self._files, self._noted = files, list[Noted]()
        self._every = 0.0 if files.is_local else TOGETHER_SECONDS
        self._written = time.monotonic()

    def add(self, part: Part, about: Mapping[str, Any]) -> None:
        """Notes a part that is whole, now or with later ones."""
        self._noted.append((part, about))
        if time.monotonic() - self._written >= self._every:
            self.write()

    def write(self) -> None:
        """Writes the notes that are not written yet."""
        write(self._files, self._noted)
        self._noted, self._written = [], time.monotonic()
