"""Documents of a run's extensions: each extension is a run, and is asked where the run itself knows no such document.

Their contexts are told as they lie in the shards of the run, where these hold the extension.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sequitur.inspection import whereabouts
from sequitur.pipeline import artifacts, run_directory
from sequitur.pipeline.config import Config
from sequitur.pipeline.errors import DocumentUnknown
from sequitur.pipeline.extensions import extensions_of
from sequitur.pipeline.names import SHARDS
from sequitur.pipeline.progress import Progress
from sequitur.pipeline.storage import Directory
from sequitur.shards.errors import ShardError
from sequitur.shards.manifest import read_manifest
from sequitur.stages.shared.columns.lookup import DocumentAmbiguous

Told = Mapping[str, Any]


def asked(root: Directory, config: Config, ask: Callable[[Directory, Config], Told]) -> tuple[Told, Directory | None]:
    """What a run, or else the first of its extensions that knows the documents, answers; and which extension it was.

    Raises:
        DocumentUnknown: none of them knows them; or one knows several.
    """
    try:
        return ask(root, config), None
    except DocumentAmbiguous:
        raise
    except DocumentUnknown as unknown:
        extensions = extensions_of(root)
        for one in extensions:
            try:
                return ask(one, run_directory.read_config(one)), one
            except DocumentAmbiguous:
                raise
            except DocumentUnknown:
                continue
        if not extensions:
            raise
        raise DocumentUnknown(f"{unknown}; nor does any one extension of the run know it") from unknown


def placed(root: Directory, extension: Directory, told: dict[str, Any], progress: Progress) -> dict[str, Any]:
    """The trace of a document of an extension, with its name, and the contexts as they lie in the shards of the run."""
    told = {**told, "extension": extension.path().rsplit("/", 1)[-1]}
    manifest = artifacts.read_manifest(extension / SHARDS)
    if not told.get("contexts") or manifest is None:
        return told
    try:
        entries = read_manifest((root / SHARDS).path()).extensions
    except ShardError:  # which `verify` tells
        return told
    for one in entries:
        if one.run_id == manifest.fingerprint[:16]:
            key = one.first_document + told["ordinal"]
            contexts = whereabouts.contexts(root, {SHARDS: manifest}, [key], progress)
            return {**told, "contexts": (contexts or {})[key]}
    return told
