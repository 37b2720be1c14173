"""A real Airflow: API server, scheduler and DAG processor on the loopback, which end with the block in any case."""

import ctypes
import http.client
import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).resolve().parents[2]
AIRFLOW = ROOT / ".peers/airflow/bin/airflow"
SECONDS = 1200  # for anything that is waited for


class Airflow:
    """Its REST API, which is what its pages show."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._token = ""

    def ask(self, path: str, body: Mapping[str, Any] | None = None, method: str = "POST") -> tuple[int, Any]:
        """Status and JSON of a GET, or of a POST or another method with `body`."""
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self._token}"}
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)
        with closing(connection):
            connection.request("GET" if body is None else method, path, json.dumps(body or {}), headers)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read() or "null")

    def log_in(self) -> None:
        _, answer = self.ask("/auth/token")
        self._token = answer["access_token"]

    def trigger(self, run: str, form: Mapping[str, Any]) -> tuple[int, Any]:
        return self.ask("/api/v2/dags/sequitur/dagRuns", {"dag_run_id": run, "logical_date": None, "conf": form})

    def state(self, run: str) -> str:
        return str(self.ask(f"/api/v2/dags/sequitur/dagRuns/{run}")[1]["state"])

    def tasks(self, run: str) -> dict[str, Mapping[str, Any]]:
        """The tasks of a run by name, in the order in which they ended."""
        _, answer = self.ask(f"/api/v2/dags/sequitur/dagRuns/{run}/taskInstances")
        found = sorted(answer["task_instances"], key=lambda task: task["end_date"] or "")
        return {task["task_id"]: task for task in found}

    def mark_failed(self, run: str, task: str) -> int:
        path = f"/api/v2/dags/sequitur/dagRuns/{run}/taskInstances/{task}"
        return self.ask(path, {"new_state": "failed"}, "PATCH")[0]

    def links(self, run: str, task: str) -> dict[str, str | None]:
        _, answer = self.ask(f"/api/v2/dags/sequitur/dagRuns/{run}/taskInstances/{task}/links")
        return dict(answer["extra_links"])

    def logs(self, run: str, task: str) -> list[str]:
        """Of each attempt at a task its lines, then the errors that ended it. More than one may be Airflow's own doing:
        where its API server is slow to answer, it takes a task for lost."""
        attempts = range(1, self.tasks(run)[task]["try_number"] + 1)
        return [self._log(f"/api/v2/dags/sequitur/dagRuns/{run}/taskInstances/{task}/logs/{one}") for one in attempts]

    def _log(self, path: str) -> str:
        content = self.ask(path)[1]["content"]
        errors = [error for line in content for error in line.get("error_detail") or ()]
        return "\n".join(
            [str(line["event"]) for line in content] + [f"{one['exc_type']}: {one['exc_value']}" for one in errors]
        )


def wait_for(what: str, there: Callable[[], Any], interval: float = 0.5) -> Any:
    """What `there` returns as soon as it is true."""
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        if found := there():
            return found
        time.sleep(interval)
    raise TimeoutError(what)


def end_with_parent() -> None:
    """In a child before it is another program: SIGTERM to it when the process that started it is gone."""
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG


@contextmanager
def running(home: Path) -> Iterator[Airflow]:
    """Airflow with the DAGs of this repository, its files in `home`."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    env = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "PYTHON"))}
    env |= {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__API__BASE_URL": url,
        "AIRFLOW__API_AUTH__JWT_SECRET": "of these processes alone, for as long as they live",
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags"),
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{url}/execution/",
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__PARALLELISM": "2",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
        "AIRFLOW__SCHEDULER__ENABLE_HEALTH_CHECK": "False",
        "AIRFLOW__WORKERS__EXECUTION_API_TIMEOUT": "60",  # of a machine that does much else
        "NO_PROXY": "127.0.0.1",  # not to ask a proxy for what is here
        "no_proxy": "127.0.0.1",
    }
    subprocess.run([AIRFLOW, "db", "migrate"], env=env, check=True, capture_output=True, timeout=SECONDS)
    parts = (
        ("api-server", "--host", "127.0.0.1", "--port", url.rpartition(":")[2]),
        ("scheduler",),
        ("dag-processor",),
    )
    started: list[subprocess.Popen[bytes]] = []
    try:
        for part in parts:
            with (home / f"{part[0]}.log").open("wb") as said:
                options = {"env": env, "stdout": said, "stderr": said, "start_new_session": True}
                started.append(subprocess.Popen([AIRFLOW, *part], preexec_fn=end_with_parent, **options))
        found = Airflow(port)
        wait_for("the API server", lambda: answers(found))
        found.log_in()
        wait_for("the DAG", lambda: found.ask("/api/v2/dags/sequitur")[0] == 200)
        yield found
    except BaseException:
        for part in parts:
            print(part[0], (home / f"{part[0]}.log").read_text(errors="replace")[-3000:])
        raise
    finally:
        every = [one for process in started if process.poll() is None for one in tree_of(process.pid)]
        for one in every:
            with suppress(psutil.NoSuchProcess):
                one.kill()
        for process in started:
            process.wait()


def answers(airflow: Airflow) -> bool:
    try:
        return airflow.ask("/api/v2/version")[0] == 200
    except OSError:
        return False


def tree_of(pid: int) -> list[psutil.Process]:
    process = psutil.Process(pid)
    return [process, *process.children(recursive=True)]
