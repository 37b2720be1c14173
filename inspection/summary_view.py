"""The report as a person reads it at the end of a run: the waterfall, the order against a random one, the packing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from sequitur.pipeline.names import DUPLICATE_REASONS
from sequitur.stages.report.page.comparison import PUBLISHED

MAX_SOURCES = 12
METRICS = {
    "saved_vs_published": "bytes saved beyond a random order, of what Algorithm 1 saves as published",
    "compressed_share": "what the text of whole rows compresses to",
    "adjacency": "cosine of consecutive documents",
    "best_previous": "highest cosine to an earlier document",
    "pairwise": "cosine of all pairs of a context",
    "in_context_gain": "bytes that earlier documents of a context save",
    "excess_gain": "the same, beyond a random order",
    "near_duplicate_rate": "near-duplicates inside contexts",
    "same_source_share": "consecutive documents of one source",
    "same_section_share": "consecutive documents of one section",
    "path_weight_share": "weight of the order, as a share of the bound",
    "leakage_neighboring": "cosine of contexts read in a row",
    "leakage_chance": "what chance would have it",
    "leakage_z": "their difference, in standard errors",
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
    tables = [_waterfall(ledger), _sources(ledger), _order(report["order"])]
    if "epochs" in report:
        tables.append(_epochs(report["epochs"]))
    if report.get("alarms"):
        tables.insert(1, _alarms(report["alarms"]))
    if "characters" in ledger:
        tables.insert(0, _characters(ledger["characters"]))
    return Group(*(part for table in tables for part in (table, Text())), lines)


def _characters(characters: Mapping[str, Any]) -> Table:
    """What each operation on the text took away and put in."""
    table = Table(box=None, pad_edge=False)
    for name in ("characters", "removed", "added"):
        table.add_column(name, justify="left" if name == "characters" else "right")
    for name, counts in characters["operations"].items():
        table.add_row(Text(name), f"{counts['removed']:,}", f"{counts['added']:,}")
    table.add_row(f"{characters['read']:,} read, {characters['refined']:,} refined")
    return table


def _waterfall(ledger: Mapping[str, Any]) -> Table:
    """What became of all records, reason by reason."""
    records = ledger["records"]
    table = Table(box=None, pad_edge=False)
    table.add_column("records")
    table.add_column("", justify="right")
    table.add_column("share", justify="right")
    rows = [("read", records["read"]), ("- rejected", records["rejected"])]
    rows += [(f"- {reason}", count) for reason, count in records["dropped"].items()]
    if records.get("removed"):
        rows.append(("- removed from the shards", records["removed"]))
    for name, count in [*rows, ("placed", records["placed"])]:
        table.add_row(Text(name), f"{count:,}", f"{count / max(records['read'], 1):.1%}")
    return table


def _alarms(alarms: Sequence[Mapping[str, Any]]) -> Table:
    """The steps that took much of a source or of a language."""
    table = Table(box=None, pad_edge=False)
    for heading in ("alarm", "of", "dropped", "of those left", "share"):
        table.add_column(heading, justify="left" if heading in ("alarm", "of") else "right")
    for one in alarms:
        name = Text(f"{one['of']} {one['name']}")
        table.add_row(Text(one["step"]), name, f"{one['lost']:,}", f"{one['reached']:,}", f"{one['share']:.1%}")
    return table


def _sources(ledger: Mapping[str, Any]) -> Table:
    """What became of the records of the largest sources."""
    sources = sorted(ledger["sources"].items(), key=lambda item: (-item[1]["read"], item[0]))
    rows = [(name, _in_short(counts)) for name, counts in sources]
    if len(rows) > MAX_SOURCES:
        others = [counts for _, counts in rows[MAX_SOURCES - 1 :]]
        rows = rows[: MAX_SOURCES - 1]
        rows.append((f"({len(others):,} others)", {name: sum(one[name] for one in others) for name in others[0]}))
    table = Table(box=None, pad_edge=False)
    table.add_column("source")
    for name in rows[0][1]:
        table.add_column(name, justify="right")
    for name, counts in rows:
        table.add_row(Text(name), *(f"{count:,}" if count else "·" for count in counts.values()))
    return table


def _in_short(counts: Mapping[str, Any]) -> dict[str, int]:
    copies = sum(count for reason, count in counts["dropped"].items() if reason in DUPLICATE_REASONS)
    return {
        "read": counts["read"],
        "rejected": counts["rejected"],
        "by rules": sum(counts["dropped"].values()) - copies,
        "duplicates": copies,
        **({"removed": counts["removed"]} if "removed" in counts else {}),
        "placed": counts["placed"],
    }


def _order(order: Mapping[str, Any]) -> Table:
    strategy = order["strategy"]
    columns = ((strategy, strategy), ("random", "random_baseline"), (PUBLISHED, "published"))
    table = Table(box=None, pad_edge=False)
    table.add_column("order")
    for head, _ in columns:
        table.add_column(head, justify="right")
    table.add_column("")
    for name, meaning in METRICS.items():
        if name in order[strategy]:
            cells = (_with_error(order.get(of, {}), name) for _, of in columns)
            table.add_row(name, *cells, Text(meaning, style="dim"))
    return table


def _epochs(epochs: Sequence[Mapping[str, Any]]) -> Table:
    """What each epoch saves, and how many of its pairs met before."""
    table = Table(box=None, pad_edge=False)
    for name in ("epoch", "saved_vs_published", "pairwise", "met before"):
        table.add_column(name, justify="left" if name == "epoch" else "right")
    for number, one in enumerate(epochs, 1):
        met = one["met_before"]
        cells = (_with_error(one, name) for name in ("saved_vs_published", "pairwise"))
        table.add_row(str(number), *cells, "-" if met is None else f"{met:.1%}")
    return table


def _with_error(measured: Mapping[str, Any], name: str) -> str:
    value, error = measured.get(name), measured.get(f"{name}_error")
    return "-" if value is None else f"{value:.3f}" + (f" ±{error:.3f}" if error else "")
