"""What a run needs no more, as a person reads it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from sequitur.pipeline.progress import human

SHOWN = 20  # of what is not the run's own


def render(found: Mapping[str, Any], *, deleted: bool) -> RenderableType:
    """The result of `inspection.leftovers.collect`, as JSON, as a table for a terminal."""
    table = Table(box=None, pad_edge=False)
    table.add_column("not needed", overflow="fold")
    table.add_column("bytes", justify="right")
    table.add_column("files", justify="right")
    table.add_column("because it is")
    for one in found["leftovers"]:
        table.add_row(Text(one["path"]), human(one["bytes"]), f"{one['files']:,}", Text(one["why"]))
    parts: list[RenderableType] = [table, Text()] if found["leftovers"] else []
    return Group(*parts, *(Text(line, overflow="fold") for line in _lines(found, deleted)))


def _lines(found: Mapping[str, Any], deleted: bool) -> Iterator[str]:
    for one in found["kept"]:
        yield f"kept: {one['path']} ({human(one['bytes'])}): {one['why']}"
    for one in found["foreign"][:SHOWN]:
        yield f"kept: {one['path']} ({human(one['bytes'])}): {one['why']}"
    if len(found["foreign"]) > SHOWN:
        yield f"kept: {len(found['foreign']) - SHOWN:,} more that are not of this program"
    if not found["leftovers"]:
        yield "nothing is left over"
    elif deleted:
        yield f"deleted: {human(found['bytes'])}"
    else:
        yield f"nothing was deleted; --delete frees {human(found['bytes'])}"
