"""Another engine to run the jobs on: the Beam options of a runner, from a small YAML file, and whether they can work.

    runner: PortableRunner
    job_endpoint: localhost:8099
    environment_type: EXTERNAL
    environment_config: localhost:50000

Every key is an option of Beam, or of the job server (Spark's has `storage_level`), spelled as on Beam's command line,
without the dashes. One that nobody knows is an error here, where Beam would leave it aside.
"""

from __future__ import annotations

import argparse
import socket
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

import apache_beam as beam
import grpc
import yaml
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.portability.api import beam_job_api_pb2, beam_job_api_pb2_grpc

from sequitur.pipeline.config import Config, read_yaml
from sequitur.pipeline.errors import ConfigError, EngineAway, SequiturError
from sequitur.pipeline.storage import TEMPORARY, Directory

ANSWER_SECONDS, DESCRIBE_SECONDS = 5, 60  # that an endpoint has to answer, and to say which options it has
ENDPOINT = "--job_endpoint="
OF_JOB_SERVERS = ("flink_", "spark_")  # options that Beam's Python side passes on unread to a server that it starts


def read_engine(path: Path) -> tuple[str, ...]:
    """The Beam options in a file.

    Raises:
        ConfigError: it cannot be read, says something else, or names no runner.
    """
    try:
        content = read_yaml(path.read_bytes())
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}; give a file of Beam options") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: not valid YAML ({str(error).splitlines()[0]}); mend it") from error
    if not isinstance(content, dict) or not isinstance(content.get("runner"), str):
        raise ConfigError(f"{path}: names no runner; begin with a line such as runner: PortableRunner")
    options = [option for name, value in content.items() for option in _spelled(path, str(name), value)]
    check_names(options, str(path))
    return tuple(options)


def _spelled(path: Path, name: str, value: Any) -> Iterable[str]:
    for one in value if isinstance(value, list) else [value]:
        if isinstance(one, Mapping | list) or one is None:
            raise ConfigError(f"{path}: {name}: must be a string, a number, true, false or a list of these")
        if one is True:
            yield f"--{name}"
        elif one is not False:
            yield f"--{name}={one}"


class _Parser(argparse.ArgumentParser):
    """A parser that raises where argparse would end the process."""

    def error(self, message: str) -> NoReturn:
        raise ConfigError(message)


def check_names(options: Sequence[str], where: str) -> None:
    """Refuses options that Beam does not know, or whose value it does not take. Those that a job server may know are
    left to `check_reachable`.

    Raises:
        ConfigError: such an option is among them.
    """
    unknown = _unknown(options, where)
    if unknown and not any(option.startswith(ENDPOINT) for option in options):
        raise ConfigError(f"{where}: --{unknown[0]} is no option of Beam; correct or leave it out")


def _unknown(options: Sequence[str], where: str) -> list[str]:
    """The names of the options that Beam's Python side does not know."""
    parser = _Parser(allow_abbrev=False, add_help=False, conflict_handler="resolve")
    for kind in PipelineOptions.__subclasses__():
        kind._add_argparse_args(parser)
    try:
        _, unknown = parser.parse_known_args(list(options))
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}; correct it") from None
    names = [option.removeprefix("--").partition("=")[0] for option in unknown]
    return [name for name in names if not name.startswith(OF_JOB_SERVERS)]


def check_reachable(options: Sequence[str]) -> None:
    """Refuses a job server that does not answer, which Beam itself would wait for for minutes, and options that it does
    not know either.

    Raises:
        EngineAway: no job server answers at `--job_endpoint`.
        ConfigError: it is no HOST:PORT; or an option is known neither to Beam nor there.
    """
    for endpoint in (option.removeprefix(ENDPOINT) for option in options if option.startswith(ENDPOINT)):
        host, _, port = endpoint.rpartition(":")
        if not host or not port.isdecimal():
            raise ConfigError(f"job_endpoint {endpoint}: must be HOST:PORT")
        try:
            socket.create_connection((host.strip("[]"), int(port)), ANSWER_SECONDS).close()
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise EngineAway(f"job_endpoint {endpoint}: {reason}; start the job server there, or correct it") from error
        known = _described(endpoint)
        for name in _unknown(options, "the Beam options"):
            if name not in known:
                raise ConfigError(f"--{name} is no option of Beam, nor of the job server at {endpoint}; correct it")


def _described(endpoint: str) -> set[str]:
    """The names of the options that a job server has of its own."""
    with grpc.insecure_channel(endpoint) as channel:
        server = beam_job_api_pb2_grpc.JobServiceStub(channel)
        try:
            answer = server.DescribePipelineOptions(
                beam_job_api_pb2.DescribePipelineOptionsRequest(), timeout=DESCRIBE_SECONDS
            )
        except grpc.RpcError as error:
            raise EngineAway(
                f"job_endpoint {endpoint}: what listens there does not answer as a job server of Beam does "
                f"({error.code().name}); start one there, or correct it"
            ) from error
    return {option.name for option in answer.options}


def check_paths(config: Config) -> None:
    """Refuses relative paths, which mean something else on every machine.

    Raises:
        ConfigError: the output or an input is one.
    """
    for key, paths in {
        "output": [config.output],
        "ingest.inputs": [each.path for each in config.ingest.inputs],
    }.items():
        for path in paths:
            if "://" not in path and not Path(path).is_absolute():
                raise ConfigError(
                    f"{key}: {path} is a relative path; give a URL or an absolute path that the workers reach"
                )
    Directory(config.output).path()  # names a file system that is known


class LookAround(beam.DoFn):
    """What a worker must reach: the inputs, and the output to write to. Yields nothing."""

    def __init__(self, config: Config) -> None:
        self._output, self._inputs = Directory(config.output), tuple(each.fixed for each in config.ingest.inputs)

    def process(self, _: int) -> Iterator[None]:
        for place in self._inputs:
            if not Directory(place).exists():
                raise ConfigError(
                    f"{place}: a worker on {socket.gethostname()} does not find it; correct ingest.inputs"
                )
        name = f"{TEMPORARY}{uuid.uuid4().hex}"
        try:
            self._output.write_bytes(name, b"")
            self._output.remove(name)
        except SequiturError as error:
            raise ConfigError(f"a worker on {socket.gethostname()} cannot write the output: {error}") from error
        yield from ()


def look_around(config: Config) -> Callable[[beam.Pipeline], object]:
    """A job in which a worker imports this package, finds the inputs and writes to the output: minutes before a stage
    would, and with a line that says what is wrong."""
    return lambda pipeline: pipeline | beam.Create([0]) | beam.ParDo(LookAround(config))
