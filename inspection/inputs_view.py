"""What inputs hold, as a person reads it: `sequitur inspect`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from sequitur.pipeline.progress import human

MAX_GROUPS = 30
MAX_FIELDS = 12
MAX_LANGUAGES = 12


def render(found: Mapping[str, Any]) -> RenderableType:
    """The result of `inspection.inputs.inspect` as tables for a terminal."""
    shown: list[RenderableType] = [_groups(found)]
    if found["passed_over"]:
        over = ", ".join(f"{count:,} {kind}" for kind, count in found["passed_over"].items())
        shown += [Text(), Text.assemble(("passed over  ", "bold"), over)]
    spoken = list(found["languages"].items())
    if spoken:
        said = ", ".join(f"{code} {share:.1%}" for code, share in spoken[:MAX_LANGUAGES])
        more = f" and {len(spoken) - MAX_LANGUAGES} more" if len(spoken) > MAX_LANGUAGES else ""
        shown.append(Text.assemble(("languages    ", "bold"), said + more))
    shown += [
        Text.assemble(
            ("characters   ", "bold"),
            ", ".join(f"{name} of documents up to {value:,}" for name, value in found["characters"].items()),
        ),
        Text.assemble(("rejected     ", "bold"), f"about {found['rejected_share']:.1%} of the records"),
        Text(),
    ]
    for example in found["examples"]:
        shown += [Text(example["file"], style="bold"), Text(example["text"], style="dim")]
    if found["looked_into"] < found["files"]:
        shown.append(Text(f"looked into {found['looked_into']:,} of {found['files']:,} files"))
    return Group(*shown, Text(), _stages(found))


def _groups(found: Mapping[str, Any]) -> Table:
    table = Table(box=None, pad_edge=False)
    for name in ("input", "format"):
        table.add_column(name, overflow="fold")
    for name in ("files", "bytes", "documents"):
        table.add_column(name, justify="right")
    table.add_column("fields", overflow="fold")
    for group in found["groups"][:MAX_GROUPS]:
        table.add_row(
            Text(group["input"]),
            Text(group["format"] + group["compression"]),
            f"{group['files']:,}",
            human(group["bytes"]),
            f"~{group['documents']:,}",
            _fields(group),
        )
    if len(found["groups"]) > MAX_GROUPS:
        table.add_row(f"… {len(found['groups']) - MAX_GROUPS:,} more", "", "", "", "", "")
    return table


def _fields(group: Mapping[str, Any]) -> Text:
    roles = {field: name.removesuffix("_field") for name, field in group["mapped"].items()}
    text = Text()
    for field in group["fields"][:MAX_FIELDS]:
        role = roles.get(field)
        text.append(f"{field} ", style="bold" if role else "dim")
        if role and role != field:
            text.append(f"= {role} ", style="bold")
    if len(group["fields"]) > MAX_FIELDS:
        text.append(f"and {len(group['fields']) - MAX_FIELDS} more", style="dim")
    if group["problem"]:
        guess = ", ".join(f"{name}: {field}" for name, field in group["suggested"].items())
        text.append(f"\n{group['problem']}, as {group['example']}" * (not guess), style="red")
        text.append(f"\n{group['problem']}; set {guess}" * bool(guess), style="red")
    return text


def _stages(found: Mapping[str, Any]) -> RenderableType:
    table = Table(box=None, pad_edge=False)
    table.add_column("stage")
    for name in ("time on one core", "memory", "disk"):
        table.add_column(name, justify="right")
    for stage in found["stages"]:
        memory, disk = human(stage["memory"]), human(stage["disk"])
        table.add_row(stage["name"], duration(stage["seconds"]), memory, disk)
    total = sum(stage["seconds"] for stage in found["stages"])
    most = max((stage["memory"] for stage in found["stages"]), default=0)
    table.add_row("in all", duration(total), human(most), human(sum(stage["disk"] for stage in found["stages"])))
    head = Text.assemble(
        ("about ", "bold"),
        f"{found['documents']:,} documents, {human(found['text_bytes'])} of text, {found['tokens']:,} tokens",
    )
    return Group(head, table)


def duration(seconds: float) -> str:
    """A time as a person would say it: `50 s`, `12 min`, `3.5 h`, `12 days`."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 2 * 3600:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 72 * 3600 else f"{seconds / 86400:,.0f} days"
