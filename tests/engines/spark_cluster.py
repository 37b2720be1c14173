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

import ctypes
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import psutil

REPO = Path(__file__).resolve().parents[2]
SPARK = REPO / ".engines/spark/pyspark"
BEAM = REPO / ".engines/spark/beam"  # the jars of Beam's job server
SEQUITUR = [sys.executable, "-c", "from sequitur.command_line.main import main; main()"]
WORKERS, START_SECONDS = 2, 600
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36  # Linux, prctl(2)
# What Beam on Java 17 looks into, as its own runner has it.
OPENED = [
    f"--add-opens=java.base/{package}=ALL-UNNAMED"
    for package in ("sun.nio.ch", "java.nio", "java.util", "java.lang.invoke", "java.lang")
]


class Cluster:
    """The processes, each with its log in a folder."""

    def __init__(self, folder: Path, one_context: bool) -> None:
        self._folder, self._one_context = folder, one_context
        self._environment = {
            **os.environ,
            "SPARK_HOME": str(SPARK),
            "SPARK_LOCAL_IP": "127.0.0.1",
            "SPARK_NO_DAEMONIZE": "1",
            "SPARK_DAEMON_MEMORY": "256m",
            "PYTHONPATH": str(REPO),
        }

    def start(self) -> dict[str, str]:
        """Starts everything; returns where it answers."""
        port, page, job, artifacts, pool = free_ports(5)
        master = f"spark://127.0.0.1:{port}"
        spark = [str(SPARK / "bin/spark-class"), "org.apache.spark.deploy"]
        of_master = ["--host", "127.0.0.1", "--port", str(port), "--webui-port", str(page)]
        self._run("master", [spark[0], f"{spark[1]}.master.Master", *of_master])
        wait_until("the master", lambda: answers(page))
        for number in range(WORKERS):
            place = ["--host", "127.0.0.1", "--webui-port", "0", "--work-dir", str(self._folder / f"work-{number}")]
            of_worker = [*place, "--cores", "1", "--memory", "2g", master]
            self._run(f"worker-{number}", [spark[0], f"{spark[1]}.worker.Worker", *of_worker])
        settings = {
            "spark.default.parallelism": "4",
            "spark.executor.memory": "1g",
            "beam.spark.test.reuseSparkContext": str(self._one_context).lower(),
            "spark.ui.enabled": "false",
            "spark.driver.host": "127.0.0.1",
            "spark.driver.bindAddress": "127.0.0.1",
            "spark.executor.extraJavaOptions": " ".join(OPENED),
            "spark.executor.extraClassPath": f"{BEAM}/*",
        }
        self._run(
            "job-server",
            [
                *["java", "-Xmx1g", *OPENED, *(f"-D{name}={value}" for name, value in settings.items())],
                *["-cp", f"{BEAM}/*:{SPARK}/jars/*"],  # Beam's first: Spark's Guava is too old for it
                *["org.apache.beam.runners.spark.SparkJobServerDriver", f"--spark-master-url={master}"],
                *["--job-host=127.0.0.1", f"--job-port={job}", f"--artifact-port={artifacts}", "--expansion-port=0"],
                f"--artifacts-dir={self._folder / 'artifacts'}",
            ],
        )
        self._run("pool", [*SEQUITUR, "pool", "--port", str(pool)])
        wait_until("the job server", lambda: answers(job))
        wait_until("the pool", lambda: answers(pool))
        wait_until("the workers", lambda: alive_workers(page) == WORKERS)
        return {
            "job_endpoint": f"127.0.0.1:{job}",
            "environment_config": f"127.0.0.1:{pool}",
            # With Beam's jars on the executors' class path none has to be sent there; of a list that is empty, all are.
            "files_to_stage": str(next(BEAM.glob("beam-runners-spark-3-*.jar"))),
            "master": f"http://127.0.0.1:{page}/json/",
        }

    def _run(self, name: str, command: list[str]) -> None:
        with (self._folder / f"{name}.log").open("wb") as log:
            subprocess.Popen(
                command,
                cwd=self._folder,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                preexec_fn=lambda: ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL),
            )


def free_ports(count: int) -> list[int]:
    """Ports of the loopback on which nobody listens now."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def answers(port: int) -> bool:
    """Whether somebody listens on a port of the loopback."""
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


def alive_workers(page: int) -> int:
    """How many workers the master knows to be alive; 0 while it is too busy to say."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{page}/json/", timeout=30) as answer:
            return int(json.load(answer)["aliveworkers"])
    except OSError:
        return 0


def wait_until(name: str, holds: Callable[[], bool]) -> None:
    """Waits for something of a cluster, for at most START_SECONDS."""
    deadline = time.monotonic() + START_SECONDS
    while not holds():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{name} did not answer within {START_SECONDS} seconds")
        time.sleep(0.2)


def end_all() -> None:
    """Kills every process below this one, until there is none: what is killed may have started others."""
    while below := psutil.Process().children(recursive=True):
        for process in below:
            process.kill()
        psutil.wait_procs(below, timeout=10)


def main(folder: Path, one_context: bool) -> int:
    # What a process leaves behind when it dies becomes a child of this one, and so is found by `end_all`.
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(1))
    folder.mkdir(parents=True, exist_ok=True)
    try:
        print(json.dumps(Cluster(folder, one_context).start()), flush=True)
        sys.stdin.read()
    finally:
        end_all()
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), "--one-context" in sys.argv[2:]))
