"""What a stage is, and how one is run: skipped when done, resumed when interrupted, announced before it starts."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from sequitur.pipeline import artifacts, builds, nearby
from sequitur.pipeline.artifacts import Manifest
from sequitur.pipeline.builds import Build
from sequitur.pipeline.config import Config
from sequitur.pipeline.errors import CorruptPart, OverMemory, StorageFull
from sequitur.pipeline.memory import machine_bytes, peak_bytes
from sequitur.pipeline.names import DOCUMENTS, REFINED
from sequitur.pipeline.progress import Progress, human
from sequitur.pipeline.runner import Runner
from sequitur.pipeline.sections import Refine
from sequitur.pipeline.seeds import derived_seed
from sequitur.pipeline.storage import Directory

if TYPE_CHECKING:
    from sequitur.pipeline.jobs import Jobs

STATE = "_state"
TEXT = "text"  # as a parent: the artifact that holds the text, `refined` or else `documents`
BASE_BYTES = 700 * 2**20  # a Python process with Beam, Arrow, numba and torch loaded, measured


@dataclass(frozen=True)
class Estimate:
    """Bytes a stage will take: memory in the main process, memory in each worker process, and disk.

    `mapped` are the bytes of files that all processes share by memory maps: they fill memory while there is room, and
    are no reason to refuse. `elements` is how many units of work its jobs have, where that is not the number of its
    parents' parts. `shuffled` is what its jobs send from worker to worker.
    """

    memory: int
    disk: int
    each_worker: int = 0
    mapped: int = 0
    elements: int = 0
    shuffled: int = 0

    def in_all(self, workers: int) -> int:
        """Bytes of memory of the main process and of so many worker processes; one worker is the main process."""
        return BASE_BYTES + self.memory + (workers if workers > 1 else 0) * BASE_BYTES + workers * self.each_worker


@dataclass(frozen=True)
class Run:
    """A configuration, where its artifacts lie, and how its jobs are run."""

    config: Config
    runner: Runner = field(default_factory=Runner)
    progress: Progress = field(default_factory=lambda: Progress(quiet=True))
    parameters: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # by artifact, as it found them
    nearby: str | None = None  # folder for copies of parts that lie elsewhere (pipeline/nearby.py)
    updating: bool = False  # to other input files (pipeline/former.py)

    @property
    def root(self) -> Directory:
        return Directory(self.config.output, self.nearby)

    def artifact(self, name: str) -> Directory:
        return self.root / name

    def build(self, name: str) -> Build:
        """The build of an artifact, which was begun."""
        return builds.current(self.artifact(name))

    def manifest(self, name: str) -> Manifest:
        """The manifest of a finished artifact.

        Raises:
            MissingArtifact: it is not finished.
        """
        return artifacts.require_manifest(self.artifact(name))

    @property
    def text(self) -> str:
        """The artifact whose column `text` the stages read."""
        return text_artifact(self.config)

    @property
    def jobs(self) -> Jobs:
        from sequitur.pipeline.jobs import Jobs  # and with it Beam

        return Jobs(self.runner, self.progress)

    def seed(self, *names: str) -> int:
        """A 63-bit seed derived by hash from the configured one and what it is for."""
        return derived_seed(self.config.seed, *names)


@dataclass(frozen=True)
class Stage:
    """One step of the recipe.

    Attributes:
        name: the verb on the command line.
        artifact: the noun it makes: a directory in the run.
        version: raised when the same parameters give other content.
        parents: artifacts it reads; TEXT stands for the one with the text.
        parameters: the settings that its content depends on. Raises ConfigError for wrong ones, before anything runs.
        estimate: memory and disk it will take, from the manifests of its parents.
        work: makes the parts; returns the statistics for the manifest.
        verify: one line for each thing that is wrong with the content of the finished artifact.
        beside: other artifacts that it makes on the way, finished before its own.
        wanted: whether the configuration asks for it; else the recipe is run without it.
        also: artifacts that it reads besides, under this configuration.
        guard: raises where making the artifact anew would undo what was done to it since it was made.
        unfinished: raises where something was begun with the finished artifact that is to be ended first.
        in_place: whether others read the artifact as it is, so that its files lie in its directory itself.
        changes: what differs in the files between a finished artifact and its parameters now, in a line; None where
            something else does: it is another run's.
        put_aside: keeps what was fitted on the documents, before the run is updated; says what it is.
        reuses: whether parts of what was made before serve, where a run is updated.
        lasting: whether later stages read them, too.
    """

    name: str
    artifact: str
    version: int
    parents: tuple[str, ...]
    parameters: Callable[[Config], Mapping[str, Any]]
    estimate: Callable[[Run], Estimate]
    work: Callable[[Run], Mapping[str, Any]]
    verify: Callable[[Run], Iterable[str]] = lambda run: ()
    beside: tuple[str, ...] = ()
    wanted: Callable[[Config], bool] = lambda config: True
    also: Callable[[Config], tuple[str, ...]] = lambda config: ()
    guard: Callable[[Run], None] = lambda run: None
    unfinished: Callable[[Run], None] = lambda run: None
    in_place: bool = False
    changes: Callable[[Manifest, Mapping[str, Any]], str | None] = lambda before, now: None
    put_aside: Callable[[Directory, Config], str | None] = lambda root, config: None
    reuses: bool = False
    lasting: bool = False

    def parents_of(self, config: Config) -> tuple[str, ...]:
        """The artifacts that it reads under this configuration."""
        text = text_artifact(config)
        named = (text if parent == TEXT else parent for parent in (*self.parents, *self.also(config)))
        return tuple(dict.fromkeys(named))


def text_artifact(config: Config) -> str:
    """The artifact whose column `text` the stages read: `refined` where something is refined, else `documents`."""
    return REFINED if config.refine != Refine() else DOCUMENTS


def wanted(recipe: Sequence[Stage], config: Config) -> list[Stage]:
    """The stages that a configuration asks for."""
    return [stage for stage in recipe if stage.wanted(config)]


def parameters_of(recipe: Sequence[Stage], config: Config) -> dict[str, Mapping[str, Any]]:
    """What each artifact's content depends on, by artifact. Looks into all input files, and into those of models."""
    return {stage.artifact: stage.parameters(config) for stage in recipe}


