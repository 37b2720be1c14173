"""The DAG in a real Airflow: to its end with a task killed on the way, and what fails at once.

`make test-airflow` runs these.
"""

import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml
from airflow_service import AIRFLOW, ROOT, Airflow, running, wait_for
from job_runs import content

from sequitur import beam_job
from sequitur.corpora.python_docs import write_python_docs

pytestmark = pytest.mark.airflow
STAGES = [stage.name for stage in beam_job.RECIPE]
KILLED, MAKES = "annotate", "signals"
DOCUMENTS = 300


@pytest.fixture(scope="module")
def airflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Airflow]:
    if not AIRFLOW.exists():
        pytest.fail(f"{AIRFLOW} is not there: make test-airflow builds it")
    with running(tmp_path_factory.mktemp("airflow")) as found:
        yield found


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a corpus in many parts, its configuration, and a program that is not in Airflow's environment."""
    folder = tmp_path_factory.mktemp("a job; with 'marks' $(in) its name")
    write_python_docs(folder / "docs.jsonl.zst", DOCUMENTS)
    settings = {
        "output": "run",
        "ingest": {"inputs": ["docs.jsonl.zst"], "part_bytes": "16 KiB"},
        "pack": {"context_length": 512},
    }
    (folder / "job.yaml").write_text(yaml.safe_dump(settings))
    program = folder / "sequitur"
    main = f"import sys; sys.path.insert(0, {str(ROOT)!r}); from sequitur.command_line.main import main; main()"
    program.write_text(f"#!{sys.executable}\n{main}\n")
    program.chmod(0o755)
    return folder


def form(job: Path, **more: Any) -> dict[str, Any]:
    return {"config": str(job / "job.yaml"), "sequitur": str(job / "sequitur"), "workers": 2, **more}


def process_of(stage: str) -> psutil.Process | None:
    for process in psutil.process_iter(["cmdline"]):
        if f"--only={stage}" in (process.info["cmdline"] or ()):
            return process
    return None


def parts_of(job: Path) -> dict[str, int]:
    """When each part of what the killed stage makes was written, by name, wherever it lies meanwhile."""
    return {path.name: path.stat().st_mtime_ns for path in (job / "run" / MAKES).rglob("part-*.arrow")}


def test_a_task_that_is_killed_goes_on_and_the_run_is_that_of_the_plain_command(airflow: Airflow, job: Path) -> None:
    status, answer = airflow.trigger("whole", form(job, served_at="https://files.example/corpus/"))
    assert status == 200, answer
    process = wait_for(f"the process of {KILLED}", lambda: process_of(KILLED))
    wait_for(f"three parts of {MAKES}", lambda: len(parts_of(job)) >= 3, 0.005)
    process.kill()
    process.wait()
    noted = dict(sorted(parts_of(job).items(), key=lambda part: part[1])[:-1])  # the last may not have been noted
    assert len(noted) >= 2
    assert not (job / "run" / MAKES / "_manifest.json").exists()

    wait_for("the end of the run", lambda: airflow.state("whole") in ("success", "failed"), 2)

    tasks = airflow.tasks("whole")
    assert {name: task["state"] for name, task in tasks.items()} == dict.fromkeys(STAGES, "success")
    assert list(tasks) == STAGES
    assert noted.items() <= parts_of(job).items()
    plain = shutil.copytree(job, job.with_name("plain"), ignore=shutil.ignore_patterns("run"))
    subprocess.run([plain / "sequitur", "run", "job.yaml"], cwd=plain, check=True, capture_output=True)
    assert content(job / "run") == content(plain / "run")

    assert airflow.links("whole", "report") == {"Report": "https://files.example/corpus/report/index.html"}
    assert airflow.links("whole", KILLED) == {}
    *before, last = airflow.logs("whole", KILLED)
    assert [log for log in before if f"AirflowException: {KILLED} ended with -9: {KILLED} " in log]
    assert f" run --only={KILLED} --workers=2 -- " in last
    assert re.search(rf"^{KILLED} +[\d,]+ rows ", last, re.MULTILINE)


def test_what_only_a_person_can_mend_is_not_tried_again(airflow: Airflow, job: Path) -> None:
    status, answer = airflow.trigger("wrong", form(job, set=["order.strategy=alphabet"]))
    assert status == 200, answer

    wait_for("the end of the run", lambda: airflow.state("wrong") in ("success", "failed"), 2)

    tasks = airflow.tasks("wrong")
    assert {name: tasks[name]["state"] for name in STAGES} == dict.fromkeys(STAGES, "upstream_failed") | {
        "ingest": "failed"
    }
    said = "".join(airflow.logs("wrong", "ingest"))
    assert said.count("AirflowFailException: ingest ended with 78: error: ") == 1


def test_a_task_that_is_marked_as_failed_ends_its_command(airflow: Airflow, job: Path) -> None:
    status, answer = airflow.trigger("ended", form(job, set=["output=ended"]))
    assert status == 200, answer
    process = wait_for("the process of the first stage", lambda: process_of("ingest"))
    wait_for("the first stage", (job / "ended/_state/ingest.json").exists, 0.005)
    process.suspend()  # so that it does not end by itself before Airflow hears of it

    assert airflow.mark_failed("ended", "ingest") == 200

    wait_for("SIGTERM", lambda: is_told_to_end(process), 0.05)
    process.resume()
    wait_for("the end of the command", lambda: not process.is_running(), 0.1)
    assert not (job / "ended/documents/_manifest.json").exists()
    wait_for("the end of the run", lambda: airflow.state("ended") == "failed")


def is_told_to_end(process: psutil.Process) -> bool:
    """Whether SIGTERM waits for a process that is stopped."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    waiting = re.search(r"^ShdPnd:\t([0-9a-f]+)$", status, re.MULTILINE)
    return waiting is not None and bool(int(waiting[1], 16) >> (signal.SIGTERM - 1) & 1)


@pytest.mark.parametrize(
    "wrong",
    [
        {"config": "job.yaml"},
        {"config": "--help"},
        {"config": "/a\0b"},
        {"config": None},
        {"sequitur": "/bin/sh"},
        {"sequitur": "/opt/sequitur\n"},
        {"sequitur": "sequitur --help"},
        {"on": "spark.yaml"},
        {"workers": 0},
        {"workers": "2; true"},
        {"set": ["--config=/etc/passwd"]},
        {"set": "output=/tmp"},
        {"served_at": "javascript:alert(1)"},
    ],
    ids=str,
)
def test_a_form_filled_wrongly_starts_nothing(airflow: Airflow, job: Path, wrong: dict[str, Any]) -> None:
    assert airflow.trigger("none", form(job) | wrong)[0] == 400
