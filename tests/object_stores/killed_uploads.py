"""Runs a job over and over, each time in a process that is to be killed, and at last to its end.

    python killed_uploads.py CONFIG KILLS

Prints the number of each process as it starts, and exits with what the last one returned.
"""

import os
import sys

import sentence_transformers  # noqa: F401 - once here, and not in every job

from sequitur import beam_job


def main(config: str, kills: int) -> int:
    for number in range(kills + 1):
        child = os.fork()
        if child == 0:
            os.setsid()
            sys.stdout.write(f"{os.getpid()}\n")
            sys.stdout.flush()
            os._exit(beam_job.main(["--config", config]))
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if number < kills and status >= 0:
            sys.stderr.write(f"kill {number} was not reached, exit code {status}\n")
            return 1
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2])))
