"""Commands that make a run, follow it, and try what could be changed."""

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
from rich.table import Table

from sequitur.command_line.common import (
    AsJson,
    ConfigPath,
    LogFile,
    LogFormat,
    Overrides,
    RunPath,
    Workers,
    console,
    fail,
    print_json,
    resumable,
    shown,
)
from sequitur.command_line.inputs import show_inputs
from sequitur.pipeline import config as configuration
from sequitur.pipeline.names import DOCUMENTS, METRICS, REPORT, SHARDS
from sequitur.pipeline.progress import Progress
from sequitur.pipeline.terminal import printable

if TYPE_CHECKING:
    from sequitur.pipeline.run_directory import StageStatus

PLOT = "compare.html"
WATCH_SECONDS = 2


def show_config(path: ConfigPath, overrides: Overrides = []) -> None:  # noqa: B006 - typer reads it, nobody writes it
    """Print the configuration, resolved."""
    settings = configuration.load(path, overrides)
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
    with resumable():
        if dry_run:
            show_inputs(configuration.load(path, overrides))
            return
        progress = Progress(as_json=log_format == "json", log_file=log_file)
        settings = configuration.load(path, overrides)
        bring_up_to_date(settings, workers, progress, only or first, only or last, on, refit=refit)


def bring_up_to_date(
    settings: configuration.Config,
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
    from sequitur.pipeline import engines

    options = engines.read_engine(on) if on else ()
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
    from sequitur.stages.ingest import whole_inputs

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
    if deep:
        lines = list(whole_inputs.changed(job.artifact(DOCUMENTS)))
        sys.stdout.writelines(f"{one_line(line)}\n" for line in lines or ["the input files are as they were ingested"])
        if lines:
            raise typer.Exit(1)


def _standing(stages: Iterable[StageStatus]) -> Table:
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


def compare(
    path: RunPath,
    orders: Annotated[
        str, typer.Option(metavar="NAME,…", help="Orders, as in `order.strategy`, with commas between.")
    ] = "contexts,path,iclm,random",
    policy: Annotated[
        str | None,
        typer.Option(help="How contexts are cut: whole, filled, stream, best_fit, buckets; by default as in the run."),
    ] = None,
    context_length: Annotated[int | None, typer.Option(help="Tokens in a context; as in the run if not given.")] = None,
    gain_contexts: Annotated[
        int | None,
        typer.Option(
            min=2, help="Contexts sampled for in-context gain; if not given 300, or fewer where they are long."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object; write no plot.")] = False,
) -> None:
    """Measure several orders of a run side by side, before packing any; shard families are left aside."""
    from sequitur.inspection.compare import compare as measured_orders
    from sequitur.inspection.compare_view import render
    from sequitur.pipeline import run_directory
    from sequitur.pipeline.stage import Run
    from sequitur.pipeline.storage import Directory
    from sequitur.shards.views.text import harmless_all
    from sequitur.stages.report.page.comparison import page
    from sequitur.stages.report.page.page import COMPARISON, INDEX, PAGE
    from sequitur.stages.report.page.page import render as render_page

    settings = run_directory.read_config(Directory(path))
    other = {"pack.policy": policy, "pack.context_length": context_length}
    changes = [f"{key}={value}" for key, value in other.items() if value is not None]
    progress = Progress()
    job = Run(configuration.overridden(settings, changes), progress=progress)
    names = [name for name in map(str.strip, orders.split(",")) if name]
    if not names:
        fail("--orders: name at least one order, as in --orders iclm,random", code=2)
    try:
        with progress.stage("compare"):
            comparison = measured_orders(job, names, gain_contexts)
    except KeyboardInterrupt:
        fail("interrupted; nothing was changed", code=130)
    if as_json:
        print_json(comparison)
        return
    console().print(render(comparison))
    report, told = job.artifact(REPORT), harmless_all(comparison)
    report.write_bytes(PLOT, page(told).encode())
    report.write_json(COMPARISON, told)
    progress.say(f"plot       {report.path(PLOT)}")
    if report.exists(PAGE):  # the report, now with these orders in it
        with shown(report.path(PAGE)):
            report.write_bytes(INDEX, render_page(report.read_json(PAGE), told).encode())
        progress.say(f"report     {report.path(INDEX)}")


def try_rules(
    path: RunPath,
    overrides: Overrides = [],  # noqa: B006
    examples: Annotated[int, typer.Option(min=0, help="Documents to show of each reason.")] = 2,
    as_json: AsJson = False,
) -> None:
    """Show what other rules and thresholds would drop, from the stored signals: nothing is run or changed."""
    from sequitur.inspection.rules_trial import try_rules as trial_of
    from sequitur.inspection.rules_trial_view import render
    from sequitur.pipeline import run_directory
    from sequitur.pipeline.stage import Run
    from sequitur.pipeline.storage import Directory
    from sequitur.shards.views.text import harmless_all

    job = Run(run_directory.read_config(Directory(path)))
    trial = trial_of(job, configuration.overridden(job.config, overrides), examples)
    if as_json:
        print_json(trial)
        return
    console().print(render(harmless_all(trial)))
