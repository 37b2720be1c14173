"""Another engine to run the jobs on: the Beam options of a runner, from a small YAML file, and whether they can work.

    runner: PortableRunner
    job_endpoint: localhost:8099
    environment_type: EXTERNAL
    environment_config: localhost:50000

Every key is an option of Beam, spelled as on its command line, without the dashes. One that nobody knows is an error
here, where Beam would leave it aside.
"""

from __future__ import annotations

import argparse
import re
import socket
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

import apache_beam as beam
import yaml
from apache_beam.options.pipeline_options import PipelineOptions

from sequitur.pipeline.config import Config, read_yaml
from sequitur.pipeline.errors import ConfigError, EngineAway, SequiturError
from sequitur.pipeline.storage import TEMPORARY, Directory

ANSWER_SECONDS = 5  # that an endpoint has to answer
OF_JOB_SERVERS = ("flink_", "spark_")  # options of these runners that Beam's Python side passes on unread


def read_engine(path: Path) -> tuple[str, ...]:
    """The Beam options in a file.

    Raises:
        ConfigError: it cannot be read, says something else, or names no runner.
    """
    try:
        content = read_yaml(path.read_bytes())
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}; give a file of Beam options") from error
    except (yaml.YAMLError, RecursionError) as error:
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
    """Refuses options that neither Beam nor a job server knows, or whose value Beam does not take.

    Raises:
        ConfigError: such an option is among them.
    """
    parser = _Parser(allow_abbrev=False, add_help=False, conflict_handler="resolve")
    for kind in PipelineOptions.__subclasses__():
        kind._add_argparse_args(parser)
    try:
        _, unknown = parser.parse_known_args(list(options))
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}; correct it") from None
    unknown = [option for option in unknown if not option.removeprefix("--").startswith(OF_JOB_SERVERS)]
    if unknown:
        raise ConfigError(f"{where}: {unknown[0].split('=')[0]} is no option of Beam; correct or leave it out")


def check_reachable(options: Sequence[str]) -> None:
    """Refuses a job server that does not answer, which Beam itself would wait for for minutes.

    Raises:
        EngineAway: nobody answers at `--job_endpoint`.
        ConfigError: it is no HOST:PORT.
    """
    for option in options:
        name, _, value = option.partition("=")
        if name != "--job_endpoint":
            continue
        host, _, port = value.rpartition(":")
        if not host or not port.isdecimal():
            raise ConfigError(f"job_endpoint {value}: must be HOST:PORT")
        try:
            socket.create_connection((host.strip("[]"), int(port)), ANSWER_SECONDS).close()
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise EngineAway(f"job_endpoint {value}: {reason}; start the job server there, or correct it") from error


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
        self._output, self._inputs = Directory(config.output), tuple(each.path for each in config.ingest.inputs)

    def process(self, _: int) -> Iterator[None]:
        for pattern in self._inputs:
            place = re.split(r"[^/]*[*?\[{]", pattern, maxsplit=1)[0]  # of a glob, the directory before it
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
