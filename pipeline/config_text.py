"""The configuration as text: the commented file that `sequitur init` writes, and the reference in docs/."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import yaml
from pydantic import ByteSize
from pydantic.fields import FieldInfo

from sequitur.pipeline.config import fields, section_of
from sequitur.pipeline.sections import Section

WORDS = {str: "text", int: "whole number", float: "number", bool: "true or false", ByteSize: "size"}
STARTER = {"ingest.inputs": ["data/*.jsonl.zst"], "output": "runs/corpus"}


def starter_yaml(chosen: Mapping[str, Any] = STARTER) -> str:
    """A configuration file with every key, its default or what is chosen for it by its dotted name, and its description
    as a comment."""
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
        value = chosen.get(name, default_of(field))
        lines += [f"{indent}# {field.description}", f"{indent}{key}: {yaml_value(value)}"]
    return "\n".join(lines) + "\n"


def default_of(field: FieldInfo) -> object:
    """The default of a field as it would be written; None where there is none."""
    value = field.get_default(call_default_factory=True) if not field.is_required() else None
    return value.human_readable(separator=" ").replace(".0 ", " ") if isinstance(value, ByteSize) else value


def yaml_value(value: object) -> str:
    """A value as it stands behind a key, on one line."""
    return yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, width=1000).replace("\n...", "").strip()


def reference_markdown() -> str:
    """The configuration reference, one table per section."""
    lines = [
        "# Configuration",
        "",
        "Generated from `pipeline/sections` by `make docs`; a test fails when it drifts.",
        "Sizes may be written as `8 MiB`. Any key can be given on the command line: `--set order.strategy=iclm`.",
        "",
        *_table_head("General", "Keys at the top of the file."),
    ]
    for name, field in fields():
        if (inner := section_of(field)) is not None:
            lines += ["", *_table_head(f"`{name}`", (inner.__doc__ or "").strip())]
            continue
        default = "required" if field.is_required() else f"`{yaml_value(default_of(field))}`"
        lines.append(f"| `{name}` | {said(field.annotation)} | {default} | {field.description} |")
    return "\n".join(lines) + "\n"


def _table_head(title: str, text: str) -> list[str]:
    return [f"## {title}", "", text, "", "| key | type | default | meaning |", "|---|---|---|---|"]


def said(kind: Any) -> str:
    """What a setting of a type takes, in words: `list of texts`, `size`, `whole number or null`."""
    if kind in WORDS:
        return WORDS[kind]
    if isinstance(kind, type) and issubclass(kind, Section):
        return f"mapping with the keys {', '.join(f'`{key}`' for key in kind.model_fields)}"
    origin, inner = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return said(inner[0])
    if origin is Literal:
        return " or ".join(f"`{option}`" for option in inner)
    if origin is list:
        return f"list of {_many(inner[0])}"
    if origin is dict:
        return f"mapping of {_many(inner[0])} to {_many(inner[1])}"
    if origin in (Union, UnionType):
        return " or ".join([*(said(one) for one in inner if one is not NoneType), "null"])
    raise TypeError(f"{kind} is said nowhere; give WORDS a word for it")


def _many(kind: Any) -> str:
    """The same of several."""
    one = said(kind)
    if one.startswith(("list ", "mapping ")):
        return re.sub("^(list|mapping)", r"\1s", one)
    return re.sub(r"^(text|whole number|number|size)\b", r"\1s", one)
