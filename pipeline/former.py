"""What a run held before its input files changed, kept while it is updated, so that equal parts are taken over.

    signals/_former/<build>.json   the manifest of what was made before, by the first 16 digits of its fingerprint
    signals/<build>/…              its parts, until the artifact is finished anew; those of `selection`, which later
                                   stages read, as long as the run is updated

A part is taken over where all that it was made from is the same: the version and the parameters of the stage, and the
checksums of the parts that it reads. Names may differ: a file more shifts the numbers of the splits after it.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import fsspec

from sequitur.pipeline import artifacts
from sequitur.pipeline.artifacts import Manifest, Part
from sequitur.pipeline.errors import from_storage
from sequitur.pipeline.file_systems import sync_directory
from sequitur.pipeline.storage import TEMPORARY, Directory

FORMER = "_former"
_NO_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EXDEV, errno.EMLINK}


def keep(directory: Directory, manifest: Manifest) -> None:
    """Notes the manifest of what an artifact's directory holds as a former one."""
    (directory / FORMER).write_json(f"{manifest.folder}.json", manifest.to_json())


def manifests(directory: Directory) -> list[Manifest]:
    """Of what an artifact's directory held before."""
    names = [name for name in (directory / FORMER).names() if not name.startswith(TEMPORARY)]
    found = (artifacts.read_manifest(directory / FORMER, name) for name in names)
    return [manifest for manifest in found if manifest is not None]


def find(directory: Directory, fingerprint: str) -> Manifest | None:
    """The manifest of this fingerprint, of the artifact as it is or as it was; None where it is not known."""
    every = (artifacts.read_manifest(directory), *manifests(directory))
    return next((one for one in every if one is not None and one.fingerprint == fingerprint), None)


def forget(directory: Directory) -> None:
    """Clears what is kept of former artifacts, and their parts."""
    now = artifacts.read_manifest(directory)
    for manifest in manifests(directory):
        if now is None or manifest.folder != now.folder:
            directory.remove(manifest.folder)
    directory.remove(FORMER)


def is_alike(manifest: Manifest, stage: str, version: int, parameters: Mapping[str, Any]) -> bool:
    """Whether a stage made an artifact by this version and these parameters, from whatever parents."""
    return artifacts.fingerprint_of(stage, version, parameters, manifest.parents) == manifest.fingerprint


def same_names(root: Directory, artifact: Manifest, parents: Sequence[str]) -> dict[str, str]:
    """The parts of some row-aligned parents that are as they were when a former artifact was made of them.

    Args:
        root: of the run.
        artifact: the manifest of the former one.
        parents: names of artifacts that are finished now.

    Returns:
        By the name of a part now its name then. None, where a parent as it was then is not known any more.
    """
    then = [find(root / parent, artifact.parents.get(parent, "")) for parent in parents]
    known = [one.parts for one in then if one is not None]
    if len(known) < len(parents):
        return {}
    before = {tuple(map(_content, parts)): parts[0].name for parts in zip(*known, strict=True)}
    now = zip(*(artifacts.require_manifest(root / parent).parts for parent in parents), strict=True)
    names = ((parts[0].name, before.get(tuple(map(_content, parts)))) for parts in now)
    return {name: old for name, old in names if old is not None}


def _content(part: Part) -> tuple[int, int, str]:
    return part.rows, part.bytes, part.checksum


def link(directory: Directory, names: Mapping[str, str]) -> None:
    """Gives files second names, by path here: hard links where it is local, copies that the store makes elsewhere.

    Files of artifacts are never written to, only replaced, so that one file under two names is safe.
    """
    try:
        if not directory.is_local:
            if names:
                fs, _ = fsspec.core.url_to_fs(directory.url)
                fs.copy([directory.path(old) for old in names], [directory.path(new) for new in names.values()])
            return
        folders = {Path(directory.path(new)).parent for new in names.values()}
        for folder in folders:
            folder.mkdir(parents=True, exist_ok=True)
        for old, new in names.items():
            _link(directory.path(old), directory.path(new))
        for folder in folders:
            sync_directory(folder)
    except OSError as error:
        raise from_storage(error, directory.url) from error


def _link(old: str, new: str) -> None:
    Path(new).unlink(missing_ok=True)  # of an attempt that was interrupted
    try:
        os.link(old, new)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        temporary = Path(new).with_name(TEMPORARY + Path(new).name)
        shutil.copyfile(old, temporary)
        temporary.replace(new)
