"""What other rules would drop, as a person reads it: by reason, by source, and some of the documents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

MAX_SOURCES = 20


def render(trial: Mapping[str, Any]) -> RenderableType:
    """The result of `inspection.rules_trial.try_rules` as tables for a terminal."""
    documents = trial["documents"]
    by_reason = [(name, counts["now"], counts["then"]) for name, counts in trial["reasons"].items()]
    by_reason.append(("in all", sum(row[1] for row in by_reason), sum(row[2] for row in by_reason)))
    sources = sorted(trial["sources"].items(), key=lambda item: (-item[1]["documents"], item[0]))[:MAX_SOURCES]
    tables: list[RenderableType] = [
        Text(f"{documents:,} documents; duplicates are left aside"),
        Text(),
        _counts("dropped for", by_reason),
        Text(),
        _counts("source", [(name, counts["now"], counts["then"]) for name, counts in sources]),
    ]
    for title, key in (("Would be dropped:", "dropped"), ("Would no longer be dropped:", "regained")):
        if trial[key]:
            tables += [Text(), Text(title, style="bold"), *map(_example, trial[key])]
    return Group(*tables)


def _counts(head: str, rows: Sequence[tuple[str, int, int]]) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column(head)
    for name in ("now", "then", "change"):
        table.add_column(name, justify="right")
    for name, now, then in rows:
        table.add_row(Text(name), f"{now:,}", f"{then:,}", f"{then - now:+,}" if then != now else "·")
    return table


def _example(document: Mapping[str, Any]) -> Text:
    name = document["record_id"] or document["doc_id"]
    value = "" if document["value"] is None else f" ({document['signal']} {document['value']:.4g})"
    head = Text.assemble(("\n" + document["reason"], "bold"), f"{value}  {name}  {document['source']}\n")
    return head.append(" ".join(document["text"].split()), style="dim")
