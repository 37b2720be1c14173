"""Pieces of the report's pages: text made safe, numbers for people, bars and columns, and the page around them.

A page is one file that asks for nothing: its policy forbids every request, and every script but the one that is named
by its hash, so that no text in it could do anything even if it were not escaped.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path
from typing import Any

NAME_CHARACTERS = 120  # of a source, a rule, a title
MORE_CHARACTERS = 400  # of it, in what is shown on pointing at it
NONE = "\u2013"  # where there is no number
ICON = (
    "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 32 32'%3E%3Cpath d='M6 22 L13 10 L19 20 "
    "L26 8' fill='none' stroke='%232f6b8f' stroke-width='3'/%3E%3Cg fill='%232f6b8f'%3E%3Ccircle cx='6' cy='22' r='4'/"
    "%3E%3Ccircle cx='13' cy='10' r='4'/%3E%3Ccircle cx='19' cy='20' r='4'/%3E%3Ccircle cx='26' cy='8' r='4'/%3E%3C/g"
    "%3E%3C/svg%3E"
)
MARK = (
    '<svg class="mark" viewBox="0 0 32 32" aria-hidden="true"><path d="M6 22 L13 10 L19 20 L26 8"/>'
    '<circle cx="6" cy="22" r="3.5"/><circle cx="13" cy="10" r="3.5"/><circle cx="19" cy="20" r="3.5"/>'
    '<circle cx="26" cy="8" r="3.5"/></svg>'
)


def page(title: str, header: str, body: str, data: Any = None) -> str:
    """A whole page.

    Args:
        title: plain text.
        header: HTML above the main part.
        body: HTML of the main part.
        data: what the script reads, as JSON; None for a page without a script.
    """
    style = _resource("report.css")
    script = "" if data is None else _resource("report.js")
    policy = f"default-src 'none'; style-src '{_hash(style)}'; img-src data:; base-uri 'none'; form-action 'none'"
    scripts = ""
    if script:
        policy += f"; script-src '{_hash(script)}'"
        scripts = f'<script type="application/json" id="data">{embedded(data)}</script>\n<script>{script}</script>\n'
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<title>{escape(title)}</title>\n<link rel="icon" href="{ICON}">\n<style>{style}</style>\n</head>\n<body>\n'
        f"{header}\n<main>\n{body}\n</main>\n{scripts}</body>\n</html>\n"
    )


def _resource(name: str) -> str:
    return (Path(__file__).parent / name).read_text(encoding="utf-8")


def _hash(content: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}"


def embedded(data: Any) -> str:
    """JSON that may stand in a script element: nothing in it can end the element, or a line of a script."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for character in "<\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def name(text: str) -> str:
    """A name of a source, rule or document, escaped; long ones are cut, the whole in a title."""
    if len(text) <= NAME_CHARACTERS:
        return f"<bdi>{escape(text)}</bdi>"
    return f'<bdi title="{escape(text[:MORE_CHARACTERS])}">{escape(text[: NAME_CHARACTERS - 1])}…</bdi>'


def words(identifier: str) -> str:
    """A name of ours in words: `fuzzy_duplicate` → `fuzzy duplicate`."""
    return name(identifier.replace("_", " "))


def count(number: int | None) -> str:
    """A count: in full up to a million, then rounded, the exact one in a title."""
    if number is None:
        return NONE
    for size, unit in ((10**12, "T"), (10**9, "G"), (10**6, "M")):
        if number >= size:
            return f'<span title="{number:,}">{number / size:.3g}\u202f{unit}</span>'
    return f"{number:,}"


def decimal(number: float | None, digits: int = 3) -> str:
    """A number with some digits after the point, the exact one in a title."""
    return NONE if number is None else f'<span title="{number!r}">{number:,.{digits}f}</span>'


def share(part: float, whole: float = 1.0) -> str:
    """A part as a percentage, the exact one in a title."""
    value = 100 * part / whole if whole else 0.0
    rounded = f"{value:.0f}" if value in (0, 100) or value >= 99.95 else f"{value:.1f}"
    if part and rounded == "0.0":
        rounded = "&lt;0.1"
    if part != whole and rounded == "100":
        rounded = "&gt;99.9"
    return f'<span title="{value:.6g} %">{rounded}\u202f%</span>'


def short(number: float) -> str:
    """A value on an axis, in few characters."""
    return f"{number:,.0f}" if abs(number) >= 100 else f"{number:.3g}"


def bar(parts: Iterable[tuple[str, float]], whole: float) -> str:
    """Parts of a whole side by side, each of a class; what is there at all can be seen."""
    at, drawn = 0.0, []
    for kind, part in parts:
        width = 1000 * part / whole if whole else 0
        if part > 0:
            drawn.append(f'<rect class="{kind}" x="{at:.1f}" width="{max(width, 3):.1f}" height="10"/>')
        at += width
    return (
        f'<svg class="bar" viewBox="0 0 1000 10" preserveAspectRatio="none" aria-hidden="true">{"".join(drawn)}</svg>'
    )


def columns(series: Sequence[tuple[str, Sequence[int]]], told: Sequence[str], over: str = "") -> str:
    """Columns of counts stacked by series, each of a class, from below; `told` (plain text) says what each column is.

    Drawn 100 high and as wide as its place; `over` is SVG on top, in the unit of 1000 for the width.
    """
    bins = len(told)
    highest = max((sum(counts[at] for _, counts in series) for at in range(bins)), default=0) or 1
    drawn = []
    for at in range(bins):
        x, width, bottom = 1000 * at / bins, max(1000 / bins - 2, 1), 100.0
        parts = []
        for kind, counts in series:
            if counts[at]:
                height = max(96 * counts[at] / highest, 1.2)
                bottom -= height
                parts.append(
                    f'<rect class="{kind}" x="{x:.1f}" y="{bottom:.1f}" width="{width:.1f}" height="{height:.1f}"/>'
                )
        if parts:
            drawn.append(f"<g><title>{escape(told[at])}</title>{''.join(parts)}</g>")
    return (
        '<svg class="columns" viewBox="0 0 1000 100" preserveAspectRatio="none" aria-hidden="true">'
        f"{''.join(drawn)}{over}</svg>"
    )


def table(caption: str, head: Sequence[str], rows: Iterable[Sequence[str]], *, kind: str = "") -> str:
    """A table of HTML cells that scrolls by itself where it is too wide; the first cell of a row heads it."""
    heads = "".join(f'<th scope="col">{cell}</th>' for cell in head)
    body = "".join(
        f'<tr><th scope="row">{first}</th>{"".join(f"<td>{cell}</td>" for cell in rest)}</tr>' for first, *rest in rows
    )
    return (
        f'<div class="scroll" role="region" tabindex="0" aria-label="{escape(caption)}"><table class="{kind}">'
        f"<caption><b>{escape(caption)}</b></caption><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def section(identifier: str, title: str, lead: str, *parts: str) -> str:
    """A section with a heading; `lead` is HTML."""
    return (
        f'<section id="{identifier}" aria-labelledby="{identifier}-title">\n<h2 id="{identifier}-title">{title}</h2>\n'
        f'<p class="lead">{lead}</p>\n' + "\n".join(parts) + "\n</section>"
    )
