"""Commands that look for damage."""

from __future__ import annotations

import sys

from pipeline.commands.common import RunPath, fail


def verify(path: RunPath) -> None:
    """Check a run: checksums, schemas, lineage, the ledger, no document twice. Prints one line for each problem."""
    import beam_job
    from pipeline import run_directory
    from pipeline.stage import Run
    from pipeline.storage import Directory

    job = Run(run_directory.read_config(Directory(path)))
    problems = 0
    for problem in run_directory.problems(beam_job.RECIPE, job):
        problems += 1
        sys.stdout.write(" ".join(problem.split()) + "\n")
    if problems:
        fail(f"{path}: {problems:,} problems")
    sys.stdout.write(f"{path}: sound\n")
