"""Directories on any file system that fsspec can reach, with atomic writes.

A file appears under its final name whole or not at all: it is written under a temporary name on the same file system,
flushed to disk, and renamed. Object stores have no rename, and need none: an object is there once all of it was put.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import fsspec
import pyarrow as pa

from sequitur.pipeline.errors import CorruptPart, PlaceUnknown, StorageError, from_storage
from sequitur.pipeline.file_systems import OBJECT_STORES, protocols, reason_of, remove, sync_directory

TEMPORARY = ".tmp-"
FURTHER = 2**40  # bytes; more than any file has


@dataclass(frozen=True)
class Directory:
    """A directory by its URL or path. Cheap to make and to send to workers; touches nothing until asked.

    `nearby` is a folder of this machine for copies of its parts, where it is not local (pipeline/nearby.py).
    """

    url: str
    nearby: str | None = None

    def __truediv__(self, name: str) -> Directory:
        return Directory(f"{self.url}{'' if self.url.endswith('/') else '/'}{name}", self.nearby)

    @property
    def _located(self) -> tuple[fsspec.AbstractFileSystem, str]:
        if "::" in self.url:
            raise PlaceUnknown(f"{self.url}: holds ::, which chains file systems; give a path, or the URL of one alone")
        try:
            if "\0" in os.fsdecode(os.fsencode(self.url)):
                raise ValueError("holds a null character")
            located: tuple[fsspec.AbstractFileSystem, str] = fsspec.core.url_to_fs(self.url)
        except Exception as error:  # the file systems of others raise what they like
            raise PlaceUnknown(f"{self.url}: {reason_of(error)}; check the path and its file system") from error
        return located

    @property
    def is_local(self) -> bool:
        return "file" in protocols(self._located[0])

    @property
    def is_object_store(self) -> bool:
        """Whether a file is there once it was put, whole, without directories above it."""
        return bool(OBJECT_STORES & set(protocols(self._located[0])))

    def path(self, name: str = "") -> str:
        """The path of a file here, as its file system spells it."""
        root = self._located[1].rstrip("/")
        return f"{root}/{name}" if name else root

    def place(self, name: str = "") -> str:
        """The path of a file here, or its URL where it is not local: what a user can give to a command."""
        if self.is_local:
            return self.path(name)
        return f"{self.url.rstrip('/')}/{name}" if name else self.url

    def exists(self, name: str = "") -> bool:
        return bool(self._located[0].exists(self.path(name)))

    def is_file(self, name: str = "") -> bool:
        return bool(self._located[0].isfile(self.path(name)))

    def size(self, name: str) -> int | None:
        """Bytes of a file, None where it is absent."""
        try:
            return int(self._located[0].size(self.path(name)))
        except (FileNotFoundError, NotADirectoryError):
            return None

    def names(self) -> list[str]:
        """The names in this directory, sorted; empty where it is absent."""
        fs, root = self._located
        fs.invalidate_cache(root)
        try:
            entries = fs.ls(root, detail=False)
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            raise from_storage(error, root) from error
        except NotImplementedError as error:
            raise StorageError(f"{self.url}: its file system lists no directories; choose another") from error
        return sorted(str(entry).rstrip("/").rsplit("/", 1)[-1] for entry in entries)

    def files(self) -> list[str]:
        """The names of all files here and below, from here, sorted; none where it is absent."""
        return sorted(self.sizes())

    def sizes(self) -> dict[str, int]:
        """Bytes of all files here and below, by their names from here: of a remote store a listing, no question for
        each; none where it is absent."""
        fs, root = self._located
        fs.invalidate_cache(root)
        try:
            found = fs.find(root, detail=True)
        except OSError as error:
            raise from_storage(error, self.url) from error
        return {str(path).removeprefix(f"{self.path()}/"): int(about["size"] or 0) for path, about in found.items()}

    def make(self) -> None:
        try:
            self._located[0].makedirs(self.path(), exist_ok=True)
        except OSError as error:
            raise from_storage(error, self.url) from error

    def remove(self, name: str) -> None:
        """Removes a file or a whole subdirectory; nothing happens where it is absent."""
        try:
            remove(self._located[0], self.path(name))
        except OSError as error:
            raise from_storage(error, self.path(name)) from error

    def remove_temporaries(self) -> None:
        """Clears what an interrupted writer left, here and below. Only for the holder of the run's lock."""
        for name in self.files():
            if f"/{TEMPORARY}" in f"/{name}":
                self.remove(name)

    @contextmanager
    def writing(self, name: str) -> Iterator[BinaryIO]:
        """A binary file that becomes `name` when the block ends without an error, and vanishes otherwise."""
        fs, _ = self._located
        if not self.is_object_store:
            self.make()
        local = Path(self.path()) if self.is_local else Path(tempfile.gettempdir())
        try:
            handle, temporary = tempfile.mkstemp(prefix=TEMPORARY, dir=local)
        except OSError as error:
            raise from_storage(error, str(local)) from error
        try:
            with os.fdopen(handle, "wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            if self.is_local:
                Path(temporary).chmod(0o644)
                Path(temporary).replace(self.path(name))
                sync_directory(local)
            elif self.is_object_store:
                fs.put_file(temporary, self.path(name))
            else:
                attempt = self.path(Path(temporary).name)  # of this attempt alone: another may be under way
                fs.put_file(temporary, attempt)
                fs.mv(attempt, self.path(name))
        except OSError as error:
            raise from_storage(error, self.path(name)) from error
        finally:
            Path(temporary).unlink(missing_ok=True)

    def write_bytes(self, name: str, content: bytes) -> None:
        with self.writing(name) as file:
            file.write(content)

    def create(self, name: str, content: bytes) -> bool:
        """Writes a small file unless it is there; whether it was written. Of several at once, with contents of their
        own, one succeeds: object stores are asked to put it if there is none (`If-None-Match: *` of S3)."""
        self.make()
        try:
            self._located[0].pipe_file(self.path(name), content, mode="create")
        except OSError as error:  # also what was written by a request whose answer was lost, so that it came again
            if (there := self.content(name)) is None:
                raise from_storage(error, self.path(name)) from error
            return there == content
        return True

    def content(self, name: str) -> bytes | None:
        """The bytes of a file as they are now, None where it is absent."""
        self._located[0].invalidate_cache(self.path())
        try:
            return self._whole(name)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise from_storage(error, self.path(name)) from error

    def _whole(self, name: str) -> bytes:
        """A file's bytes; where it is elsewhere by one request, without asking for its size first."""
        self._check_file(name)
        fs, path = self._located[0], self.path(name)
        if self.is_local:
            return bytes(fs.cat_file(path))
        try:
            return bytes(fs.cat_file(path, start=0, end=FURTHER))
        except FileNotFoundError:
            raise
        except OSError:  # an empty file has no such range
            return bytes(fs.cat_file(path))

    def written_at(self, name: str) -> float | None:
        """When a file was written, by the clock of its file system, in seconds since 1970; None where it is absent."""
        fs, _ = self._located
        fs.invalidate_cache(self.path())
        try:
            return float(fs.modified(self.path(name)).timestamp())
        except FileNotFoundError:
            return None
        except OSError as error:
            raise from_storage(error, self.path(name)) from error

    def _check_file(self, name: str) -> None:
        """Refuses a pipe or a device, which a run of others may hold, and which would be waited for."""
        if self.is_local and stat.S_IFMT(Path(self.path(name)).stat().st_mode) not in (stat.S_IFREG, stat.S_IFDIR):
            raise OSError(errno.EINVAL, "not a regular file")

    def write_json(self, name: str, value: Any) -> None:
        self.write_bytes(name, (json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode())

    def read_bytes(self, name: str) -> bytes:
        try:
            return self._whole(name)
        except OSError as error:
            raise from_storage(error, self.path(name)) from error

    def read_range(self, name: str, start: int, end: int) -> bytes:
        """The bytes of a file from `start` to `end`, or to its own end: where it is elsewhere, by one request."""
        try:
            return bytes(self._located[0].cat_file(self.path(name), start=start, end=end))
        except OSError as error:
            raise from_storage(error, self.path(name)) from error

    def read_json(self, name: str) -> Any:
        """The value in a JSON file of ours.

        Raises:
            CorruptPart: it is not JSON, so it is not what was written.
        """
        return self.parsed(name, self.read_bytes(name))

    def read_json_of(self, names: list[str]) -> list[Any]:
        """`read_json` of several files, asked for all at once where they are not local."""
        if self.is_local or not names:
            return [self.read_json(name) for name in names]
        paths = [self.path(name) for name in names]
        try:
            contents = self._located[0].cat(paths)
        except OSError as error:
            raise from_storage(error, self.url) from error
        return [self.parsed(name, contents[path]) for name, path in zip(names, paths, strict=True)]

    def parsed(self, name: str, content: bytes) -> Any:
        """The value in `content`, the bytes of a JSON file of ours; raises as `read_json`."""
        try:
            return json.loads(content)
        except (ValueError, RecursionError) as error:
            raise CorruptPart(f"{self.path(name)}: not valid JSON; delete it and run again to rebuild it") from error

    def buffer(self, name: str, last: int | None = None) -> pa.Buffer:
        """A file's bytes: memory-mapped where it is local, else fetched, the `last` of them alone if that is given."""
        try:
            self._check_file(name)
            if self.is_local:
                return pa.memory_map(self.path(name)).read_buffer()
            return pa.py_buffer(self._located[0].cat_file(self.path(name), start=-last if last else None))
        except OSError as error:
            raise from_storage(error, self.path(name)) from error

    def local_copy(self, name: str, into: Path) -> Path:
        """A path by which libraries that know only local files can read a file or directory: itself, or a copy."""
        if self.is_local:
            return Path(self.path(name))
        target = into / name
        if not target.exists():
            try:
                self._located[0].get(self.path(name), str(target), recursive=True)
            except OSError as error:
                raise from_storage(error, self.path(name)) from error
        return target

    def move(self, names: Sequence[str], target: Directory) -> None:
        """Moves files from here to the same names in another directory of this file system, each whole: renamed where
        it is local; copied by the store elsewhere, all at once, and then removed."""
        fs, _ = self._located
        olds, news = ([place.path(name) for name in names] for place in (self, target))
        folders = {Path(new).parent for new in news}
        try:
            if not self.is_local and names:
                fs.copy(olds, news)
                fs.rm(olds)
            elif self.is_local:
                for folder in folders:
                    folder.mkdir(parents=True, exist_ok=True)
                for old, new in zip(olds, news, strict=True):
                    Path(old).replace(new)
                for folder in folders:
                    sync_directory(folder)
        except OSError as error:
            raise from_storage(error, target.url) from error

    def put_directory(self, source: Path, name: str) -> None:
        """Copies a local directory here under `name`, replacing what is there. Locally whole or not at all."""
        self.make()
        self.remove(TEMPORARY + name)
        self.remove(name)
        try:
            if self.is_local:
                temporary = shutil.copytree(source, self.path(TEMPORARY + name))
                Path(temporary).rename(self.path(name))
            else:
                self._located[0].put(str(source), self.path(name), recursive=True)
        except OSError as error:
            raise from_storage(error, self.path(name)) from error

    def free_bytes(self) -> int | None:
        """Free bytes on the local disk that holds (or will hold) this directory; None for remote storage."""
        if not self.is_local:
            return None
        place = Path(self.path()).absolute()
        while not place.exists():
            place = place.parent
        return shutil.disk_usage(place).free
