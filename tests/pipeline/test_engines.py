"""Files of Beam options, and what is looked at before a job goes to another engine."""

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apache_beam as beam
import pytest
from apache_beam.portability.api import beam_job_api_pb2
from apache_beam.runners.portability.local_job_service import LocalJobServicer

from sequitur.pipeline import engines
from sequitur.pipeline.config import Config, validate
from sequitur.pipeline.errors import ConfigError, EngineAway
from sequitur.pipeline.runner import Runner


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "spark.yaml"


def config_of(output: Any, *inputs: Any) -> Config:
    return validate({"output": str(output), "ingest": {"inputs": [str(path) for path in inputs]}}, "")


def test_options_are_those_of_beams_command_line(file: Path) -> None:
    file.write_text(
        "runner: PortableRunner\njob_endpoint: localhost:8099\nsdk_worker_parallelism: 2\nsave_main_session: true\n"
        "experiments: [a, b]\nspark_master_url: local[2]\n"
    )

    assert engines.read_engine(file) == (
        "--runner=PortableRunner",
        "--job_endpoint=localhost:8099",
        "--sdk_worker_parallelism=2",
        "--save_main_session",
        "--experiments=a",
        "--experiments=b",
        "--spark_master_url=local[2]",
    )


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("", "names no runner; begin with a line such as runner: PortableRunner"),
        ("- runner", "names no runner"),
        ("runner: [a]", "names no runner"),
        ("runner: a\nrunner: b", "not valid YAML"),
        ("runner: PortableRunner\njob_endpiont: a:1", "--job_endpiont is no option of Beam; correct or leave it out"),
        ("runner: PortableRunner\nnum_workers: many", "invalid int value: 'many'; correct it"),
        ("runner: PortableRunner\nexperiments: {a: b}", "experiments: must be a string, a number, true, false"),
        ("runner: PortableRunner\njob_name:", "job_name: must be a string, a number, true, false"),
        ("!!python/object/apply:os.getcwd []", "not valid YAML"),
    ],
)
def test_files_that_are_wrong(file: Path, content: str, complaint: str) -> None:
    file.write_text(content)

    with pytest.raises(ConfigError) as raised:
        engines.read_engine(file)
    assert str(raised.value).startswith(f"{file}: ")
    assert complaint in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_file_that_is_absent(file: Path) -> None:
    with pytest.raises(ConfigError, match=r"No such file or directory; give a file of Beam options"):
        engines.read_engine(file)


def test_an_endpoint_must_answer_as_a_job_server(job_server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    engines.check_reachable(["--runner=PortableRunner", job_server])
    monkeypatch.setattr(engines, "DESCRIBE_SECONDS", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(EngineAway, match="what listens there does not answer as a job server of Beam does"):
            engines.check_reachable(["--runner=PortableRunner", f"--job_endpoint=127.0.0.1:{port}"])
    with pytest.raises(EngineAway, match=rf"^job_endpoint 127.0.0.1:{port}: Connection refused; start the job server"):
        engines.check_reachable([f"--job_endpoint=127.0.0.1:{port}"])
    with pytest.raises(ConfigError, match="job_endpoint nowhere: must be HOST:PORT"):
        engines.check_reachable(["--job_endpoint=nowhere"])


def test_options_of_the_job_server_are_asked_of_it(
    file: Path, job_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    file.write_text("runner: PortableRunner\nstorage_level: MEMORY_AND_DISK\n")
    with pytest.raises(ConfigError, match=r"--storage_level is no option of Beam; correct or leave it out"):
        engines.read_engine(file)

    file.write_text(f"{file.read_text()}job_endpoint: {job_server.removeprefix('--job_endpoint=')}\n")
    options = engines.read_engine(file)
    assert "--storage_level=MEMORY_AND_DISK" in options
    with pytest.raises(
        ConfigError, match=r"^--storage_level is no option of Beam, nor of the job server at .*; correct it"
    ):
        engines.check_reachable(options)

    monkeypatch.setattr(JobServer, "own_options", ("storage_level",))
    engines.check_reachable(options)


@pytest.mark.parametrize(("output", "inputs", "key"), [("runs/a", "/in", "output"), ("/runs/a", "in", "ingest.inputs")])
def test_relative_paths_are_refused(output: str, inputs: str, key: str) -> None:
    with pytest.raises(ConfigError, match=f"^{key}: .* is a relative path; give a URL or an absolute path"):
        engines.check_paths(config_of(output, inputs))
    engines.check_paths(config_of("memory://run", "/in", "memory://b/*.gz"))


class JobServer(LocalJobServicer):
    """Beam's own job server, as far from this process as any: what goes there is serialised."""

    own_options: tuple[str, ...] = ()

    def DescribePipelineOptions(  # noqa: N802 - Beam's name
        self, request: Any, context: Any = None, timeout: Any = None
    ) -> beam_job_api_pb2.DescribePipelineOptionsResponse:
        options = [beam_job_api_pb2.PipelineOptionDescriptor(name=name) for name in self.own_options]
        return beam_job_api_pb2.DescribePipelineOptionsResponse(options=options)


@pytest.fixture(scope="module")
def job_server() -> Iterator[str]:
    servicer = JobServer(None)
    port = servicer.start_grpc_server(0)
    yield f"--job_endpoint=localhost:{port}"
    servicer.stop()


def test_a_worker_looks_whether_it_reaches_inputs_and_output(job_server: str, tmp_path: Path) -> None:
    runner = Runner(1, ["--runner=PortableRunner", job_server, "--environment_type=LOOPBACK"])
    (tmp_path / "a.jsonl").touch()
    (tmp_path / "file").touch()

    runner.run(engines.look_around(config_of(tmp_path / "run", tmp_path / "*.jsonl")), 1)
    assert list((tmp_path / "run").iterdir()) == []
    with pytest.raises(
        ConfigError, match=rf"{tmp_path}/none/: a worker on \S+ does not find it; correct ingest.inputs"
    ):
        runner.run(engines.look_around(config_of(tmp_path / "run", tmp_path / "none" / "*.gz")), 1)
    with pytest.raises(ConfigError, match=r"a worker on \S+ cannot write the output: .*file"):
        runner.run(engines.look_around(config_of(tmp_path / "file" / "run", tmp_path / "a.jsonl")), 1)


def test_an_interrupted_job_is_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it runs elsewhere, it would go on writing when nobody waits for it."""
    cancelled = []

    class Job:
        def wait_until_finish(self) -> None:
            raise KeyboardInterrupt

        def cancel(self) -> None:
            cancelled.append(True)
            raise RuntimeError("it has ended")

    monkeypatch.setattr(beam.Pipeline, "run", lambda pipeline: Job())
    runner = Runner(1, ["--runner=PortableRunner", "--job_endpoint=localhost:1", "--environment_type=LOOPBACK"])
    with pytest.raises(KeyboardInterrupt):
        runner.run(lambda pipeline: pipeline | beam.Create([0]), 1)
    assert cancelled == [True]
