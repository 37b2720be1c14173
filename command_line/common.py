"""What the commands share: arguments that several take, and how a mistake of the user ends one."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console

from sequitur.pipeline.errors import SequiturError
from sequitur.pipeline.terminal import one_line

ConfigPath = Annotated[Path, typer.Argument(help="Configuration file (YAML).", show_default=False)]
RunPath = Annotated[str, typer.Argument(help="Run directory: the `output` of a configuration.", show_default=False)]
ShardsPath = Annotated[Path, typer.Argument(help="Directory of shards, such as RUN/shards.", show_default=False)]
Overrides = Annotated[list[str], typer.Option("--set", metavar="KEY=VALUE", help="Override a setting.")]
Workers = Annotated[
    int | None, typer.Option(min=1, help="Worker processes; the number of processor cores if not given.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object instead.")]


def fail(message: str, code: int = 1) -> NoReturn:
    """Ends the command with one line on standard error."""
    sys.stderr.write(f"error: {one_line(message)}\n")
    raise typer.Exit(code)


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


def print_json(value: Any) -> None:
    """One JSON object on a line of standard output."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False) + "\n")


def console(width: int = 120) -> Console:
    """A console on standard output, as wide as the terminal, or `width` columns where there is none."""
    return Console(highlight=False, width=None if sys.stdout.isatty() else width)
