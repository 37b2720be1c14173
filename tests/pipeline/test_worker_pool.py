"""Worker processes for executors: two on a machine do not end each other's, and none outlives what it works for."""

import queue
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, NamedTuple

import grpc
import psutil
import pytest
from apache_beam.portability.api import beam_fn_api_pb2, beam_fn_api_pb2_grpc, endpoints_pb2

from sequitur.pipeline import worker_pool
from sequitur.pipeline.errors import ConfigError


class Executor(beam_fn_api_pb2_grpc.BeamFnControlServicer):
    """What a worker connects to; gives it nothing to do."""

    def __init__(self) -> None:
        self.connected: queue.Queue[str] = queue.Queue()
        self._server = grpc.server(ThreadPoolExecutor(4))
        beam_fn_api_pb2_grpc.add_BeamFnControlServicer_to_server(self, self._server)
        self.address = f"localhost:{self._server.add_insecure_port('localhost:0')}"
        self._server.start()

    def Control(self, responses: Iterator[Any], context: Any) -> Iterator[Any]:  # noqa: N802 - Beam's name
        self.connected.put(dict(context.invocation_metadata())["worker_id"])
        while context.is_active():
            time.sleep(0.05)
        yield from ()

    def close(self) -> None:
        self._server.stop(None).wait()


class Pool(NamedTuple):
    """A pool that listens, as an executor calls it."""

    stub: beam_fn_api_pb2_grpc.BeamFnExternalWorkerPoolStub

    def start(self, executor: Executor, worker: str) -> None:
        endpoint = endpoints_pb2.ApiServiceDescriptor(url=executor.address)
        answer = self.stub.StartWorker(beam_fn_api_pb2.StartWorkerRequest(worker_id=worker, control_endpoint=endpoint))
        assert answer.error == ""

    def stop(self, worker: str) -> None:
        self.stub.StopWorker(beam_fn_api_pb2.StopWorkerRequest(worker_id=worker))


@contextmanager
def listening() -> Iterator[Pool]:
    with worker_pool.serving("127.0.0.1", 0) as port, grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield Pool(beam_fn_api_pb2_grpc.BeamFnExternalWorkerPoolStub(channel))


def workers() -> list[psutil.Process]:
    """Those of pools, not the servers of workers that other tests left."""
    children = [process for process in psutil.Process().children() if process.status() != psutil.STATUS_ZOMBIE]
    return [process for process in children if "alone" in process.cmdline()]


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_executors_with_workers_of_the_same_number_do_not_end_each_others() -> None:
    one, two = Executor(), Executor()
    with listening() as pool:
        pool.start(one, "1-1")
        pool.start(two, "1-1")
        assert [executor.connected.get(timeout=60) for executor in (one, two)] == ["1-1", "1-1"]
        _, second = workers()
        pool.stop("1-1")
        one.close()
        wait_until(lambda: len(workers()) == 1)
        assert workers() == [second]
        pool.start(two, "2-1")
        assert two.connected.get(timeout=60) == "2-1"
        assert len(workers()) == 2
    assert workers() == []
    two.close()


def test_two_pools_do_not_share_a_port() -> None:
    with (
        worker_pool.serving("127.0.0.1", 0) as port,
        pytest.raises(ConfigError, match=rf"^127.0.0.1:{port}: cannot listen there; choose another port"),
        worker_pool.serving("127.0.0.1", port),
    ):
        pass
