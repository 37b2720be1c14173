"""What the commands share: arguments that several take, and how a mistake of the user ends one."""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console

from sequitur.pipeline.errors import SequiturError
from sequitur.pipeline.names import SHARDS
from sequitur.pipeline.terminal import one_line

ConfigPath = Annotated[Path, typer.Argument(help="Configuration file (YAML).", show_default=False)]
RunPath = Annotated[str, typer.Argument(help="Run directory: the `output` of a configuration.", show_default=False)]


def fail(message: str, code: int = 1) -> NoReturn:
    """Ends the command with one line on standard error."""
    sys.stderr.write(f"error: {one_line(message)}\n")
    raise typer.Exit(code)


def local_shards(context: typer.Context, path: str) -> Path:
    """The directory of shards by a path that this machine can map: itself; or a copy of one on another file system,
    which is gone when the command ends. It says how much it copies."""
    if "://" not in path:
        return Path(path)
    from sequitur.pipeline.progress import Progress
    from sequitur.pipeline.stage import human
    from sequitur.pipeline.storage import Directory

    directory = Directory(path.rstrip("/"))
    if directory.is_local:
        return Path(directory.path())
    if not directory.exists():
        fail(f"{path}: no such directory; give that of some shards, such as RUN/shards")
    if not directory.exists("manifest.json") and directory.exists(SHARDS):  # a run's
        directory /= SHARDS
    above, _, name = directory.url.rpartition("/")
    scratch = tempfile.TemporaryDirectory(prefix="sequitur-")
    context.call_on_close(scratch.cleanup)
    size, free = sum(directory.sizes().values()), shutil.disk_usage(scratch.name).free
    if size > free:
        fail(f"{path}: {human(size)} would have to be copied, and {scratch.name} has {human(free)} free; set TMPDIR")
    Progress().say(f"copying {human(size)} from {directory.url}, which is read where it can be mapped")
    return Directory(above).local_copy(name, Path(scratch.name))


ShardsPath = Annotated[
    Path,
    typer.Argument(
        help="Directory of shards, such as RUN/shards, or its URL.",
        parser=str,
        callback=local_shards,
        metavar="path",
        show_default=False,
    ),
]
Overrides = Annotated[list[str], typer.Option("--set", metavar="KEY=VALUE", help="Override a setting.")]
Workers = Annotated[
    int | None, typer.Option(min=1, help="Worker processes; the number of processor cores if not given.")
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


def print_json(value: Any) -> None:
    """One JSON object on a line of standard output."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False) + "\n")


def console(width: int = 120) -> Console:
    """A console on standard output, as wide as the terminal, or `width` columns where there is none."""
    return Console(highlight=False, width=None if sys.stdout.isatty() else width)
