"""Extending a finished run by new documents: the old shards stay, byte for byte, and new ones come behind them.

RUN/extensions/0001/                     a run of its own over the new documents
RUN/extensions/0001/extension.json       what it added, and how near its documents are to the old ones
RUN/shards/…/data-x00001-00000-of-….arrow    its rows, as `shards.extending` added them
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from sequitur.api.artifact_of_shards import renew_artifact
from sequitur.api.log_lines import unasked_log_lines_hidden
from sequitur.api.run_view import RunView
from sequitur.inspection.old_neighbors import nearest_old
from sequitur.pipeline import artifacts, lock, run_directory
from sequitur.pipeline.config import Config, validate
from sequitur.pipeline.errors import ExtensionRefused, ExtensionUnfinished
from sequitur.pipeline.extensions import TOLD, extensions_of
from sequitur.pipeline.names import DOCUMENTS, EXTENSIONS, SELECTION, SHARDS, TOKENS, VECTORS
from sequitur.pipeline.progress import Progress
from sequitur.pipeline.stage import Run
from sequitur.pipeline.stage import wanted as stages_wanted
from sequitur.pipeline.storage import Directory
from sequitur.pipeline.watching import Planned

NO_LIMIT = 2**40  # characters: a fitted model sees all of a document
ALTERNATIVE = "make another run of the new documents, with select.against for the old ones, and train on both"


def extend(
    run: str | Path | RunView,
    inputs: str | Path | Mapping[str, Any] | Sequence[str | Path | Mapping[str, Any]],
    *,
    workers: int = 1,
    progress: bool = True,
) -> dict[str, Any]:
    """Extend a finished run by new documents: what `sequitur extend` does.

    Args:
        run: its directory, or the run as `open_run` opened it.
        inputs: what is new, as in `ingest.inputs`: files that the run has not read yet.
        workers: worker processes.
        progress: whether each stage is told on standard error.

    Returns:
        `extension`, its name; `documents` read, `kept`, `placed`; `contexts` and `tokens` that were added;
        `nearest_old`, as `inspection.old_neighbors` tells; the `fingerprint` of all the shards. Where these inputs
        extended the run before, as it was told then, and nothing is done.

    Raises:
        ExtensionRefused: the run is not finished, cannot be extended, or has read one of the files.
        SequiturError: as `run`.
    """
    root = run.path if isinstance(run, RunView) else run
    many = [inputs] if isinstance(inputs, str | Path | Mapping) else list(inputs)
    given = [str(one) if isinstance(one, Path) else one for one in many]
    with unasked_log_lines_hidden():
        return extend_run(Directory(str(root)), given, (), workers, Progress(quiet=not progress))


def extend_run(
    root: Directory, inputs: Sequence[Any], options: Sequence[str], workers: int, progress: Progress
) -> dict[str, Any]:
    """As `extend`, by Beam options of a runner, if any."""
    from sequitur import beam_job

    base = run_directory.read_config(root)
    progress.run_begins(base)
    _refuse(root, base)
    with lock.exclusive(root):
        _refuse_unfinished(Run(base, progress=progress))
        before = extensions_of(root)
        place = _place(root, base, before, inputs)
        if _is_added(root, place) and place.exists(TOLD) and not _is_begun(Run(base)):
            progress.say(f"extension  {place.place()} was added before; nothing is to be done")
            return dict(place.read_json(TOLD))
        earlier = before[: before.index(place)] if place in before else before
        settings = _settings(root, base, earlier, inputs, place)
        progress.say(f"extension  {place.place()}")
        job = beam_job.bring_up_to_date(settings, options, workers, progress)
        progress.plans([Planned("extend", [job.artifact(SHARDS)], [root / SHARDS], "")])
        with progress.stage("extend"):
            told = _add(root, earlier, job, progress)
        progress.stage_ends("extend")
    return told


def _refuse(root: Directory, base: Config) -> None:
    if not root.is_local:
        raise ExtensionRefused(f"{root.url}: shards are extended where they are local; copy the run here, and back")
    parents = Path(root.path()).resolve().parents
    if len(parents) > 1 and parents[0].name == EXTENSIONS and (parents[1] / run_directory.CONFIG).is_file():
        raise ExtensionRefused(f"{root.url}: is itself an extension; extend {parents[1]}")
    for setting, is_set in (
        ("families.by", bool(base.families.by)),
        ("pack.policy buckets", base.pack.policy == "buckets"),
        ("pack.epochs", base.pack.epochs > 1),
    ):
        if is_set:
            raise ExtensionRefused(
                f"{root.url}: was made with {setting}, by which each dataset or epoch has all of its documents; "
                f"{ALTERNATIVE}"
            )


def _refuse_unfinished(run: Run) -> None:
    """Refuses a run that is not finished, as its artifacts themselves tell: its inputs may be gone by now."""
    from sequitur import beam_job

    found: dict[str, str] = {}
    for stage in stages_wanted(beam_job.RECIPE[:-1], run.config):  # all but the report
        manifest = artifacts.read_manifest(run.artifact(stage.artifact))
        if manifest is None or any(found.get(name) != value for name, value in manifest.parents.items()):
            raise ExtensionRefused(
                f"{run.config.output}: {stage.artifact} is not finished, or out of date; bring the run up to date first"
            )
        found[stage.artifact] = manifest.fingerprint
        with suppress(ExtensionUnfinished):  # which is what is gone on with
            stage.unfinished(run)


def _is_begun(run: Run) -> bool:
    """Whether an extension of the shards was begun and not finished."""
    from sequitur.stages import pack

    try:
        pack.STAGE.unfinished(run)
    except ExtensionUnfinished:
        return True
    return False


def _place(root: Directory, base: Config, before: Sequence[Directory], inputs: Sequence[Any]) -> Directory:
    """Where the extension by these inputs lies, or will.

    Raises:
        ExtensionRefused: the run, or an extension of it, has read one of the files; or another extension is unfinished.
    """
    from sequitur.stages import ingest

    asked = validate({**base.model_dump(mode="json"), "ingest": _ingest(base, inputs)}, "--inputs")
    files = json.loads(json.dumps(ingest.STAGE.parameters(asked)["files"]))  # as they are read again
    for one in before:
        if _files_of(one) == files:
            return one
        if not _is_added(root, one):
            begun = one.exists(run_directory.CONFIG)  # else killed before anything was
            if not begun or run_directory.read_config(one).ingest.inputs == asked.ingest.inputs:
                return one
            raise ExtensionRefused(
                f"{one.place()}: was begun by other inputs and is not finished; repeat that command, or delete the "
                "directory"
            )
    new = {os.path.realpath(path): path for path, *_ in files}
    for run in (root, *before):
        for path, *_ in _files_of(run) or ():
            if (twin := new.get(os.path.realpath(path))) is not None:
                raise ExtensionRefused(
                    f"{twin}: {run.place()} has read this file before; give only files that are new, and put what was "
                    "added to an old one in a file of its own"
                )
    return root / EXTENSIONS / f"{len(before) + 1:04}"


def _files_of(run: Directory) -> list[list[Any]] | None:
    """The files that a run read, as its documents tell; None where these are not finished."""
    manifest = artifacts.read_manifest(run / DOCUMENTS)
    return None if manifest is None else list(manifest.parameters["files"])


def _ingest(base: Config, inputs: Sequence[Any]) -> dict[str, Any]:
    return {**base.ingest.model_dump(mode="json"), "inputs": list(inputs)}


def _settings(
    root: Directory, base: Config, earlier: Sequence[Directory], inputs: Sequence[Any], place: Directory
) -> Config:
    """The run's own configuration, over other inputs: with its tokenizer and its model, and against what it holds."""
    from sequitur.stages.shared.models.choices import FITTED, MODEL
    from sequitur.stages.tokenize.declaration import BYTES, END_OF_DOCUMENT, TOKENIZER, TRAIN

    content = base.model_dump(mode="json")
    content |= {"output": place.place(), "ingest": _ingest(base, inputs)}
    content["select"] |= {
        "against": [*base.select.against, root.place(), *(one.place() for one in earlier)],
        "against_ids": True,
    }
    if base.tokenize.tokenizer != BYTES:
        content["tokenize"]["tokenizer"] = (root / TOKENS).path(TOKENIZER)
    if base.tokenize.tokenizer == TRAIN:
        content["tokenize"]["end_of_document"] = END_OF_DOCUMENT
    if base.embed.model == FITTED:
        content["embed"] |= {
            "model": (root / VECTORS).path(MODEL),
            "max_characters": NO_LIMIT,
            "device": "cpu",
        }
    return validate(content, "extend")


