"""removals/removal-00001.json: what a removal took out, kept with the dataset and covered by its manifest.

It names documents by their `doc_id`. Record ids and URLs by which they were asked for are kept as hashes, which tell
whether a name was asked for before and do not tell the name.
"""

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

from sequitur.shards.errors import ManifestInvalid, ShardCorrupt
from sequitur.shards.files import file_size
from sequitur.shards.find import Names, Query
from sequitur.shards.json_files import from_json
from sequitur.shards.manifest import FileEntry, Manifest, check_path

FOLDER = "removals"


@dataclass(frozen=True)
class Asked:
    """`names` are hashes of the ids and URLs that were found, by `hash_name`, in ascending order."""

    ids: int
    urls: int
    sources: tuple[str, ...]
    licenses: tuple[str, ...]
    names: tuple[str, ...]


@dataclass(frozen=True)
class SplitRows:
    """Rows and tokens of a split, before and after."""

    rows_before: int
    rows_after: int
    tokens_before: int
    tokens_after: int


@dataclass(frozen=True)
class Record:
    """All of a removal record. No clock: the same removal gives the same bytes.

    `documents` are the tokens, by `doc_id`, of each document asked for, `other_documents` of each other one that has
    nothing left. `tokens` and `other_tokens` are those taken out of contexts, of documents asked for and of others.
    `replaced` gives the new path, or none, of each file that went; paths are from the dataset's root.
    """

    number: int
    contexts: str
    asked: Asked
    documents: dict[str, int]
    other_documents: dict[str, int]
    tokens: int
    other_tokens: int
    contexts_changed: int
    contexts_gone: int
    next_tokens_gone: int
    splits: dict[str, SplitRows]
    replaced: dict[str, str | None]
    fingerprint_before: str
    fingerprint_after: str


def record_path(number: int) -> str:
    """Where record `number`, from 1, lies."""
    return f"{FOLDER}/removal-{number:05}.json"


def record_json(record: Record) -> bytes:
    """The content of the file: sorted keys, a line for each document."""
    return (json.dumps(asdict(record), sort_keys=True, indent=1) + "\n").encode()


def read_record(root: Path, file: FileEntry) -> Record:
    """The record that a manifest lists. Raises ShardMissing, ShardCorrupt, ManifestInvalid or PathEscape."""
    file_size(root, file.path)
    content = (root / file.path).read_bytes()
    if hashlib.sha256(content).hexdigest() != file.sha256:
        raise ShardCorrupt("its SHA-256 is not the manifest's: copy it again", shard=file.path)
    try:
        record = from_json(Record, json.loads(content))
    except (ValueError, RecursionError) as error:
        raise ManifestInvalid(f"is not JSON: {error}", shard=file.path) from error
    for path in record.replaced:
        check_path(path)
    return record


def asked_of(query: Query, unknown: Names) -> Asked:
    """What was asked for and found."""
    ids, urls = set(query.ids) - unknown.ids, set(query.urls) - unknown.urls
    return Asked(
        len(ids),
        len(urls),
        tuple(sorted(set(query.sources) - unknown.sources)),
        tuple(sorted(set(query.licenses) - unknown.licenses)),
        tuple(sorted(map(hash_name, ids | urls))),
    )


def hash_name(name: str) -> str:
    """128 bits of BLAKE2b, in hex."""
    return hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def without_removed(root: Path, manifest: Manifest, unknown: Names) -> Names:
    """Those of the unknown names that no earlier removal from this dataset took out."""
    for file in manifest.removals:
        if not unknown:
            break
        record = read_record(root, file)
        known = set(record.asked.names)

        def new(names: set[str], known: set[str] = known, record: Record = record) -> set[str]:
            left = {name for name in names if hash_name(name) not in known}
            return {name for name in left if not {name.lower()} & (record.documents.keys() | record.other_documents)}

        unknown = Names(
            new(unknown.ids),
            unknown.sources - set(record.asked.sources),
            unknown.licenses - set(record.asked.licenses),
            new(unknown.urls),
        )
    return unknown
