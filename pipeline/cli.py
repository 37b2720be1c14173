"""The command line. A user's mistake prints one line and ends with a code that is not 0; Ctrl-C can be resumed from."""

from __future__ import annotations

import json
import logging
import os
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console
from rich.table import Table

from pipeline import config as configuration
from pipeline.config_text import starter_yaml
from pipeline.errors import SequiturError

app = typer.Typer(
    name="sequitur",
    help="Raw documents to in-context pretraining shards.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
corpus = typer.Typer(help="Corpora that can be made on this machine.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(corpus, name="corpus")
rules = typer.Typer(help="Rules by which documents are dropped.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(rules, name="rules")

PLOT = "compare.html"

ConfigPath = Annotated[Path, typer.Argument(help="Configuration file (YAML).", show_default=False)]
RunPath = Annotated[str, typer.Argument(help="Run directory: the `output` of a configuration.", show_default=False)]
ShardsPath = Annotated[Path, typer.Argument(help="Directory of shards, such as RUN/shards.", show_default=False)]
Overrides = Annotated[list[str], typer.Option("--set", metavar="KEY=VALUE", help="Override a setting.")]


@app.command()
def init(
    path: Annotated[Path, typer.Argument(help="File to write.")] = Path("sequitur.yaml"),
) -> None:
    """Write a commented configuration with every default."""
    if path.exists():
        fail(f"{path}: exists already; delete it or give another name")
    try:
        path.write_text(starter_yaml(), encoding="utf-8")
    except OSError as error:
        fail(f"{path}: {error.strerror}; choose another place")
    Console(stderr=True, highlight=False, soft_wrap=True).print(
        f"wrote {path}; set ingest.inputs and output, then: sequitur run {path}", markup=False
    )


@app.command("config")
def show_config(path: ConfigPath, overrides: Overrides = []) -> None:  # noqa: B006 - typer reads it, nobody writes it
    """Print the configuration, resolved."""
    sys.stdout.write(configuration.load(path, overrides).to_yaml())


@app.command()
def run(
    path: ConfigPath,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Worker processes; the number of processor cores if not given.")
    ] = None,
    only: Annotated[str | None, typer.Option(metavar="STAGE", help="Run this stage alone.")] = None,
    first: Annotated[str | None, typer.Option("--from", metavar="STAGE", help="Begin with this stage.")] = None,
    last: Annotated[str | None, typer.Option("--until", metavar="STAGE", help="End with this stage.")] = None,
    overrides: Overrides = [],  # noqa: B006
) -> None:
    """Run the job, or bring it up to date: what is done is skipped, what was interrupted goes on."""
    if only and (first or last):
        fail("--only goes without --from and --until", code=2)
    settings = configuration.load(path, overrides)
    import beam_job
    from pipeline import run_directory
    from pipeline.beam import Runner
    from pipeline.progress import Progress
    from pipeline.stage import Run

    progress = Progress()
    job = Run(settings, Runner(workers or os.cpu_count() or 1), progress)
    try:
        run_directory.execute(beam_job.RECIPE, job, only or first, only or last)
    except KeyboardInterrupt:
        fail("interrupted; the same command goes on from here", code=130)
    report = job.artifact("report")
    if (only or last) in (None, beam_job.RECIPE[-1].name) and report.exists("metrics.json"):
        from pipeline.summary import render

        progress.console.print(render(report.read_json("metrics.json")))
        progress.say(f"report     {report.path('metrics.json')}")
    if any(job.artifact("shards").exists(name) for name in ("manifest.json", "families.json")):
        progress.say(f"shards     {job.artifact('shards').path()}")


@app.command()
def status(path: RunPath) -> None:
    """Show the stages of a run: done, stale, running, interrupted, damaged or absent; rows, bytes, time."""
    import beam_job
    from pipeline import run_directory
    from pipeline.stage import Run, human
    from pipeline.storage import Directory

    job = Run(run_directory.read_config(Directory(path)))
    table = Table(box=None)
    table.add_column("stage")
    table.add_column("artifact")
    table.add_column("state")
    for name in ("parts", "rows", "bytes", "seconds"):
        table.add_column(name, justify="right")
    for one in run_directory.status(beam_job.RECIPE, job):
        seconds = "" if one.seconds is None else f"{one.seconds:.1f}"
        table.add_row(one.name, one.artifact, one.state, f"{one.parts:,}", f"{one.rows:,}", human(one.bytes), seconds)
    Console(highlight=False, width=None if sys.stdout.isatty() else 100).print(table)


@app.command()
def verify(path: RunPath) -> None:
    """Check a run: checksums, schemas, lineage, the ledger, no document twice. Prints one line for each problem."""
    import beam_job
    from pipeline import run_directory
    from pipeline.stage import Run
    from pipeline.storage import Directory

    job = Run(run_directory.read_config(Directory(path)))
    problems = 0
    for problem in run_directory.problems(beam_job.RECIPE, job):
        problems += 1
        sys.stdout.write(" ".join(problem.split()) + "\n")
    if problems:
        fail(f"{path}: {problems:,} problems")
    sys.stdout.write(f"{path}: sound\n")


@app.command()
def show(
    path: ShardsPath,
    context: Annotated[int, typer.Option(min=0, help="Row of the split, from 0.")] = 0,
    split: Annotated[str, typer.Option(help="Split to look into.")] = "train",
) -> None:
    """Show a context: its documents, where each came from, and how close each is to the one before it.

    Of shards that are parted by family or length, it shows which there are; give the directory of one of them.
    """
    from shards.errors import ShardError
    from shards.show import context_view, families_view, render

    try:
        shown = families_view(path) or render(context_view(path, split, context))
    except (ShardError, IndexError) as error:
        fail(f"{path}: {error}")
    Console(highlight=False).print(shown)


@app.command()
def compare(
    path: RunPath,
    orders: Annotated[
        str, typer.Option(metavar="NAME,…", help="Orders, as in `order.strategy`, with commas between.")
    ] = "contexts,path,iclm,random",
    policy: Annotated[
        str | None,
        typer.Option(help="How contexts are cut: whole, stream, best_fit, buckets; as in the run if not given."),
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
    import beam_job
    from pipeline import run_directory
    from pipeline.compare_view import page, render
    from pipeline.progress import Progress
    from pipeline.stage import Run
    from pipeline.storage import Directory

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
            comparison = beam_job.compare(job, names, gain_contexts)
    except KeyboardInterrupt:
        fail("interrupted; nothing was changed", code=130)
    if as_json:
        sys.stdout.write(json.dumps(comparison, ensure_ascii=False) + "\n")
        return
    Console(highlight=False, width=None if sys.stdout.isatty() else 120).print(render(comparison))
    job.artifact("report").write_bytes(PLOT, page(comparison).encode())
    progress.say(f"plot       {job.artifact('report').path(PLOT)}")


@rules.command("try")
def try_rules(
    path: RunPath,
    overrides: Overrides = [],  # noqa: B006
    examples: Annotated[int, typer.Option(min=0, help="Documents to show of each reason.")] = 2,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of tables.")] = False,
) -> None:
    """Show what other rules and thresholds would drop, from the stored signals: nothing is run or changed."""
    import beam_job
    from pipeline import run_directory
    from pipeline.stage import Run
    from pipeline.storage import Directory

    job = Run(run_directory.read_config(Directory(path)))
    other = configuration.overridden(job.config, overrides)
    for section in ("ingest", "refine", "annotate"):
        if getattr(other, section) != getattr(job.config, section):
            fail(f"--set {section}.…: changes the signals themselves; run the job with it")
    trial = beam_job.try_rules(job, other, examples)
    if as_json:
        sys.stdout.write(json.dumps(trial, ensure_ascii=False) + "\n")
        return
    from pipeline.trial_view import render

    Console(highlight=False, width=None if sys.stdout.isatty() else 120).print(render(trial))


@corpus.command("python-docs")
def python_docs(
    path: Annotated[Path, typer.Argument(help="File to write: .jsonl, .jsonl.gz or .jsonl.zst.", show_default=False)],
    max_documents: Annotated[int | None, typer.Option(min=1, help="Take a part of about so many documents.")] = None,
) -> None:
    """Gather the documentation of the installed Python packages: docstrings, READMEs, licences."""
    from pipeline.python_docs import write_python_docs

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        count = write_python_docs(path, max_documents)
    except OSError as error:
        fail(f"{path}: {error.strerror or error}; choose another place")
    Console(stderr=True, highlight=False, soft_wrap=True).print(f"wrote {count:,} documents to {path}", markup=False)


def fail(message: str, code: int = 1) -> NoReturn:
    """Ends the command with one line on standard error."""
    sys.stderr.write(f"error: {' '.join(message.split())}\n")
    raise typer.Exit(code)


def main() -> None:
    """Entry point of the `sequitur` command."""
    logging.basicConfig(level=logging.CRITICAL)  # before Beam is imported, which logs as it loads
    code: int | str | None = 0
    try:
        app()
    except SystemExit as end:
        code = end.code
    except SequiturError as error:
        sys.stderr.write(f"error: {' '.join(str(error).split())}\n")
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    if code:
        # Beam leaves threads behind that wait for workers which are gone.
        os._exit(code if isinstance(code, int) else 1)
