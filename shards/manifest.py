"""manifest.json: what a dataset holds, where each record batch lies, and the fingerprint of it all.

It is written last, so its presence means that the dataset is whole. The dataclasses are its only schema:
they are what is read, checked and written.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from os import PathLike
from pathlib import Path
from typing import Any

from sequitur.shards.digest import add_digests
from sequitur.shards.errors import (
    FingerprintMismatch,
    FormatUnsupported,
    ManifestInvalid,
    ManifestMissing,
    SplitUnknown,
)
from sequitur.shards.format import (
    CONTAINER,
    FAMILIES_NAME,
    FORMAT,
    FORMAT_VERSION,
    INPUT_IDS_DTYPE,
    MANIFEST_NAME,
    Header,
    canonical_json,
)
from sequitur.shards.json_files import check_checksum, checksummed_json, from_json, read_small
from sequitur.shards.manifest_rules import check_entries


@dataclass(frozen=True)
class BatchEntry:
    """One record batch: its IPC message lies at `offset` bytes into the shard. `crc32` is zlib's, of the
    message."""

    offset: int
    bytes: int
    rows: int
    crc32: int


@dataclass(frozen=True)
class ShardEntry:
    """One shard file; `path` is from the root, with forward slashes."""

    path: str
    bytes: int
    rows: int
    tokens: int
    sha256: str
    row_digest: str
    batches: tuple[BatchEntry, ...]


@dataclass(frozen=True)
class SplitEntry:
    """One split; `docs` counts the documents with a piece in it."""

    rows: int
    tokens: int
    docs: int
    row_digest: str
    shards: tuple[ShardEntry, ...]


@dataclass(frozen=True)
class FileEntry:
    """One file of the documents table, or one removal record, `rows` being the documents that it names."""

    path: str
    bytes: int
    rows: int
    sha256: str


@dataclass(frozen=True)
class Packing:
    """How documents became rows, over all splits. Of the documents in the documents table `dropped_tokens`
    are in no row, `elsewhere_tokens` in rows of another dataset (of another length), and `repeated_tokens`
    in a row beyond their first."""

    policy: str
    dropped_tokens: int
    padded_tokens: int
    split_docs: int
    repeated_tokens: int = 0
    elsewhere_tokens: int = 0


@dataclass(frozen=True)
class EpochEntry:
    """One of several epochs of the training split: how many `rows` it has, and how many `contexts` when packed."""

    rows: int
    contexts: int


@dataclass(frozen=True)
class RowOrder:
    """In what order the rows lie, and how often neighbours share a group, beside what chance would give.

    `kind` is `global_permutation`, or `as_ordered` where rows are to be read as they lie. Where contexts were taken
    out since, the rest lie in their old order, and `contexts` says by split how many there were; else it is None.
    `epochs` are those of the split train, one after the other, each permuted by itself (`epochs`); none where there is
    one alone. `first` says of an extension, by split, the `context_id` of the first of its contexts; else it is None.
    Where there is none of these the file does not have the key."""

    kind: str
    algo: str
    seed: int
    adjacent_same_group: float
    expected_by_chance: float
    contexts: dict[str, int] | None = None
    epochs: tuple[EpochEntry, ...] = ()
    first: dict[str, int] | None = None


@dataclass(frozen=True)
class ExtensionEntry:
    """What was added to a dataset: a dataset of its own, made from other documents, whose shards and files of docs/
    follow on those that were there (`parts`).

    `created_by`, `run_id` and `config_sha256` are those of its header. Its documents have the keys from
    `first_document` on. By split, `shards` counts its shards and `docs` its documents; `docs_files` its files of docs/.
    """

    created_by: str
    run_id: str
    config_sha256: str
    first_document: int
    shards: dict[str, int]
    docs: dict[str, int]
    docs_files: int
    packing: Packing
    order: RowOrder


@dataclass(frozen=True)
class Manifest:
    """All of manifest.json; in the file, the keys of `header` stand at the top level.

    Splits, documents table and packing are of all there is; `order` is of the rows that are of no extension. Without
    `extensions` the file does not have the key."""

    header: Header
    packing: Packing
    order: RowOrder
    splits: dict[str, SplitEntry]
    docs_table: tuple[FileEntry, ...]
    fingerprint: str
    removals: tuple[FileEntry, ...] = ()
    extensions: tuple[ExtensionEntry, ...] = ()

    def split(self, name: str) -> SplitEntry:
        """The split of that name; SplitUnknown, naming those there are."""
        if name not in self.splits:
            raise SplitUnknown(f"no split {name!r} in {MANIFEST_NAME}; it has {', '.join(self.splits)}")
        return self.splits[name]


def split_entry(shards: Sequence[ShardEntry], docs: int) -> SplitEntry:
    """The entry of a split from those of its shards, in order, and its count of documents."""
    return SplitEntry(
        rows=sum(shard.rows for shard in shards),
        tokens=sum(shard.tokens for shard in shards),
        docs=docs,
        row_digest=add_digests(shard.row_digest for shard in shards),
        shards=tuple(shards),
    )


def build_manifest(
    header: Header,
    packing: Packing,
    order: RowOrder,
    splits: dict[str, SplitEntry],
    docs_table: Sequence[FileEntry],
    removals: Sequence[FileEntry] = (),
    extensions: Sequence[ExtensionEntry] = (),
) -> Manifest:
    """The manifest of a finished dataset, fingerprinted and checked by the rules that readers apply."""
    identity = fingerprint(header, splits)
    files, gone, added = tuple(docs_table), tuple(removals), tuple(extensions)
    manifest = Manifest(header, packing, order, splits, files, identity, gone, added)
    _check(manifest)
    return manifest


def fingerprint(header: Header, splits: dict[str, SplitEntry]) -> str:
    """SHA-256, in hex, over what a trainer sees: the format keys and the hashes of all shards in their order.

    The hashed text is canonical JSON of {"header": the header without created_by, run_id and config_sha256,
    "splits": {name: [sha256 of each shard]}}.
    """
    format_keys = asdict(header)
    for origin in ("created_by", "run_id", "config_sha256"):
        del format_keys[origin]
    hashes = {name: [shard.sha256 for shard in split.shards] for name, split in splits.items()}
    return hashlib.sha256(canonical_json({"header": format_keys, "splits": hashes}).encode()).hexdigest()


def manifest_json(manifest: Manifest) -> str:
    """The text of manifest.json: sorted keys, one-space indent, a checksum; equal manifests give equal text."""
    content = asdict(manifest)
    if not manifest.extensions:
        del content["extensions"]
    for order in (content["order"], *(one["order"] for one in content.get("extensions", ()))):
        for name in ("epochs", "first"):
            if not order[name]:
                del order[name]
    content.update(content.pop("header"))
    return checksummed_json(content)


def read_manifest(root: str | PathLike[str]) -> Manifest:
    """The manifest of the dataset in `root`, fully checked.

    Raises ManifestMissing, FileUnreadable, ManifestInvalid, FormatUnsupported, PathEscape, FingerprintMismatch or
    ManifestCorrupt.
    """
    path = Path(root) / MANIFEST_NAME
    try:
        text = read_small(path).decode()
    except (FileNotFoundError, NotADirectoryError) as error:
        if (Path(root) / FAMILIES_NAME).is_file():
            raise ManifestMissing(f"{path} is missing: open one of the datasets listed in {FAMILIES_NAME}") from error
        raise ManifestMissing(f"{path} is missing: not a dataset's root, or its writing never finished") from error
    except UnicodeDecodeError as error:
        raise ManifestInvalid(f"{path} is not UTF-8: {error}") from error
    return parse_manifest(text)


def parse_manifest(text: str) -> Manifest:
    """The manifest in the text of a manifest.json. Raises as `read_manifest` does."""
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ManifestInvalid(f"{MANIFEST_NAME} is not JSON: {error}") from error
    if not isinstance(content, dict):
        raise ManifestInvalid(f"{MANIFEST_NAME} is not a JSON object")
    _check_supported(content)
    manifest = from_json(Manifest, {**content, "header": content}, MANIFEST_NAME)
    _check(manifest)
    check_checksum(content, MANIFEST_NAME)
    return manifest


def _check_supported(content: dict[str, Any]) -> None:
    for key, known in (
        ("format", FORMAT),
        ("format_version", FORMAT_VERSION),
        ("container", CONTAINER),
        ("token_dtype", INPUT_IDS_DTYPE),
    ):
        if key not in content:
            raise ManifestInvalid(f"{MANIFEST_NAME} has no {key!r}")
        if content[key] != known or isinstance(content[key], bool):
            raise FormatUnsupported(
                f"{key} is {content[key]!r} and this code reads {known!r}: use the version of Sequitur that wrote it"
            )


def _check(manifest: Manifest) -> None:
    check_entries(manifest)
    for name, split in manifest.splits.items():
        if split != split_entry(split.shards, split.docs):
            raise ManifestInvalid(f"split {name!r}: rows, tokens or row_digest is not the sum over its shards")
    if manifest.fingerprint != fingerprint(manifest.header, manifest.splits):
        raise FingerprintMismatch(
            f"the fingerprint in {MANIFEST_NAME} is not that of its contents: restore the file from the original"
        )
