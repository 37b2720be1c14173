"""families.json: the datasets below a directory, where documents are parted by family, by length, or by both.

Each is a whole dataset of its own, with its own manifest.json; families.json is written after the last of them.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from os import PathLike
from pathlib import Path

from sequitur.shards.errors import ManifestInvalid, ManifestMissing
from sequitur.shards.format import FAMILIES_NAME, MANIFEST_NAME
from sequitur.shards.json_files import check_checksum, checksummed_json, from_json, read_small
from sequitur.shards.manifest import Manifest
from sequitur.shards.manifest_rules import check_path


@dataclass(frozen=True)
class DatasetEntry:
    """One dataset: `directory` is its root, from that of families.json; `family` is empty where all are one.

    `documents`, `contexts` and `tokens` are over all its splits; `fingerprint` is its manifest's.
    """

    family: str
    directory: str
    context_length: int
    documents: int
    contexts: int
    tokens: int
    fingerprint: str


@dataclass(frozen=True)
class RouterFile:
    """A file that tells which family a document belongs to; `path` is from the root of families.json."""

    path: str
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Families:
    """All of families.json, but for its checksum."""

    datasets: tuple[DatasetEntry, ...]
    router: tuple[RouterFile, ...] = ()


def dataset_entry(family: str, directory: str, manifest: Manifest) -> DatasetEntry:
    """The entry of the dataset in `directory`."""
    splits = manifest.splits.values()
    return DatasetEntry(
        family,
        directory,
        manifest.header.seq_len,
        sum(split.docs for split in splits),
        sum(split.rows for split in splits),
        sum(split.tokens for split in splits),
        manifest.fingerprint,
    )


def router_file(path: str, content: bytes) -> RouterFile:
    """The entry of a file of the router."""
    return RouterFile(path, len(content), hashlib.sha256(content).hexdigest())


def families_json(datasets: Sequence[DatasetEntry], router: Sequence[RouterFile] = ()) -> str:
    """The text of families.json."""
    return checksummed_json(asdict(Families(tuple(datasets), tuple(router))))


def is_parted(root: str | PathLike[str]) -> bool:
    """Whether `root` holds several datasets, each in a directory of its own."""
    return (Path(root) / FAMILIES_NAME).is_file() and not (Path(root) / MANIFEST_NAME).exists()


def dataset_directories(root: str | PathLike[str]) -> list[str]:
    """The datasets in `root`: those that families.json lists, or `root` itself, as an empty string. Raises as
    `read_families_file` does."""
    return [dataset.directory for dataset in read_families(root)] if is_parted(root) else [""]


def read_families(root: str | PathLike[str]) -> tuple[DatasetEntry, ...]:
    """The datasets that the families.json in `root` lists. Raises as `read_families_file` does."""
    return read_families_file(root).datasets


def read_families_file(root: str | PathLike[str]) -> Families:
    """The families.json in `root`. Raises ManifestMissing, FileUnreadable, ManifestInvalid,
    ManifestCorrupt or PathEscape."""
    path = Path(root) / FAMILIES_NAME
    try:
        content = json.loads(read_small(path).decode())
    except (FileNotFoundError, NotADirectoryError) as error:
        raise ManifestMissing(
            f"{path} is missing: not a directory of families, or its writing never finished"
        ) from error
    except (ValueError, RecursionError) as error:
        raise ManifestInvalid(f"{path} is not JSON: {error}") from error
    families = from_json(Families, content)
    for entry in families.datasets:
        check_path(entry.directory)
    for file in families.router:
        check_path(file.path)
    check_checksum(content, FAMILIES_NAME)
    return families
