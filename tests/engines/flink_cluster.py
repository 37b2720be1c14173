"""Flink in Beam's job server on the loopback, for as long as somebody holds the other end of its standard input.

    python tests/engines/flink_cluster.py FOLDER

The job server, which begins a Flink of its own for each job (`[local]`), and the worker pool of Python processes, each
on a free port. When both answer it prints one JSON object, as options of Beam: `job_endpoint`, `environment_config`,
`parallelism`. The logs are in FOLDER. When its input ends, however that came to be, it ends every process that it or
they started. The jars are those that `make test-flink` puts into `.engines/`.
"""

from __future__ import annotations

import sys
from pathlib import Path

from processes import OPENED, REPO, answers, free_ports, keep, start, start_pool, wait_until

BEAM = REPO / ".engines/flink"  # the jars of Beam's job server, Flink among them


def flink(folder: Path) -> dict[str, str]:
    """Starts both; returns where they answer."""
    job, artifacts, pool = free_ports(3)
    job_server = [
        *["java", "-Xmx2g", *OPENED, "-cp", f"{BEAM}/*", "org.apache.beam.runners.flink.FlinkJobServerDriver"],
        *["--flink-master=[local]", "--job-host=127.0.0.1", f"--job-port={job}"],
        *[f"--artifact-port={artifacts}", "--expansion-port=0", f"--artifacts-dir={folder / 'artifacts'}"],
    ]
    start(folder, "job-server", job_server)
    start_pool(folder, pool)
    wait_until("the job server", lambda: answers(job))
    return {"job_endpoint": f"127.0.0.1:{job}", "environment_config": f"127.0.0.1:{pool}", "parallelism": "2"}


if __name__ == "__main__":
    keep(place := Path(sys.argv[1]), lambda: flink(place))
