"""What the views of a run's documents share: names, places, losses, and rows under labels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from sequitur.pipeline.names import EXACT, EXACT_ELSEWHERE, FUZZY, FUZZY_ELSEWHERE, REPEATED_ID, SEMANTIC

Told = Mapping[str, Any]
KINDS = {
    REPEATED_ID: "a record under the same id as an earlier one",
    EXACT: "an exact duplicate",
    FUZZY: "a fuzzy duplicate",
    EXACT_ELSEWHERE: "an exact duplicate, in another run",
    FUZZY_ELSEWHERE: "a fuzzy duplicate, in another run",
    SEMANTIC: "a near-duplicate",
}


def loss_lines(loss: Told) -> Iterator[str]:
    said = [
        f"{name} {loss[name]:.3f}"
        + (f" ({loss[f'least_{name}']:g} or more is dropped)" if loss.get(f"least_{name}") else "")
        for name in ("cosine", "overlap", "jaccard", "score")
        if loss.get(name) is not None
    ]
    yield ", ".join([f"{loss['stage']}: {loss['reason']}", *said])
    if loss.get("compared_with"):
        yield f"by comparison with {loss['compared_with'][:16]}, of the same group"
    if loss["to"]:
        yield f"→ {name_of(loss['to'])}" + (f"  in {loss['to']['run']}" if "run" in loss["to"] else "")


def context_line(context: Told) -> str:
    piece = f"piece {context['piece'] + 1} of {context['pieces']}"
    tokens = f"its tokens {context['start']:,} … {context['start'] + context['length']:,}"
    at = f" at {context['offset']:,}" if context["offset"] else ""
    return f"{place_of(context)}, context {context['context_id']}: {piece}, {tokens}{at}"


def place_of(context: Told) -> str:
    directory = f"{context['directory']}/" if context["directory"] else ""
    return f"{directory}{context['split']}[{context['row']}]"


def name_of(document: Told) -> str:
    """A title, and what tells the document from others of that title."""
    title = document.get("title")
    named = document.get("url") or document.get("record_id")
    return "  ".join(part for part in (title, named if named != title else None, document["doc_id"][:12]) if part)


def plural(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def labelled() -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    return table


def add(rows: Table, label: str, *lines: RenderableType | str | None) -> None:
    shown = [Text(line) if isinstance(line, str) else line for line in lines if line is not None]
    rows.add_row(label, Group(*shown))
