"""How a Beam job is run: in this process, in worker processes of this machine, or by a runner elsewhere.

Beam takes a second to load, and is loaded by the first job that is run: a run that finds nothing to do runs none.
"""

from __future__ import annotations

import itertools
import logging
import math
import os
import re
import shutil
import tempfile
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from sequitur.pipeline import errors
from sequitur.pipeline.storage import Directory
from sequitur.pipeline.termination import interrupts_prevail
from sequitur.pipeline.worker_processes import WORKERS, WorkerServer, command_of, end_workers, watching_workers

if TYPE_CHECKING:
    import apache_beam as beam
    from apache_beam.runners.portability.fn_api_runner import FnApiRunner

START_SECONDS = 3  # of a job, for each worker process: what the first takes until it computes; measured
JAVA_FRAME = re.compile(r"(at |[\w.$/]+\([\w.]+:\d+\)$)")


@contextmanager
def _labels_as_written() -> Iterator[None]:
    """In a notebook Beam puts the number of the cell before labels. To know whether a pipeline is the user's own it
    imports its data frames, which pandas 3 breaks; ours are nobody's own."""
    import apache_beam as beam

    altered = beam.pipeline.alter_label_if_ipython
    beam.pipeline.alter_label_if_ipython = lambda transform, pvalueish: None
    try:
        yield
    finally:
        beam.pipeline.alter_label_if_ipython = altered


