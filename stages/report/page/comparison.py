"""Orders side by side, as a person reads them: what the measures mean, and a page of bars that stands alone."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any, NamedTuple

from sequitur.stages.report.page import markup
from sequitur.stages.report.page.markup import MARK


class Measure(NamedTuple):
    """A column: how it is headed, what it means, and whether more of it is better (None: neither is)."""

    head: str
    meaning: str
    more: bool | None
    ratio: bool = False  # whether it is told as a ratio to the baseline, too


MEASURES = {
    "saved_vs_published": Measure(
        "saved",
        "bytes of all text saved beyond a random order, as a share of what Algorithm 1 saves as published",
        True,
    ),
    "compressed_share": Measure("compressed", "share of its bytes that the text of whole rows compresses to", False),
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
SAVED = ("saved_vs_published", "compressed_share", "padding", "truncation")  # the first table
ALIKE = ("adjacency", "best_previous", "pairwise", "in_context_gain", "excess_gain")
OTHERS = tuple(name for name in MEASURES if name not in (*SAVED, *ALIKE))  # three: the terminal may have 80 columns
WITH_ERROR = ("saved_vs_published", "excess_gain")
PUBLISHED = "iclm + stream"  # Algorithm 1 on the model's own graph, packed as in the paper, whatever the run's policy
TIMES = "\u00d7"
BASELINES = (PUBLISHED, "iclm", "random")  # of ratios: the first of them that was measured
Orders = Mapping[str, Mapping[str, Any]]


def headline(comparison: Mapping[str, Any]) -> str:
    """What was compared, in a line."""
    contexts = max((found.get("in_context_gain_contexts", 0) for found in comparison["orders"].values()), default=0)
    drawn = comparison.get("drawn_tokens")
    return (
        f"{comparison['documents']:,} documents; contexts of {comparison['context_length']:,} tokens, "
        f"{comparison['policy']}; gain over {contexts:,} contexts"
        + (f", saved bytes over {drawn:,} rows" if drawn else "")
        + ("" if comparison.get("own_neighbors", True) else f"; {PUBLISHED} by the run's edges")
    )


def baseline(orders: Orders) -> str | None:
    """The order that ratios are to, if one was measured."""
    return next((name for name in BASELINES if "error" not in orders.get(name, {"error": ""})), None)


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


def shown(found: Mapping[str, Any], name: str) -> str:
    """The value of a measure, with its error if it has one."""
    value, error = found.get(name), found.get(f"{name}_error") if name in WITH_ERROR else None
    if value is None:
        return "-"
    if isinstance(value, int):
        return f"{value:,}"
    return (f"{value:.2f}" if name.endswith("_z") else f"{value:.3f}") + (f" ±{error:.3f}" if error else "")


def page(comparison: Mapping[str, Any]) -> str:
    """The same as an HTML page that needs nothing else: bars for each measure, light or dark as the reader has it."""
    header = (
        f'<header><p class="brand">{MARK}Sequitur</p><h1>Orders compared</h1>'
        f'<p class="lead">{escape(headline(comparison))}</p></header>'
    )
    body = f"<section>{figures(comparison['orders'], baseline(comparison['orders']))}</section>"
    return markup.page("Orders compared · Sequitur", header, body)


def figures(orders: Orders, base: str | None) -> str:
    """A table with a bar for each order, of each measure that was taken; in HTML."""
    measured = {name: found for name, found in orders.items() if "error" not in found}
    drawn = {
        prefix: [
            _figure(measured, base, prefix + name, measure)
            for name, measure in MEASURES.items()
            if any(found.get(prefix + name) is not None for found in measured.values())
            and (name != "repeats" or any(found.get(prefix + name) for found in measured.values()))
        ]
        for prefix in ("", "graph_")
    }
    parts = [f'<div class="cards">{"".join(drawn[""])}</div>']
    parts += [
        f"<p><b>{escape(name)}</b> cannot be computed: {escape(found['error'])}</p>"
        for name, found in orders.items()
        if "error" in found
    ]
    if base:
        note = f"{TIMES}: as a ratio to {escape(base)}. Bold: the best of those that read each document once."
        parts.append(f'<p class="note">{note}</p>')
    if drawn["graph_"]:
        parts.append(
            "<details><summary>The same by the vectors that made the graph</summary>"
            f'<div class="cards">{"".join(drawn["graph_"])}</div></details>'
        )
    return "\n".join(parts)


def _figure(orders: Orders, base: str | None, name: str, measure: Measure) -> str:
    """A bar for each order, from 0; values below 0 to the left of it."""
    values = {order: found[name] for order, found in orders.items() if found.get(name) is not None}
    errors = {order: orders[order].get(f"{name}_error") or 0 for order in values}
    low = min(0, *(value - errors[order] for order, value in values.items()), 0)
    high = max(0, *(value + errors[order] for order, value in values.items()), 0)
    scale = 1000 / ((high - low) or 1)
    best = best_of(orders, name, measure.more)
    best = [] if len(best) == len(values) else best
    told_as = name.removeprefix("graph_").replace("_", " ").replace("in context", "in-context")
    rows = []
    for order, found in orders.items():
        drawn = ""
        if values.get(order):
            left, right = ((at - low) * scale for at in sorted((0, values[order])))
            drawn = f'<rect class="order" x="{left:.1f}" width="{max(right - left, 3):.1f}" height="10"/>'
            if errors[order]:
                ends = [(at - low) * scale for at in (values[order] - errors[order], values[order] + errors[order])]
                drawn += f'<path class="error" d="M{ends[0]:.1f} 5H{ends[1]:.1f}"/>'
        told = ratio(orders, order, base, name).replace("x", TIMES) if base and measure.ratio else ""
        exact = f' title="{found[name]!r}"' if order in values else ""
        rows.append(
            f'<tr{" class=best" if order in best else ""}><th scope="row">{escape(order)}</th>'
            f'<td class="drawn"><svg class="bar" viewBox="0 0 1000 10" preserveAspectRatio="none" aria-hidden="true">'
            f"{drawn}</svg></td><td{exact}>{escape(shown(found, name))}</td>"
            + (f"<td>{told}</td>" if measure.ratio and base else "")
            + "</tr>"
        )
    return (
        f'<div class="card"><table class="orders"><caption>{escape(told_as)}<span>{escape(measure.meaning)}</span>'
        f"</caption><tbody>{''.join(rows)}</tbody></table></div>"
    )
