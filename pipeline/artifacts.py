"""Artifacts: directories of Arrow parts with a manifest whose presence means completion. `builds` makes them.

    documents/<folder>/part-00000-0000.arrow …   one record batch each, written whole or not at all
    documents/_manifest.json                     written last; names the folder and the parts

A part is named by the input split it came from and its place there, so that names sort in reading order whatever the
number of workers.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, BinaryIO

import pyarrow as pa
import xxhash

from sequitur.pipeline import nearby
from sequitur.pipeline.errors import CorruptPart, MissingArtifact, StorageError
from sequitur.pipeline.ranges import AHEAD, Ranges
from sequitur.pipeline.storage import Directory

SCHEMA_VERSION = 2
MANIFEST = "_manifest.json"
SCHEMA_BYTES = 2**16  # in which the schema of a part nearly always is


@dataclass(frozen=True)
class Part:
    """One file of an artifact. `checksum` is the xxh3-128 of its bytes, in hex; `folder` is where in the artifact's
    directory it lies, empty where it lies there itself. Equal content makes equal parts, wherever it lies."""

    name: str
    rows: int
    bytes: int
    checksum: str
    folder: str = dataclasses.field(default="", compare=False)

    @property
    def path(self) -> str:
        """From the artifact's directory on."""
        return f"{self.folder}/{self.name}" if self.folder else self.name

    def to_json(self) -> dict[str, Any]:
        return {"name": self.name, "rows": self.rows, "bytes": self.bytes, "checksum": self.checksum}


@dataclass(frozen=True)
class Manifest:
    """What a finished artifact holds and what it was made from. Holds no clock: equal content, equal bytes."""

    artifact: str
    fingerprint: str
    parameters: Mapping[str, Any]
    parents: Mapping[str, str]
    parts: tuple[Part, ...]
    statistics: Mapping[str, Any]
    folder: str = ""  # in which the parts lie
    schema_version: int = SCHEMA_VERSION

    @property
    def rows(self) -> int:
        return sum(part.rows for part in self.parts)

    @property
    def bytes(self) -> int:
        return sum(part.bytes for part in self.parts)

    @property
    def names(self) -> list[str]:
        return [part.name for part in self.parts]

    def to_json(self) -> dict[str, Any]:
        parts = [part.to_json() for part in self.parts]
        content = {**asdict(self), "parts": parts, "rows": self.rows, "bytes": self.bytes}
        return {**content, "checksum": _checksum(content)}


def _checksum(content: Mapping[str, Any]) -> str:
    """Of a manifest without its own checksum: whoever reads it relies on values that nobody has changed."""
    return digest(json.dumps(json.loads(json.dumps(content)), sort_keys=True).encode())


