"""The command line. A user's mistake prints one line and ends with a code that is not 0; what Ctrl-C or
SIGTERM ended can be resumed."""

from __future__ import annotations

import logging
import os
import sys
from typing import Annotated

import typer

from sequitur import __version__
from sequitur.command_line import (
    checks,
    cleaning,
    demo,
    exports,
    extension,
    graph,
    inputs,
    jobs,
    lineage,
    trials,
    views,
)
from sequitur.pipeline.errors import SequiturError
from sequitur.pipeline.terminal import one_line
from sequitur.pipeline.termination import sigterm_interrupts

app = typer.Typer(
    name="sequitur",
    help="Raw documents to in-context pretraining shards.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
corpus = typer.Typer(help="Corpora that can be made on this machine.", no_args_is_help=True, rich_markup_mode=None)
rules = typer.Typer(help="Rules by which documents are dropped.", no_args_is_help=True, rich_markup_mode=None)


def _tell_version(wanted: bool) -> None:
    if wanted:
        sys.stdout.write(f"sequitur {__version__}\n")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_tell_version, help="Print the version.")
    ] = False,
) -> None:
    """Raw documents to in-context pretraining shards."""


app.command()(demo.demo)
app.command()(inputs.init)
app.command()(inputs.inspect)
app.command()(inputs.plan)
app.command("config")(jobs.show_config)
app.command()(jobs.run)
app.command()(extension.extend)
app.command()(jobs.runners)
app.command()(jobs.pool)
app.command()(jobs.status)
app.command()(trials.compare)
app.command()(trials.diff)
app.add_typer(rules, name="rules")
rules.command("try")(trials.try_rules)
app.command()(checks.verify)
app.command()(cleaning.gc)
app.command()(views.show)
app.command()(views.stats)
app.command()(views.why)
app.command()(views.trace)
app.command()(graph.graph)
app.command()(exports.export)
app.command()(lineage.remove)
app.command()(lineage.find)
app.command()(lineage.locate)
app.add_typer(corpus, name="corpus")
corpus.command("python-docs")(demo.python_docs)
corpus.command("python-source")(demo.python_source)
corpus.command("markdown")(demo.markdown)


def main() -> None:
    """Entry point of the `sequitur` command."""
    logging.basicConfig(level=logging.CRITICAL)  # before Beam is imported, which logs as it loads
    code = 0
    with sigterm_interrupts() as told:
        try:
            app()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else bool(end.code)
        except (SequiturError, OSError) as error:
            sys.stderr.write(f"error: {one_line(_said(error))}\n")
            code = 1
        code = told(code)
    sys.stdout.flush()
    sys.stderr.flush()
    if code:
        # Beam leaves threads behind that wait for workers which are gone.
        os._exit(code)


def _said(error: SequiturError | OSError) -> str:
    """The line of an error; of one of the system the file that it is about, and why."""
    if isinstance(error, SequiturError):
        return str(error)
    return f"{error.filename}: {error.strerror}; mend that" if error.filename and error.strerror else str(error)
