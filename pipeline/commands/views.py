"""Commands that show what is in shards, and why."""

from __future__ import annotations

from typing import Annotated

import typer

from pipeline.commands.common import ShardsPath, console, fail


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
    console().print(shown)