def expected(
    recipe: Sequence[Stage], config: Config, parameters: Mapping[str, Mapping[str, Any]] | None = None
) -> dict[str, str]:
    """The fingerprint that each artifact has when it is up to date, by artifact; `parameters` where they are known."""
    parameters = parameters_of(recipe, config) if parameters is None else parameters
    fingerprints: dict[str, str] = {}
    for stage in recipe:
        parents = {parent: fingerprints[parent] for parent in stage.parents_of(config)}
        own = parameters[stage.artifact]
        fingerprints[stage.artifact] = artifacts.fingerprint_of(stage.name, stage.version, own, parents)
    return fingerprints


def is_done(stage: Stage, root: Directory, fingerprint: str) -> bool:
    """Whether the stage's artifact is there in a run's `root`, whole, and of this fingerprint.

    Raises:
        CorruptPart: a part of it is damaged, or what was made beside it is.
    """
    directory = root / stage.artifact
    if not artifacts.is_finished(directory, fingerprint):
        return False
    for name in stage.beside:
        beside = root / name
        other = artifacts.read_manifest(beside)
        if other is None or not artifacts.is_whole(beside, other):
            raise CorruptPart(
                f"{beside.path()}: missing in part; delete {directory.path()} and run again to rebuild both"
            )
    return True


def execute(stage: Stage, run: Run, fingerprints: Mapping[str, str]) -> None:
    """Brings the stage's artifact up to date. The caller holds the run's lock, has seen to the parents and found the
    parameters."""
    fingerprint, parameters = fingerprints[stage.artifact], run.parameters[stage.artifact]
    directory, parents = run.artifact(stage.artifact), {one: fingerprints[one] for one in stage.parents_of(run.config)}
    lasting = run.updating and stage.lasting
    if is_done(stage, run.root, fingerprint):
        for name in (stage.artifact, *stage.beside):
            builds.end(run.artifact(name), lasting=lasting)
        run.progress.say(f"{stage.name:<10} done before")
        return
    stage.guard(run)
    if changed := _changed(noted(run.root, stage.name), {"parameters": parameters, "parents": parents}):
        run.progress.say(f"{stage.name:<10} is made anew, for other {', '.join(changed)}")
    # What an interrupted run has written need not be written again, and what is of another artifact will be cleared;
    # but while a run is updated, that is kept meanwhile.
    written = sum(directory.sizes().values()) if directory.is_local and not run.updating else 0
    announced = announce(stage, stage.estimate(run), run.config, run.runner, run.progress, written)
    state: dict[str, Any] = {"stage": stage.name, "fingerprint": fingerprint, "state": "running"}
    state |= {"parameters": parameters, "parents": parents, "announced_bytes": announced}
    (run.root / STATE).write_json(f"{stage.name}.json", state)
    started = time.monotonic()
    inner = [name.removeprefix(f"{stage.artifact}/") for name in stage.beside]
    kept = inner if run.updating and stage.reuses else None
    build = builds.begin(directory, fingerprint, in_place=stage.in_place, kept=kept)
    with run.progress.stage(stage.name):
        manifest = builds.finish(build, parameters, parents, stage.work(run), lasting=lasting)
    seconds = time.monotonic() - started
    state |= {"state": "done", "seconds": round(seconds, 3), "peak_bytes": peak_bytes()}
    (run.root / STATE).write_json(f"{stage.name}.json", state)
    run.progress.say(f"{stage.name:<10} {manifest.rows:>12,} rows  {human(manifest.bytes):>10}  {seconds:7.1f} s")


