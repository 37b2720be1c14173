"""Orders side by side, as a person reads them: a table for a terminal, and a page of bars that stands alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape
from typing import Any, NamedTuple

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text


class Measure(NamedTuple):
    """A column: how it is headed, what it means, and whether more of it is better (None: neither is)."""

    head: str
    meaning: str
    more: bool | None
    ratio: bool = False  # whether it is told as a ratio to the baseline, too


MEASURES = {
    "adjacency": Measure("adjacency", "mean cosine of consecutive documents of a context", True, True),
    "best_previous": Measure("best prev.", "mean of the highest cosine to an earlier document", True, True),
    "pairwise": Measure("pairwise", "mean cosine of all pairs of a context", True, True),
    "in_context_gain": Measure("gain", "in-context gain: bytes that earlier documents of a context save", True),
    "excess_gain": Measure("excess gain", "gain beyond that of a random order, ± its standard error", True, True),
    "leakage_z": Measure("leak. z", "standard errors by which contexts read in a row are more alike than chance", None),
    "path_weight_share": Measure("weight", "weight of the whole order, as a share of the bound", True),
    "padding": Measure("padding", "share of padding", False),
    "truncation": Measure("split", "share of documents split over contexts", False),
    "near_duplicate_rate": Measure("near dup.", "share of near-duplicates inside contexts", False),
    "repeats": Measure("repeats", "documents read more than once", None),
}
ALIKE = ("adjacency", "best_previous", "pairwise", "in_context_gain", "excess_gain")
OTHERS = tuple(name for name in MEASURES if name not in ALIKE)  # two tables: the terminal may have 80 columns
BASELINES = ("iclm", "random")  # of ratios: the first of them that was measured
Orders = Mapping[str, Mapping[str, Any]]


def render(comparison: Mapping[str, Any]) -> RenderableType:
    """The result of `stages.compare.compare` as a table; the best value of a column is bold."""
    orders, base = comparison["orders"], baseline(comparison["orders"])
    measured = {name: found for name, found in orders.items() if "error" not in found}
    lines: list[RenderableType] = [Text(headline(comparison)), Text(), _table(measured, base, "", ALIKE)]
    lines += [Text(), _table(measured, base, "", OTHERS)]
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


def headline(comparison: Mapping[str, Any]) -> str:
    """What was compared, in a line."""
    contexts = max((found.get("in_context_gain_contexts", 0) for found in comparison["orders"].values()), default=0)
    return (
        f"{comparison['documents']:,} documents; contexts of {comparison['context_length']:,} tokens, "
        f"{comparison['policy']}; gain over {contexts:,} contexts"
    )


def baseline(orders: Orders) -> str | None:
    """The order that ratios are to, if one was measured."""
    return next((name for name in BASELINES if "error" not in orders.get(name, {"error": ""})), None)


def _table(orders: Orders, base: str | None, prefix: str, names: Iterable[str]) -> Table:
    shown = [name for name in names if any(prefix + name in found for found in orders.values())]
    if all(not found.get("repeats") for found in orders.values()):
        shown = [name for name in shown if name != "repeats"]
    best = {name: best_of(orders, prefix + name, MEASURES[name].more) for name in shown}
    table = Table(box=None, pad_edge=False)
    table.add_column("order")
    for name in shown:
        table.add_column(MEASURES[name].head, justify="right", no_wrap=True)
    for order, found in orders.items():
        cells = [Text(_value(found, prefix + name), "bold" if order in best[name] else "") for name in shown]
        for cell, name in zip(cells, shown, strict=True):
            if MEASURES[name].ratio and base:
                cell.append(f" {ratio(orders, order, base, prefix + name):>5}", "dim")
        table.add_row(Text(order), *cells)
    return table


def best_of(orders: Orders, name: str, more: bool | None) -> list[str]:
    """The orders with the best value; those that repeat documents do not count, for so they could have any."""
    values = {
        order: found[name]
        for order, found in orders.items()
        if found.get(name) is not None and not found.get("repeats")
    }
    if more is None or len(values) < 2:
        return []
    best = max(values.values()) if more else min(values.values())
    return [order for order, value in values.items() if value == best]


def ratio(orders: Orders, order: str, base: str, name: str) -> str:
    """`1.15x`, or nothing where there is none: the baseline itself, or a value that is not above 0."""
    value, of = orders[order].get(name), orders[base].get(name)
    return "" if order == base or value is None or not of or of < 0 else f"{value / of:.2f}x"


def _value(found: Mapping[str, Any], name: str) -> str:
    value, error = found.get(name), found.get(f"{name}_error") if name == "excess_gain" else None
    if value is None:
        return "-"
    if isinstance(value, int):
        return f"{value:,}"
    return (f"{value:.2f}" if name.endswith("_z") else f"{value:.3f}") + (f" ±{error:.3f}" if error else "")


def page(comparison: Mapping[str, Any]) -> str:
    """The same as an HTML page that needs nothing else: bars for each measure, light or dark as the reader has it."""
    orders, base = comparison["orders"], baseline(comparison["orders"])
    measured = {name: found for name, found in orders.items() if "error" not in found}
    figures = []
    for prefix in ("", "graph_"):
        for name, measure in MEASURES.items():
            values = [found.get(prefix + name) for found in measured.values()]
            if any(value is not None for value in values) and (name != "repeats" or any(values)):
                figures.append(_figure(measured, base, prefix + name, measure, by_graph=bool(prefix)))
    errors = [
        f"<p><b>{escape(name)}</b> cannot be computed: {escape(found['error'])}</p>"
        for name, found in orders.items()
        if "error" in found
    ]
    note = f"<p>x: as a ratio to {escape(base)}.</p>" if base else ""
    return PAGE.format(
        title="Orders compared", headline=escape(headline(comparison)), body="\n".join([*figures, *errors, note])
    )


PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; --text: #1d1d1f; --dim: #5f6368; --bar: #4a7ab5; --best: #1d4f91; --back: #fff; }}
@media (prefers-color-scheme: dark) {{
  :root {{ --text: #e8e8ea; --dim: #a0a4aa; --bar: #5d8fc9; --best: #a3cbf7; --back: #17181a; }}
}}
body {{ font: 15px/1.5 system-ui, sans-serif; color: var(--text); background: var(--back); margin: 2rem auto;
  max-width: 72rem; padding: 0 1rem; }}
.figures {{ display: grid; grid-template-columns: repeat(auto-fill, minmax(22rem, 1fr)); gap: 1.5rem 2rem; }}
figure {{ margin: 0; }}
figcaption {{ font-weight: 600; }}
figcaption span {{ font-weight: 400; color: var(--dim); display: block; font-size: 13px; }}
svg {{ width: 100%; height: auto; }}
svg text {{ fill: var(--text); font: 13px system-ui, sans-serif; }}
svg .dim {{ fill: var(--dim); }}
svg .best text {{ font-weight: 600; }}
rect {{ fill: var(--bar); }}
.best rect {{ fill: var(--best); }}
line {{ stroke: var(--text); stroke-width: 1.5; }}
</style>
</head>
<body>
<h1>{title}</h1>
<p>{headline}</p>
<div class="figures">
{body}
</div>
</body>
</html>
"""
WIDTH, ROW, LABEL, VALUE = 400, 24, 90, 150  # of the drawings, in pixels: the bars lie between label and value


