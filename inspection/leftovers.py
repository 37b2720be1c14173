"""What lies in a run and is needed neither by what is finished nor by what an interrupted run goes on from.

What is the run's own is known by name: artifacts and what stages put beside them, builds by the form of their folders,
working artifacts by their notes, temporary files by their prefix. All else is somebody's, and stays.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any

from sequitur.inspection.run_tree import RunTree, delete, tree_of
from sequitur.pipeline import artifacts, builds, former, lock, run_directory
from sequitur.pipeline.artifacts import MANIFEST, Manifest
from sequitur.pipeline.builds import BUILDING, Build
from sequitur.pipeline.errors import CorruptPart, SequiturError
from sequitur.pipeline.extensions import TOLD
from sequitur.pipeline.names import DOCUMENTS, EXTENSIONS, FITTED, NEIGHBORS, REPORT, SHARDS, TOKENS, VECTORS
from sequitur.pipeline.notes import PARTS
from sequitur.pipeline.run_directory import CONFIG, UPDATE
from sequitur.pipeline.stage import STATE, Stage, expected, wanted
from sequitur.pipeline.storage import TEMPORARY, Directory
from sequitur.pipeline.worker_processes import WORKERS

UNFINISHED_EXTENSION = "an extension that is not finished, and was added to nothing"
LOGS = re.compile(r"sequitur-.*\.log")  # of what failed: they stay until somebody has read them
BUILD = re.compile("_?[0-9a-f]{16}")
DATA = re.compile(r"(part|data|docs)-[\w.-]+\.(arrow|parquet)")
BESIDE: Mapping[str, frozenset[str]] = {  # what stages put beside their parts, under names of its own
    DOCUMENTS: frozenset({"_inputs.json"}),
    TOKENS: frozenset({"tokenizer.json"}),
    VECTORS: frozenset({"model", "_model.json", "_languages.json", "_term_weights.npy"}),
    NEIGHBORS: frozenset({"centroids.npy"}),
    REPORT: frozenset({"index.html", "page.json", "metrics.json", "compare.json", "compare.html"}),
    SHARDS: frozenset({"_extension", "_removal.json"}),  # begun, and gone on with by the same command
}
KILLED = "a temporary file of a process that was killed"
OTHER_BUILD = "a build by other settings, inputs or versions"
ABSENT = "left of an artifact that is made anew from the beginning"
WORKING = "working files of a stage that is done"
ORPHAN = "a part that no manifest names"
FORMER = "kept for an update that has ended"
RESUMABLE = "an interrupted build, which the same command goes on from"
FOREIGN = "not of this program"
LINK = "a link, which is not followed"


@dataclass(frozen=True)
class Leftover:
    """A file or directory that may go, by its path from the run: how many bytes that frees, of how many files."""

    path: str
    bytes: int
    files: int
    why: str


@dataclass(frozen=True)
class Kept:
    """Something that stays, and is to be told of."""

    path: str
    bytes: int
    why: str


@dataclass
class Found:
    """What was found in a run.

    Attributes:
        leftovers: what may go.
        kept: interrupted builds, which stay unless they are asked for; artifacts whose state nobody can tell.
        foreign: what is not the run's own.
    """

    leftovers: list[Leftover] = field(default_factory=list)
    kept: list[Kept] = field(default_factory=list)
    foreign: list[Kept] = field(default_factory=list)

    @property
    def bytes(self) -> int:
        return sum(one.bytes for one in self.leftovers)

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "bytes": self.bytes}


def collect(recipe: Sequence[Stage], root: Directory, *, with_builds: bool = False, deleting: bool = False) -> Found:
    """Finds what a run and its extensions need no more, and deletes it if asked to. Reads listings, manifests and
    notes; where a build is interrupted, also both ends of the input files, to know whether it is gone on with.

    Args:
        recipe: all stages.
        root: of the run.
        with_builds: whether what an interrupted run would go on from counts as not needed.
        deleting: whether to delete.

    Raises:
        ForeignDirectory: no run is there.
        RunLocked: a process is at work there.
    """
    run_directory.read_config(root)
    with ExitStack() as held:
        held.enter_context(lock.exclusive(root))
        for path in _extensions(tree_of(root)):
            held.enter_context(lock.exclusive(root / path))
        tree, found = tree_of(root), Found()
        _Look(recipe, root, "", tree, found, with_builds).through()
        for path in (f"{EXTENSIONS}/{name}" for name in tree.names(EXTENSIONS)):
            _extension(recipe, root, path, tree, found, with_builds)
        # The notes of builds first: without its note a build is begun anew, whatever is left of it.
        for path in sorted((one.path for one in found.leftovers), key=lambda path: not path.endswith(f"/{BUILDING}")):
            if deleting:
                delete(root, path)
    return found


def _extensions(tree: RunTree) -> list[str]:
    """The extensions that were begun, by their paths."""
    paths = (f"{EXTENSIONS}/{name}" for name in tree.names(EXTENSIONS) if name.isdecimal())
    return [path for path in paths if f"{path}/{CONFIG}" in tree.files]


def _extension(
    recipe: Sequence[Stage], root: Directory, path: str, tree: RunTree, found: Found, with_builds: bool
) -> None:
    """Looks through an extension, which is a run of its own; one that was added to nothing may go as a whole."""
    inside = Found()
    look = _Look(recipe, root, path, tree, inside, with_builds)
    added = bool({f"{path}/{TOLD}", f"{path}/{SHARDS}/{MANIFEST}"} & tree.files.keys())
    empty = all(name == STATE or lock.is_of_lock(name) or name.startswith(TEMPORARY) for name in tree.names(path))
    if path.startswith(f"{EXTENSIONS}/{TEMPORARY}") and path not in tree.links:
        look.leftover(path, KILLED, whole=True)
    elif path in tree.links or not path.rpartition("/")[2].isdecimal():
        look.foreign(path)
    elif f"{path}/{CONFIG}" not in tree.files and not (empty or (with_builds and not added)):
        inside.kept.append(Kept(path, look.bytes(path), f"nobody can tell what of it is needed: without {CONFIG}"))
    else:
        look.through()
        if (empty or with_builds) and not (added or inside.foreign or inside.kept):
            inside.leftovers.clear()
            look.leftover(path, UNFINISHED_EXTENSION, whole=True)
    found.leftovers += inside.leftovers
    found.kept += inside.kept
    found.foreign += inside.foreign


class _Look:
    """Looks through one run, at `below` in the directory of another or for an empty path at its top."""

    def __init__(
        self, recipe: Sequence[Stage], root: Directory, below: str, tree: RunTree, found: Found, with_builds: bool
    ) -> None:
        self._recipe, self._root, self._below = recipe, root, below
        self._tree, self._found, self._with_builds = tree, found, with_builds
        self._artifacts = {name: stage for stage in recipe for name in (stage.artifact, *stage.beside)}
        self._updating = f"{self._path(STATE)}/{UPDATE}" in tree.files

    def through(self) -> None:
        """Everything: the artifacts, what lies beside them, and temporary files."""
        for artifact, stage in self._artifacts.items():
            self._artifact(artifact, stage)
        tops = {name.partition("/")[0] for name in self._artifacts}
        for name in self._tree.names(self._below):
            path = self._path(name)
            if path in self._tree.links:
                self.foreign(path)
            elif name.startswith(TEMPORARY):
                self.leftover(path, KILLED, whole=True)
            elif name == STATE:
                self._state(path)
            elif name == FITTED or name in tops:
                self._temporaries(path)
            elif name not in (CONFIG, TOLD, EXTENSIONS) and not lock.is_of_lock(name):
                self.foreign(path)

    def leftover(self, path: str, why: str, *, whole: bool = False) -> None:
        """Notes a file or directory that may go. What is in it and not the run's own stays, and the directory with it;
        of a `whole` one that can only be links."""
        files, links = self._tree.within(path), self._tree.links_within(path)
        below = [] if whole or path in files else files
        strange = {one for one in below if not _is_ours(one[len(path) + 1 :])}
        for one in sorted({*strange, *links}):
            self.foreign(one)
        going = [one for one in files if one not in strange]
        if len(going) == len(files) and not links:
            self._found.leftovers.append(Leftover(path, self.bytes(path), len(files), why))
        else:
            self._found.leftovers += [Leftover(one, self._tree.files[one], 1, why) for one in going]

    def foreign(self, path: str) -> None:
        """Notes what is somebody else's."""
        self._found.foreign.append(Kept(path, self.bytes(path), LINK if path in self._tree.links else FOREIGN))

    def _path(self, name: str) -> str:
        return f"{self._below}/{name}" if self._below else name

    def bytes(self, path: str) -> int:
        """How many bytes lie at a path."""
        return sum(self._tree.files[one] for one in self._tree.within(path))

    def _temporaries(self, path: str) -> None:
        """Temporary files anywhere below, where they are not within something that goes as a whole."""
        start, going = len(path) + 1, tuple(f"{one.path}/" for one in self._found.leftovers)
        below = (one for one in (*self._tree.files, *self._tree.folders) if one.startswith(f"{path}/"))
        for one in sorted({_up_to_temporary(one, start) for one in below} - {""}):
            if not one.startswith(going):
                self.leftover(one, KILLED, whole=True)

    def _state(self, path: str) -> None:
        known = {UPDATE, *(f"{stage.name}.json" for stage in self._recipe)}
        for name in self._tree.names(path):
            if name.startswith((TEMPORARY, WORKERS)):
                self.leftover(f"{path}/{name}", KILLED, whole=True)
            elif name not in known and not LOGS.fullmatch(name):
                self.foreign(f"{path}/{name}")

    def _artifact(self, artifact: str, stage: Stage) -> None:
        path = self._path(artifact)
        directory, names = self._root / path, self._tree.names(path)
        try:
            manifest = artifacts.read_manifest(directory) if f"{path}/{MANIFEST}" in self._tree.files else None
            build = builds.current(directory) if f"{path}/{BUILDING}" in self._tree.files else None
            older = former.manifests(directory) if former.FORMER in names and self._updating else []
            noted = builds.notes(build) if build is not None and build.in_place else {}
        except CorruptPart as error:
            self._found.kept.append(Kept(path, self.bytes(path), f"nobody can tell what of it is needed: {error}"))
            return
        needed, why = {one.folder for one in older}, ABSENT
        if manifest is not None:
            needed, why = {manifest.folder, *needed}, WORKING
            self._folder(f"{path}/{manifest.folder}", manifest)
        elif build is not None:
            why = RESUMABLE if self._is_gone_on_with(stage, build) else OTHER_BUILD
        stays = manifest is not None or (why == RESUMABLE and not self._with_builds)
        if stays and build is not None and manifest is None:
            self._found.kept.append(Kept(path, self.bytes(path), RESUMABLE))
            needed.add(build.files.url.rpartition("/")[2])
        below = (one.removeprefix(f"{artifact}/") for one in self._artifacts if one.startswith(f"{artifact}/"))
        nested = {one.partition("/")[0] for one in below}
        own = {part.path.partition("/")[0] for part in (manifest.parts if manifest else noted)}
        for name in names:
            one = f"{path}/{name}"
            if one in self._tree.links:
                self.foreign(one)
            elif name == MANIFEST or name.startswith(TEMPORARY) or name in {*nested, *needed}:
                continue
            elif name == former.FORMER:
                if not self._updating:
                    self.leftover(one, FORMER, whole=True)
            elif BUILD.fullmatch(name):
                own_rest = manifest is not None and name.removeprefix("_") == manifest.fingerprint[:16]
                self.leftover(one, WORKING if own_rest else OTHER_BUILD if stays else why)
            elif name == BUILDING or self._is_working(one):
                if manifest is not None or not stays:
                    self.leftover(one, why, whole=True)
            elif name in BESIDE.get(artifact, ()):
                if not stays:
                    self.leftover(one, why, whole=True)
            elif name not in own and not (build is not None and build.in_place and stays):
                self.foreign(one)
        for part in () if stays else noted:
            if f"{path}/{part.path}" in self._tree.files:
                self.leftover(f"{path}/{part.path}", why)

    def _folder(self, path: str, manifest: Manifest) -> None:
        """The folder with the parts of a finished artifact; what begins with `_` is its stage's own."""
        for name in self._tree.names(path) if manifest.folder else ():
            one = f"{path}/{name}"
            if one in self._tree.links:
                self.foreign(one)
            elif name == PARTS:
                self.leftover(one, WORKING, whole=True)
            elif not name.startswith(("_", TEMPORARY)) and name not in manifest.names:
                if DATA.fullmatch(name):
                    self.leftover(one, ORPHAN)
                else:
                    self.foreign(one)

    def _is_working(self, path: str) -> bool:
        """Whether a directory is a working artifact: its name is a stage's own, and it holds a note of ours."""
        notes = {f"{path}/{MANIFEST}", f"{path}/{BUILDING}"}
        return path.rpartition("/")[2].startswith("_") and bool(notes & self._tree.files.keys())

    def _is_gone_on_with(self, stage: Stage, build: Build) -> bool:
        """Whether a build is what the run's own settings ask for; yes where nobody can tell, as without the inputs."""
        return self._fingerprints is None or self._fingerprints.get(stage.artifact) == build.fingerprint

    @cached_property
    def _fingerprints(self) -> Mapping[str, str] | None:
        try:
            config = run_directory.read_config(self._root / self._below if self._below else self._root)
            return expected(wanted(self._recipe, config), config)
        except SequiturError:
            return None


def _is_ours(path: str) -> bool:
    """Whether a file of a build is this program's, by its path in the build's folder."""
    *folders, name = path.split("/")
    return any(one.startswith(("_", TEMPORARY)) for one in (*folders, name)) or bool(DATA.fullmatch(name))


def _up_to_temporary(path: str, start: int) -> str:
    """A path up to its first name, behind `start`, that is a temporary file's; empty where there is none."""
    at = f"/{path[start:]}".find(f"/{TEMPORARY}")
    return "" if at < 0 else path[: start + at] + path[start + at :].partition("/")[0]
