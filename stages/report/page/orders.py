"""How good the order is, in HTML: its measures beside others', the cosines along its path, and how it was packed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from itertools import pairwise
from typing import Any

from sequitur.stages.report.page.comparison import PUBLISHED, baseline, figures, headline
from sequitur.stages.report.page.markup import bar, columns, count, decimal, section, share, table


def order(page: Mapping[str, Any], comparison: Mapping[str, Any] | None) -> str:
    """The measures of the order beside a random and the published one, and of others where they were compared."""
    measured = page["report"]["order"]
    strategy = measured["strategy"]
    both = {strategy: measured[strategy], "random": measured["random_baseline"]}
    if strategy == "random":
        both = {"random": measured["random"], "random, again": measured["random_baseline"]}
    if "published" in measured:  # not in the pages of earlier versions, which `compare` renews, too
        both[PUBLISHED] = measured["published"]
    own, chance = measured[strategy].get("adjacency"), measured["random_baseline"].get("adjacency")
    lead = f"The order <b>{escape(strategy)}</b>"
    if own is not None and chance is not None:
        lead += (
            f" puts documents of cosine {decimal(own)} next to each other, a random order of the same documents "
            f"{decimal(chance)}."
        )
    parts = [figures(both, "random")]
    if "epochs" in page["report"]:
        parts.append(_epochs(page["report"]["epochs"]))
    if comparison:
        base = baseline(comparison["orders"])
        parts += [
            "<h3>Orders compared</h3>",
            f"<p>By <code>sequitur compare</code>: {escape(headline(comparison))}.</p>",
            figures(comparison["orders"], base),
        ]
    else:
        parts.append('<p class="note">Run <code>sequitur compare</code> to see other orders here.</p>')
    return section("order", "The order", lead, *parts)


def _epochs(epochs: Sequence[Mapping[str, Any]]) -> str:
    """What each epoch saves, and how many of its pairs met before."""
    names = ("saved_vs_published", "adjacency", "best_previous", "pairwise")
    rows = [
        [str(number), *(decimal(one[name]) for name in names), decimal(one["met_before"])]
        for number, one in enumerate(epochs, 1)
    ]
    return table(
        "Epochs", ["epoch", "saved", "adjacency", "best prev.", "pairwise", "share of pairs that met before"], rows
    )


def path(page: Mapping[str, Any]) -> str:
    """Cosines along the path: the whole in short, and some stretches with the boundaries of contexts."""
    found = page["path"]
    lead = (
        f"{count(found['pieces'])} pieces of documents in {count(found['contexts'])} contexts, in the order of the "
        f"path. Neighbours in a context have cosine {decimal(found['inside'])} on average, neighbours that a boundary "
        f"parts {decimal(found['between'])}."
    )
    parts = [_band(found["bins"])] if found["bins"] else []
    if found["stretches"]:
        tabs = "".join(
            f'<button type="button" data-stretch="{at}" aria-pressed="false">{escape(one["name"])}</button>'
            for at, one in enumerate(found["stretches"])
        )
        parts += [
            "<h3>Some stretches of it</h3>",
            f'<div class="controls js" role="group" aria-label="Stretch of the path">{tabs}</div>',
            *(_stretch(one, at, page["documents"]) for at, one in enumerate(found["stretches"])),
        ]
    return section("path", "Along the path", lead, *parts)


def _band(bins: Sequence[Mapping[str, Any]]) -> str:
    """The 10th to the 90th percentile as a band, and the mean as a line, from left to right."""
    xs = [1000 * (at + 0.5) / len(bins) for at in range(len(bins))]
    rows = [[_height(one[key]) for one in bins] for key in ("high", "mean", "low")]
    there = [f"{x:.1f} {y:.1f}" for x, y in zip(xs, rows[0], strict=True)]
    back = [f"{x:.1f} {y:.1f}" for x, y in zip(reversed(xs), reversed(rows[2]), strict=True)]
    line = "L".join(f"{x:.1f} {y:.1f}" for x, y in zip(xs, rows[1], strict=True))
    means = [one["mean"] for one in bins]
    label = (
        f"Cosine of neighbours along the path in {len(bins)} stretches: means from {min(means):.2f} to {max(means):.2f}"
    )
    return (
        f'<figure class="line" role="group" aria-label="{label}"><figcaption>cosine to the document before '
        "<span>mean of consecutive stretches, and the range of the middle four fifths</span></figcaption>"
        f'<div class="plot">{_scale()}<svg viewBox="0 0 1000 100" preserveAspectRatio="none" aria-hidden="true">'
        f'{_grid()}<path class="band" d="M{"L".join(there)}L{"L".join(back)}Z"/><path class="mean" d="M{line}"/></svg>'
        "</div>"
        '<p class="axis"><span>first document</span><span>last</span></p></figure>'
    )


def _stretch(one: Mapping[str, Any], number: int, documents: Mapping[str, Any]) -> str:
    """A dot for each document, at the cosine to the one before; contexts are set apart by lines and shades."""
    size = len(one["documents"])
    ends = [*one["boundaries"], size]
    shades = "".join(
        f'<rect class="{"odd" if at % 2 else "even"}" x="{1000 * begin / size:.1f}" '
        f'width="{1000 * (end - begin) / size:.1f}" height="100"/>'
        for at, (begin, end) in enumerate(pairwise(ends))
    )
    inside: list[str] = []
    between: list[str] = []
    for at, cosine in enumerate(one["cosines"]):
        if cosine is not None:
            x = 1000 * (at + 0.5) / size
            (between if at in one["boundaries"] else inside).append(f"M{x:.1f} {_height(cosine):.1f}h0")
    contexts = [f"{context:,}" for context in one["contexts"]]
    label = f"{one['name']} of the path, contexts {contexts[0]} to {contexts[1]}, {size} documents; arrow keys go along"
    return (
        f'<figure class="line stretch" data-stretch="{number}" role="group" aria-label="{escape(label)}">'
        f"<figcaption>{escape(one['name'])} <span>contexts {contexts[0]} … {contexts[1]}; shades change where a "
        "context begins; pale dots: neighbours that a boundary parts</span></figcaption>"
        f'<div class="plot probe" tabindex="0" role="slider" aria-label="{escape(label)}" aria-valuemin="1" '
        f'aria-valuemax="{size}" aria-valuenow="1">{_scale()}<svg viewBox="0 0 1000 100" preserveAspectRatio="none" '
        f'aria-hidden="true">{shades}{_grid()}<path class="dots inside" d="{"".join(inside)}"/>'
        f'<path class="dots between" d="{"".join(between)}"/><path class="cursor" d=""/></svg></div>'
        f'<p class="readout js" aria-live="polite">{_first(one, documents)}</p></figure>'
    )


def _first(one: Mapping[str, Any], documents: Mapping[str, Any]) -> str:
    title = documents[str(one["documents"][0])][0]
    return f"Begins with <bdi>{escape(title)}</bdi>. Point at a document, or use the arrow keys."


def _height(cosine: float) -> float:
    """Where a cosine lies in a drawing 100 high: 1 above, 0 below, negative ones on the ground."""
    return 98 - 96 * min(max(cosine, 0.0), 1.0)


def _grid() -> str:
    return "".join(f'<path class="grid" d="M0 {_height(at):.1f}H1000"/>' for at in (0.0, 0.5, 1.0))


def _scale() -> str:
    return '<span class="scale" aria-hidden="true"><span>1</span><span>0.5</span><span>0</span></span>'


def packing(page: Mapping[str, Any]) -> str:
    """Documents per context, and what of the contexts is not filled."""
    report, fill = page["report"], page["fill"]
    packed = report["packing"]
    room = packed["tokens"] + packed["padded_tokens"]
    contexts = sum(packed["contexts"].values())
    spread = report["distributions"]["documents_per_context"]
    most = max((one["count"] for one in spread), default=1)
    rows = [[_range(one), count(one["count"]), bar([("kept", one["count"])], most)] for one in spread]
    splits = ", ".join(f"{escape(name)} {count(number)}" for name, number in packed["contexts"].items())
    waste = [
        [
            "tokens of documents",
            count(packed["tokens"]),
            share(packed["tokens"], room),
            bar([("kept", packed["tokens"])], room),
        ],
        [
            "padding",
            count(packed["padded_tokens"]),
            share(packed["padded_tokens"], room),
            bar([("other", packed["padded_tokens"])], room),
        ],
        ["dropped by the policy", count(packed["dropped_tokens"]), share(packed["dropped_tokens"], room), ""],
        ["read again", count(packed.get("repeated_tokens", 0)), share(packed.get("repeated_tokens", 0), room), ""],
    ]
    told = [f"filled by {5 * at} … {5 * at + 5} %: {number:,} contexts" for at, number in enumerate(fill)]
    filling = (
        '<figure class="card" role="group" aria-label="How far contexts are filled"><figcaption>how far contexts are '
        f"filled</figcaption>{columns([('kept', fill)], told)}"
        '<p class="axis"><span>0 %</span><span>full</span></p></figure>'
    )
    lead = (
        f"{count(contexts)} contexts of {packed['context_length']:,} tokens ({splits}), packed by <b>"
        f"{escape(packed['policy'])}</b>. {share(packed['padded_tokens'], room)} of their room is padding, and "
        f"{count(packed['split_docs'])} of {count(packed['documents'])} documents are split over contexts."
    )
    return section(
        "packing",
        "Contexts and packing",
        lead,
        '<div class="cards">'
        f'<div class="card">{table("Documents in a context", ["documents", "contexts", ""], rows, kind="bars")}</div>'
        f'<div class="card">{table("Tokens", ["", "tokens", "share", ""], waste, kind="bars")}</div>{filling}</div>',
    )


def _range(one: Mapping[str, int]) -> str:
    return f"{one['from']:,}" if one["from"] == one["to"] else f"{one['from']:,} … {one['to']:,}"