def _figure(orders: Orders, base: str | None, name: str, measure: Measure, *, by_graph: bool) -> str:
    """A bar for each order, from 0; values below 0 to the left of it."""
    spread = {
        order: (found[name], found.get(f"{name}_error") or 0)
        for order, found in orders.items()
        if found.get(name) is not None
    }
    low = min(0, *(value - error for value, error in spread.values()), 0)
    high = max(0, *(value + error for value, error in spread.values()), 0)
    scale = (WIDTH - LABEL - VALUE) / ((high - low) or 1)
    best = best_of(orders, name, measure.more)
    rows = []
    for index, (order, found) in enumerate(orders.items()):
        middle = ROW * index + ROW // 2
        drawn = f'<text x="{LABEL - 8}" y="{middle + 4}" text-anchor="end">{escape(order)}</text>'
        if order in spread:
            value, error = spread[order]
            left, right = (LABEL + (at - low) * scale for at in sorted((0, value)))
            drawn += f'<rect x="{left:.1f}" y="{middle - 8}" width="{max(right - left, 0.5):.1f}" height="16" rx="2"/>'
            if error:
                ends = [LABEL + (at - low) * scale for at in (value - error, value + error)]
                drawn += f'<line x1="{ends[0]:.1f}" x2="{ends[1]:.1f}" y1="{middle}" y2="{middle}"/>'
        told = ratio(orders, order, base, name) if base and measure.ratio else ""
        drawn += f'<text x="{WIDTH - VALUE + 8}" y="{middle + 4}">{escape(_value(found, name))}'
        drawn += f' <tspan class="dim">{told}</tspan></text>'
        rows.append(f'<g class="best">{drawn}</g>' if order in best else f"<g>{drawn}</g>")
    meaning = measure.meaning + (", by the vectors that made the graph" if by_graph else "")
    return (
        f"<figure><figcaption>{escape(measure.head)}<span>{escape(meaning)}</span></figcaption>\n"
        f'<svg viewBox="0 0 {WIDTH} {ROW * len(orders)}" role="img" aria-label="{escape(measure.meaning)}">'
        + "".join(rows)
        + "</svg></figure>"
    )
