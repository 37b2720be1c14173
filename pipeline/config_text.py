"""The configuration as text: the commented file that `sequitur init` writes, and the reference in docs/."""

from __future__ import annotations

from typing import get_args

import yaml
from pydantic import ByteSize
from pydantic.fields import FieldInfo

from sequitur.pipeline.config import fields, section_of

STARTER = {"ingest.inputs": ["data/*.jsonl.zst"], "output": "runs/corpus"}


def starter_yaml() -> str:
    """A configuration file with every key, its default, and its description as a comment."""
    lines = [
        "# Sequitur: raw documents to in-context pretraining shards.",
        "# Every key with its default; delete what you keep.",
        "",
    ]
    for name, field in fields():
        depth = name.count(".")
        key = name.rsplit(".", 1)[-1]
        indent = "  " * depth
        if (inner := section_of(field)) is not None:
            lines += ["", f"{indent}# {(inner.__doc__ or '').strip().splitlines()[0]}", f"{indent}{key}:"]
            continue
        value = STARTER.get(name, default_of(field))
        lines += [f"{indent}# {field.description}", f"{indent}{key}: {_yaml_value(value)}"]
    return "\n".join(lines) + "\n"


def default_of(field: FieldInfo) -> object:
    """The default of a field as it would be written; None where there is none."""
    value = field.get_default(call_default_factory=True) if not field.is_required() else None
    return value.human_readable(separator=" ").replace(".0 ", " ") if isinstance(value, ByteSize) else value


def _yaml_value(value: object) -> str:
    return yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, width=1000).replace("\n...", "").strip()


def reference_markdown() -> str:
    """The configuration reference, one table per section."""
    lines = [
        "# Configuration",
        "",
        "Generated from `pipeline/sections.py` by `make docs`; a test fails when it drifts.",
        "Sizes may be written as `8 MiB`. Any key can be given on the command line: `--set order.strategy=iclm`.",
        "",
        *_table_head("General", "Keys at the top of the file."),
    ]
    for name, field in fields():
        if (inner := section_of(field)) is not None:
            lines += ["", *_table_head(f"`{name}`", (inner.__doc__ or "").strip())]
            continue
        default = "required" if field.is_required() else f"`{_yaml_value(default_of(field))}`"
        lines.append(f"| `{name}` | {_kind(field)} | {default} | {field.description} |")
    return "\n".join(lines) + "\n"


def _table_head(title: str, text: str) -> list[str]:
    return [f"## {title}", "", text, "", "| key | type | default | meaning |", "|---|---|---|---|"]


def _kind(field: FieldInfo) -> str:
    kind = field.annotation
    if kind is ByteSize:
        return "size"
    options = [str(option) for option in get_args(kind) if isinstance(option, str)]
    if options:
        return " or ".join(f"`{option}`" for option in options)
    return str(kind if get_args(kind) else getattr(kind, "__name__", kind)).replace("|", "or")
