"""Beam plumbing: batches cross processes intact, errors arrive by name, and no death of a worker goes unnoticed."""

import os
import signal
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import apache_beam as beam
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sequitur.pipeline import builds
from sequitur.pipeline.beam import ArrowBatchCoder, ReadPart, side_by_side
from sequitur.pipeline.errors import ConfigError, InputError, MissingArtifact, StageFailed, StorageFull, from_worker
from sequitur.pipeline.runner import Runner
from sequitur.pipeline.stage import Run, Stage
from sequitur.pipeline.storage import Directory

CODER = ArrowBatchCoder()


@pytest.fixture(autouse=True)
def logs(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the logs of failures go."""
    directory = tmp_path_factory.mktemp("logs")
    monkeypatch.setattr(tempfile, "tempdir", str(directory))
    return directory


def rows_of(texts: list[str | None], numbers: list[int]) -> pa.RecordBatch:
    count = min(len(texts), len(numbers))
    return pa.record_batch(
        {
            "text": pa.array(texts[:count], pa.large_string()),
            "source": pa.array(texts[:count], pa.string()).dictionary_encode(),
            "ids": pa.array([numbers[:index] for index in range(count)], pa.large_list(pa.int64())),
            "vector": pa.FixedSizeListArray.from_arrays(pa.array(numbers[:count] * 2, pa.int64()), 2),
            "kept": pa.array([number % 2 == 0 for number in numbers[:count]]),
        }
    ).replace_schema_metadata({"key": "value"})


BATCHES = st.builds(
    rows_of, st.lists(st.none() | st.text(), max_size=20), st.lists(st.integers(-(2**63), 2**63 - 1), max_size=20)
)


@settings(max_examples=50, deadline=None)
@given(BATCHES, st.integers(0, 20), st.integers(0, 20))
def test_batches_and_slices_survive_the_coder(batch: pa.RecordBatch, start: int, length: int) -> None:
    part = batch.slice(min(start, batch.num_rows), length)

    decoded = CODER.decode(CODER.encode(part))

    assert decoded.equals(part, check_metadata=True)
    assert CODER.encode(part) == CODER.encode(decoded)
    assert CODER.is_deterministic()


def test_a_slice_ships_its_own_rows_alone() -> None:
    batch = pa.record_batch({"text": pa.array(["x" * 1000] * 1000, pa.large_string())})

    assert len(CODER.encode(batch)) > 1_000_000
    assert len(CODER.encode(batch.slice(500, 1))) < 2_000


def test_columns_of_aligned_batches_stand_side_by_side() -> None:
    left, right = pa.record_batch({"a": [1, 2]}), pa.record_batch({"b": ["x", "y"], "c": [3, 4]})

    assert side_by_side([left, right]).equals(pa.record_batch({"a": [1, 2], "b": ["x", "y"], "c": [3, 4]}))


def test_reading_an_unfinished_artifact_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MissingArtifact):
        ReadPart({Directory(str(tmp_path)): ["a"]}).setup()


def test_processes_are_no_more_than_elements_and_time_earn() -> None:
    assert [Runner(4).processes(elements) for elements in (0, 1, 3, 100)] == [1, 1, 3, 4]
    assert [Runner(4).processes(100, seconds) for seconds in (0, 1, 5, 1000)] == [1, 1, 2, 4]
    assert Runner(4, ["--runner=SparkRunner"]).processes(100) == 1


@pytest.mark.parametrize("name", ["DirectRunner", "direct", "PrismRunner", "apache_beam.runners.DirectRunner"])
def test_runners_that_differ_by_machine_are_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="--runner: DirectRunner and PrismRunner differ by machine; leave it out"):
        Runner(1, [f"--runner={name}"]).run(lambda pipeline: pipeline | beam.Create([1]), 1)


def test_beam_does_not_ask_in_which_cell_of_a_notebook_a_job_was_written(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise AttributeError("type object 'DataFrame' has no attribute 'first'")

    monkeypatch.setattr("apache_beam.pipeline.alter_label_if_ipython", broken)
    Runner().run(lambda pipeline: pipeline | beam.Create([1]), 1)
    assert beam.pipeline.alter_label_if_ipython is broken  # as it was, for pipelines of the user's own


def test_unknown_runner_is_one_line() -> None:
    with pytest.raises(StageFailed, match="NoSuchRunner") as failed:
        Runner(1, ["--runner", "NoSuchRunner"]).run(lambda pipeline: pipeline | beam.Create([1]), 1)
    assert "\n" not in str(failed.value)


def run_on_two(work: Callable[[int], Any], workers: int) -> None:
    """Four elements through `work`."""
    Runner(workers).run(lambda pipeline: pipeline | beam.Create(range(4)) | beam.Reshuffle() | beam.Map(work), 4)


def pids_in(directory: Path) -> list[int]:
    return [int(file.name) for file in directory.iterdir()]


def wait_until_gone(pids: list[int]) -> None:
    deadline = time.monotonic() + 10
    for pid in pids:
        while Path(f"/proc/{pid}").exists():
            assert time.monotonic() < deadline, f"worker process {pid} is still there"
            time.sleep(0.05)


@pytest.mark.parametrize("workers", [1, 2])
def test_named_error_of_a_worker_arrives_by_class_and_message(workers: int, tmp_path: Path) -> None:
    def work(element: int) -> None:
        (tmp_path / str(os.getpid())).touch()
        raise InputError("a.jsonl: is truncated; fetch it again")

    with pytest.raises(InputError) as raised:
        run_on_two(work, workers)

    assert str(raised.value) == "a.jsonl: is truncated; fetch it again"
    assert (os.getpid() in pids_in(tmp_path)) == (workers == 1)


def test_unknown_exception_becomes_one_line_and_a_log() -> None:
    def work(element: int) -> None:
        raise ZeroDivisionError("something\nunforeseen")

    with pytest.raises(StageFailed) as failed:
        run_on_two(work, 1)

    message, log = str(failed.value).split("; the traceback is in ")
    assert message.startswith("unforeseen")
    assert "ZeroDivisionError" in Path(log).read_text()


@pytest.mark.parametrize("workers", [1, 2])
def test_logs_and_scratch_lie_where_the_runner_keeps_them(tmp_path: Path, logs: Path, workers: int) -> None:
    kept, seen = tmp_path / "kept", tmp_path / "seen"
    (kept / "sequitur-workers-killed").mkdir(parents=True)
    (kept / "annotate.json").touch()

    def work(element: int) -> None:
        seen.write_text(" ".join(path.name for path in kept.iterdir()))
        raise ZeroDivisionError("unforeseen")

    runner = Runner(workers).keeping(Directory(str(kept)))
    with pytest.raises(StageFailed) as failed:
        runner.run(lambda pipeline: pipeline | beam.Create(range(4)) | beam.Reshuffle() | beam.Map(work), 4)
    log = Path(str(failed.value).split("; the traceback is in ")[1])
    assert (log.parent, {path.name for path in kept.iterdir()}) == (kept, {"annotate.json", log.name})
    assert len(seen.read_text().split()) == workers  # with a directory for the processes, where there are some
    assert list(logs.iterdir()) == []


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("Traceback (most recent call last):\n  File a\nValueError: of Python\n", "ValueError: of Python"),
        ("java.Exception: of Spark\n\tat java.lang.Thread.run\n\nDriver stacktrace:", "java.Exception: of Spark"),
        (
            "java.Exception: Traceback (most recent call last):\n  File a\nValueError: of both\n\n\tat java.Thread\n"
            "Caused by: java.Exception: Traceback\n\t... 3 more",
            "ValueError: of both",
        ),
        (
            "org.SparkException: Only one SparkContext. It was created at:\norg.apache.Driver.run(Driver.java:29)\n"
            "java.base/java.lang.Thread.run(Thread.java:840)\n\tat org.apache.Driver",
            "org.SparkException: Only one SparkContext. It was created at:",
        ),
        ("", "RuntimeError"),
    ],
)
def test_what_an_engine_says_is_told_in_its_telling_line(
    monkeypatch: pytest.MonkeyPatch, logs: Path, said: str, told: str
) -> None:
    def fail(pipeline: beam.Pipeline) -> None:
        raise RuntimeError(said)

    monkeypatch.setattr(beam.Pipeline, "run", fail)
    with pytest.raises(StageFailed) as failed:
        Runner(1, ["--runner=PortableRunner"]).run(lambda pipeline: pipeline | beam.Create([0]), 1)
    assert str(failed.value).startswith(f"{told}; the traceback is in {logs}")


def test_an_interrupt_inside_a_step_stays_one(logs: Path) -> None:
    def work(element: int) -> None:
        signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        run_on_two(work, 1)
    assert list(logs.iterdir()) == []


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_killed_worker_fails_the_stage_at_once(tmp_path: Path, logs: Path) -> None:
    def work(element: int) -> None:
        (tmp_path / str(os.getpid())).touch()
        if len(list(tmp_path.iterdir())) == 2:
            os.write(2, b"its last words")
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(60)

    with pytest.raises(
        StageFailed, match=r"a worker process died \(return code -9\); if the machine ran out of memory"
    ):
        run_on_two(work, 2)

    assert time.time() - max(file.stat().st_mtime for file in tmp_path.iterdir()) < 10
    wait_until_gone(pids_in(tmp_path))


def test_one_process_and_two_write_the_same_parts(make_run: Callable[..., Run], recipe: tuple[Stage, Stage]) -> None:
    count, double = recipe
    builds.begin(make_run().artifact("documents"), "fingerprint")
    count.work(make_run())
    builds.finish(builds.current(make_run().artifact("documents")), {}, {}, {})
    written = []
    for workers in (1, 2):
        run = make_run(workers)
        builds.begin(run.artifact("doubled"), str(workers))
        double.work(run)
        written.append(builds.written_parts(run.build("doubled")))

    assert written[0] == written[1]
    assert [part.rows for part in written[0]] == [3, 3]


def test_named_error_is_found_in_what_beam_makes_of_it() -> None:
    text = "Traceback …\nsequitur.pipeline.errors.StorageFull: /a: the disk is full [while running 'Write']\n\n…"

    found = from_worker(RuntimeError(text))
    assert isinstance(found, StorageFull)
    assert str(found) == "/a: the disk is full"
    assert from_worker(RuntimeError("elsewhere.InputError: not ours")) is None
    assert from_worker(ValueError("InputErrors: no")) is None
