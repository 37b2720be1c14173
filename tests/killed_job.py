"""Runs a job over and over, each time killed with SIGKILL at another point, and at last to its end.

    python killed_job.py CONFIG OUTPUT [ARTIFACT:COUNT[:before]]…

At the point `signals:3` the third part of `signals` has just been noted as whole; with `:before` it has been written,
but not noted. Prints one JSON object per kill: the inode and time of writing of every Arrow part that is whole then.
"""

import json
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import sentence_transformers  # noqa: F401 - once here, and not in every job

from sequitur import beam_job
from sequitur.pipeline import notes
from sequitur.pipeline.notes import Noted
from sequitur.pipeline.storage import Directory


def die_at(point: str) -> None:
    """Arranges for this process and its group to be killed at a point of the job."""
    artifact, count, *before = point.split(":")
    write, noted = notes.write, 0

    def write_and_die(files: Directory, some: Sequence[Noted]) -> None:
        nonlocal noted
        noted += len(some) if files.url.rpartition("/")[0].endswith(f"/{artifact}") else 0
        if noted >= int(count) and before:
            os.killpg(0, signal.SIGKILL)
        write(files, some)
        if noted >= int(count):
            os.killpg(0, signal.SIGKILL)

    notes.write = write_and_die


def whole_parts(root: Path) -> dict[str, tuple[int, int]]:
    """Inode and time of writing of every Arrow part that is noted as whole, or that stands in a manifest."""
    found = {}
    for artifact in root.iterdir():
        parts = [
            (note.parents[1].name, one["name"])
            for note in artifact.glob("*/_parts/*.json")
            for one in json.loads(note.read_text())
        ]
        for manifest in artifact.glob("_manifest.json"):
            about = json.loads(manifest.read_text())
            parts += [(about["folder"], part["name"]) for part in about["parts"]]
        for folder, name in parts:
            last = artifact / ("" if folder.startswith("_") else folder) / name  # where it comes to lie
            status = (last if last.exists() else artifact / folder / name).stat()
            if name.endswith(".arrow"):
                found[str(last.relative_to(root))] = (status.st_ino, status.st_mtime_ns)
    return found


def main(config: str, output: Path, points: list[str]) -> int:
    for point in points:
        child = os.fork()
        if child == 0:
            os.setsid()
            die_at(point)
            os._exit(beam_job.main(["--config", config]))
        _, status = os.waitpid(child, 0)
        if not os.WIFSIGNALED(status):
            sys.stderr.write(f"{point}: not reached, exit code {os.waitstatus_to_exitcode(status)}\n")
            return 1
        sys.stdout.write(json.dumps(whole_parts(output)) + "\n")
    return beam_job.main(["--config", config])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], Path(sys.argv[2]), sys.argv[3:]))
