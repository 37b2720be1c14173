"""What pack is: its place in the recipe, what its artifact depends on, and when it must not be made anew. The work is
in `stage.py`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

from sequitur.graph_sort.documents import BY_LIKENESS
from sequitur.pipeline import artifacts
from sequitur.pipeline.config import Config
from sequitur.pipeline.errors import ExtensionsUndone, ExtensionUnfinished, RemovalsUndone, RemovalUnfinished
from sequitur.pipeline.extensions import has_extended
from sequitur.pipeline.later import done_in
from sequitur.pipeline.names import DOCUMENTS, NEIGHBORS, ORDER, SELECTION, SHARDS, SIGNALS, TOKENS, VECTORS
from sequitur.pipeline.stage import Run, Stage
from sequitur.pipeline.storage import Directory
from sequitur.shards.errors import ShardError
from sequitur.shards.extending import STAGING
from sequitur.shards.format import FORMAT_VERSION, MANIFEST_NAME
from sequitur.shards.manifest import parse_manifest
from sequitur.shards.removal.intent import INTENT
from sequitur.shards.removal.record import FOLDER as REMOVALS


def parameters(config: Config) -> Mapping[str, Any]:
    settings = config.pack.model_dump(mode="json", exclude={"epochs"} if config.pack.epochs == 1 else None)
    return settings | {"seed": config.seed, "format_version": FORMAT_VERSION}


def guard(run: Run) -> None:
    """Refuses to write again shards from which documents were removed.

    Raises:
        RemovalsUndone: documents were removed from the shards that are there.
        ExtensionsUndone: the shards that are there were extended.
    """
    shards = run.artifact(SHARDS)
    if has_extended(run.root):
        raise ExtensionsUndone(
            f"{shards.path()}: was extended, and packing again would undo that; restore what is missing there from a "
            f"copy, or delete {shards.path()}, run again, and repeat each sequitur extend, which adds its shards anew"
        )
    records = _records(shards)
    if records:
        raise RemovalsUndone(
            f"{shards.path(records[0])}: documents were removed from these shards, and packing again would bring them "
            f"back; copy the records, delete {shards.path()}, run again, and then "
            f"sequitur remove {shards.path()} --doc-ids COPY/{PurePosixPath(records[0]).name} for each"
        )


def unfinished(run: Run) -> None:
    """Refuses shards of which the run's manifest and report do not know yet what a removal did.

    Raises:
        RemovalUnfinished: a removal was begun and not finished.
        ExtensionUnfinished: so was an extension.
    """
    shards = run.artifact(SHARDS)
    manifest = artifacts.read_manifest(shards)
    if manifest is not None and (shards.exists(STAGING) or _is_newer(shards, manifest)):
        raise ExtensionUnfinished(
            f"{shards.path()}: an extension was begun here and is not finished; repeat the same sequitur extend "
            f"{run.root.path()}, which goes on with it"
        )
    if shards.exists(INTENT) or (manifest is not None and not set(_records(shards)) <= set(manifest.names)):
        raise RemovalUnfinished(
            f"{shards.path()}: a removal of documents was begun here and is not finished; repeat the same "
            f"sequitur remove {shards.path()}, which goes on with it"
        )


def _is_newer(shards: Directory, known: artifacts.Manifest) -> bool:
    """Whether manifest.json lists extensions, and is not the one that the run's manifest knows of."""
    mine = next((part for part in known.parts if part.name == MANIFEST_NAME), None)
    content = None if mine is None else shards.content(MANIFEST_NAME)
    if mine is None or content is None or (len(content), artifacts.digest(content)) == (mine.bytes, mine.checksum):
        return False
    try:
        return len(parse_manifest(content.decode()).extensions) > len(known.statistics.get("extensions", []))
    except (ShardError, UnicodeDecodeError):
        return False  # which `verify` tells


def _records(shards: Directory) -> list[str]:
    """The records of removals, finished or not."""
    return [
        name
        for name in shards.files()
        if PurePosixPath(name).parent.name == REMOVALS and PurePosixPath(name).suffix == ".json"
    ]


STAGE = Stage(
    "pack",
    SHARDS,
    6,
    (DOCUMENTS, SIGNALS, SELECTION, TOKENS, VECTORS, ORDER),
    parameters,
    *done_in("sequitur.stages.pack.stage"),
    also=lambda config: (NEIGHBORS,) if config.pack.policy in BY_LIKENESS else (),
    guard=guard,
    unfinished=unfinished,
    in_place=True,
)
