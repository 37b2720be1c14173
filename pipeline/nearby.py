"""Parts that lie elsewhere, as copies on this machine's disk while a stage runs: each is fetched once, and mapped.

    TMPDIR/sequitur-parts-XXXX/owner               locked as long as the process that made the folder lives
    TMPDIR/sequitur-parts-XXXX/<checksum>-<bytes>  a part, whole
    TMPDIR/sequitur-parts-XXXX/stays-<hash>        a file that nobody changes meanwhile, such as a parent's manifest

All processes of the machine share the copies. Where the disk has no room for one, or the process is on a machine that
has no such folder, a part is fetched into memory instead.
"""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import pyarrow as pa

from sequitur.pipeline.errors import StorageFull, from_storage
from sequitur.pipeline.progress import Progress, human
from sequitur.pipeline.storage import Directory

FOLDER, OWNER = "sequitur-parts-", "owner"
SPARE = 2**30  # bytes of the disk that copies leave free


@contextmanager
def copies(root: Directory) -> Iterator[Directory]:
    """The same directory, of whose parts copies are kept on this machine's disk until the block ends; itself where it
    is local. Clears what killed processes left."""
    if root.is_local:
        yield root
        return
    _clear(Path(tempfile.gettempdir()))
    with _folder() as folder:
        yield replace(root, nearby=str(folder))


def staying(root: Directory, names: Iterable[str]) -> None:
    """Has files that stay as they are until the copies go fetched once: `file_content` gives them. Names go from `root`
    on."""
    for name in names if root.nearby else ():
        _of_staying(root, name).touch()


def file_content(directory: Directory, name: str) -> bytes | None:
    """The bytes of a file as they are now, None where it is absent; from its copy, where it stays."""
    if directory.nearby is None or not (copy := _of_staying(directory, name)).exists():
        return directory.content(name)
    if not copy.stat().st_size and (content := directory.content(name)) is not None:
        with tempfile.NamedTemporaryFile(dir=directory.nearby, delete=False) as file:
            file.write(content)
        Path(file.name).replace(copy)
    return copy.read_bytes() or None


def _of_staying(directory: Directory, name: str) -> Path:
    url = f"{directory.url.rstrip('/')}/{name}"
    return Path(directory.nearby or "", f"stays-{hashlib.sha256(url.encode()).hexdigest()[:32]}")


@contextmanager
def _folder() -> Iterator[Path]:
    """A folder of this process, gone after the block. Its owner's file has that name only once it is locked."""
    with tempfile.TemporaryDirectory(prefix=FOLDER) as folder, Path(folder, "new").open("wb") as owner:
        fcntl.flock(owner, fcntl.LOCK_EX)
        Path(folder, "new").rename(Path(folder, OWNER))
        yield Path(folder)


def folder(directory: Directory) -> str:
    """Where the copies of a directory lie on this machine, or may lie, where it has none."""
    has_copies = directory.nearby is not None and Path(directory.nearby).is_dir()
    return str(directory.nearby) if has_copies else tempfile.gettempdir()


def without_room(size: int) -> int:
    """Of so many bytes of parts, those that the disk for copies has no room for: they are held in memory."""
    return max(0, size - max(0, shutil.disk_usage(tempfile.gettempdir()).free - SPARE))


def _clear(temporary: Path) -> None:
    for owner in temporary.glob(f"{FOLDER}*/{OWNER}"):
        try:
            with owner.open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(owner.parent, ignore_errors=True)
        except OSError:  # in use, or of another user
            continue


@contextmanager
def copied(directory: Directory, progress: Progress) -> Iterator[Path]:
    """A directory by a path that this machine can map: itself where it is local, else a copy, which is gone after the
    block. It says how much it copies.

    Raises:
        StorageFull: the disk has no room for it.
    """
    if directory.is_local:
        yield Path(directory.path())
        return
    above, _, name = directory.url.rstrip("/").rpartition("/")
    with _folder() as scratch:
        size, free = sum(directory.sizes().values()), shutil.disk_usage(scratch).free
        if size > free:
            raise StorageFull(
                f"{directory.url}: {human(size)} would have to be copied, and {scratch} has {human(free)} free; set "
                "TMPDIR"
            )
        progress.say(f"copying {human(size)} from {directory.url}, which is read where it can be mapped")
        (scratch / "copy").mkdir()
        yield Directory(above).local_copy(name, scratch / "copy")


class Part(Protocol):
    """What is known of a file of an artifact."""

    @property
    def path(self) -> str: ...
    @property
    def bytes(self) -> int: ...
    @property
    def checksum(self) -> str: ...


def content(directory: Directory, part: Part) -> pa.Buffer:
    """The bytes of a part, mapped from where it lies or from its copy; by one request where it is fetched. As many
    bytes as there are, but of a part that is too long no more than one too many.

    Raises:
        StorageError: it cannot be read.
    """
    if directory.is_local or not part.bytes:
        return directory.buffer(part.path)
    if directory.nearby is None or not Path(directory.nearby).is_dir():
        return pa.py_buffer(_fetched(directory, part))
    copy = Path(directory.nearby, f"{part.checksum}-{part.bytes}")
    try:
        with copy.with_suffix(".lock").open("wb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # one fetches what several want
            if not copy.exists():
                fetched = _fetched(directory, part)
                if len(fetched) != part.bytes or shutil.disk_usage(copy.parent).free < part.bytes + SPARE:
                    return pa.py_buffer(fetched)
                partial = copy.with_suffix(".partial")
                partial.write_bytes(fetched)
                partial.rename(copy)
        return pa.memory_map(str(copy)).read_buffer()
    except OSError as error:
        raise from_storage(error, str(copy)) from error


def _fetched(directory: Directory, part: Part) -> bytes:
    return directory.read_range(part.path, 0, part.bytes + 1)
