"""Worker processes for the executors of an engine on this machine, which `environment_type: EXTERNAL` asks for.

Beam's own pool (`apache_beam.runners.worker.worker_pool_main`) tells workers apart by numbers that every executor
counts for itself. Of two executors on a machine one would end the other's worker, and its job fail. It also starts
whatever `python` is found first, and listens to the whole network, for anybody who would run code here.

This one ends no worker but with itself: a worker ends when its executor closes the connection to it, or dies.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
from apache_beam.portability.api import beam_fn_api_pb2, beam_fn_api_pb2_grpc
from google.protobuf import text_format

from sequitur.pipeline.errors import ConfigError
from sequitur.pipeline.worker_processes import WORKERS, words_of_worker


class WorkerPool(beam_fn_api_pb2_grpc.BeamFnExternalWorkerPoolServicer):
    """Starts a worker process for each that is asked for; each leaves a file in `scratch` while it is there."""

    def __init__(self, scratch: Path) -> None:
        self._scratch = scratch
        self._processes: list[subprocess.Popen[bytes]] = []
        # Workers die with the thread that starts them, so that is one which lives as long as this.
        self._starter = ThreadPoolExecutor(1, "start-worker")

    def StartWorker(self, request: Any, context: Any) -> Any:  # noqa: N802 - Beam's name
        try:
            self._starter.submit(self._start, request).result()
        except OSError as error:
            return beam_fn_api_pb2.StartWorkerResponse(error=f"no worker process could be started: {error}")
        return beam_fn_api_pb2.StartWorkerResponse()

    def StopWorker(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Ends none, see above: the connection is closed next."""
        return beam_fn_api_pb2.StopWorkerResponse()

    def _start(self, request: Any) -> None:
        for process in self._processes:
            if process.poll() is not None:
                Path(self._scratch, str(process.pid)).unlink(missing_ok=True)
        self._processes = [process for process in self._processes if process.returncode is None]
        process = subprocess.Popen(  # noqa: S603 - this package's own program
            words_of_worker(self._scratch),
            env={
                **os.environ,
                "WORKER_ID": request.worker_id,
                "CONTROL_API_SERVICE_DESCRIPTOR": text_format.MessageToString(request.control_endpoint),
            },
            stdin=subprocess.DEVNULL,
        )
        self._processes.append(process)

    def end(self) -> None:
        """Ends all workers. No other may be asked for from here on."""
        self._starter.shutdown()
        for process in self._processes:
            process.kill()
        for process in self._processes:
            process.wait()


@contextmanager
def serving(host: str, port: int) -> Iterator[int]:
    """A worker pool for the block; gives the port, which is a free one where 0 is given.

    Raises:
        ConfigError: it cannot listen there.
    """
    with tempfile.TemporaryDirectory(prefix=WORKERS) as scratch:
        pool = WorkerPool(Path(scratch))
        # Without this option two pools could have one port, each answering as it comes.
        server = grpc.server(ThreadPoolExecutor(4, "worker-pool"), options=[("grpc.so_reuseport", 0)])
        beam_fn_api_pb2_grpc.add_BeamFnExternalWorkerPoolServicer_to_server(pool, server)
        try:
            port = server.add_insecure_port(f"{host}:{port}")
            server.start()
        except RuntimeError as error:
            raise ConfigError(f"{host}:{port}: cannot listen there; choose another port, or end what does") from error
        try:
            yield port
        finally:
            server.stop(None).wait()
            pool.end()
