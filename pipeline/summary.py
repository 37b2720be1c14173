"""The report as a person reads it at the end of a run: the waterfall, the order against a random one, the packing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

MAX_SOURCES = 12
METRICS = {
    "adjacency": "cosine of consecutive documents",
    "best_previous": "highest cosine to an earlier document",
    "pairwise": "cosine of all pairs of a context",
    "near_duplicate_rate": "near-duplicates inside contexts",
    "same_source_share": "consecutive documents of one source",
    "same_section_share": "consecutive documents of one section",
    "leakage_neighboring": "cosine of contexts read in a row",
    "truncation": "documents split over contexts",
    "padding": "padding",
}


def render(report: Mapping[str, Any]) -> RenderableType:
    """The content of `metrics.json` as tables for a terminal."""
    ledger = report["ledger"]
    balance = "balances" if ledger["balances"] else "DOES NOT BALANCE"
    tokens = ledger["tokens"]
    contexts = sum(report["packing"]["contexts"].values())
    lines = Text(
        f"{contexts:,} contexts of {report['packing']['context_length']:,} tokens; "
        f"{tokens['in_shards']:,} tokens of {ledger['records']['placed']:,} documents; the ledger {balance}"
    )
    return Group(_waterfall(ledger), Text(), _order(report["order"]), Text(), lines)


def _waterfall(ledger: Mapping[str, Any]) -> Table:
    sources = sorted(ledger["sources"].items(), key=lambda item: (-item[1]["read"], item[0]))
    shown, rest = sources[:MAX_SOURCES], sources[MAX_SOURCES:]
    table = Table(box=None, pad_edge=False)
    table.add_column("records")
    table.add_column("all", justify="right")
    for name, _ in shown:
        table.add_column(Text(name), justify="right")
    if rest:
        table.add_column(f"{len(rest)} others", justify="right")
    columns = [ledger["records"], *(counts for _, counts in shown)]
    if rest:
        columns.append(_sum([counts for _, counts in rest]))
    for row in ("read", "rejected"):
        table.add_row(row, *(_number(column[row]) for column in columns))
    for reason in ledger["records"]["dropped"]:
        table.add_row(Text(f"- {reason}"), *(_number(column["dropped"].get(reason, 0)) for column in columns))
    table.add_row("placed", *(_number(column["placed"]) for column in columns), style="bold")
    return table


def _sum(counts: list[Mapping[str, Any]]) -> dict[str, Any]:
    reasons = {reason for one in counts for reason in one["dropped"]}
    return {
        **{name: sum(one[name] for one in counts) for name in ("read", "rejected", "placed")},
        "dropped": {reason: sum(one["dropped"].get(reason, 0) for one in counts) for reason in reasons},
    }


def _number(value: int) -> str:
    return f"{value:,}" if value else "·"


def _order(order: Mapping[str, Any]) -> Table:
    strategy = order["strategy"]
    table = Table(box=None, pad_edge=False)
    table.add_column("order")
    table.add_column(strategy, justify="right")
    table.add_column("random", justify="right")
    table.add_column("")
    for name, meaning in METRICS.items():
        if name in order[strategy]:
            values = [order[strategy][name], order["random_baseline"].get(name)]
            table.add_row(
                name, *("-" if value is None else f"{value:.3f}" for value in values), Text(meaning, style="dim")
            )
    return table
