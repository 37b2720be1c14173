"""Documents and contexts to look at, in HTML: the map, and contexts to read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from sequitur.stages.report.page.markup import bar, count, decimal, name, section

COLOURS = 10  # of sources; the others are grey
MARGIN = 25  # of the map, in its own unit
SIDE = 1000
SOURCE_CHARACTERS = 40  # of a document on the map


def document_map(page: Mapping[str, Any]) -> str:
    """The sample of documents, a dot each, coloured by source, with some contexts drawn as paths."""
    found, documents = page["map"], page["documents"]
    if not found["points"]:
        return section("map", "Map of documents", "No document stands in a context.")
    sources = sources_of(page)
    places: dict[int, list[str]] = {}
    for ordinal, (x, y) in zip(found["ordinals"], found["points"], strict=True):
        places.setdefault(_colour(documents[str(ordinal)][2], sources), []).append(f"M{x} {y}h0")
    dots = "".join(f'<path class="dots c{at}" data-colour="{at}" d="{"".join(places[at])}"/>' for at in sorted(places))
    trails = "".join(_trail(at, one, found["points"]) for at, one in enumerate(found["paths"]))
    view = f"{-MARGIN} {-MARGIN} {SIDE + 2 * MARGIN} {SIDE + 2 * MARGIN}"
    label = f"Map of {len(found['points']):,} documents; arrow keys go from document to document"
    drawing = (
        f'<div class="plot probe" id="documents" tabindex="0" role="application" aria-label="{label}" '
        f'aria-describedby="told"><svg viewBox="{view}" aria-hidden="true">{dots}{trails}'
        '<circle class="cursor" r="11" cx="-99" cy="-99"/></svg></div>'
    )
    readout = '<p class="readout js" id="told" aria-live="polite">Point at a document, or use the arrow keys.</p>'
    lead = (
        f"{count(len(found['points']))} documents, drawn at random but for those of the contexts below, by "
        f"{escape(found['how'])} of their vectors: what lies near is alike, but distances far apart mean little."
    )
    side = _legend(page, sources, places) + _paths(page)
    return section(
        "map", "Map of documents", lead, f'<div class="atlas"><div>{drawing}{readout}</div><div>{side}</div></div>'
    )


def sources_of(page: Mapping[str, Any]) -> list[str]:
    """The sources that have a colour, those of most documents on the map first."""
    counts = Counter(page["documents"][str(ordinal)][2] for ordinal in page["map"]["ordinals"])
    return sorted(counts, key=lambda source: (-counts[source], source))[:COLOURS]


def _colour(source: str, sources: Sequence[str]) -> int:
    return sources.index(source) if source in sources else COLOURS


def _trail(number: int, one: Mapping[str, Any], points: Sequence[Sequence[int]]) -> str:
    line = "L".join(f"{points[at][0]} {points[at][1]}" for at in one["points"])
    x, y = points[one["points"][0]]
    return f'<g class="trail" data-trail="{number}"><path d="M{line}"/><circle cx="{x}" cy="{y}" r="7"/></g>'


def _legend(page: Mapping[str, Any], sources: Sequence[str], places: Mapping[int, Sequence[str]]) -> str:
    labels = [*map(name, sources), "other sources"]
    entries = "".join(
        f'<li><button type="button" data-colour="{at}" aria-pressed="true"><i class="c{at}"></i>{labels[at]} '
        f"<span>{len(places[at]):,}</span></button></li>"
        for at in range(COLOURS + 1)
        if at in places
    )
    return f'<h3>Sources</h3><ul class="choices" aria-label="Sources to show">{entries}</ul>'


def _paths(page: Mapping[str, Any]) -> str:
    if not page["map"]["paths"]:
        return ""
    coherence = {one["context"]: one["coherence"] for one in page["contexts"]}
    entries = "".join(
        f'<li><button type="button" data-trail="{at}" aria-pressed="false">context {one["context"]:,} '
        f"<span>{len(one['points'])} documents, cosine {decimal(coherence.get(one['context']), 2)}</span></button></li>"
        for at, one in enumerate(page["map"]["paths"])
    )
    return f'<h3>Contexts as paths</h3><ul class="choices" aria-label="Contexts to stress">{entries}</ul>'


def reading(page: Mapping[str, Any]) -> str:
    """Some contexts with their documents, the cosines between them, and how each begins."""
    contexts = page["contexts"]
    lead = (
        "From the context whose documents are least alike to the one where they are most, at even steps. Of each "
        "document the beginning is shown, as its tokens decode."
    )
    bodies = "".join(
        _context(one, page["documents"], opened=at == len(contexts) // 2) for at, one in enumerate(contexts)
    )
    return section("reading", "Contexts to read", lead, bodies)


def _context(one: Mapping[str, Any], documents: Mapping[str, Any], *, opened: bool) -> str:
    pieces = "".join(_piece(at, piece, documents[str(piece["document"])]) for at, piece in enumerate(one["pieces"]))
    left = one["pieces_in_all"] - len(one["pieces"])
    more = f'<p class="note">… and {count(left)} more.</p>' if left else ""
    row = (
        ""
        if one["row"] is None
        else f'<p class="note"><code>sequitur show RUN/shards --context {one["row"]}</code></p>'
    )
    number = "1 document" if one["pieces_in_all"] == 1 else f"{count(one['pieces_in_all'])} documents"
    cosine = "" if one["coherence"] is None else f"mean cosine <b>{decimal(one['coherence'], 2)}</b> · "
    return (
        f'<details class="context"{" open" if opened else ""}><summary><b>Context {one["context"]:,}</b> · {cosine}'
        f"<span>{number}, {count(one['tokens'])} of {count(one['room'])} tokens</span></summary>"
        f"{row}<ol>{pieces}</ol>{more}</details>"
    )


def _piece(number: int, piece: Mapping[str, Any], document: Sequence[str]) -> str:
    title, identifier, source = document
    cosine = ""
    if piece["cosine"] is not None:
        drawn = bar([("kept", max(piece["cosine"], 0.0))], 1.0)
        cosine = f'<p class="joint"><span>cosine to the one above {decimal(piece["cosine"], 2)}</span>{drawn}</p>'
    begins = f" from token {count(piece['start'])}" if piece["start"] else ""
    return (
        f'<li class="p{number % 4}">{cosine}<h3>{name(title)}</h3><p class="from">{name(source)} · {name(identifier)}'
        f" · {count(piece['length'])} tokens{begins}</p>"
        f'<pre dir="auto">{escape(piece["text"])}</pre></li>'
    )


def embedded_data(page: Mapping[str, Any]) -> dict[str, Any]:
    """What the page's script reads: of the documents on the map places, colours, titles and sources; of those along the
    path cosines, whether a context begins, titles, names and sources."""
    sources = sources_of(page)
    documents, found = page["documents"], page["map"]
    return {
        "map": [
            [x, y, _colour(source, sources), title, source[:SOURCE_CHARACTERS]]
            for (x, y), (title, _, source) in zip(
                found["points"], (documents[str(ordinal)] for ordinal in found["ordinals"]), strict=True
            )
        ],
        "trails": [one["points"] for one in found["paths"]],
        "stretches": [
            [
                [cosine, at in one["boundaries"], *documents[str(ordinal)]]
                for at, (ordinal, cosine) in enumerate(zip(one["documents"], one["cosines"], strict=True))
            ]
            for one in page["path"]["stretches"]
        ],
    }
