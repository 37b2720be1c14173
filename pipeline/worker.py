"""A Beam worker process: Beam's own, made quiet, single-threaded in its libraries, and mortal with its parent.

Started by `pipeline.beam` as `python worker.py DIRECTORY PARENT PATH…`, PARENT being a process id and PATH… where the
parent imports from; leaves a file named by its own process id in DIRECTORY, so that the parent can end it.
"""

import ctypes
import logging
import os
import signal
import sys
from pathlib import Path

PR_SET_PDEATHSIG = 1  # Linux, prctl(2)


def main() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != int(sys.argv[2]):
        sys.exit(1)  # the parent ended before the line above
    for number in (signal.SIGINT, signal.SIGTERM):  # the parent's to handle, which ends its workers itself
        signal.signal(number, signal.SIG_IGN)
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS"):
        os.environ[name] = "1"
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    Path(sys.argv[1], str(os.getpid())).touch()
    root = str(Path(__file__).parents[2])  # where the package lies
    sys.path[:] = [root, *sys.argv[3:]]  # without this file's own folder, which Python put there
    logging.getLogger().setLevel(logging.CRITICAL)

    from apache_beam.runners.worker import sdk_worker_main

    sdk_worker_main.main(["worker"])


if __name__ == "__main__":
    main()
