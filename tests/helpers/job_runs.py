"""What a job made, compared with what it made before; the line in which it ends."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import xxhash

from sequitur import beam_job
from sequitur.pipeline import run_directory
from sequitur.pipeline.config import overridden
from sequitur.pipeline.runner import Runner
from sequitur.pipeline.stage import Run

PACK = {"context_length": 48, "policy": "stream", "validation_share": 0.2, "shard_bytes": 2**18}
OWN = ("_lock", "_state", "config.yaml")  # tell of the run itself, not of what it made


def content(root: Path) -> dict[str, str]:
    """The checksum of every file of a run that does not tell of the run itself."""
    files = [path for path in root.rglob("*") if path.is_file() and path.relative_to(root).parts[0] not in OWN]
    return {str(path.relative_to(root)): xxhash.xxh3_128_hexdigest(path.read_bytes()) for path in files}


def made_by(workers: int, finished: Run, stage: str, artifact: str, copy: Path) -> dict[str, str]:
    """The checksum of every file that a stage makes anew in a copy of a finished run, by so many workers; what it takes
    is too little for more processes than one, and so they are threads."""
    shutil.copytree(finished.config.output, copy)
    config = overridden(finished.config, [f"output={copy}"])
    run = replace(finished, config=config, runner=Runner(workers))
    run.root.remove(artifact)
    run_directory.execute(beam_job.RECIPE, run, stage, stage)
    return {name: checksum for name, checksum in content(copy).items() if name.startswith(f"{artifact}/")}


def written(root: Path) -> dict[str, tuple[int, int]]:
    """Inode and time of writing of every such file."""
    status = {name: (root / name).stat() for name in content(root)}
    return {name: (one.st_ino, one.st_mtime_ns) for name, one in status.items()}


def changed(before: dict[str, Any], after: dict[str, Any]) -> set[str]:
    """Artifacts of which a file is new, gone or other than before."""
    return {name.split("/")[0] for name in before.keys() | after.keys() if before.get(name) != after.get(name)}


def mistake(ended: Any, code: int = 1) -> str:
    """The one line that a mistake prints after the announcements of stages."""
    *announced, line = ended.err.splitlines()
    assert ended.code == code
    assert ended.out == ""
    assert line.startswith("error: ")
    assert all(
        "will take up to" in other or "done before" in other or " rows " in other or "is made anew" in other
        for other in announced
    )
    return line.removeprefix("error: ")
