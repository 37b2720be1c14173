"""Shards that are an artifact of a run, after something was taken out of them: its manifest and report follow."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from sequitur.command_line.common import fail
from sequitur.pipeline.names import METRICS, REPORT, SHARDS

if TYPE_CHECKING:
    from sequitur.pipeline.progress import Progress
    from sequitur.pipeline.stage import Run


def run_of(root: Path, progress: Progress) -> Run | None:
    """The run that the shards in `root` are an artifact of, if they are."""
    from sequitur.pipeline import run_directory
    from sequitur.pipeline.artifacts import MANIFEST
    from sequitur.pipeline.builds import BUILDING
    from sequitur.pipeline.stage import Run
    from sequitur.pipeline.storage import Directory

    parent = root.resolve().parent
    if (root / BUILDING).is_file() and not (root / MANIFEST).is_file():
        fail(f"{root}: a run is making these shards, or was interrupted; finish it first")
    if (
        root.resolve().name != SHARDS
        or not (root / MANIFEST).is_file()
        or not (parent / run_directory.CONFIG).is_file()
    ):
        return None
    return Run(run_directory.read_config(Directory(str(parent))), progress=progress)


def is_told(run: Run) -> bool:
    """Whether the report, if there is one, tells of the shards as they are now."""
    from sequitur.pipeline.errors import SequiturError

    report = run.artifact(REPORT)
    try:
        told = report.read_json(METRICS)["packing"] if report.exists(METRICS) else {}
        return not report.names() or told.items() >= run.manifest(SHARDS).statistics.items()
    except (SequiturError, KeyError, TypeError, AttributeError):
        return False


def renew_report(run: Run) -> str:
    """Makes the report anew; says where it is, or why it is not. The caller holds the run's lock."""
    from sequitur import beam_job
    from sequitur.pipeline import nearby, run_directory
    from sequitur.pipeline.errors import SequiturError

    run.root.remove(REPORT)  # which may quote what is gone
    try:
        with nearby.copies(run.root) as root:
            run_directory.make_anew(beam_job.RECIPE, replace(run, nearby=root.nearby), "report")
    except SequiturError as error:
        return f"not renewed: {error}"
    return run.artifact(REPORT).place()
