"""The whole job on a Spark cluster: the bytes of a local run.

make test-spark
"""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from engine_runs import Cluster, check_whole_job, end_of, started

from sequitur.pipeline import artifacts
from sequitur.pipeline.names import CONTAMINATED, FUZZY, SELECTION, SHARDS, SIGNALS
from sequitur.pipeline.storage import Directory

pytestmark = pytest.mark.spark
CLUSTER = "spark_cluster.py", "--one-context"
Docs = Callable[[Path], Path]


def test_the_local_run_has_all_that_makes_jobs(local: Path) -> None:
    reasons = artifacts.read_columns(Directory(str(local / SELECTION)), ["reason"])["reason"].to_pylist()
    assert {CONTAMINATED, FUZZY} <= set(reasons)
    assert len(json.loads((local / SHARDS / "families.json").read_text())["datasets"]) > 2
    assert len(artifacts.require_manifest(Directory(str(local / SIGNALS))).parts) > 4


def test_the_whole_job_gives_the_bytes_of_a_local_run(
    cluster: Cluster, docs: Docs, local: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "run"
    check_whole_job(cluster, docs(root), root, local, capsys)


def test_what_a_worker_misses_is_said_in_one_line(cluster: Cluster, docs: Docs, tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    with started("run", docs(tmp_path / "run"), "--on", cluster.engine, "--set", f"ingest.inputs={gone}") as process:
        code, line = end_of(process)
    assert code == 78
    assert line.startswith(f"error: {gone}: a worker on ")
    assert line.endswith(" does not find it; correct ingest.inputs")
