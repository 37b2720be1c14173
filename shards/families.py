"""families.json: the datasets below a directory, where documents are parted by family, by length, or by both.

Each is a whole dataset of its own, with its own manifest.json; families.json is written after the last of them.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from os import PathLike
from pathlib import Path

from shards.errors import ManifestInvalid, ManifestMissing
from shards.format import FAMILIES_NAME
from shards.manifest import Manifest, check_path, from_json


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
class Families:
    """All of families.json."""

    datasets: tuple[DatasetEntry, ...]


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


def families_json(datasets: Sequence[DatasetEntry]) -> str:
    """The text of families.json."""
    return json.dumps(asdict(Families(tuple(datasets))), sort_keys=True, indent=1) + "\n"


def read_families(root: str | PathLike[str]) -> tuple[DatasetEntry, ...]:
    """The datasets that the families.json in `root` lists. Raises ManifestMissing, ManifestInvalid or PathEscape."""
    path = Path(root) / FAMILIES_NAME
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError) as error:
        raise ManifestMissing(
            f"{path} is missing: not a directory of families, or its writing never finished"
        ) from error
    except (ValueError, RecursionError) as error:
        raise ManifestInvalid(f"{path} is not JSON: {error}") from error
    datasets = from_json(Families, content).datasets
    for dataset in datasets:
        check_path(dataset.directory)
    return datasets
