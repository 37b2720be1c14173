"""Commands for before a run: what the inputs hold, and a configuration that fits them."""

from __future__ import annotations

import os
from copy import deepcopy
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sequitur.command_line.common import AsJson, ConfigPath, Overrides, console, fail, print_json, quantity

if TYPE_CHECKING:
    from rich.table import Table

    from sequitur.pipeline.config import Config

NOWHERE = "runs/inspected"  # a run that is not made


def init(
    path: Annotated[Path, typer.Argument(help="File to write.")] = Path("sequitur.yaml"),
    inputs: Annotated[
        list[str] | None,
        typer.Option("--from", metavar="INPUT", help="Files, globs or directories to look into; several times."),
    ] = None,
    recipe: Annotated[
        str | None, typer.Option(metavar="NAME", help="A recipe for a kind of corpus; `list` shows them all.")
    ] = None,
) -> None:
    """Write a commented configuration with every default, or a recipe; with --from one that fits these inputs."""
    from rich.console import Console

    from sequitur.pipeline import recipes
    from sequitur.pipeline.config_text import STARTER, starter_yaml

    if recipe == "list":
        console().print(_recipes())
        return
    if path.exists():
        fail(f"{path}: exists already; delete it or give another name")
    said = recipes.reading(recipe) if recipe else {}
    fitted: dict[str, Any] = {}
    left = "set ingest.inputs and output, then"
    if inputs and said:
        fitted = {"inputs": [{"path": each, **deepcopy(said)} for each in inputs]}
        left = "see that output suits you, then"
    elif inputs:
        from sequitur.inspection.fitting import fitting
        from sequitur.pipeline.progress import Progress

        with Progress().stage("init"):
            fitted = fitting(_reading(inputs).ingest)
        left = "see that output suits you, then"
    chosen = dict(STARTER) | {f"ingest.{name}": value for name, value in fitted.items()}
    text = recipes.recipe(recipe, fitted) if recipe else starter_yaml(chosen)
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        fail(f"{path}: {error.strerror}; choose another place")
    Console(stderr=True, highlight=False, soft_wrap=True).print(
        f"wrote {path}; {left}: sequitur run {path}", markup=False
    )


def _recipes() -> Table:
    from rich.table import Table

    from sequitur.pipeline import recipes

    table = Table(box=None)
    for name in ("recipe", "for"):
        table.add_column(name)
    for name, purpose in recipes.purposes().items():
        table.add_row(name, purpose)
    return table


def inspect(
    inputs: Annotated[list[str], typer.Argument(help="Files, globs or directories.", show_default=False)],
    overrides: Overrides = [],  # noqa: B006 - typer reads it, nobody writes it
    as_json: AsJson = False,
) -> None:
    """Show what a run would read of these inputs, and what it would take: nothing is written.

    Which files are read as what, which fields they have, what is passed over, languages and lengths of some documents,
    and by estimate how many there are, and the time, memory and disk of each stage.
    """
    from sequitur.pipeline.config import overridden

    show_inputs(overridden(_reading(inputs), overrides), as_json=as_json)


def plan(
    path: ConfigPath,
    documents: Annotated[str, typer.Option(metavar="N", help="How many documents: 235M, 1e10.")],
    bytes_each: Annotated[int, typer.Option("--bytes", min=1, help="Bytes of text of a document, on average.")] = 4000,
    on: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Beam options of a runner (YAML), as for `run --on`.")
    ] = None,
    cores: Annotated[str, typer.Option(metavar="N,…", help="Cores of all workers, to choose from.")] = "100,1000",
    core_memory: Annotated[str, typer.Option(metavar="SIZE", help="Memory for a worker on one core.")] = "4GiB",
    driver_cores: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Cores of the driver; this machine's if not given.")
    ] = None,
    driver_memory: Annotated[
        str | None, typer.Option(metavar="SIZE", help="Memory for the driver; this machine's if not given.")
    ] = None,
    price: Annotated[float, typer.Option(min=0, help="Of a core for an hour.")] = 0.05,
    overrides: Overrides = [],  # noqa: B006
    as_json: AsJson = False,
) -> None:
    """Show what a job would take of so many documents: time, memory, shuffle and cost of each stage, and what breaks
    first. No input is read."""
    from sequitur import beam_job
    from sequitur.inspection.scale import Machines, plan_at_scale
    from sequitur.inspection.scale_view import render
    from sequitur.pipeline import engines
    from sequitur.pipeline.config import load
    from sequitur.pipeline.memory import machine_bytes
    from sequitur.pipeline.runner import Runner

    options = () if on is None else engines.read_engine(on)
    count = quantity(documents, "--documents")
    driver = machine_bytes() if driver_memory is None else quantity(driver_memory, "--driver-memory")
    each = quantity(core_memory, "--core-memory")
    machines = [
        Machines(number, each, driver_cores or os.cpu_count() or 1, driver, price)
        for number in sorted({quantity(one, "--cores") for one in cores.split(",")})
    ]
    found = plan_at_scale(beam_job.RECIPE, load(path, overrides), count, bytes_each, machines, Runner(1, options))
    if as_json:
        print_json(found)
        return
    console(160).print(render(found))


def _reading(inputs: list[str]) -> Config:
    from sequitur.pipeline.config import validate

    return validate({"output": NOWHERE, "ingest": {"inputs": list(inputs)}}, "inputs")


def show_inputs(settings: Config, *, as_json: bool = False) -> None:
    """Prints what is seen of the inputs.

    Raises:
        SequiturError: they cannot be found or read.
    """
    from sequitur import beam_job
    from sequitur.inspection.inputs import inspect as looked_into
    from sequitur.inspection.inputs_view import render
    from sequitur.pipeline.progress import Progress
    from sequitur.shards.views.text import harmless_all

    progress = Progress()
    with progress.stage("inspect"):
        found = looked_into(settings, beam_job.RECIPE, progress)
    if as_json:
        print_json(found)
        return
    console().print(render(harmless_all(found)))