def fingerprint_of(stage: str, version: int, parameters: Mapping[str, Any], parents: Mapping[str, str]) -> str:
    """sha256 over a stage's name and version, its parameters and its parents' fingerprints, in hex."""
    content = json.dumps([stage, version, parameters, parents], sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(content.encode()).hexdigest()


def digest(content: Any) -> str:
    """xxh3-128 of some bytes, in hex: what checksums of parts and arrays are."""
    return xxhash.xxh3_128_hexdigest(memoryview(content).cast("B"))


def digest_of(pieces: Iterable[Any]) -> str:
    """The `digest` of some bytes that come in pieces."""
    whole = xxhash.xxh3_128()
    for piece in pieces:
        whole.update(memoryview(piece).cast("B"))
    return whole.hexdigest()


class HashingSink:
    """A binary sink that keeps the xxh3-128 of what passes through."""

    def __init__(self, sink: BinaryIO) -> None:
        self._sink, self.hash = sink, xxhash.xxh3_128()

    def write(self, data: Any, /) -> None:
        self.hash.update(memoryview(data))
        self._sink.write(data)


def read_manifest(directory: Directory, file: str = MANIFEST) -> Manifest | None:
    """The manifest of a finished artifact, None where there is none.

    Raises:
        CorruptPart: the file is not a manifest.
    """
    if (found := nearby.file_content(directory, file)) is None:
        return None
    content = directory.parsed(file, found)
    try:
        if content["schema_version"] != SCHEMA_VERSION:
            raise CorruptPart(
                f"{directory.path(file)}: schema version {content['schema_version']}, this is a reader of "
                f"{SCHEMA_VERSION}; use the version that wrote it, or another output directory"
            )
        if content.pop("checksum") != _checksum(content):
            raise CorruptPart(
                f"{directory.path(MANIFEST)}: was changed since it was written; delete it and run again to rebuild it"
            )
        folder = content["folder"]
        return Manifest(
            artifact=content["artifact"],
            fingerprint=content["fingerprint"],
            parameters=dict(content["parameters"]),
            parents=dict(content["parents"]),
            parts=tuple(part_of(part, directory.path(file), folder) for part in content["parts"]),
            statistics=dict(content["statistics"]),
            folder=folder,
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise CorruptPart(
            f"{directory.path(file)}: not a manifest of this program; delete it and run again to rebuild it"
        ) from error


def part_of(entry: Any, origin: str, folder: str = "") -> Part:
    """An entry of the manifest or note `origin`, refused where it would lead out of the artifact."""
    try:
        part = Part(str(entry["name"]), int(entry["rows"]), int(entry["bytes"]), str(entry["checksum"]), folder)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise CorruptPart(f"{origin}: not an entry of a part; delete the file and run again to rebuild it") from error
    if "\\" in part.path or {"", ".", ".."} & {*part.path.split("/"), *part.name.split("/")}:
        raise CorruptPart(f"{origin}: part {part.path} lies outside the artifact; delete the file and run again")
    return part


def require_manifest(directory: Directory, fingerprint: str | None = None) -> Manifest:
    """The manifest of an artifact that must be there; of this fingerprint, if one is given.

    Raises:
        MissingArtifact: it is not.
    """
    manifest = read_manifest(directory)
    if manifest is None:
        raise MissingArtifact(f"{directory.path()}: not finished; run the stage that makes it first")
    if fingerprint not in (None, manifest.fingerprint):  # a job that outlives the process that started it may meet this
        raise MissingArtifact(f"{directory.path()}: was made anew meanwhile; run the command again")
    return manifest


def is_whole(directory: Directory, manifest: Manifest) -> bool:
    """Whether every part is there. A part of another size is no reason to rebuild in silence.

    Raises:
        CorruptPart: a part does not have the size that was written.
    """
    sizes = directory.sizes()
    for part in manifest.parts:
        if sizes.get(part.path, part.bytes) != part.bytes:
            raise CorruptPart(damage(directory, part, f"{sizes[part.path]} bytes where {part.bytes} were written"))
    return all(part.path in sizes for part in manifest.parts)


def is_finished(directory: Directory, fingerprint: str) -> bool:
    """Whether the artifact of this fingerprint is there, with all its parts.

    Raises:
        CorruptPart: a part does not have the size that was written.
    """
    manifest = read_manifest(directory)
    return manifest is not None and manifest.fingerprint == fingerprint and is_whole(directory, manifest)


def read_part(directory: Directory, part: Part, columns: Sequence[str] | None = None) -> pa.RecordBatch:
    """Reads one part, checks its bytes against the manifest, and returns its (chosen) columns.

    Raises:
        MissingArtifact: the file is missing.
        CorruptPart: it is not what was written.
    """
    try:
        buffer = nearby.content(directory, part)
    except StorageError as error:
        if directory.size(part.path) is None:
            raise MissingArtifact(f"{directory.path(part.path)}: missing; run again to rebuild it") from error
        raise
    if buffer.size != part.bytes or digest(buffer) != part.checksum:
        raise CorruptPart(damage(directory, part, "its checksum differs from the manifest's"))
    return _open(directory, part, buffer, columns)


def map_part(directory: Directory, part: Part, columns: Sequence[str] | None = None) -> pa.RecordBatch:
    """As `read_part`, but checks the size alone: for memory-mapped arrays of which only a few rows are touched."""
    buffer = nearby.content(directory, part)
    if buffer.size != part.bytes:
        raise CorruptPart(damage(directory, part, f"{buffer.size} bytes where {part.bytes} were written"))
    return _open(directory, part, buffer, columns)


def fetch_part(directory: Directory, part: Part, columns: Sequence[str]) -> pa.RecordBatch:
    """As `read_part`, but of a large part that lies elsewhere only what these columns take is fetched, by a few
    requests, and not compared with the manifest."""
    if directory.is_local or part.bytes <= 4 * AHEAD:
        return read_part(directory, part, columns)
    return _open(directory, part, Ranges(directory, part.path, part.bytes), columns)


def _open(
    directory: Directory, part: Part, source: pa.Buffer | Ranges, columns: Sequence[str] | None
) -> pa.RecordBatch:
    try:
        reader = pa.ipc.open_file(source)
        # Arrow copies the fields that it is told to choose. What is not compressed stays where it is mapped otherwise.
        if columns is not None and (isinstance(source, Ranges) or any(map(_is_text, reader.schema.types))):
            fields = sorted(reader.schema.get_field_index(name) for name in columns)
            reader = pa.ipc.open_file(source, options=pa.ipc.IpcReadOptions(included_fields=fields))
        batch = reader.get_batch(0)
        return batch if columns is None else batch.select(list(columns))
    except (pa.ArrowInvalid, OSError, IndexError, KeyError) as error:
        raise CorruptPart(damage(directory, part, "it is not the Arrow file that was written")) from error


def _is_text(kind: pa.DataType) -> bool:
    return pa.types.is_string(kind) or pa.types.is_large_string(kind)


def part_schema(directory: Directory, part: Part) -> pa.Schema:
    """The schema of a part, which stands at its end; nothing else is read."""
    try:
        try:
            return pa.ipc.open_file(directory.buffer(part.path, SCHEMA_BYTES)).schema
        except pa.ArrowInvalid:  # it may be longer than that
            return pa.ipc.open_file(directory.buffer(part.path)).schema
    except (pa.ArrowInvalid, OSError) as error:
        raise CorruptPart(damage(directory, part, "it is not the Arrow file that was written")) from error


def part_metadata(directory: Directory, part: Part) -> dict[str, str]:
    """The key-value metadata in a part's schema."""
    return metadata_of(part_schema(directory, part))


def metadata_of(schema: pa.Schema) -> dict[str, str]:
    """The key-value metadata in a schema."""
    return {key.decode(): value.decode() for key, value in (schema.metadata or {}).items()}


def read_columns(directory: Directory, columns: Sequence[str]) -> pa.Table:
    """The named columns of all parts, in order. Memory: those columns, decompressed.

    Raises:
        MissingArtifact: it is not finished.
        CorruptPart: a part is not what was written, or there is none.
    """
    manifest = require_manifest(directory)
    if not manifest.parts:
        raise CorruptPart(f"{directory.path(MANIFEST)}: names no parts; delete {directory.path()} and run again")
    return pa.Table.from_batches([read_part(directory, part, columns) for part in manifest.parts])


def damaged_parts(directory: Directory, manifest: Manifest) -> Iterable[str]:
    """One line for each part that is missing or not what was written."""
    sizes = directory.sizes()
    for part in manifest.parts:
        if part.path not in sizes:
            yield damage(directory, part, "it is missing")
        elif digest(nearby.content(directory, part)) != part.checksum:
            yield damage(directory, part, "its checksum differs from the manifest's")


def damage(directory: Directory, part: Part, what: str) -> str:
    """The line of a `CorruptPart`: the part, what is wrong with it, and the remedy."""
    return f"{directory.path(part.path)}: damaged ({what}); delete it and run again to rebuild it"


def schema_problems(directory: Directory, schema: pa.Schema) -> Iterable[str]:
    """One line for each part whose columns are not those of `schema`, or that holds nulls where none may be."""
    for part in require_manifest(directory).parts:
        batch = read_part(directory, part)
        if not batch.schema.equals(schema):
            wanted = ", ".join(schema.names)
            yield f"{directory.path(part.path)}: has other columns than {wanted}; delete it and run again"
            continue
        for field, column in zip(schema, batch.columns, strict=True):
            if not field.nullable and column.null_count:
                yield f"{directory.path(part.path)}: column {field.name} holds nulls; delete it and run again"
