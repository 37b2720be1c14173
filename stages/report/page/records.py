"""What became of the records, in HTML: the waterfall, the signals, the duplicates."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any

from sequitur.pipeline.names import DUPLICATE_REASONS
from sequitur.stages.report.page.markup import bar, columns, count, decimal, name, section, share, short, table, words

MOST_SOURCES = 24


def records(page: Mapping[str, Any]) -> str:
    """The waterfall of all records and of each source."""
    ledger = page["report"]["ledger"]
    everything = ledger["records"]
    sources = gathered(ledger["sources"])
    reasons = _in_order(page["reasons"], everything["dropped"])
    options = "".join(f'<option value="{at + 1}">{escape(source[:80])}</option>' for at, source in enumerate(sources))
    bodies = [
        _steps(everything, reasons, 0),
        *(_steps(one, reasons, at + 1) for at, one in enumerate(sources.values())),
    ]
    removed = "removed" in everything
    picker = (
        '<p class="controls js"><label for="source">Records of </label><select id="source">'
        f'<option value="0">all sources</option>{options}</select></p>'
    )
    waterfall = (
        '<table class="waterfall" id="waterfall"><caption>From records read to documents placed</caption><thead><tr>'
        '<th scope="col">step</th><th scope="col">documents</th><th scope="col">of read</th>'
        f'<th scope="col"><span class="visually-hidden">what is left</span></th></tr></thead>{"".join(bodies)}</table>'
    )
    head = [
        "source",
        "read",
        "rejected",
        "by rules",
        "duplicates",
        *(["removed later"] if removed else []),
        "placed",
        "kept",
    ]
    rows = [_source_row(source, one, removed=removed) for source, one in sources.items()]
    legend = _legend(("kept", "placed"), ("failed", "dropped by rules"), ("copy", "duplicates"), ("other", "rejected"))
    return section(
        "records",
        "What became of every record",
        f"{count(everything['read'])} records were read and {count(everything['placed'])} stand in contexts. "
        "Each bar shows what is left after a step, and at its end what the step took.",
        picker,
        waterfall,
        _alarms(page["report"]["alarms"]),
        table("What became of the records of each source", [*head, "shares"], rows, kind="sources"),
        legend,
        _all_reasons(sources, reasons),
    )


def _alarms(alarms: Sequence[Mapping[str, Any]]) -> str:
    """The steps that took much of a source or of a language; nothing where none did."""
    if not alarms:
        return ""
    rows = [
        [
            name(one["step"]),
            name(f"{one['of']} {one['name']}"),
            *map(count, (one["lost"], one["reached"])),
            share(one["share"]),
        ]
        for one in alarms
    ]
    title = "Alarms: steps that took more of a source or of a language than select.alarm_share"
    return table(title, ["step", "of", "dropped", "of those left", "share"], rows, kind="alarms")


def gathered(sources: Mapping[str, Any]) -> dict[str, Any]:
    """The largest sources, and all others as one."""
    ranked = sorted(sources.items(), key=lambda item: (-item[1]["read"], item[0]))
    if len(ranked) <= MOST_SOURCES:
        return dict(ranked)
    shown, rest = ranked[: MOST_SOURCES - 1], [one for _, one in ranked[MOST_SOURCES - 1 :]]
    reasons = sorted({reason for one in rest for reason in one["dropped"]})
    numbers = [key for key, value in rest[0].items() if isinstance(value, int)]
    others: dict[str, Any] = {key: sum(one[key] for one in rest) for key in numbers}
    others["dropped"] = {reason: sum(one["dropped"].get(reason, 0) for one in rest) for reason in reasons}
    return {**dict(shown), f"({len(rest):,} others)": others}


def _in_order(known: Sequence[str], dropped: Mapping[str, int]) -> list[str]:
    """The reasons that dropped anything, as they are tried."""
    return [name for name in [*known, *sorted(set(dropped) - set(known))] if dropped.get(name)]


def _steps(counts: Mapping[str, Any], reasons: Sequence[str], number: int) -> str:
    """The rows of a waterfall, in a body of their own; those of single sources are hidden until asked for."""
    read = counts["read"]
    rows, left = [_step("read", "read", read, read, 0, read)], read
    taken = [("rejected", "other", counts["rejected"])]
    taken += [
        (reason, "copy" if reason in DUPLICATE_REASONS else "failed", counts["dropped"].get(reason, 0))
        for reason in reasons
    ]
    if "removed" in counts:
        taken.append(("removed later", "other", counts["removed"]))
    for label, kind, lost in taken:
        if lost:
            left -= lost
            rows.append(_step(f"\u2212 {label}", kind, lost, left, lost, read))
    rows.append(_step("placed", "kept", counts["placed"], counts["placed"], 0, read))
    return f'<tbody data-source="{number}"{" hidden" if number else ""}>{"".join(rows)}</tbody>'


def _step(label: str, kind: str, number: int, left: int, lost: int, read: int) -> str:
    drawn = bar([("kept" if kind in ("kept", "read") else "left", left), (f"{kind} gone", lost)], read)
    strong = ' class="strong"' if kind in ("read", "kept") else ""
    return (
        f'<tr{strong}><th scope="row">{words(label)}</th><td>{count(number)}</td><td>{share(number, read)}</td>'
        f'<td class="drawn">{drawn}</td></tr>'
    )


def _source_row(source: str, counts: Mapping[str, Any], *, removed: bool) -> list[str]:
    copies = sum(number for reason, number in counts["dropped"].items() if reason in DUPLICATE_REASONS)
    ruled, read, later = sum(counts["dropped"].values()) - copies, counts["read"], counts.get("removed", 0)
    numbers = [read, counts["rejected"], ruled, copies, *([later] if removed else []), counts["placed"]]
    parts = [("kept", counts["placed"]), ("failed", ruled), ("copy", copies), ("other", counts["rejected"] + later)]
    shown = [count(number) if number else "·" for number in numbers]
    return [name(source), *shown, share(counts["placed"], read), bar(parts, read)]


def _legend(*entries: tuple[str, str]) -> str:
    return (
        '<ul class="legend">' + "".join(f'<li><i class="{kind}"></i>{label}</li>' for kind, label in entries) + "</ul>"
    )


def _all_reasons(sources: Mapping[str, Any], reasons: Sequence[str]) -> str:
    rows = [
        [name(source), *(count(one["dropped"][reason]) if one["dropped"].get(reason) else "·" for reason in reasons)]
        for source, one in sources.items()
    ]
    inner = table("Documents dropped, by source and reason", ["source", *map(words, reasons)], rows)
    return f"<details><summary>Every reason for every source</summary>{inner}</details>" if reasons else ""


def signals(page: Mapping[str, Any]) -> str:
    """A histogram of each signal, with the thresholds of the active rules."""
    ruled = [_histogram(one) for one in page["signals"] if one["rules"]]
    others = [_histogram(one) for one in page["signals"] if not one["rules"]]
    legend = _legend(("kept", "kept"), ("failed", "dropped by a rule on this signal"), ("other", "dropped otherwise"))
    parts = [legend, f'<div class="cards">{"".join(ruled)}</div>']
    if others:
        parts += ["<h3>Signals that no rule looks at</h3>", f'<div class="cards">{"".join(others)}</div>']
    return section(
        "signals",
        "Signals and thresholds",
        "How the documents lie by what was measured of each. A line marks a threshold; what lies on its shaded side is "
        "dropped. Outermost columns also hold what lies beyond them.",
        *parts,
    )


def _histogram(one: Mapping[str, Any]) -> str:
    edges, log = one["edges"], one["scale"] == "log"
    series = [(kind, one[kind]) for kind in ("kept", "failed", "other")]
    told = [
        f"{short(edges[at])} … {short(edges[at + 1])}: {one['kept'][at]:,} kept, {one['failed'][at]:,} dropped by this "
        f"signal, {one['other'][at]:,} otherwise"
        for at in range(len(edges) - 1)
    ]
    lines, rules = [], []
    for rule in one["rules"]:
        for side in ("min", "max"):
            if rule[side] is not None:
                at = 1000 * _place(rule[side], edges, log=log)
                x, width = (0.0, at) if side == "min" else (at, 1000 - at)
                lines.append(f'<rect class="shade" x="{x:.1f}" width="{max(width, 0):.1f}" height="100"/>')
                lines.append(f'<path class="threshold" d="M{at:.1f} 0V100"/>')
        rules.append(f"<li>{_demand(rule)} <span>{words(rule['name'])}: {count(rule['dropped'])} dropped</span></li>")
    below, above = ("≤ " if one["beyond"][0] else "", "≥ " if one["beyond"][1] else "")
    numbers = [sum(one[kind]) for kind in ("kept", "failed", "other")]
    label = f"{one['signal']}: {numbers[0]:,} documents kept, {numbers[1]:,} dropped by it, {numbers[2]:,} otherwise"
    missing = f"<li><span>{count(one['missing'])} documents without a value</span></li>" if one["missing"] else ""
    whole = edges[1] - edges[0] == 1 and edges[0] % 1 == 0.5  # a column for each whole number
    low, high = (edges[0] + 0.5, edges[-1] - 0.5) if whole else (edges[0], edges[-1])
    return (
        f'<figure class="card" role="group" aria-label="{escape(label)}"><figcaption>{words(one["signal"])}'
        f"{' <span>logarithmic</span>' if log else ''}</figcaption>{columns(series, told, ''.join(lines))}"
        f'<p class="axis"><span>{below}{short(low)}</span><span>{above}{short(high)}</span></p>'
        f"<ul>{''.join(rules)}{missing}</ul></figure>"
    )


def _demand(rule: Mapping[str, Any]) -> str:
    """What a rule asks of its signal."""
    low, high = rule["min"], rule["max"]
    if low is not None and high is not None:
        return f"{short(low)} … {short(high)}"
    return f"≥ {short(low)}" if low is not None else f"≤ {short(high)}"


def _place(value: float, edges: Sequence[float], *, log: bool) -> float:
    """Where a value lies between the first edge and the last, 0 … 1."""
    scale = (lambda number: math.log1p(max(number, 0.0))) if log else float
    low, high = scale(edges[0]), scale(edges[-1])
    return min(max((scale(value) - low) / ((high - low) or 1), 0.0), 1.0)


def duplicates(page: Mapping[str, Any]) -> str:
    """Sizes of the clusters of each kind, and pairs side by side."""
    found = page["duplicates"]
    if not found["clusters"]:
        return section("duplicates", "Duplicates", "No document was dropped for another one.")
    tables = [_sizes(kind, one) for kind, one in found["clusters"].items()]
    telling = (at for at, one in enumerate(found["examples"]) if not all(same for same, _ in one["dropped"]["text"]))
    first = next(telling, 0)
    examples = [_example(one, opened=at == first) for at, one in enumerate(found["examples"])]
    lead = (
        f"{count(sum(one['documents'] for one in found['clusters'].values()))} documents were dropped because another "
        "one stays in their place. A cluster is a document that stays and those dropped for it."
    )
    shown = (
        "<h3>Examples, side by side</h3><p>Of each kind the pairs that are least alike, where the threshold shows, "
        "then some drawn at random. What only one of the two has is marked.</p>" + "".join(examples)
        if examples
        else ""
    )
    return section("duplicates", "Duplicates", lead, f'<div class="cards">{"".join(tables)}</div>', shown)


def _sizes(kind: str, one: Mapping[str, Any]) -> str:
    most = max(entry["count"] for entry in one["sizes"])
    rows = [[_range(entry), count(entry["count"]), bar([("copy", entry["count"])], most)] for entry in one["sizes"]]
    largest = (
        f"{count(one['documents'])} dropped in {count(one['clusters'])} clusters, of up to {count(one['largest'])}"
    )
    inner = table(f"Cluster sizes: {kind.replace('_', ' ')}", ["documents", "clusters", ""], rows, kind="bars")
    return f'<div class="card">{inner}<p class="note">{largest}.</p></div>'


def _range(entry: Mapping[str, Any]) -> str:
    if entry["to"] is None:
        return f"{entry['from']:,} and more"
    return f"{entry['from']:,}" if entry["from"] == entry["to"] else f"{entry['from']:,} … {entry['to']:,}"


def _example(one: Mapping[str, Any], *, opened: bool) -> str:
    sides = "".join(_side(label, one[label]) for label in ("kept", "dropped"))
    note = "" if one["direct"] else '<p class="note">The similarity is to another document of the cluster.</p>'
    titles = [one[side]["title"] or one[side]["name"] for side in ("kept", "dropped")]
    title = name(titles[0]) if titles[0] == titles[1] else f"{name(titles[0])} <span>and</span> {name(titles[1])}"
    alike = f"<b>{decimal(one['similarity'])}</b>"
    if one.get("overlap") is not None:
        alike += f" <span>overlap {decimal(one['overlap'])}</span>"
    return (
        f'<details class="pair"{" open" if opened else ""}><summary><span class="tag copy">{words(one["kind"])}</span> '
        f'{alike} {title}</summary>{note}<div class="sides">{sides}</div></details>'
    )


def _side(label: str, one: Mapping[str, Any]) -> str:
    text = "".join(_runs(one["text"]))
    return (
        f'<div class="side {label}"><p><b>{label}</b> {name(one["name"])} <span>{name(one["source"])}</span></p>'
        f'<pre dir="auto">{text}</pre></div>'
    )


def _runs(runs: Sequence[Sequence[Any]]) -> Iterator[str]:
    for same, text in runs:
        yield escape(text) if same else f"<mark>{escape(text)}</mark>"
