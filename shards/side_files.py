"""What lies beside the shards: tokenizer, documents table, Hugging Face's two files, router, and what should not."""

import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import pyarrow as pa
import pyarrow.parquet as pq

from sequitur.shards.errors import (
    FileUnlisted,
    HubFilesMismatch,
    ManifestInvalid,
    SchemaMismatch,
    ShardCorrupt,
    ShardError,
    ShardMisplaced,
    TokenizerMismatch,
)
from sequitur.shards.families import RouterFile
from sequitur.shards.files import check_size, unreadable
from sequitur.shards.format import BYTES_TOKENIZER, SALVAGE_NAME, TOKENIZER_NAME, Header, context_columns, docs_schema
from sequitur.shards.json_files import check_checksum, first_difference, text_problems
from sequitur.shards.manifest import FileEntry, Manifest
from sequitur.shards.writer import hf_files

DOCS = "docs"
_HIDDEN = (".", "_")  # temporary files, the run's own manifest, a hub's cache: readers by pattern pass over them
_DATA = (".arrow", ".parquet")
_BLOCK = 1 << 20


def file_sha256(path: Path) -> str:
    """The SHA-256 of a file, in hex. Memory: 1 MiB."""
    state = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            state.update(block)
    return state.hexdigest()


def tokenizer_problems(root: Path, header: Header) -> Iterator[ShardError]:
    """Whether tokenizer.json is there, and made the tokens."""
    if header.tokenizer.name == BYTES_TOKENIZER:
        return
    path = root / TOKENIZER_NAME
    if not path.is_file():
        yield TokenizerMismatch("is missing: copy it again", shard=TOKENIZER_NAME)
    elif file_sha256(path) != header.tokenizer.sha256:
        yield TokenizerMismatch("is not the one that made the tokens: copy it again", shard=TOKENIZER_NAME)


def hub_problems(root: Path, manifest: Manifest) -> Iterator[ShardError]:
    """Whether state.json and dataset_info.json of each split are what the writer makes of the manifest."""
    columns = context_columns(manifest.header.seq_len)
    for split, entry in manifest.splits.items():
        names = [PurePosixPath(shard.path).name for shard in entry.shards]
        for name, text in hf_files(split, names, manifest.fingerprint, columns).items():
            path, content = f"{split}/{name}", text.encode()
            if not (root / path).is_file():
                yield HubFilesMismatch("is missing: copy it again", shard=path)
                continue
            with (root / path).open("rb") as file:
                found = file.read(len(content) + 1)
            if found != content:
                offset = first_difference(found, content)
                yield HubFilesMismatch("does not describe these shards: copy it again", shard=path, offset=offset)


def docs_file_problems(root: Path, file: FileEntry, others: tuple[FileEntry, ...], full: bool) -> Iterator[ShardError]:
    """Size, columns and rows of a file of the documents table; with `full` its bytes. `others` are all its files."""
    path = root / file.path
    try:
        if path.is_file():
            size = path.stat().st_size
            # Another file of the table is told by its bytes; most often by their number already.
            if full or size != file.bytes:
                found = file_sha256(path)
                if found != file.sha256 and any(found == other.sha256 for other in others):
                    yield ShardMisplaced("holds another file of the documents table: rename it", shard=file.path)
                    return
        check_size(root, file.path, file.bytes)
        if full and found != file.sha256:
            yield ShardCorrupt("its SHA-256 is not the manifest's: copy it again", shard=file.path)
            return
        if not pq.read_schema(path).equals(docs_schema()) or pq.read_metadata(path).num_rows != file.rows:
            yield SchemaMismatch("not the columns and rows of the documents table", shard=file.path)
    except ShardError as error:
        yield error
    except (pa.ArrowException, ValueError, EOFError) as error:
        yield ShardCorrupt(f"unreadable ({_one_line(error)}): copy it again", shard=file.path)
    except OSError as error:
        # Parquet's own complaints are OSErrors without a number.
        yield (
            unreadable(file.path, error)
            if error.errno
            else ShardCorrupt(f"unreadable ({_one_line(error)}): copy it again", shard=file.path)
        )


def hashed_file_problems(root: Path, file: FileEntry | RouterFile, by: str) -> Iterator[ShardError]:
    """Size and hash of a file of which the manifest `by` tells no more."""
    try:
        check_size(root, file.path, file.bytes)
        if file_sha256(root / file.path) != file.sha256:
            yield ShardCorrupt(f"its SHA-256 is not that of {by}: copy it again", shard=file.path)
    except ShardError as error:
        yield error


def salvage_record_problems(root: Path) -> Iterator[ShardError]:
    """Whether the record of a salvage, where there is one, is as it was written."""
    if not (root / SALVAGE_NAME).is_file():
        return
    try:
        content = json.loads((root / SALVAGE_NAME).read_bytes())
        if not isinstance(content, dict):
            raise ManifestInvalid("is not a JSON object", shard=SALVAGE_NAME)
        check_checksum(content, SALVAGE_NAME)
        yield from text_problems(root, SALVAGE_NAME)
    except ShardError as error:
        yield error
    except (ValueError, RecursionError) as error:
        yield ManifestInvalid(f"is not JSON: {_one_line(error)}", shard=SALVAGE_NAME)


def unlisted_files(root: Path, listed: set[str], elsewhere: set[str]) -> Iterator[ShardError]:
    """Files among the dataset's that are not `listed`, and Arrow or Parquet files anywhere below `root`.

    `listed` are paths from the root; files beside one of them count as among the dataset's, but in the root, where
    notes and licences may lie. What begins with a dot or an underscore is passed over, and so are the directories
    `elsewhere`. Reads no file.
    """
    own = {str(PurePosixPath(path).parent) for path in listed} - {"."}
    for folder, folders, names in os.walk(root):
        here = Path(folder).relative_to(root).as_posix()
        below = "" if here == "." else f"{here}/"
        folders[:] = sorted(n for n in folders if not n.startswith(_HIDDEN) and f"{below}{n}" not in elsewhere)
        for name in sorted(names):
            path = f"{below}{name}"
            if path not in listed and not name.startswith(_HIDDEN) and (here in own or name.endswith(_DATA)):
                yield FileUnlisted("is not in the manifest: delete it, or keep it elsewhere", shard=path)


def dataset_files(manifest: Manifest) -> set[str]:
    """The paths of all files below a dataset's folders, from its root."""
    shards = {shard.path for split in manifest.splits.values() for shard in split.shards}
    hub = {f"{split}/{name}" for split in manifest.splits for name in ("state.json", "dataset_info.json")}
    return shards | hub | {file.path for file in (*manifest.docs_table, *manifest.removals)}


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