def _is_added(root: Directory, extension: Directory) -> bool:
    """Whether the shards of a run hold those of an extension."""
    from sequitur.shards.extending import is_added
    from sequitur.shards.manifest import read_manifest

    if artifacts.read_manifest(extension / SHARDS) is None:
        return False
    return is_added(read_manifest((root / SHARDS).path()), read_manifest((extension / SHARDS).path()))


def _add(root: Directory, earlier: Sequence[Directory], job: Run, progress: Progress) -> dict[str, Any]:
    """Adds the shards of a finished extension to those of the run, and tells of it."""
    from sequitur.shards.errors import ShardError
    from sequitur.shards.extending import extend as extend_shards
    from sequitur.shards.manifest import read_manifest

    old = [root, *earlier]
    progress.step("extend: nearest old documents", None, "documents")
    near = nearest_old(job.root, old, job.seed("extend"), lambda done, total: progress.update(done))
    first_document = sum(_kept(run) for run in old)

    def advance(step: str, done: int, total: int) -> None:
        progress.step(f"extend: {step}", total, "shards")
        progress.update(done)

    try:
        added = read_manifest(job.artifact(SHARDS).path())
        whole = extend_shards((root / SHARDS).path(), job.artifact(SHARDS).path(), first_document, advance=advance)
    except ShardError as error:
        raise ExtensionRefused(str(error)) from error
    renew_artifact(root / SHARDS, Path((root / SHARDS).path()))
    selection = artifacts.require_manifest(job.artifact(SELECTION)).statistics
    told = {
        "extension": job.root.path().rsplit("/", 1)[-1],
        "documents": selection["documents"],
        "kept": selection["kept"],
        "placed": sum(split.docs for split in added.splits.values()),
        "contexts": {name: split.rows for name, split in added.splits.items()},
        "tokens": sum(split.tokens for split in added.splits.values()),
        "nearest_old": near,
        "fingerprint": whole.fingerprint,
    }
    job.root.write_json(TOLD, told)
    share = near["share"]
    progress.say(
        f"near old   {share['0.9']:.1%} of {near['compared']:,} new documents have an old neighbour at cosine 0.9 or "
        f"above, {share['0.8']:.1%} at 0.8; median {near['median']}"
    )
    rows = ", ".join(f"{count:,} of {name}" for name, count in told["contexts"].items())
    progress.say(f"added      {told['placed']:,} documents, {told['tokens']:,} tokens, contexts: {rows}")
    return told


def _kept(run: Directory) -> int:
    return int(artifacts.require_manifest(run / SELECTION).statistics["kept"])
