"""Examples that need other libraries, run in an environment of their own, `.peers/trainers` (`make test-examples`)."""

import json
import os
import subprocess
import sysconfig
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
PYTHON = ROOT / ".peers/trainers/bin/python"
Trained = Callable[..., Any]


@pytest.fixture(scope="session")
def with_trainers() -> Trained:
    """`with_trainers(script, argument, …)`: what a script of this folder printed last, as JSON. With `ours=True` it may
    import what is installed beside the tests, too."""

    def run(script: str, *arguments: object, ours: bool = False) -> Any:
        if not PYTHON.exists():
            pytest.fail(f"{PYTHON} is not there: make test-examples builds it")
        path = [str(ROOT), *([sysconfig.get_paths()["purelib"]] if ours else [])]
        env = os.environ | {
            "PYTHONPATH": os.pathsep.join(path), "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "",
            "HF_HUB_OFFLINE": "1", "DO_NOT_TRACK": "1",
        }  # fmt: skip
        command = [PYTHON, Path(__file__).parent / script, *map(str, arguments)]
        done = subprocess.run(command, env=env, cwd=ROOT, capture_output=True, text=True, timeout=600, check=False)
        assert done.returncode == 0, done.stderr[-4000:]
        return json.loads(done.stdout.splitlines()[-1])

    return run
