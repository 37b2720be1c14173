"""An S3 server on the loopback, and before it a proxy that counts what is asked of it.

Such tests bear `pytest.mark.s3`; `make test-s3` builds the server (MinIO, from source) and installs s3fs beside .venv.
Whatever a test starts is gone with it: the server also dies with the process of the tests.
"""

import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from counting_proxy import CountingProxy

KEYS = {"AWS_ACCESS_KEY_ID": "sequitur", "AWS_SECRET_ACCESS_KEY": "no-secret-at-all", "AWS_DEFAULT_REGION": "us-east-1"}


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def die_with_parent() -> None:
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a MinIO server."""
    binary = os.environ.get("MINIO")
    if not binary or not Path(binary).exists():
        pytest.fail("no MINIO: make test-s3 builds it")
    data, address = tmp_path_factory.mktemp("minio"), f"127.0.0.1:{free_port()}"
    env = os.environ | {
        "MINIO_ROOT_USER": KEYS["AWS_ACCESS_KEY_ID"],
        "MINIO_ROOT_PASSWORD": KEYS["AWS_SECRET_ACCESS_KEY"],
    }
    command = [binary, "server", "--quiet", "--address", address, "--console-address", f"127.0.0.1:{free_port()}", data]
    with (data.parent / "minio.log").open("wb") as log:
        process = subprocess.Popen(command, env=env, stdout=log, stderr=log, preexec_fn=die_with_parent)
        try:
            _wait_for(f"http://{address}/minio/health/live", process)
            yield f"http://{address}"
        finally:
            process.kill()
            process.wait()


def _wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 120
    while time.monotonic() < until and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=5):  # noqa: S310 - http
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    pytest.fail("MinIO does not answer; see minio.log in the folder of the tests")


@pytest.fixture(scope="session")
def proxy(server: str) -> Iterator[CountingProxy]:
    one = CountingProxy(server)
    yield one
    one.close()


@pytest.fixture(scope="session", autouse=True)
def environment(proxy: CountingProxy) -> Iterator[None]:
    """What a user sets: keys, and where the server is. All requests go by the proxy."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {**KEYS, "AWS_ENDPOINT_URL": proxy.url}.items():
            patch.setenv(name, value)
        yield


@pytest.fixture(scope="session")
def bucket(environment: None) -> Any:
    """Makes an empty bucket, and returns its URL."""
    import s3fs

    def make() -> str:
        name = f"bucket-{uuid.uuid4().hex[:12]}"
        s3fs.S3FileSystem().mkdir(name)
        return f"s3://{name}"

    return make


Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts Python with some arguments in a process group of its own, which is gone after the test."""
    started: list[subprocess.Popen[str]] = []

    def run(*arguments: object) -> subprocess.Popen[str]:
        command = [sys.executable, "-P", *map(str, arguments)]
        process = subprocess.Popen(
            command,
            env={**os.environ, "TMPDIR": str(tmp_path)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            preexec_fn=die_with_parent,
        )
        started.append(process)
        return process

    yield run
    for process in started:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
