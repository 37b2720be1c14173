"""Commands that compare: a run with what could be changed in it, and with another run. They change nothing."""

from __future__ import annotations

from typing import Annotated

import typer

from sequitur.command_line.common import AsJson, Overrides, RunPath, console, fail, print_json, shown
from sequitur.pipeline.names import REPORT

PLOT = "compare.html"


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
    from sequitur.pipeline.config import overridden
    from sequitur.pipeline.progress import Progress
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
    job = Run(overridden(settings, changes), progress=progress)
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
    from sequitur.pipeline.config import overridden
    from sequitur.pipeline.stage import Run
    from sequitur.pipeline.storage import Directory
    from sequitur.shards.views.text import harmless_all

    job = Run(run_directory.read_config(Directory(path)))
    trial = trial_of(job, overridden(job.config, overrides), examples)
    if as_json:
        print_json(trial)
        return
    console().print(render(harmless_all(trial)))


def diff(
    first: Annotated[str, typer.Argument(help="Directory of a run, or its URL.", show_default=False)],
    second: Annotated[str, typer.Argument(help="That of another one.", show_default=False)],
    as_json: AsJson = False,
) -> None:
    """Tell what made two runs differ: the parameters, input files and versions, stage by stage."""
    from sequitur.beam_job import RECIPE
    from sequitur.inspection.differences import differences
    from sequitur.inspection.differences_view import render
    from sequitur.pipeline.storage import Directory
    from sequitur.shards.views.text import harmless_all

    found = harmless_all(differences(RECIPE, Directory(first), Directory(second)))
    if as_json:
        print_json(found)
    else:
        console().print(render(found))
