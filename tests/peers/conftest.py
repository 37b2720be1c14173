"""Readers of other libraries, run in environments of their own.

A peer test exports or adapts with our code, in .venv, and starts a small script under the Python of
`.peers/common` or `.peers/streaming` (`make test-peers` builds them), which reads with the peer's library and
prints what it read as a JSON object on its last line. Such tests bear `pytest.mark.peer`; `make test` leaves them
out.
"""

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from example_dataset import Dataset, write_dataset

REPO = Path(__file__).parents[2]
Reader = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Two splits of contexts of 16 tokens. The last of each in the order is short; of one more row of `train` the next
    token is unknown."""
    folder = tmp_path_factory.mktemp("shards")
    train = write_dataset(folder / "plain").contexts["train"]
    next_valid = train.next_valid.copy()
    next_valid[5] = False
    return write_dataset(folder / "shards", train=train._replace(next_valid=next_valid))


@pytest.fixture(scope="session")
def common_reader() -> Reader:
    """`common_reader("read_megatron.py", path, …)`: what that script of this folder printed, from `.peers/common`."""
    return lambda script, *arguments: _run("common", script, *arguments)


@pytest.fixture(scope="session")
def streaming_reader() -> Reader:
    """The same from `.peers/streaming`."""
    return lambda script, *arguments: _run("streaming", script, *arguments)


def _run(environment: str, script: str, *arguments: object) -> dict[str, Any]:
    python = REPO / ".peers" / environment / "bin/python"
    if not python.exists():
        pytest.fail(f"{python} is not there: make test-peers builds it")
    command = [python, REPO / "tests/peers" / script, *map(str, arguments)]
    env = os.environ | {"PYTHONPATH": str(REPO), "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", **OFFLINE}
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-4000:]
    return json.loads(done.stdout.splitlines()[-1])


OFFLINE = {"HF_HUB_OFFLINE": "1", "WANDB_MODE": "offline", "DO_NOT_TRACK": "1", "LITDATA_DISABLE_VERSION_CHECK": "1"}
