"""Commands that make a run, and follow it."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Annotated

import typer

from sequitur.command_line.common import (
    AsJson,
    ConfigPath,
    LogFile,
    LogFormat,
    MetricsFile,
    OpenLineage,
    Overrides,
    RunPath,
    Workers,
    console,
    fail,
    print_json,
    resumable,
    shown,
    telling,
)
from sequitur.command_line.inputs import show_inputs
from sequitur.pipeline.names import DOCUMENTS, METRICS, REPORT, SHARDS
from sequitur.pipeline.terminal import printable

if TYPE_CHECKING:
    from rich.table import Table

    from sequitur.pipeline.config import Config
    from sequitur.pipeline.progress import Progress
    from sequitur.pipeline.run_directory import StageStatus
    from sequitur.pipeline.storage import Directory

WATCH_SECONDS = 2


def show_config(path: ConfigPath, overrides: Overrides = []) -> None:  # noqa: B006 - typer reads it, nobody writes it
    """Print the configuration, resolved."""
    from sequitur.pipeline.config import load

    settings = load(path, overrides)
    text = settings.to_yaml()
    sys.stdout.write(text if printable(text) == text else settings.to_yaml(allow_unicode=False))


def run(
    path: ConfigPath,
    workers: Workers = None,
    on: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Beam options of a runner (YAML): run there, not here.")
    ] = None,
    only: Annotated[str | None, typer.Option(metavar="STAGE", help="Run this stage alone.")] = None,
    first: Annotated[str | None, typer.Option("--from", metavar="STAGE", help="Begin with this stage.")] = None,
    last: Annotated[str | None, typer.Option("--until", metavar="STAGE", help="End with this stage.")] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Read so many records at most, from all over the input: a first try.")
    ] = None,
    sample: Annotated[
        float | None, typer.Option(help="Keep this share of the documents, chosen by --seed: a first try.")
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="The seed; that of the configuration if not given.")] = None,
    refit: Annotated[
        bool,
        typer.Option("--refit", help="Fit the tokenizer and the model anew, which an updated run keeps."),
    ] = False,
    log_file: LogFile = None,
    log_format: LogFormat = "text",
    metrics_file: MetricsFile = None,
    openlineage: OpenLineage = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Look into the inputs as `sequitur inspect` does, and run nothing.")
    ] = False,
    overrides: Overrides = [],  # noqa: B006
) -> None:
    """Run the job, or bring it up to date: what is done is skipped, what was interrupted goes on. With other input
    files than before what was made of the others is kept, and so are the tokenizer and the model."""
    if only and (first or last):
        fail("--only goes without --from and --until", code=2)
    short = {"ingest.limit": limit, "ingest.sample": sample, "seed": seed}
    overrides = [*overrides, *(f"{key}={value}" for key, value in short.items() if value is not None)]
    from sequitur.pipeline.config import load

    if dry_run:
        with resumable():
            show_inputs(load(path, overrides))
        return
    with telling(log_file, log_format, metrics_file, openlineage) as progress:
        settings = load(path, overrides)
        bring_up_to_date(settings, workers, progress, only or first, only or last, on, refit=refit)


def bring_up_to_date(
    settings: Config,
    workers: int | None,
    progress: Progress,
    first: str | None = None,
    last: str | None = None,
    on: Path | None = None,
    *,
    refit: bool = False,
) -> None:
    """Runs the stages from `first` to `last`, and says where the results are.

    Raises:
        SequiturError: of `beam_job.bring_up_to_date`.
    """
    from sequitur import beam_job

    options = beam_job.options_of(on)
    count = workers or os.cpu_count() or 1
    job = beam_job.bring_up_to_date(settings, options, count, progress, first, last, refit=refit)
    report = job.artifact(REPORT)
    if last in (None, beam_job.RECIPE[-1].name) and report.exists(METRICS):
        from sequitur.inspection.summary_view import render
        from sequitur.shards.views.text import harmless_all

        with shown(report.path(METRICS)):
            progress.console.print(render(harmless_all(report.read_json(METRICS))))
        progress.say(f"report     {report.place('index.html')}")
    if any(job.artifact(SHARDS).exists(name) for name in ("manifest.json", "families.json")):
        progress.say(f"shards     {job.artifact(SHARDS).place()}")


def runners(
    paths: Annotated[
        list[Path] | None, typer.Argument(help="Files of Beam options; those of runners/ if none.")
    ] = None,
) -> None:
    """List runners, each a file of Beam options for `run --on`, and check them: options known, endpoint answers."""
    from rich.table import Table

    from sequitur.pipeline import engines
    from sequitur.pipeline.errors import SequiturError
    from sequitur.pipeline.terminal import one_line

    files = paths or sorted(Path("runners").glob("*.yaml"))
    if not files:
        fail("runners/: holds no YAML file; name one, as in sequitur runners spark.yaml")
    table = Table(box=None)
    for name in ("file", "runner", "state"):
        table.add_column(name)
    wrong = False
    for file in files:
        runner, state = "", "answers"
        try:
            options = engines.read_engine(file)
            runner = next(option.partition("=")[2] for option in options if option.startswith("--runner="))
            engines.check_reachable(options)
            if not any(option.startswith("--job_endpoint=") for option in options):
                state = "options known"
        except SequiturError as error:
            state, wrong = one_line(str(error)), True
        table.add_row(one_line(str(file)), one_line(runner), state)
    console(120).print(table)
    if wrong:
        raise typer.Exit(1)


def pool(
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0: a free one.")] = 50000,
    host: Annotated[str, typer.Option(help="Address to listen on. Who reaches it can run code here.")] = "127.0.0.1",
) -> None:
    """Start worker processes for an engine's executors on this machine, until interrupted."""
    from sequitur.pipeline import worker_pool
    from sequitur.pipeline.errors import ConfigError

    try:
        with worker_pool.serving(host, port) as bound:
            console().print(f"listening on {host}:{bound}", markup=False)
            Event().wait()
    except ConfigError as error:
        fail(str(error), code=error.exit_code)
    except KeyboardInterrupt:
        fail("interrupted; its workers have ended", code=130)


