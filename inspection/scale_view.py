"""What a job would take, as a person reads it: `sequitur plan`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from sequitur.inspection.inputs_view import duration
from sequitur.pipeline.progress import human


def render(found: Mapping[str, Any]) -> RenderableType:
    """The result of `inspection.scale.plan_at_scale` as tables for a terminal."""
    head = Text.assemble(
        ("about ", "bold"),
        f"{found['documents']:,} documents, {human(found['text_bytes'])} of text, {found['tokens']:,} tokens",
    )
    return Group(head, _stages(found), Text(), _machines(found), Text(), *_breaks(found))


def _stages(found: Mapping[str, Any]) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("stage")
    for name in ("core hours", "driver", "driver's memory", "a worker's", "stored", "shuffled", "requests"):
        table.add_column(name, justify="right")
    for stage in found["stages"]:
        table.add_row(
            stage["name"],
            f"{stage['core_seconds'] / 3600:,.1f}",
            duration(stage["driver_seconds"]),
            *(human(stage[name]) for name in ("driver_memory", "worker_memory", "stored", "shuffled")),
            f"{stage['requests']:,}",
        )
    return table


def _machines(found: Mapping[str, Any]) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("stage")
    machines = found["machines"]
    for one in machines:
        table.add_column(f"time on {one['cores']:,} cores", justify="right")
        table.add_column("cost", justify="right")
    for stage in found["stages"]:
        name = stage["name"]
        cells = ((duration(one["seconds"][name]), f"{one['cost'][name]:,.2f}") for one in machines)
        table.add_row(name, *(cell for pair in cells for cell in pair))
    totals = ((duration(one["all_seconds"]), f"{one['all_cost']:,.2f}") for one in machines)
    table.add_row("in all", *(cell for pair in totals for cell in pair))
    return table


def _breaks(found: Mapping[str, Any]) -> list[Text]:
    if not found["breaks"]:
        return [Text("nothing breaks: these machines have what it takes")]
    lines = []
    for number, one in enumerate(found["breaks"]):
        needs, has = (one["needs"], one["has"]) if "parts" in one["what"] else (human(one["needs"]), human(one["has"]))
        said = f"{one['stage']}: {one['what']}, needs {needs}, has {has}"
        enough = f"; up to about {one['documents']:,} documents go" if one["documents"] else ""
        lines.append(Text.assemble(("breaks first  " if not number else "then          ", "bold red"), said, enough))
    return lines
