"""Executors and drivers killed while a stage runs on a Spark cluster: the bytes of a local run, in the end.

make test-spark
"""

import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from engine_runs import Cluster, end_of, some_parts, started, wait_until
from job_runs import content

from sequitur.pipeline.errors import TRY_AGAIN
from sequitur.pipeline.names import SHARDS, SIGNALS
from sequitur.stages.pack.shard_tasks import PLAN
from sequitur.stages.pack.token_runs import RUNS

pytestmark = pytest.mark.spark
CLUSTER = ("spark_cluster.py",)  # a context for each job, without which none could be cancelled
Docs = Callable[[Path], Path]


class Interrupted(NamedTuple):
    """A stage of a copy of the local run, whose artifact is to be made anew on the cluster."""

    root: Path
    stage: str
    is_under_way: Callable[[], object]  # whether its job has begun


@pytest.fixture(params=[("annotate", SIGNALS), ("pack", SHARDS)], ids=["annotate", "pack"])
def interrupted(request: pytest.FixtureRequest, cluster: Cluster, local: Path, tmp_path: Path) -> Interrupted:
    stage, artifact = request.param
    root = Path(shutil.copytree(local, tmp_path / "run"))
    shutil.rmtree(root / artifact)
    begun = {
        SIGNALS: some_parts(root),
        SHARDS: lambda: any((root / SHARDS).glob(f"_*/{PLAN}/{RUNS}")) and cluster.executors(),
    }
    return Interrupted(root, stage, begun[artifact])


def run_again(cluster: Cluster, *command: object) -> None:
    """Runs a command until it succeeds, as a scheduler would: as long as a job is left over, this job server begins no
    other, and how long that is depends on the machine."""
    for _ in range(4):
        with started(*command) as process:
            code, said = end_of(process)
        if code != TRY_AGAIN:
            break
        wait_until(lambda: cluster.applications() == 0, "the job that was left over has ended")
    assert code == 0, said


def test_an_executor_killed_in_mid_job_costs_time_only(
    cluster: Cluster, docs: Docs, local: Path, interrupted: Interrupted
) -> None:
    """Spark gives its work to another; or the job fails for now, and the run goes on when it is given again."""
    root, stage, is_under_way = interrupted
    command = ("run", docs(root), "--on", cluster.engine, "--only", stage)
    with started(*command) as process:
        wait_until(is_under_way, f"the job of {stage}", process)
        cluster.executors()[0].kill()
        code, said = end_of(process)
    if code == TRY_AGAIN:
        run_again(cluster, *command)
    else:
        assert code == 0, said
    assert content(root) == content(local)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGKILL, -signal.SIGKILL), (signal.SIGTERM, 143)])
def test_a_driver_that_ends_in_mid_job_is_run_again(
    cluster: Cluster, docs: Docs, local: Path, interrupted: Interrupted, number: signal.Signals, code: int
) -> None:
    root, stage, is_under_way = interrupted
    command = ("run", docs(root), "--on", cluster.engine, "--only", stage)
    with started(*command) as process:
        wait_until(is_under_way, f"the job of {stage}", process)
        process.send_signal(number)
        assert end_of(process)[0] == code
    if number == signal.SIGTERM:
        wait_until(lambda: cluster.applications() == 0, "the job is cancelled")
    run_again(cluster, *command)
    wait_until(lambda: cluster.applications() == 0, "the job of the driver that was killed has ended")
    assert content(root) == content(local)