def status(
    path: RunPath,
    as_json: AsJson = False,
    watch: Annotated[
        bool, typer.Option("--watch", help="Show it again every two seconds until every stage is done, or Ctrl-C.")
    ] = False,
    deep: Annotated[
        bool, typer.Option("--deep", help="Read the input files again, too, and name those that were edited since.")
    ] = False,
) -> None:
    """Show the stages of a run: done, stale, running, interrupted, damaged or absent; rows, bytes, time."""
    from rich.live import Live

    from sequitur import beam_job
    from sequitur.pipeline import run_directory
    from sequitur.pipeline.stage import Run
    from sequitur.pipeline.storage import Directory
    from sequitur.pipeline.terminal import one_line

    if watch and (as_json or deep):
        fail("--watch goes without --json and --deep", code=2)
    job = Run(run_directory.read_config(Directory(path)))
    if deep and job.config.ingest.limit:
        fail("--deep: with ingest.limit the input files are read in part and not hashed")
    found = list(run_directory.status(beam_job.RECIPE, job))
    if watch:
        with Live(_standing(found), console=console(100)) as live, suppress(KeyboardInterrupt):
            while any(one.state != "done" for one in found):
                time.sleep(WATCH_SECONDS)
                found = list(run_directory.status(beam_job.RECIPE, job))
                live.update(_standing(found))
        return
    if as_json:
        print_json({"stages": [asdict(one) for one in found]})
    else:
        console(100).print(_standing(found))
        sys.stdout.writelines(f"{one_line(line)}\n" for line in _extensions(job.root))
    if deep:
        from sequitur.stages.ingest import whole_inputs  # and with it Beam

        lines = list(whole_inputs.changed(job.artifact(DOCUMENTS)))
        sys.stdout.writelines(f"{one_line(line)}\n" for line in lines or ["the input files are as they were ingested"])
        if lines:
            raise typer.Exit(1)


def _extensions(root: Directory) -> list[str]:
    """A line for each extension of a run."""
    from sequitur.pipeline.extensions import TOLD, extensions_of

    lines = []
    for one in extensions_of(root):
        if not one.exists(TOLD):
            lines.append(f"extension {one.place()}: unfinished; the same sequitur extend goes on with it")
            continue
        with shown(one.path(TOLD)):
            told = one.read_json(TOLD)
            lines.append(
                f"extension {one.place()}: {told['placed']:,} of {told['documents']:,} documents, "
                f"{told['tokens']:,} tokens, {sum(told['contexts'].values()):,} contexts; "
                f"{told['nearest_old']['share']['0.9']:.1%} have an old neighbour at cosine 0.9"
            )
    return lines


def _standing(stages: Iterable[StageStatus]) -> Table:
    from rich.table import Table

    from sequitur.pipeline.progress import human

    table = Table(box=None)
    for name in ("stage", "artifact", "state"):
        table.add_column(name)
    for name in ("parts", "rows", "bytes", "seconds"):
        table.add_column(name, justify="right")
    for one in stages:
        seconds = "" if one.seconds is None else f"{one.seconds:.1f}"
        table.add_row(one.name, one.artifact, one.state, f"{one.parts:,}", f"{one.rows:,}", human(one.bytes), seconds)
    return table
