"""Builds: artifacts that are being made, part by part, until a manifest makes them whole.

    documents/_building.json                 fingerprint of the artifact that is being built; gone when it is done
    documents/<build>/part-00000-0000.arrow  the parts, under the first 16 digits of the fingerprint
    documents/<build>/_parts/<part>.json     rows, bytes, checksum, metadata of the parts so far; gone when it is done

All that workers write lies in the folder of their build. A job may outlive the process that started it, and write on
while the same artifact is made by other settings: what it writes lies elsewhere, and is never taken for a part of that.

An artifact that others read as it is, such as the shards, is built *in place*: its folder, of the same name behind `_`,
holds what workers write until `publish` moves it to where it belongs.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa

from sequitur.pipeline import artifacts, former
from sequitur.pipeline import notes as part_notes
from sequitur.pipeline.artifacts import MANIFEST, Manifest, Part
from sequitur.pipeline.errors import CorruptPart
from sequitur.pipeline.notes import Noted
from sequitur.pipeline.storage import Directory

BUILDING = "_building.json"
_FOLDER = re.compile("_?[0-9a-f]{16}")


@dataclass(frozen=True)
class Build:
    """An artifact that is being made. Cheap to send to workers.

    Attributes:
        directory: of the artifact.
        fingerprint: of what it will be.
        in_place: whether the parts come to lie in the directory itself, for others to read.
    """

    directory: Directory
    fingerprint: str
    in_place: bool = False

    @property
    def folder(self) -> str:
        """Where the parts lie in the directory, as the manifest says it; empty for those in place."""
        return "" if self.in_place else self.fingerprint[:16]

    @property
    def place(self) -> Directory:
        """Where the parts come to lie."""
        return self.directory if self.in_place else self.files

    @property
    def files(self) -> Directory:
        """Where all lies that workers write, and what they are given to read. The parts stay, where they are not
        published; the rest goes as the stage sees fit."""
        return self.directory / (f"_{self.fingerprint[:16]}" if self.in_place else self.folder)


def begin(
    directory: Directory, fingerprint: str, *, in_place: bool = False, kept: Collection[str] | None = None
) -> Build:
    """Makes a directory ready to be built into the artifact of this fingerprint.

    Parts that an interrupted build of the same artifact finished stay; whatever belongs to another is cleared. But
    while a run is updated, and `kept` given, what was finished here before is kept for its parts (pipeline/former.py),
    and so are the subdirectories `kept`, artifacts that are begun by themselves.
    """
    directory.make()
    build = Build(directory, fingerprint, in_place)
    manifest = artifacts.read_manifest(directory)
    if manifest is not None and (manifest.fingerprint, manifest.folder) == (fingerprint, build.folder):
        # Finished once, but a part has gone: keep the others.
        sizes = directory.sizes()
        there = [part for part in manifest.parts if sizes.get(part.path) == part.bytes]
        about = [{} if in_place else artifacts.part_metadata(directory, part) for part in there]
        part_notes.write(build.files, list(zip(there, about, strict=True)))
    elif not directory.exists(BUILDING) or current(directory) != build:
        staying: set[str] = set()
        if kept is not None:
            if manifest is not None and manifest.folder:
                former.keep(directory, manifest)
            folders = {one.folder for one in former.manifests(directory)} - {build.folder}
            staying = {former.FORMER, *kept, *folders}
        directory.remove(MANIFEST)
        for name in directory.names():
            if name not in staying:
                directory.remove(name)
    directory.write_json(BUILDING, {"fingerprint": fingerprint, "in_place": in_place})
    directory.remove(MANIFEST)
    directory.remove_temporaries()
    return build


def current(directory: Directory) -> Build:
    """The build that was begun in a directory.

    Raises:
        CorruptPart: the note of it is not what was written.
    """
    try:
        noted = directory.read_json(BUILDING)
        return Build(directory, str(noted["fingerprint"]), bool(noted["in_place"]))
    except (KeyError, TypeError) as error:
        raise CorruptPart(f"{directory.path(BUILDING)}: not a note of this program; delete it and run again") from error


def write_part(build: Build, name: str, batch: pa.RecordBatch, *, compress: bool) -> Part:
    """Writes one part: an Arrow IPC file of one record batch, zstd-compressed where it holds text. The note of it has
    the metadata of its schema, too."""
    part, about = put_part(build, name, batch, compress=compress)
    record_part(build, part, about)
    return part


def put_part(build: Build, name: str, batch: pa.RecordBatch, *, compress: bool) -> Noted:
    """Writes one part, as `write_part`, which is still to be noted with what is to be known about it."""
    options = pa.ipc.IpcWriteOptions(compression="zstd" if compress else None)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, batch.schema, options=options) as writer:
        writer.write_batch(batch)
    content = memoryview(sink.getvalue())
    with build.place.writing(name) as file:
        file.write(content)
    part = Part(name, batch.num_rows, content.nbytes, artifacts.digest(content), build.folder)
    return part, artifacts.metadata_of(batch.schema)


def record_part(build: Build, part: Part, about: Mapping[str, Any] | None = None) -> None:
    """Notes that a part is whole, and what is to be known `about` it. Comes after the part itself, so a note without
    its part cannot be."""
    part_notes.write(build.files, [(part, about or {})])


def take_over(build: Build, parts: Mapping[str, Part]) -> None:
    """Parts that are known to be equal, which lie in another folder of the same directory, become parts of the build by
    new names. One that is no longer there is passed over."""
    sizes, done = build.directory.sizes(), {part.name for part in written_parts(build)}
    there = {name: part for name, part in parts.items() if name not in done and sizes.get(part.path) == part.bytes}
    former.link(build.directory, {part.path: f"{build.folder}/{name}" for name, part in there.items()})
    mine = [replace(part, name=name, folder=build.folder) for name, part in there.items()]
    part_notes.write(build.files, [(part, artifacts.part_metadata(build.directory, part)) for part in mine])


def take_over_same(
    build: Build, root: Directory, stage: tuple[str, int], parameters: Mapping[str, Any], parents: Sequence[str]
) -> list[Manifest]:
    """Takes over the parts that a stage made before of equal parts of row-aligned parents.

    Args:
        build: of the stage's artifact.
        root: of the run.
        stage: its name and version.
        parameters: as they are now.
        parents: the artifacts of whose parts it makes one each.

    Returns:
        The former artifacts that were made by the same version and parameters.
    """
    alike = [one for one in former.manifests(build.directory) if former.is_alike(one, *stage, parameters)]
    for manifest in alike:
        made = {part.name: part for part in manifest.parts}
        take_over(build, {now: made[then] for now, then in former.same_names(root, manifest, parents).items()})
    return alike


def write_file(build: Build, path: str, content: bytes) -> None:
    """Writes a file of an artifact in place, `path` from its directory on, as a part of it without rows."""
    folder, _, name = path.rpartition("/")
    (build.directory / folder if folder else build.directory).write_bytes(name, content)
    record_part(build, Part(path, 0, len(content), artifacts.digest(content)))


def notes(build: Build) -> dict[Part, Mapping[str, Any]]:
    """The parts that are noted as whole, in order of their names, and what is noted about each.

    Raises:
        CorruptPart: a note is not what was written.
    """
    return part_notes.read(build.files, build.folder)


def written(build: Build) -> dict[Part, Mapping[str, Any]]:
    """The parts that are whole so far, in order of their names, and what is noted about each: of a part of rows the
    metadata of its schema."""
    sizes = build.place.sizes()
    return {part: about for part, about in notes(build).items() if sizes.get(part.name) == part.bytes}


def written_parts(build: Build) -> list[Part]:
    """The parts that are whole so far, in order of their names."""
    return list(written(build))


def publish(build: Build, parts: Iterable[Part]) -> None:
    """Moves parts of an artifact in place from the build's folder to where they belong, those that still lie there."""
    sizes = build.files.sizes()
    names = [part.name for part in parts if sizes.get(part.name) == part.bytes]
    build.files.move(names, build.directory)


