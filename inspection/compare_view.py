"""Orders side by side, as a table for a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from sequitur.stages.report.page.comparison import (
    ALIKE,
    MEASURES,
    OTHERS,
    SAVED,
    Orders,
    baseline,
    best_of,
    headline,
    ratio,
    shown,
)


def render(comparison: Mapping[str, Any]) -> RenderableType:
    """The result of `inspection.compare.compare` as a table; the best value of a column is bold."""
    orders, base = comparison["orders"], baseline(comparison["orders"])
    measured = {name: found for name, found in orders.items() if "error" not in found}
    lines: list[RenderableType] = [Text(headline(comparison))]
    for names in (SAVED, ALIKE, OTHERS):
        lines += [Text(), _table(measured, base, "", names)]
    if any("graph_adjacency" in found for found in measured.values()):
        lines += [Text(), Text("by the vectors that made the graph:"), _table(measured, base, "graph_", MEASURES)]
    lines += [
        Text(f"{name}: cannot be computed: {found['error']}") for name, found in orders.items() if "error" in found
    ]
    if base:
        lines += [
            Text(),
            Text(f"x: as a ratio to {base}; bold: the best of those that read each document once", style="dim"),
        ]
    return Group(*lines)


def _table(orders: Orders, base: str | None, prefix: str, names: Iterable[str]) -> Table:
    some = [name for name in names if any(prefix + name in found for found in orders.values())]
    if all(not found.get("repeats") for found in orders.values()):
        some = [name for name in some if name != "repeats"]
    best = {name: best_of(orders, prefix + name, MEASURES[name].more) for name in some}
    table = Table(box=None, pad_edge=False)
    table.add_column("order")
    for name in some:
        table.add_column(MEASURES[name].head, justify="right", no_wrap=True)
    for order, found in orders.items():
        cells = [Text(shown(found, prefix + name), "bold" if order in best[name] else "") for name in some]
        for cell, name in zip(cells, some, strict=True):
            if MEASURES[name].ratio and base:
                cell.append(f" {ratio(orders, order, base, prefix + name):>5}", "dim")
        table.add_row(Text(order), *cells)
    return table
