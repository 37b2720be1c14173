"""The job as an Airflow DAG: a task for each stage, here or on the runner that the form names.

Airflow 3; copy this folder to where its DAGs are. docs/running/airflow.md tells of the rest.
"""

import shlex
import subprocess
from collections import deque
from datetime import timedelta
from pathlib import Path

from airflow.sdk import DAG, BaseOperator, BaseOperatorLink, Context, Param, chain
from airflow.sdk.exceptions import AirflowException, AirflowFailException
from stage_command import STAGES, command, may_succeed_later, report_of

LAST_LINES = 100  # of what the command says, kept to tell why it failed and where the report is

# Patterns end in \Z: $ would let a line feed pass.
PARAMS = {
    "config": Param(
        type="string",
        pattern=r"^/[^\x00]*\Z",
        description="Configuration file of the job: its absolute path on the machine that runs the task. Relative "
        "paths in it are taken from its folder.",
    ),
    "on": Param(
        None,
        type=["null", "string"],
        pattern=r"^/[^\x00]*\Z",
        title="Runner",
        description="File of Beam options, such as those of Spark or Dataflow: its absolute path. Empty: run here.",
    ),
    "workers": Param(
        None,
        type=["null", "integer"],
        minimum=1,
        description="Worker processes where it runs here. Empty: one for each processor core.",
    ),
    "set": Param(
        [],
        type=["null", "array"],
        items={"type": "string", "pattern": r"^[a-z_]+(\.[a-z_]+)*=[^\x00]*\Z"},
        title="Settings",
        description="Settings over those of the file, each as KEY=VALUE on a line.",
    ),
    "sequitur": Param(
        "sequitur",
        type="string",
        pattern=r"^(/([^\x00]*/)?)?sequitur\Z",
        title="Program",
        description="The program `sequitur`, by its absolute path where it is in an environment of its own.",
    ),
    "served_at": Param(
        None,
        type=["null", "string"],
        pattern=r"^https?://[^\s\x00]+\Z",
        title="Run's URL",
        description="Where a browser finds the folder of the run, if it is served: the report is linked there.",
    ),
}


class ReportLink(BaseOperatorLink):
    """The button of the last task that opens the report."""

    name = "Report"
    xcom_key = "report"

    def get_link(self, operator: "StageOperator", *, ti_key: object) -> str:
        return operator.report


class StageOperator(BaseOperator):
    """Brings one stage up to date by a command, whose lines go to the log. What another try may mend is tried again,
    and goes on where it stopped; what only a person can mend fails at once."""

    ui_color = "#e8f0e4"

    def __init__(self, **options: object) -> None:
        super().__init__(**options)
        self.report = ""
        self._process: subprocess.Popen[str] | None = None

    def execute(self, context: Context) -> None:
        params = context["params"]
        arguments = command(self.task_id, params)
        self.log.info("%s", shlex.join(arguments))
        try:
            # Not in `with`, which after a timeout would wait for a process that is only then told to end. In the
            # process group of the task, which Airflow ends as a whole.
            self._process = process = subprocess.Popen(  # noqa: S603 - a list of arguments, which no shell reads
                arguments,
                cwd=Path(params["config"]).parent,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                encoding="utf-8",
                errors="backslashreplace",
            )
        except (FileNotFoundError, NotADirectoryError, PermissionError) as error:
            raise AirflowFailException(f"{error.filename}: {error.strerror}; correct the parameter") from error
        said: deque[str] = deque(maxlen=LAST_LINES)
        for line in process.stdout:
            said.append(line.rstrip("\n"))
            self.log.info("%s", said[-1])
        code = process.wait()
        if code:
            kind = AirflowException if may_succeed_later(code) else AirflowFailException
            raise kind(f"{self.task_id} ended with {code}: {said[-1] if said else 'it said nothing'}")
        self.report = report_of(said, params["served_at"])

    def on_kill(self) -> None:
        """SIGTERM, after which the command keeps what is finished and ends."""
        if self._process is not None:
            self._process.terminate()


class ReportOperator(StageOperator):
    """The last stage, which has the link."""

    operator_extra_links = (ReportLink(),)


with DAG(
    "sequitur",
    description="Raw documents to in-context pretraining shards.",
    doc_md=__doc__,
    schedule=None,
    catchup=False,
    params=PARAMS,
    tags=["sequitur"],
    # A run that another process holds, a worker that was lost, storage that is away: half an hour of tries.
    default_args={
        "retries": 8,
        "retry_delay": timedelta(seconds=10),
        "retry_exponential_backoff": 2,
        "max_retry_delay": timedelta(minutes=10),
    },
):
    # One after the other, though some could go side by side: a run is written by one process at a time.
    chain(*(ReportOperator(task_id=stage) if stage == STAGES[-1] else StageOperator(task_id=stage) for stage in STAGES))
