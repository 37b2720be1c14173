"""Datasets on remote file systems, through fsspec: `s3://…`, `gs://…`, `memory://…`, whatever has a driver installed.

The manifest is read where it lies. A shard is copied whole into a local cache when first touched, and read from there:

    CACHE/<fingerprint of the dataset>/train/data-00000-of-00064.arrow

The copy goes to a temporary name, its size and SHA-256 are compared with the manifest's, and it is renamed. A lock file
beside it lets one process copy what many wait for. With a limit, what was used longest ago leaves the whole cache, of
whatever dataset, before a shard is copied; without one nothing in it is ever deleted: that is its owner's business, and
safe whenever no process reads. The cache must be on a file system with locks, best a local disk.
"""

import hashlib
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

from sequitur.shards.errors import (
    CacheTooSmall,
    ManifestInvalid,
    ManifestMissing,
    ShardCorrupt,
    ShardMissing,
    ShardTruncated,
)
from sequitur.shards.format import MANIFEST_NAME
from sequitur.shards.manifest import Manifest, ShardEntry, parse_manifest

_CHUNK_BYTES = 8 << 20
_LOOK_SECONDS = 0.05  # between two looks whether there is room in the cache
_PARTIAL = ".partial"


def is_url(root: str | PathLike[str]) -> bool:
    """Whether `root` is to be read through fsspec rather than as a path."""
    return "://" in str(root)


@dataclass(frozen=True)
class RemoteShards:
    """A dataset at `url`, its checked manifest, and the local `directory` that its shards are copied to, of which the
    cache above holds at most `limit` bytes, any number where that is None."""

    url: str
    manifest: Manifest
    directory: Path
    limit: int | None = None

    def fetch(self, shard: ShardEntry) -> Path:
        """The local copy of a shard, as `at_hand`; where there is a limit it may leave the cache at once."""
        with self.at_hand(shard) as path:
            return path

    @contextmanager
    def at_hand(self, shard: ShardEntry) -> Iterator[Path]:
        """The local copy of a shard, made now if it is not there; during the block it stays in the cache.

        Costs a transfer and a SHA-256 of the file, once; processes that ask for the same one wait. Raises ShardMissing,
        ShardTruncated or ShardCorrupt if the remote file is not what the manifest says, CacheTooSmall if it is larger
        than the limit, and whatever the file system raises.
        """
        target = self.directory / shard.path
        if self.limit is None and target.is_file():
            yield target
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        with _locked(_lock_of(target)):
            if not target.is_file():
                partial = target.with_name(f".{target.name}{_PARTIAL}")
                if self.limit is not None:
                    self._make_room(partial, shard)
                self._copy(shard, partial)
                partial.replace(target)
            elif self.limit is not None:
                os.utime(target)  # was used now
            yield target

    def _make_room(self, partial: Path, shard: ShardEntry) -> None:
        """Waits until the cache has room for a shard, and takes it by a file of that length."""
        cache, limit = self.directory.parent, self.limit or 0
        if shard.bytes > limit:
            fault = f"{shard.bytes:,} bytes, and the cache {cache} may hold {limit:,}: raise cache_bytes"
            raise CacheTooSmall(fault, shard=shard.path)
        while True:
            with _locked(cache / ".lock"):
                partial.unlink(missing_ok=True)
                if _shrunk(cache, limit - shard.bytes):
                    with partial.open("wb") as file:
                        file.truncate(shard.bytes)
                    return
            time.sleep(_LOOK_SECONDS)  # all others are being copied or opened

    def _copy(self, shard: ShardEntry, target: Path) -> None:
        sha256, size = hashlib.sha256(), 0
        try:
            with _open(self.url, shard.path) as source, target.open("r+b" if target.exists() else "wb") as sink:
                while chunk := source.read(_CHUNK_BYTES):
                    size += len(chunk)
                    if size > shard.bytes:
                        break
                    sha256.update(chunk)
                    sink.write(chunk)
                sink.truncate(size)
                sink.flush()
                os.fsync(sink.fileno())
            if size < shard.bytes:
                fault = f"{size} bytes instead of {shard.bytes} at {self.url}: upload it again"
                raise ShardTruncated(fault, shard=shard.path, offset=size)
            if size > shard.bytes or sha256.hexdigest() != shard.sha256:
                raise ShardCorrupt(f"at {self.url} is not what was written: upload it again", shard=shard.path)
        except FileNotFoundError as error:
            raise ShardMissing(f"is listed in the manifest but not at {self.url}", shard=shard.path) from error
        except BaseException:
            with suppress(FileNotFoundError):
                target.unlink()
            raise


@contextmanager
def _locked(path: Path, *, wait: bool = True) -> Iterator[None]:
    """Holds the lock that a file is, made where it is not there; without `wait` BlockingIOError where it is held."""
    import fcntl

    with path.open("wb") as file:
        fcntl.flock(
            file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB
        )  # let go when the file closes, and when the process dies
        yield


def _lock_of(file: Path) -> Path:
    """The lock of a shard in a cache, or of its partial copy."""
    return file.with_name(f".{file.name.removeprefix('.').removesuffix(_PARTIAL)}.lock")


def _shrunk(cache: Path, limit: int) -> bool:
    """Takes out of a cache what was used longest ago, but for what is being copied or opened, until it holds at most
    `limit` bytes; whether it came to that. The caller has the cache's lock."""
    used = []
    for file in (*cache.rglob("*.arrow"), *cache.rglob(f".*.arrow{_PARTIAL}")):
        with suppress(FileNotFoundError):  # renamed meanwhile; it is counted when the lock is held again
            status = file.stat()
            used.append((status.st_mtime_ns, status.st_size, file))
    held = sum(size for _, size, _ in used)
    for _, size, file in sorted(used):
        if held <= limit:
            break
        with suppress(BlockingIOError, FileNotFoundError), _locked(_lock_of(file), wait=False):
            file.unlink()
            held -= size
    return held <= limit


def open_remote(url: str, cache: str | PathLike[str] | None = None, limit: int | None = None) -> RemoteShards:
    """Read the manifest at `url`. The cache is in `cache`, else in $XDG_CACHE_HOME/sequitur or ~/.cache/sequitur; it
    holds at most `limit` bytes, whatever they are of.

    Raises ValueError for a limit that is not positive, ManifestMissing, and as `parse_manifest`; ImportError where
    fsspec or the driver of the URL's scheme is not installed.
    """
    if limit is not None and limit < 1:
        raise ValueError(f"cache_bytes is a number of bytes, or None for no limit, not {limit!r}")
    try:
        with _open(url, MANIFEST_NAME) as file:
            text = file.read().decode("utf-8")
    except FileNotFoundError as error:
        raise ManifestMissing(f"{url}/{MANIFEST_NAME} is missing: not a dataset's root, or not all uploaded") from error
    except UnicodeDecodeError as error:
        raise ManifestInvalid(f"{url}/{MANIFEST_NAME} is not UTF-8: {error}") from error
    manifest = parse_manifest(text)
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return RemoteShards(url, manifest, Path(cache or home / "sequitur") / manifest.fingerprint, limit)


def _open(url: str, path: str) -> Any:
    import fsspec

    return fsspec.open(f"{url.rstrip('/')}/{path}", "rb").open()
