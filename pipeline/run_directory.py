"""A run directory as a whole: bringing it up to date, saying how it stands, proving that it is sound.

RUN/config.yaml      the resolved configuration of the last run
RUN/_lock…           held while a process writes here
RUN/_state/…         of each stage: since when it runs, or how long it took; logs of what failed; never part of content
RUN/<artifact>/…     what the stages made
RUN/fitted/…         of a run that was updated: what was fitted on the documents before, and serves since
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import yaml

from sequitur.pipeline import artifacts, builds, extensions, former, lock, nearby
from sequitur.pipeline.artifacts import MANIFEST
from sequitur.pipeline.config import Config, read_yaml, validate
from sequitur.pipeline.errors import ConfigError, CorruptPart, ForeignDirectory, MissingArtifact, SequiturError
from sequitur.pipeline.later import Later
from sequitur.pipeline.memory import give_back
from sequitur.pipeline.names import DOCUMENTS, FITTED
from sequitur.pipeline.stage import STATE, Run, Stage, expected, is_done, noted, parameters_of, wanted
from sequitur.pipeline.stage import execute as execute_stage
from sequitur.pipeline.storage import TEMPORARY, Directory
from sequitur.pipeline.watching import Planned

CONFIG = "config.yaml"
UPDATE = "update.json"  # in STATE, while a run is brought up to date with other input files


def execute(
    recipe: Sequence[Stage], run: Run, first: str | None = None, last: str | None = None, *, refit: bool = False
) -> None:
    """Brings the stages from `first` to `last` up to date; those that are done are skipped.

    Where other input files than before are all that differs, the run is updated: parts of which nothing differs are
    taken over, and what was fitted on the documents stays as it is, unless it is to be fitted anew (`refit`).

    Raises:
        SequiturError: a setting is wrong, the directory is another run's or locked, a parent is missing, or a stage
            failed. Whatever was finished stays.
    """
    chosen = wanted(_chosen(recipe, first, last), run.config)
    recipe = wanted(recipe, run.config)
    check_place(run.root)
    run = replace(run, parameters=parameters_of(recipe, run.config))
    fingerprints = expected(recipe, run.config, run.parameters)
    extensions.refuse_undoing(run.root, recipe, fingerprints)
    changes = check_corpus(recipe, run.root, run.config, run.parameters, fingerprints)
    with lock.exclusive(run.root):
        for stage in recipe:
            stage.unfinished(run)
        if changes and chosen[:1] == recipe[:1]:
            fitted = [] if refit else [stage.put_aside(run.root, run.config) for stage in recipe]
            kept = ", ".join(what for what in fitted if what is not None)
            run.progress.say(f"update     {changes}" + (f"; so is what was fitted: {kept}" if kept else ""))
            (run.root / STATE).write_json(UPDATE, {"changes": changes})
        if refit:
            run.root.remove(FITTED)
        if changes or refit:  # what was put aside is among the parameters from now on, or no longer
            run = replace(run, parameters=parameters_of(recipe, run.config))
            fingerprints = expected(recipe, run.config, run.parameters)
        run = replace(run, updating=(run.root / STATE).exists(UPDATE))
        _require_parents(recipe, run, chosen, fingerprints)
        run.root.write_bytes(CONFIG, run.config.to_yaml().encode())
        modules = [stage.work.module for stage in chosen if isinstance(stage.work, Later)]
        run = replace(run, runner=run.runner.keeping(run.root / STATE, modules))
        run.progress.plans([_planned(stage, run.root, run.config, fingerprints) for stage in chosen])
        for stage in chosen:
            with nearby.copies(run.root) as root:
                nearby.staying(root, (f"{parent}/{MANIFEST}" for parent in stage.parents_of(run.config)))
                execute_stage(stage, replace(run, nearby=root.nearby), fingerprints)
            give_back()
            run.progress.stage_ends(stage.name)
        if run.updating and all(is_done(stage, run.root, fingerprints[stage.artifact]) for stage in recipe):
            _end_update(recipe, run.root)


def _planned(stage: Stage, root: Directory, config: Config, fingerprints: Mapping[str, str]) -> Planned:
    reads, makes = stage.parents_of(config), (stage.artifact, *stage.beside)
    return Planned(
        stage.name, [root / one for one in reads], [root / one for one in makes], fingerprints[stage.artifact]
    )


def _end_update(recipe: Sequence[Stage], root: Directory) -> None:
    """Clears what was kept of the run as it was."""
    for stage in recipe:
        for name in (stage.artifact, *stage.beside):
            former.forget(root / name)
    (root / STATE).remove(UPDATE)


def make_anew(recipe: Sequence[Stage], run: Run, name: str) -> None:
    """Makes what one stage makes from what is there now, which was changed since. The caller holds the run's lock, and
    has removed the old.

    Raises:
        SequiturError: as `execute`.
    """
    recipe = wanted(recipe, run.config)
    run = replace(run, parameters=parameters_of(recipe, run.config))
    chosen, fingerprints = _chosen(recipe, name, name), expected(recipe, run.config, run.parameters)
    _require_parents(recipe, run, chosen, fingerprints)
    for stage in chosen:
        execute_stage(stage, run, fingerprints)


def _require_parents(
    recipe: Sequence[Stage], run: Run, chosen: Sequence[Stage], fingerprints: Mapping[str, str]
) -> None:
    for stage in recipe[: recipe.index(chosen[0]) if chosen else 0]:
        if any(stage.artifact in later.parents_of(run.config) for later in chosen) and not is_done(
            stage, run.root, fingerprints[stage.artifact]
        ):
            raise MissingArtifact(
                f"{run.root.url}: {chosen[0].name} needs {stage.artifact}, which is absent or out of date; "
                f"run --from {stage.name}"
            )


def _chosen(recipe: Sequence[Stage], first: str | None, last: str | None) -> Sequence[Stage]:
    names = [stage.name for stage in recipe]
    for name in (first, last):
        if name is not None and name not in names:
            raise ConfigError(f"no stage {name}; the stages are {', '.join(names)}")
    begin = names.index(first) if first else 0
    end = names.index(last) + 1 if last else len(names)
    if begin >= end:
        raise ConfigError(f"no stage lies from {first} until {last}; their order is {', '.join(names)}")
    return recipe[begin:end]


def check_place(root: Directory) -> None:
    """Refuses an output in which something else lies.

    Raises:
        ForeignDirectory: `root` is a file, or a directory with something else in it.
    """
    if root.is_file():
        raise ForeignDirectory(f"{root.url}: is a file; choose another output")
    names = [name for name in root.names() if not name.startswith(TEMPORARY)]
    if (
        names and STATE not in names and not any(map(lock.is_of_lock, names))
    ):  # not CONFIG: a config.yaml may well be the user's own
        raise ForeignDirectory(f"{root.url}: holds {names[0]} and no run; choose another output or empty the directory")


def check_corpus(
    recipe: Sequence[Stage],
    root: Directory,
    config: Config,
    parameters: Mapping[str, Mapping[str, Any]],
    fingerprints: Mapping[str, str],
) -> str | None:
    """What differs in the input files, in a line, where the output holds the finished documents of others; None where
    nothing does, or there are none.

    Raises:
        ForeignDirectory: something else differs: they are the documents of another configuration.
    """
    manifest = artifacts.read_manifest(root / DOCUMENTS)
    if manifest is None or manifest.fingerprint == fingerprints[DOCUMENTS]:
        return None
    (stage,) = (stage for stage in recipe if stage.artifact == DOCUMENTS)
    if (changes := stage.changes(manifest, parameters[DOCUMENTS])) is not None:
        return changes
    raise ForeignDirectory(
        f"{root.url}: holds the documents of another configuration ({_difference(root, config)}); choose another "
        "output, or delete that directory to start anew"
    )


def _difference(root: Directory, config: Config) -> str:
    """Which setting of ingest differs from the stored one."""
    try:
        stored = validate(read_yaml(root.read_bytes(CONFIG)), CONFIG)
    except (SequiturError, yaml.YAMLError):
        return "its config.yaml cannot be read"
    if stored.name != config.name:
        return f"name was {stored.name}"
    before, now = stored.ingest.model_dump(mode="json"), config.ingest.model_dump(mode="json")
    for key in now:
        if before[key] != now[key] and key not in ("max_reject_share", "inputs"):
            return f"ingest.{key} was {before[key]}"
    return "what is said of the inputs, the modules of ingest.formats, or the version that read them is another"


@dataclass(frozen=True)
class StageStatus:
    """How one stage of a run stands."""

    name: str
    artifact: str
    state: str  # done, stale, running, interrupted, damaged or absent
    parts: int
    rows: int
    bytes: int
    seconds: float | None


def read_config(root: Directory) -> Config:
    """The configuration stored with a run, its output being where it lies now.

    Raises:
        ForeignDirectory: there is no run.
    """
    if not root.exists(CONFIG):
        raise ForeignDirectory(f"{root.url}: no run is there; give the `output` of a configuration that was run")
    try:
        content = read_yaml(root.read_bytes(CONFIG))
    except yaml.YAMLError as error:
        raise CorruptPart(f"{root.path(CONFIG)}: not valid YAML; run again with your configuration") from error
    if not isinstance(content, dict):
        raise CorruptPart(f"{root.path(CONFIG)}: not a configuration; run again with your configuration")
    return validate({**content, "output": root.url}, root.path(CONFIG))


def status(recipe: Sequence[Stage], run: Run) -> Iterator[StageStatus]:
    """Each stage in turn. Stale means made with other settings, inputs or parents than the stored configuration's."""
    recipe = wanted(recipe, run.config)
    try:
        fingerprints = expected(recipe, run.config)
    except SequiturError:
        fingerprints = {}  # the inputs, or a model, are gone: what is there counts as it is
    held = lock.is_held(run.root)
    for stage in recipe:
        directory = run.artifact(stage.artifact)
        note = noted(run.root, stage.name)
        unfinished = _unfinished(stage, run) is not None
        try:
            manifest = artifacts.read_manifest(directory)
            building = manifest is None and directory.exists(builds.BUILDING)
            written = builds.written_parts(builds.current(directory)) if building else []
            parts = manifest.parts if manifest else tuple(written)
        except CorruptPart:
            yield StageStatus(stage.name, stage.artifact, "damaged", 0, 0, 0, None)
            continue
        if manifest is not None:
            sizes = directory.sizes()
            state = (
                "done" if fingerprints.get(stage.artifact, manifest.fingerprint) == manifest.fingerprint else "stale"
            )
            if unfinished:
                state = "interrupted"
            elif any(sizes.get(part.path) != part.bytes for part in manifest.parts):
                state = "damaged"
        elif note.get("state") == "running" and building:
            state = "running" if held else "interrupted"
        else:
            state = "absent"
        yield StageStatus(
            stage.name,
            stage.artifact,
            state,
            len(parts),
            sum(part.rows for part in parts),
            sum(part.bytes for part in parts),
            note.get("seconds") if manifest else None,
        )


