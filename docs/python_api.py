"""docs/api.md: what `import sequitur` offers, from the docstrings; a test executes their examples."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from typing import Any

import sequitur

# The order in which a reader meets them, and in which their examples run.
FIRST = ("run", "open_run", "RunView", "Artifact", "signals", "verdicts", "similar_pairs", "near_duplicates", "order")
SECTION = re.compile(r"^(Args|Returns|Raises|Attributes):$")
HEAD = """# Python interface

Generated from the docstrings by `make docs`; a test fails when it drifts, and runs the examples one after the other.

`import sequitur` loads nothing heavy; what is asked for is loaded then. A mistake raises an error of
`sequitur.pipeline.errors`, all of them `SequiturError`, whose message is the line that the command would print. The
reader of the shards, `sequitur.shards`, has [a page of its own](training.md).
"""


def public() -> list[tuple[str, Any]]:
    """What is documented, in order: a name as one would type it, and the object."""
    names = [*FIRST, *(name for name in sequitur.__all__ if name not in FIRST)]
    found: list[tuple[str, Any]] = []
    for name in names:
        thing = getattr(sequitur, name)
        found.append((name, thing))
        if inspect.isclass(thing):
            members = [(member, value) for member, value in vars(thing).items() if not member.startswith("_")]
            found += [(f"{name}.{member}", value) for member, value in members if docstring(value)]
    return found


def docstring(thing: Any) -> str:
    return inspect.getdoc(thing) or "" if callable(thing) or isinstance(thing, property) else ""


def page() -> str:
    parts = [HEAD]
    for name, thing in public():
        level = "###" if "." in name else "##"
        parts.append(f"{level} `{name}`\n")
        if not inspect.isclass(thing) and not isinstance(thing, property):
            parts.append(f"```text\n{_signature(name, thing)}\n```\n")
        parts.append("\n".join(_markdown(docstring(thing))) + "\n")
    return "\n".join(parts)


def _signature(name: str, function: Any) -> str:
    """`name(parameter, …)`: without types, which the text tells, and without `self`."""
    signature = inspect.signature(function)
    parameters = [
        parameter.replace(annotation=inspect.Parameter.empty)
        for parameter in signature.parameters.values()
        if parameter.name != "self"
    ]
    return name + str(signature.replace(parameters=parameters, return_annotation=inspect.Signature.empty))


def _markdown(text: str) -> Iterator[str]:
    """A docstring as Markdown: examples as code, what follows `Args:` and the like as lists."""
    inside, code = False, False
    for line in text.splitlines():
        section, example = SECTION.match(line), line.startswith(">>>")
        if example and not code:
            yield "```pycon"
        if code and not line.strip():
            yield "```"
        code = example or (code and bool(line.strip()))
        if section:
            inside = True
            yield f"**{section[1]}**\n"
        elif inside and re.match(r" {4}[*\w]+: ", line):
            name, _, rest = line.strip().partition(": ")
            yield f"- `{name}`: {rest}"
        elif inside and line.startswith("    "):
            yield f"  {line.strip()}" if line.startswith("     ") else line.strip()
        else:
            yield line
    if code:
        yield "```"
