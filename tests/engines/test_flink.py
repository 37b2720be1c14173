"""The whole job on Flink: the bytes of a local run, its driver killed or not.

make test-flink
"""

import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from engine_runs import Cluster, check_whole_job, digests, end_of, some_parts, started, wait_until

from sequitur.pipeline.names import SIGNALS

pytestmark = pytest.mark.flink
CLUSTER = ("flink_cluster.py",)
Docs = Callable[[Path], Path]


def test_the_whole_job_gives_the_bytes_of_a_local_run(
    cluster: Cluster, docs: Docs, local: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "run"
    check_whole_job(cluster, docs(root), root, local, capsys)


def test_a_driver_that_is_killed_in_mid_job_is_run_again(
    cluster: Cluster, docs: Docs, local: Path, tmp_path: Path
) -> None:
    root = Path(shutil.copytree(local, tmp_path / "run"))
    shutil.rmtree(root / SIGNALS)
    command = ("run", docs(root), "--on", cluster.engine, "--only", "annotate")
    with started(*command) as process:
        wait_until(some_parts(root), "a part of signals", process)
        process.kill()
        assert end_of(process)[0] == -signal.SIGKILL
    with started(*command) as process:
        assert end_of(process)[0] == 0
    assert digests(root) == digests(local)
