"""Runs a job until a stage, killed with SIGKILL when so many parts of an artifact are noted as whole.

python killed_stage.py CONFIG STAGE ARTIFACT COUNT
"""

import os
import signal
import sys
from collections.abc import Sequence

from sequitur import beam_job
from sequitur.pipeline import notes
from sequitur.pipeline.notes import Noted
from sequitur.pipeline.storage import Directory


def main(config: str, stage: str, artifact: str, count: str) -> int:
    write, noted = notes.write, 0

    def write_and_die(files: Directory, some: Sequence[Noted]) -> None:
        nonlocal noted
        noted += len(some) if files.url.rpartition("/")[0].endswith(f"/{artifact}") else 0
        write(files, some)
        if noted >= int(count):
            os.kill(os.getpid(), signal.SIGKILL)

    notes.write = write_and_die
    return beam_job.main(["--config", config, "--until", stage])


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