def noted(root: Directory, stage: str) -> Mapping[str, Any]:
    """What is noted in `_state` of when a stage was last begun in the run that lies in `root`; nothing where it never
    was.

    Raises:
        CorruptPart: it is not what `execute` writes.
    """
    directory, name = root / STATE, f"{stage}.json"
    if (content := directory.content(name)) is None:
        return {}
    found = directory.parsed(name, content)
    kinds = {"state": str, "seconds": float, "parameters": dict, "parents": dict}
    if not isinstance(found, dict) or any(not isinstance(found.get(key, kind()), kind) for key, kind in kinds.items()):
        raise CorruptPart(f"{directory.path(name)}: not a note of this program; delete it and run again")
    return found


def as_decided(
    config: Config,
    stage: str,
    parameters: Mapping[str, Any],
    undecided: Collection[str],
    decide: Callable[[], Mapping[str, Any]],
) -> Mapping[str, Any]:
    """The parameters of a stage, of which the machine decides those that no setting does. What was decided when the
    stage was last begun in the run stays, if all else is the same: a run that is moved is not made anew for that.

    Args:
        config: with the run's output.
        stage: its name.
        parameters: those that settings decide.
        undecided: the names of the others.
        decide: what this machine decides; asked where nothing was decided before, for it may load libraries.
    """
    before = noted(Directory(config.output), stage).get("parameters", {})
    kept = {name: before[name] for name in undecided if name in before}
    as_before = {**parameters, **kept}
    return as_before if json.loads(json.dumps(as_before)) == before else {**parameters, **decide()}


def _changed(before: Mapping[str, Any], now: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """The names of parameters and parents that are not what they were when a stage was last begun."""
    both = [(before[kind], json.loads(json.dumps(now[kind]))) for kind in now if kind in before]
    return [name for old, new in both for name in sorted({*old, *new}) if old.get(name) != new.get(name)]


def announce(
    stage: Stage, estimate: Estimate, config: Config, runner: Runner, progress: Progress, written: int = 0
) -> int:
    """Says what the stage will take, and refuses what the machine does not have. Returns the memory in bytes, mapped
    files included. Of the disk so many bytes are `written`.

    Raises:
        StorageFull: less disk is free than the stage will write.
        OverMemory: the machine has less memory than the stage will take.
    """
    root = Directory(config.output)
    manifests = (artifacts.require_manifest(root / parent) for parent in stage.parents_of(config))
    parts = max((len(manifest.parts) for manifest in manifests), default=runner.workers)
    workers = runner.processes(estimate.elements or parts)
    memory = estimate.in_all(workers)
    free = root.free_bytes()
    beside = f", {human(estimate.mapped)} more for mapped files where there is room," if estimate.mapped else ""
    progress.say(
        f"{stage.name:<10} will take up to {human(memory)} of memory{beside} and {human(estimate.disk)} of disk"
        + (f" ({human(free)} free)" if free is not None else "")
    )
    if free is not None and estimate.disk > free + written:
        raise StorageFull(
            f"{root.url}: {stage.name} will write about {human(estimate.disk)} and {human(free)} are free; "
            "free some space or choose another output"
        )
    total = machine_bytes()
    here = memory if runner.is_local else BASE_BYTES + estimate.memory  # workers elsewhere have memory of their own
    here += 0 if root.is_local else nearby.without_room(estimate.mapped)
    if here > total:
        raise OverMemory(
            f"{stage.name} will take about {human(here)} of memory and this machine has {human(total)}; use fewer "
            "--workers, smaller parts, or a larger machine"
        )
    return memory + estimate.mapped


def aligned(directory: Directory, documents: Directory) -> Iterator[str]:
    """A line for each part of an artifact that has not the rows of its part of `documents`."""
    of_both = zip(artifacts.require_manifest(directory).parts, artifacts.require_manifest(documents).parts, strict=True)
    for part, document in of_both:
        if (part.name, part.rows) != (document.name, document.rows):
            yield f"{directory.path(part.path)}: not aligned with documents; delete it and run again"


def every_ordinal(directory: Directory, selection: Directory) -> Iterator[str]:
    """A line if the rows of an artifact are not those of the ordinals 0 … n−1."""
    ordinals = artifacts.read_columns(directory, ["ordinal"])["ordinal"].to_numpy()
    if not np.array_equal(ordinals, np.arange(artifacts.require_manifest(selection).statistics["kept"])):
        yield f"{directory.path()}: its rows are not those of the kept documents; delete it and run again"