def _unfinished(stage: Stage, run: Run) -> SequiturError | None:
    try:
        stage.unfinished(run)
    except SequiturError as error:
        return error
    return None


def problems(recipe: Sequence[Stage], run: Run) -> Iterator[str]:
    """One line for each thing that is wrong with a run: bytes, lineage, and what each stage knows of its artifact.

    A stage looks at the content of its artifact only if the bytes of all artifacts up to it are sound.
    """
    fingerprints: dict[str, str] = {}
    sound = True
    for stage in wanted(recipe, run.config):
        try:
            with nearby.copies(run.root) as root:
                run = replace(run, nearby=root.nearby)
                stage.unfinished(run)
                for problem in _of_bytes(stage, root, run.config, fingerprints):
                    sound = False
                    yield problem
                if sound:
                    run.progress.step(f"verify: {stage.artifact}")
                    yield from stage.verify(run)
        except SequiturError as error:
            sound = False
            yield str(error)


def _of_bytes(stage: Stage, root: Directory, config: Config, fingerprints: dict[str, str]) -> Iterator[str]:
    directory = root / stage.artifact
    manifest = artifacts.read_manifest(directory)
    if manifest is None:
        yield f"{directory.path()}: absent or unfinished; run the command again to make it"
        return
    fingerprints[stage.artifact] = manifest.fingerprint
    for parent in stage.parents_of(config):
        if fingerprints.get(parent) != manifest.parents.get(parent):
            yield f"{directory.path()}: made from another {parent} than is there; run again to bring it up to date"
    yield from artifacts.damaged_parts(directory, manifest)
