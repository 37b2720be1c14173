"""Beam plumbing: record batches as elements, parts as the source and the sink, and how a job is run.

Every map-only stage has the same shape, and only primitives that all runners have:

    Create(part names) | Reshuffle | ParDo(ReadPart) | ParDo(the stage) | ParDo(WritePart)
"""

from __future__ import annotations

import itertools
import logging
import math
import os
import shutil
import tempfile
import threading
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import apache_beam as beam
import numpy as np
import pyarrow as pa
from apache_beam import coders
from apache_beam.options.pipeline_options import PipelineOptions, SetupOptions, StandardOptions
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.transforms import environments

from sequitur.pipeline import artifacts, builds, errors
from sequitur.pipeline.artifacts import Part
from sequitur.pipeline.builds import Build
from sequitur.pipeline.notes import Together
from sequitur.pipeline.storage import Directory
from sequitur.pipeline.worker_processes import WORKERS, WorkerServer, command_of, end_workers, watching_workers

START_SECONDS = 3  # of a job, for each worker process: what the first takes until it computes; measured
Rows = tuple[str, pa.RecordBatch]  # a part's name and its rows


class ArrowBatchCoder(coders.Coder):
    """A record batch as an Arrow IPC stream: no pickle, deterministic, and a slice ships only its own rows."""

    def encode(self, value: pa.RecordBatch) -> bytes:
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, value.schema) as writer:
            writer.write_batch(value)
        return sink.getvalue().to_pybytes()

    def decode(self, encoded: bytes) -> pa.RecordBatch:
        return pa.ipc.open_stream(encoded).read_next_batch()

    def is_deterministic(self) -> bool:
        return True

    def to_type_hint(self) -> type:
        return pa.RecordBatch


class ReadPart(beam.DoFn):
    """A part's name → its name and the chosen columns of row-aligned artifacts, side by side in one batch."""

    def __init__(self, columns: Mapping[Directory, Sequence[str]]) -> None:
        self._columns = columns
        self._fingerprints = {directory: artifacts.require_manifest(directory).fingerprint for directory in columns}

    def setup(self) -> None:
        self._parts = {
            directory: {part.name: part for part in artifacts.require_manifest(directory, fingerprint).parts}
            for directory, fingerprint in self._fingerprints.items()
        }

    def process(self, name: str) -> Iterator[Rows]:
        batches = [
            artifacts.read_part(directory, self._parts[directory][name], columns)
            for directory, columns in self._columns.items()
        ]
        yield name, side_by_side(batches)


class WritePart(beam.DoFn):
    """A part's name and rows → the part on storage, whole or not at all; yields its entry for the manifest."""

    def __init__(self, build: Build, *, compress: bool) -> None:
        self._build = build
        self._compress = compress

    def start_bundle(self) -> None:
        self._notes = Together(self._build.files)

    def process(self, rows: Rows) -> Iterator[Part]:
        name, batch = rows
        part, about = builds.put_part(self._build, name, batch, compress=self._compress)
        self._notes.add(part, about)
        yield part

    def finish_bundle(self) -> None:
        self._notes.write()


def side_by_side(batches: Iterable[pa.RecordBatch]) -> pa.RecordBatch:
    """The columns of several batches of equal length as one batch."""
    columns = [(field, column) for batch in batches for field, column in zip(batch.schema, batch.columns, strict=True)]
    return pa.record_batch([column for _, column in columns], schema=pa.schema([field for field, _ in columns]))


@beam.typehints.with_input_types(str)
@beam.typehints.with_output_types(Rows)
class RowsOfParts(beam.PTransform):
    """Names of parts → rows, spread over the workers."""

    def __init__(self, columns: Mapping[Directory, Sequence[str]]) -> None:
        super().__init__()
        self._columns = columns

    def expand(self, names: beam.PCollection) -> beam.PCollection:
        return names | "Spread" >> beam.Reshuffle() | "Read" >> beam.ParDo(ReadPart(self._columns))


def by_group(records: np.ndarray, group: np.ndarray, groups: int) -> Iterator[tuple[int, bytes]]:
    """(group, packed records) for each group that has some; `group` int64 holds each record's."""
    order = np.argsort(group, kind="stable")
    ends = np.searchsorted(group[order], np.arange(groups + 1))
    for index in np.flatnonzero(np.diff(ends)).tolist():
        yield index, records[order[ends[index] : ends[index + 1]]].tobytes()


@contextmanager
def _labels_as_written() -> Iterator[None]:
    """In a notebook Beam puts the number of the cell before labels. To know whether a pipeline is the user's own it
    imports its data frames, which pandas 3 breaks; ours are nobody's own."""
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
    """

    def __init__(self, workers: int = 1, options: Sequence[str] = (), keep: Directory | None = None) -> None:
        self.workers = workers
        self._options = tuple(options)
        self._keep = keep if keep is not None and keep.is_local else None
        self._server = WorkerServer()

    def keeping(self, directory: Directory) -> Runner:
        """The same runner, that keeps its logs and scratch in a directory. What a killed one left there is cleared, so
        the caller is the only one that writes there."""
        for name in directory.names():
            if name.startswith(WORKERS):
                directory.remove(name)
        return Runner(self.workers, self._options, directory)

    @property
    def is_local(self) -> bool:
        return not any(option.split("=")[0] == "--runner" for option in self._options)

    def processes(self, elements: int, seconds: float = math.inf) -> int:
        """Worker processes for a job: never more than there are elements, nor more than earn their start.

        Args:
            elements: what the source creates.
            seconds: about what the job takes on one core.
        """
        return max(1, math.ceil(min(self.workers, elements, seconds / START_SECONDS))) if self.is_local else 1

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
        coders.registry.register_coder(pa.RecordBatch, ArrowBatchCoder)
        processes = self.processes(elements, seconds)
        try:
            with _labels_as_written():
                if not self.is_local:
                    self._run(build, None, [])
                elif processes == 1:
                    self._run(build, FnApiRunner(), ["--direct_num_workers=1"])
                else:
                    self._run_in_processes(build, processes)
        except errors.SequiturError as error:
            raise (errors.from_worker(error) or error) from None
        except Exception as error:
            if str(error).startswith("KeyboardInterrupt"):  # Ctrl-C in a step: Beam makes a RuntimeError of it
                raise KeyboardInterrupt from None
            raise (errors.from_worker(error) or self._failure(error)) from error

    def _run(self, build: Callable[[beam.Pipeline], object], runner: FnApiRunner | None, more: list[str]) -> None:
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
    """What an error is: the last line of a Python traceback, the one above the frames of a Java one; empty if there is
    none."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    above = list(itertools.takewhile(lambda line: not line.startswith("at "), lines))
    return (above or lines or [""])[-1]


def quieten() -> None:
    """Keeps Beam's log lines off the terminal; errors reach the user as exceptions."""
    logging.basicConfig(level=logging.CRITICAL)
    logging.getLogger().setLevel(logging.CRITICAL)
