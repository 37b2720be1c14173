"""What the commands share: arguments that several take, and how a mistake of the user ends one."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NoReturn

import typer

from sequitur.pipeline.errors import SequiturError
from sequitur.pipeline.names import SHARDS
from sequitur.pipeline.terminal import one_line

if TYPE_CHECKING:
    from rich.console import Console

    from sequitur.pipeline.progress import Progress
    from sequitur.pipeline.storage import Directory

# C1 and the marks that reorder text; halves of surrogate pairs. C0 is escaped in JSON.
NOT_SHOWN = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "b": 3, "t": 4}
ConfigPath = Annotated[Path, typer.Argument(help="Configuration file (YAML).", show_default=False)]
RunPath = Annotated[str, typer.Argument(help="Run directory: the `output` of a configuration.", show_default=False)]


def fail(message: str, code: int = 1) -> NoReturn:
    """Ends the command with one line on standard error."""
    sys.stderr.write(f"error: {one_line(message)}\n")
    raise typer.Exit(code)


def quantity(text: str, option: str) -> int:
    """A number of things or bytes as people write it: `235M`, `2B`, `1e10`, `64GiB`. Ends the command for another."""
    found = re.fullmatch(r"([0-9]+(?:\.[0-9]*)?(?:e[0-9]{1,2})?)\s*([kmgtb]?)(i?b?)", text.strip().lower())
    if found is None or not (value := int(float(found[1]) * (1024 if "i" in found[3] else 1000) ** _POWERS[found[2]])):
        fail(f"{option}: {text} is no number above 0; write 235M, 1e10 or 64GiB", code=2)
    return value


@contextmanager
def copied(directory: Directory) -> Iterator[Path]:
    """The directory by a path that this machine can map: itself; or a copy of one on another file system, which is gone
    after the block. It says how much it copies."""
    from sequitur.pipeline import nearby
    from sequitur.pipeline.progress import Progress

    with nearby.copied(directory, Progress()) as path:
        yield path


def local_shards(context: typer.Context, path: str) -> Path:
    """A directory of shards as `copied` gives it, until the command ends; of a run's that is elsewhere its shards."""
    directory = shards_elsewhere(path)
    return Path(path) if directory is None else context.with_resource(copied(directory))


def shards_elsewhere(path: str) -> Directory | None:
    """A directory of shards that is not local, of a run's that of its shards; None for a local one."""
    if "://" not in path:
        return None
    from sequitur.pipeline.storage import Directory

    directory = Directory(path.rstrip("/"))
    if directory.is_local:
        return directory
    if not directory.exists():
        fail(f"{path}: no such directory; give that of some shards, such as RUN/shards")
    if not directory.exists("manifest.json") and directory.exists(SHARDS):  # a run's
        directory /= SHARDS
    return directory


def _shards(described: str) -> Any:
    return typer.Argument(help=described, parser=str, callback=local_shards, metavar="path", show_default=False)


DATASET = "Directory of shards, such as RUN/shards, or a run's; or its URL."
ShardsPath = Annotated[Path, _shards("Directory of shards, such as RUN/shards, or its URL.")]
DatasetPath = Annotated[Path, _shards(DATASET)]


Overrides = Annotated[list[str], typer.Option("--set", metavar="KEY=VALUE", help="Override a setting.")]
Workers = Annotated[
    int | None, typer.Option(min=1, help="Worker processes, or threads; the number of processor cores if not given.")
]
LogFile = Annotated[Path | None, typer.Option(help="Append what is said, and how far each stage is, to this file.")]
LogFormat = Annotated[
    Literal["text", "json"], typer.Option(help="json: each line an object with time, message, and of a stage how far.")
]
MetricsFile = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Keep how the run stands in this file, for Prometheus' node exporter."),
]
OpenLineage = Annotated[
    str | None,
    typer.Option(
        "--openlineage", metavar="TARGET", help="Tell of the run and its stages as OpenLineage events: file or URL."
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object instead.")]


@contextmanager
def resumable() -> Iterator[None]:
    """Ctrl-C within ends the command, which goes on from there when it is given again. An error within ends it with
    the code by which a scheduler knows whether to try again."""
    try:
        yield
    except KeyboardInterrupt:
        fail("interrupted; the same command goes on from here", code=130)
    except SequiturError as error:
        fail(str(error), code=error.exit_code)


@contextmanager
def telling(
    log_file: Path | None, log_format: str, metrics_file: Path | None, openlineage: str | None
) -> Iterator[Progress]:
    """The progress of a run that the block makes, told to whom the options say, and resumable."""
    with resumable():
        from sequitur.pipeline.progress import Progress
        from sequitur.pipeline.watching import watched

        progress = Progress(as_json=log_format == "json", log_file=log_file)
        with watched(progress, metrics_file, openlineage):
            yield progress


@contextmanager
def shown(path: str) -> Iterator[None]:
    """Within the block a file of a run's report is shown, which is nobody's to edit; where it was, an error says so."""
    try:
        yield
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError, RecursionError) as error:
        fail(f"{path}: is not what the report wrote ({type(error).__name__}); delete the report, and run again")


def print_json(value: Any) -> None:
    """One JSON object on a line of standard output; what commands a terminal or is no UTF-8 stands escaped in it."""
    text = json.dumps(value, ensure_ascii=False)
    sys.stdout.write(NOT_SHOWN.sub(lambda found: f"\\u{ord(found[0]):04x}", text) + "\n")


def console(width: int = 120) -> Console:
    """A console on standard output, as wide as the terminal, or `width` columns where there is none."""
    from rich.console import Console

    return Console(highlight=False, width=None if sys.stdout.isatty() else width)
