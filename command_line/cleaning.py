"""The command that clears what a run needs no more."""

from __future__ import annotations

from typing import Annotated

import typer

from sequitur.command_line.common import AsJson, RunPath, console, print_json, resumable


def gc(
    path: RunPath,
    delete: Annotated[bool, typer.Option("--delete", help="Delete it; without this nothing is deleted.")] = False,
    builds: Annotated[
        bool, typer.Option("--builds", help="Also what an interrupted run, or extension, would go on from.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """List what in a run nothing finished needs, and no interrupted stage goes on from; delete it with --delete.

    Builds by other settings, temporary files of killed processes, working files of stages that are done, parts that no
    manifest names, what was kept for an update that has ended, extensions that came to nothing: of each its bytes and
    why it is not needed. What is not the run's own is named and stays, and so do links and what they lead to. Holds the
    run's lock: while a process writes the run, it ends with 75.
    """
    with resumable():
        from sequitur.beam_job import RECIPE
        from sequitur.inspection.leftovers import collect
        from sequitur.inspection.leftovers_view import render
        from sequitur.pipeline.storage import Directory
        from sequitur.shards.views.text import harmless_all

        found = collect(RECIPE, Directory(path), with_builds=builds, deleting=delete).to_json()
    if as_json:
        print_json({"run": path, "deleted": delete, **found})
    else:
        console().print(render(harmless_all(found), deleted=delete))
