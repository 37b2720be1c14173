"""Datasets on remote file systems, through fsspec: `s3://…`, `gs://…`, `memory://…`, whatever has a driver installed.

The manifest is read where it lies. A shard is copied whole into a local cache when first touched, and read from there:

    CACHE/<fingerprint of the dataset>/train/data-00000-of-00064.arrow

The copy goes to a temporary name, its size and SHA-256 are compared with the manifest's, and it is renamed. A lock file
beside it lets one process copy what many wait for. Nothing in the cache is ever deleted: that is its owner's business,
and safe whenever no process reads. The cache must be on a file system with locks, best a local disk.
"""

import hashlib
import os
from contextlib import suppress
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

from sequitur.shards.errors import ManifestInvalid, ManifestMissing, ShardCorrupt, ShardMissing, ShardTruncated
from sequitur.shards.format import MANIFEST_NAME
from sequitur.shards.manifest import Manifest, ShardEntry, parse_manifest

_CHUNK_BYTES = 8 << 20


def is_url(root: str | PathLike[str]) -> bool:
    """Whether `root` is to be read through fsspec rather than as a path."""
    return "://" in str(root)


@dataclass(frozen=True)
class RemoteShards:
    """A dataset at `url`, its checked manifest, and the local `directory` that its shards are copied to."""

    url: str
    manifest: Manifest
    directory: Path

    def fetch(self, shard: ShardEntry) -> Path:
        """The local copy of a shard, made now if it is not there.

        Costs a transfer and a SHA-256 of the file, once; processes that ask for the same one wait. Raises ShardMissing,
        ShardTruncated or ShardCorrupt if the remote file is not what the manifest says, and whatever the file system
        raises.
        """
        import fcntl

        target = self.directory / shard.path
        if target.is_file():
            return target
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.with_name(f".{target.name}.lock").open("wb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # let go when the file closes, and when the process dies
            if not target.is_file():
                partial = target.with_name(f".{target.name}.partial")
                self._copy(shard, partial)
                partial.replace(target)
        return target

    def _copy(self, shard: ShardEntry, target: Path) -> None:
        sha256, size = hashlib.sha256(), 0
        try:
            with _open(self.url, shard.path) as source, target.open("wb") as sink:
                while chunk := source.read(_CHUNK_BYTES):
                    size += len(chunk)
                    if size > shard.bytes:
                        break
                    sha256.update(chunk)
                    sink.write(chunk)
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


def open_remote(url: str, cache: str | PathLike[str] | None = None) -> RemoteShards:
    """Read the manifest at `url`. The cache is in `cache`, else in $XDG_CACHE_HOME/sequitur or ~/.cache/sequitur.

    Raises ManifestMissing, and as `parse_manifest`; ImportError where fsspec or the driver of the URL's scheme is not
    installed.
    """
    try:
        with _open(url, MANIFEST_NAME) as file:
            text = file.read().decode("utf-8")
    except FileNotFoundError as error:
        raise ManifestMissing(f"{url}/{MANIFEST_NAME} is missing: not a dataset's root, or not all uploaded") from error
    except UnicodeDecodeError as error:
        raise ManifestInvalid(f"{url}/{MANIFEST_NAME} is not UTF-8: {error}") from error
    manifest = parse_manifest(text)
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return RemoteShards(url, manifest, Path(cache or home / "sequitur") / manifest.fingerprint)


def _open(url: str, path: str) -> Any:
    import fsspec

    return fsspec.open(f"{url.rstrip('/')}/{path}", "rb").open()
