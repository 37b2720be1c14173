"""Extensions of a run: runs of their own inside it, whose shards were added to its shards.

RUN/extensions/0001/                   a whole run: its inputs are new documents, RUN is `select.against` to it
RUN/extensions/0001/extension.json     what it added, and how near its documents are to the old ones
RUN/shards/                            the shards of RUN, and behind them those of each extension
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sequitur.pipeline import artifacts
from sequitur.pipeline.errors import ExtensionsUndone
from sequitur.pipeline.names import EXTENSIONS, REPORT, SHARDS
from sequitur.pipeline.stage import Stage
from sequitur.pipeline.storage import Directory

MANIFEST = "manifest.json"  # of the shards
TOLD = "extension.json"  # of an extension, when its shards were added


def extensions_of(root: Directory) -> list[Directory]:
    """Those of a run, finished or not, in order."""
    return [root / EXTENSIONS / name for name in (root / EXTENSIONS).names() if name.isdecimal()]


def has_extended(root: Directory) -> bool:
    """Whether the shards of a run hold those of an extension."""
    if not extensions_of(root) or not (root / SHARDS).exists(MANIFEST):
        return False
    manifest = (root / SHARDS).read_json(MANIFEST)
    return isinstance(manifest, dict) and bool(manifest.get("extensions"))


def refuse_undoing(root: Directory, recipe: Sequence[Stage], fingerprints: Mapping[str, str]) -> None:
    """Refuses to make anything of an extended run anew that would be another than it was extended by.

    Raises:
        ExtensionsUndone: an artifact that is there, but for the report, is of another fingerprint than is asked for.
    """
    if not extensions_of(root):
        return
    for stage in recipe:
        manifest = artifacts.read_manifest(root / stage.artifact)
        other = manifest is not None and manifest.fingerprint != fingerprints[stage.artifact]
        if other and stage.artifact != REPORT and has_extended(root):
            raise ExtensionsUndone(
                f"{root.url}: was extended, and {stage.name} would be made anew for other settings or inputs, which "
                "undoes the extensions; give the settings that it was made with, or another output"
            )
