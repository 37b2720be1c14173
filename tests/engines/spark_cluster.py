"""A Spark cluster on the loopback, for as long as somebody holds the other end of its standard input.

    python tests/engines/spark_cluster.py FOLDER [--one-context]

A standalone master, two workers of a core each, Beam's job server and the worker pools of Python processes, each on a
free port. When all of them answer it prints one JSON object: `job_endpoint`, `environment_config`, `master`; the logs
are in FOLDER. When its input ends, however that came to be, it ends every process that it or they started. Spark and
Beam's jars are those that `make test-spark` puts into `.engines/`.

Beam makes a Spark context for each job, and so executors: half of what small jobs cost. With `--one-context` all jobs
share one, by a switch that Beam has for its own tests; a job is then not cancelled with its driver.
"""

from __future__ import annotations

import json
import sys
import urllib.request
from pathlib import Path

from processes import OPENED, REPO, answers, free_ports, keep, start, start_pool, wait_until

SPARK = REPO / ".engines/spark/pyspark"
BEAM = REPO / ".engines/spark/beam"  # the jars of Beam's job server
WORKERS = 2
ENVIRONMENT = {
    "SPARK_HOME": str(SPARK),
    "SPARK_LOCAL_IP": "127.0.0.1",
    "SPARK_NO_DAEMONIZE": "1",
    "SPARK_DAEMON_MEMORY": "256m",
}


def spark(folder: Path, one_context: bool) -> dict[str, str]:
    """Starts everything; returns where it answers."""
    port, page, job, artifacts, pool = free_ports(5)
    master = f"spark://127.0.0.1:{port}"
    command = [str(SPARK / "bin/spark-class"), "org.apache.spark.deploy"]
    of_master = ["--host", "127.0.0.1", "--port", str(port), "--webui-port", str(page)]
    start(folder, "master", [command[0], f"{command[1]}.master.Master", *of_master], ENVIRONMENT)
    wait_until("the master", lambda: answers(page))
    for number in range(WORKERS):
        place = ["--host", "127.0.0.1", "--webui-port", "0", "--work-dir", str(folder / f"work-{number}")]
        of_worker = [*place, "--cores", "1", "--memory", "2g", master]
        start(folder, f"worker-{number}", [command[0], f"{command[1]}.worker.Worker", *of_worker], ENVIRONMENT)
    settings = {
        "spark.default.parallelism": "4",
        "spark.executor.memory": "1g",
        "beam.spark.test.reuseSparkContext": str(one_context).lower(),
        "spark.ui.enabled": "false",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.executor.extraJavaOptions": " ".join(OPENED),
        "spark.executor.extraClassPath": f"{BEAM}/*",
    }
    job_server = [
        *["java", "-Xmx1g", *OPENED, *(f"-D{name}={value}" for name, value in settings.items())],
        *["-cp", f"{BEAM}/*:{SPARK}/jars/*"],  # Beam's first: Spark's Guava is too old for it
        *["org.apache.beam.runners.spark.SparkJobServerDriver", f"--spark-master-url={master}"],
        *["--job-host=127.0.0.1", f"--job-port={job}", f"--artifact-port={artifacts}", "--expansion-port=0"],
        f"--artifacts-dir={folder / 'artifacts'}",
    ]
    start(folder, "job-server", job_server, ENVIRONMENT)
    start_pool(folder, pool)
    wait_until("the job server", lambda: answers(job))
    wait_until("the workers", lambda: alive_workers(page) == WORKERS)
    return {
        "job_endpoint": f"127.0.0.1:{job}",
        "environment_config": f"127.0.0.1:{pool}",
        # With Beam's jars on the executors' class path none has to be sent there; of a list that is empty, all are.
        "files_to_stage": str(next(BEAM.glob("beam-runners-spark-3-*.jar"))),
        "master": f"http://127.0.0.1:{page}/json/",
    }


def alive_workers(page: int) -> int:
    """How many workers the master knows to be alive; 0 while it is too busy to say."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{page}/json/", timeout=30) as answer:
            return int(json.load(answer)["aliveworkers"])
    except OSError:
        return 0


if __name__ == "__main__":
    keep(place := Path(sys.argv[1]), lambda: spark(place, "--one-context" in sys.argv[2:]))