class Runner:
    """How Beam jobs are run: in this process or in worker processes on this machine, or by the runner in the options.

    Args:
        workers: processes for local jobs.
        options: Beam options; with `--runner` among them the job goes there instead.
        keep: where logs of failures stay, and what worker processes need lies meanwhile; the system's temporary
            directory if not given, or not local.
        modules: what jobs need, by import path: imported once for all worker processes.
    """

    def __init__(
        self,
        workers: int = 1,
        options: Sequence[str] = (),
        keep: Directory | None = None,
        modules: Sequence[str] = (),
    ) -> None:
        self.workers = workers
        self._options = tuple(options)
        self._keep = keep if keep is not None and keep.is_local else None
        self._server = WorkerServer(modules)

    def keeping(self, directory: Directory, modules: Sequence[str] = ()) -> Runner:
        """The same runner, that keeps its logs and scratch in a directory. What a killed one left there is cleared, so
        the caller is the only one that writes there."""
        for name in directory.names():
            if name.startswith(WORKERS):
                directory.remove(name)
        return Runner(self.workers, self._options, directory, modules)

    @property
    def is_local(self) -> bool:
        return not any(option.split("=")[0] == "--runner" for option in self._options)

    @property
    def threads(self) -> int:
        """How many threads may compute in this process between jobs: as many as jobs here have workers; where jobs run
        elsewhere, as this machine has cores."""
        return self.workers if self.is_local else os.cpu_count() or 1

    def processes(self, elements: int, seconds: float = math.inf) -> int:
        """Worker processes for a job: never more than there are elements, nor more than earn their start.

        Args:
            elements: what the source creates.
            seconds: about what the job takes on one core.
        """
        return max(1, math.ceil(min(self.workers, elements, seconds / START_SECONDS))) if self.is_local else 1

    @contextmanager
    def grouping(self) -> Iterator[Callable[[], beam.PTransform]]:
        """What groups (group, packed records) in the jobs of the block, a transform for each place: the job's own
        shuffle, or on this machine, where that would hold the records in memory, files that are gone afterwards."""
        import apache_beam as beam

        from sequitur.pipeline.shuffle import GroupInFiles

        if self.is_local:
            with tempfile.TemporaryDirectory(prefix=WORKERS, dir=self._place()) as folder:
                yield partial(GroupInFiles, folder)
        else:
            yield beam.GroupByKey

    def run(self, build: Callable[[beam.Pipeline], object], elements: int, seconds: float = math.inf) -> None:
        """Builds a pipeline and runs it to its end.

        Args:
            build: applies the transforms to the pipeline.
            elements: how many elements the source creates.
            seconds: about what the job takes on one core; with `elements` it bounds the processes worth starting.

        Raises:
            SequiturError: what a worker raised, by its own class.
            StageFailed: anything else, with the traceback in the log.
            KeyboardInterrupt: Ctrl-C, wherever the job was.
        """
        from apache_beam import coders
        from apache_beam.runners.portability.fn_api_runner import FnApiRunner

        from sequitur.pipeline.beam import ArrowBatchCoder

        coders.registry.register_coder(pa.RecordBatch, ArrowBatchCoder)
        processes = self.processes(elements, seconds)
        try:
            with interrupts_prevail(), _labels_as_written():
                if not self.is_local:
                    self._run(build, None, [])
                elif processes == 1:
                    self._run(build, FnApiRunner(), ["--direct_num_workers=1"])
                else:
                    self._run_in_processes(build, processes)
        except errors.SequiturError as error:
            raise (errors.from_worker(error) or error) from None
        except Exception as error:
            raise (errors.from_worker(error) or self._failure(error)) from error

    def _run(self, build: Callable[[beam.Pipeline], object], runner: FnApiRunner | None, more: list[str]) -> None:
        import apache_beam as beam
        from apache_beam.options.pipeline_options import PipelineOptions, SetupOptions, StandardOptions

        options = PipelineOptions([*self._options, *more])
        name = str(options.view_as(StandardOptions).runner).lower().rsplit(".", 1)[-1].removesuffix("runner")
        if runner is None and name in ("none", "direct", "switchingdirect", "prism"):
            raise errors.ConfigError(
                "--runner: DirectRunner and PrismRunner differ by machine; leave it out to run here"
            )
        setup = options.view_as(SetupOptions)  # what jobs use is importable there, so `__main__` stays here
        setup.save_main_session = bool(setup.save_main_session)
        pipeline = beam.Pipeline(runner=runner, options=options)
        if runner is not None:  # what is for transforms in other languages alone would stay where a job is killed
            shutil.rmtree(pipeline.local_tempdir, ignore_errors=True)
        build(pipeline)
        job = pipeline.run()
        try:
            job.wait_until_finish()
        except BaseException:  # also Ctrl-C and SIGTERM: elsewhere the job would go on writing into this run
            if runner is None:
                with suppress(Exception):  # it may have ended, or its server be away
                    job.cancel()
            raise

    def _run_in_processes(self, build: Callable[[beam.Pipeline], object], processes: int) -> None:
        """Runs in a thread of its own, because Beam waits for ever for a worker process that was killed."""
        from apache_beam.runners.portability.fn_api_runner import FnApiRunner
        from apache_beam.transforms import environments

        scratch = tempfile.TemporaryDirectory(prefix=WORKERS, dir=self._place())
        with scratch as workers, watching_workers() as died:
            said = Path(workers, "stderr")
            command = command_of(self._server.words_of_worker(Path(workers)), said)
            runner = FnApiRunner(default_environment=environments.SubprocessSDKEnvironment.from_command_string(command))
            raised: list[BaseException] = []
            ended = threading.Event()  # Thread.is_alive is wrong after an interrupted join (CPython 3.11)

            def job() -> None:
                try:
                    self._run(
                        build,
                        runner,
                        [f"--direct_num_workers={processes}", "--direct_running_mode=in_memory"],
                    )
                except BaseException as error:  # handed to the caller's thread, below
                    raised.append(error)
                finally:
                    ended.set()

            threading.Thread(target=job, name="beam-job", daemon=True).start()
            try:
                while not ended.wait(0.1) and not died:
                    pass
            finally:
                if not ended.is_set():
                    end_workers(Path(workers))
            if died:
                ended.wait(1)
            if died and not raised:
                last_words = said.read_text(errors="replace")
                raise errors.StageFailed(
                    f"a worker process died ({died[0]}); if the machine ran out of memory use fewer --workers or a "
                    "smaller ingest.part_bytes; the same command goes on where it stopped"
                    + (f"; what it said last is in {self._log(last_words)}" if last_words else "")
                )
            if raised:
                raise raised[0]

    def _failure(self, error: BaseException) -> errors.StageFailed:
        log = self._log("".join(traceback.format_exception(error)))
        return errors.StageFailed(f"{_telling_line(str(error)) or type(error).__name__}; the traceback is in {log}")

    def _log(self, text: str) -> str:
        """Writes a file that stays; returns its path."""
        handle, path = tempfile.mkstemp(prefix="sequitur-", suffix=".log", dir=self._place())
        with os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(text)
        return path

    def _place(self) -> str | None:
        if self._keep is None:
            return None
        self._keep.make()
        return self._keep.path()


def _telling_line(said: str) -> str:
    """What an error is: the last line of a Python traceback, the one above the frames of a Java one, whose "at" may be
    missing; empty if there is none."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    above = list(itertools.takewhile(lambda line: not JAVA_FRAME.match(line), lines))
    return (above or lines or [""])[-1]


def quieten() -> None:
    """Keeps Beam's log lines off the terminal; errors reach the user as exceptions."""
    logging.basicConfig(level=logging.CRITICAL)
    logging.getLogger().setLevel(logging.CRITICAL)
