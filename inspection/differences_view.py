"""What made two runs differ, as a person reads it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

SHOWN = 3  # files of a kind that are named
LONGEST = 60  # characters of a value
STATES = {"only_first": "only in the first", "only_second": "only in the second"}


def render(found: Mapping[str, Any]) -> RenderableType:
    """The result of `inspection.differences.differences` as a table for a terminal."""
    table = Table(box=None, pad_edge=False)
    for name in ("stage", "", "by"):
        table.add_column(name)
    for about in found["stages"]:
        state = about["state"]
        style = "dim" if state in ("same", "absent") else "bold"
        table.add_row(
            Text(about["stage"], style), Text(STATES.get(state, state), style), Text("\n".join(_reasons(about)))
        )
    end = "equal fingerprints: all that both made is the same to the byte"
    if not found["same"]:
        end = f"what differs begins with {found['first']}"
    return Group(table, Text(), Text(end))


def _reasons(about: Mapping[str, Any]) -> Iterator[str]:
    for name, (before, now) in about.get("causes", {}).items():
        yield f"{name}: {_value(before)} → {_value(now)}"
    for what, paths in about.get("files", {}).items():
        if paths:
            names = ", ".join(paths[:SHOWN]) + (", …" if len(paths) > SHOWN else "")
            yield f"{len(paths):,} {'file' if len(paths) == 1 else 'files'} {what}: {names}"
    if about.get("version"):
        yield "another version of the stage"
    if about.get("parents"):
        yield f"made of what differs: {', '.join(about['parents'])}"


def _value(value: Any) -> str:
    said = json.dumps(value, ensure_ascii=False)
    return said if len(said) <= LONGEST else said[: LONGEST - 1] + "…"
