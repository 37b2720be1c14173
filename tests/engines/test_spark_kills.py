"""Executors and drivers killed while a stage runs on a Spark cluster: the bytes of a local run, in the end.

make test-spark
"""

import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from engine_runs import Cluster, end_of, some_parts, started, wait_until
from job_runs import content

from sequitur.pipeline.errors import TRY_AGAIN
from sequitur.pipeline.names import SIGNALS

pytestmark = pytest.mark.spark
CLUSTER = ("spark_cluster.py",)  # a context for each job, without which none could be cancelled
Docs = Callable[[Path], Path]


@pytest.fixture
def copy(local: Path, tmp_path: Path) -> Path:
    """A copy of the local run without `signals`, to be made anew on the cluster."""
    root = Path(shutil.copytree(local, tmp_path / "run"))
    shutil.rmtree(root / SIGNALS)
    return root


def test_an_executor_killed_in_mid_job_costs_time_only(cluster: Cluster, docs: Docs, local: Path, copy: Path) -> None:
    """Spark gives its work to another; or the job fails for now, and the run goes on when it is given again."""
    command = ("run", docs(copy), "--on", cluster.engine, "--only", "annotate")
    with started(*command) as process:
        wait_until(some_parts(copy), "a part of signals", process)
        cluster.executors()[0].kill()
        code, said = end_of(process)
    for _ in range(3):  # as often as a scheduler would, at least
        if code == TRY_AGAIN:
            with started(*command) as process:
                code, said = end_of(process)
    assert code == 0, said
    assert content(copy) == content(local)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGKILL, -signal.SIGKILL), (signal.SIGTERM, 143)])
def test_a_driver_that_ends_in_mid_job_is_run_again(
    cluster: Cluster, docs: Docs, local: Path, copy: Path, number: signal.Signals, code: int
) -> None:
    command = ("run", docs(copy), "--on", cluster.engine, "--only", "annotate")
    with started(*command) as process:
        wait_until(some_parts(copy), "a part of signals", process)
        process.send_signal(number)
        assert end_of(process)[0] == code
    if number == signal.SIGTERM:
        wait_until(lambda: cluster.applications() == 0, "the job is cancelled")
    with started(*command) as process:
        assert end_of(process)[0] == 0
    wait_until(lambda: cluster.applications() == 0, "the job of the driver that was killed has ended")
    assert content(copy) == content(local)
