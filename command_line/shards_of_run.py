"""Shards that are an artifact of a run, after something was taken out of them: its manifest and report follow."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

from sequitur.command_line.common import fail
from sequitur.pipeline.names import METRICS, REPORT, SHARDS

if TYPE_CHECKING:
    from sequitur.pipeline.progress import Progress
    from sequitur.pipeline.stage import Run
    from sequitur.pipeline.storage import Directory

RENEWED = {"manifest.json", "families.json", "state.json", "dataset_info.json"}  # under their old names


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


def renew_artifact(directory: Directory, root: Path) -> bool:
    """Have the run's manifest of the shards list what is there now; whether that is a change. Repeats without harm.
    The caller holds the run's lock.

    Both are where the shards lie: as an artifact of a run, and to be read.
    """
    from sequitur.pipeline import artifacts
    from sequitur.pipeline.artifacts import Part
    from sequitur.shards.families import dataset_directories
    from sequitur.shards.manifest import read_manifest
    from sequitur.shards.side_files import dataset_files
    from sequitur.shards.totals import totals

    directory.remove_temporaries()
    old = artifacts.require_manifest(directory)
    known = {part.name: part for part in old.parts}
    listed = {
        f"{below}/{name}" if below else name
        for below in dataset_directories(root)
        for name in dataset_files(read_manifest(root / below))
    }
    parts = []
    for name in known.keys() | listed:
        size, part = directory.size(name), known.get(name)
        if size is None:
            continue
        if part is None or part.bytes != size or Path(name).name in RENEWED:
            part = Part(name, _rows(root / name), size, artifacts.digest(directory.buffer(name)))
        parts.append(part)
    parts.sort(key=lambda part: part.name.replace("/", "--"))
    new = replace(old, parts=tuple(parts), statistics={**old.statistics, **asdict(totals(root))})
    if new == old:
        return False
    directory.write_json(artifacts.MANIFEST, new.to_json())
    return True


def _rows(path: Path) -> int:
    """The contexts in a shard, 0 for any other file."""
    import pyarrow as pa

    if path.suffix != ".arrow":
        return 0
    with pa.memory_map(str(path)) as file, pa.ipc.open_stream(file) as stream:
        return sum(batch.num_rows for batch in stream)


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