def finish(
    build: Build,
    parameters: Mapping[str, Any],
    parents: Mapping[str, str],
    statistics: Mapping[str, Any],
    *,
    lasting: bool = False,
) -> Manifest:
    """Writes the manifest over all parts written. From here on the artifact is complete; what was kept of former ones
    is cleared but for their manifests, or, with `lasting`, stays."""
    directory = build.directory
    name = directory.url.rstrip("/").rsplit("/", 1)[-1]
    parts = tuple(written_parts(build))
    manifest = Manifest(name, build.fingerprint, parameters, parents, parts, statistics, build.folder)
    directory.write_json(MANIFEST, manifest.to_json())
    end(directory, lasting=lasting)
    return manifest


def end(directory: Directory, *, lasting: bool = False) -> None:
    """Clears what is left of the build of an artifact whose manifest is written; the note of it goes last, so that what
    a kill leaves is seen to when the artifact is met again. `lasting`: as for `finish`."""
    if not directory.exists(BUILDING):
        return
    build = current(directory)
    build.files.remove(part_notes.PARTS)
    staying = {build.folder, *(one.folder for one in former.manifests(directory) if lasting)}
    for other in directory.names():  # also what jobs of other builds wrote meanwhile
        if _FOLDER.fullmatch(other) and other not in staying and (other.startswith("_") or not build.in_place):
            directory.remove(other)
    directory.remove(BUILDING)
