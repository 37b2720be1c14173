"""What made two runs differ: stage by stage the parameters, input files and versions, as their manifests tell them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sequitur.pipeline import artifacts
from sequitur.pipeline.artifacts import Manifest
from sequitur.pipeline.errors import ForeignDirectory
from sequitur.pipeline.stage import Stage
from sequitur.pipeline.storage import Directory

FILES = "files"  # the parameter that lists the inputs: of each its path, and what is known of it


def differences(recipe: Sequence[Stage], one: Directory, other: Directory) -> dict[str, Any]:
    """Two runs, compared by their manifests alone: nothing else is read.

    Returns:
        `same`, whether equal fingerprints say that all bytes are equal; `first`, the first stage that differs; and of
        each of `stages`:

            state       same, differs, absent (in both), only_first or only_second
            causes      parameters that differ, by name in full: their values in the first run and in the second
            files       of the stage that reads them: those `more` in the second run, `gone`, and `changed`
            version     whether the stage is another version, for nothing else about it differs
            parents     the artifacts that differ and that it was made of

    Raises:
        ForeignDirectory: one of the two is no run.
        CorruptPart: a manifest is not what was written.
    """
    for root in (one, other):
        if not any(artifacts.read_manifest(root / stage.artifact) for stage in recipe):
            raise ForeignDirectory(f"{root.url}: no finished stage of a run is there; give the `output` of one")
    stages = [_compared(stage, one, other) for stage in recipe]
    differing = [about["stage"] for about in stages if about["state"] not in ("same", "absent")]
    return {"same": not differing, "first": differing[0] if differing else None, "stages": stages}


def _compared(stage: Stage, one: Directory, other: Directory) -> dict[str, Any]:
    before, now = (artifacts.read_manifest(root / stage.artifact) for root in (one, other))
    if before is None or now is None:
        states = {(False, False): "absent", (True, False): "only_first", (False, True): "only_second"}
        return {"stage": stage.name, "state": states[before is not None, now is not None]}
    if before.fingerprint == now.fingerprint:
        return {"stage": stage.name, "state": "same"}
    causes = dict(_causes(_without_files(before), _without_files(now)))
    parents = sorted(
        name for name in {*before.parents, *now.parents} if before.parents.get(name) != now.parents.get(name)
    )
    files = _files(before.parameters.get(FILES, []), now.parameters.get(FILES, []))
    version = not causes and not parents and not any(files.values())
    about = {"stage": stage.name, "state": "differs", "causes": causes, "version": version, "parents": parents}
    return about | ({"files": files} if FILES in now.parameters else {})


def _without_files(manifest: Manifest) -> dict[str, Any]:
    return {name: value for name, value in manifest.parameters.items() if name != FILES}


def _causes(before: Any, now: Any, name: str = "") -> Iterator[tuple[str, list[Any]]]:
    """The values that differ, by the names that lead to them, with dots between; None where there is none."""
    if isinstance(before, Mapping) and isinstance(now, Mapping):
        for key in sorted({*before, *now}):
            yield from _causes(before.get(key), now.get(key), f"{name}.{key}" if name else key)
    elif before != now:
        yield name, [before, now]


def _files(before: Sequence[Sequence[Any]], now: Sequence[Sequence[Any]]) -> dict[str, list[str]]:
    old, new = ({str(path): about for path, *about in files} for files in (before, now))
    return {
        "more": sorted(new.keys() - old.keys()),
        "gone": sorted(old.keys() - new.keys()),
        "changed": sorted(path for path in old.keys() & new.keys() if old[path] != new[path]),
    }
