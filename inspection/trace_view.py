"""What became of a document, as a person reads it on a terminal of 80 columns."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from sequitur.inspection.document_view import (
    KINDS,
    Told,
    add,
    context_line,
    labelled,
    loss_lines,
    place_of,
    plural,
)
from sequitur.pipeline.names import SUBSET


def render_trace(trace: Told) -> RenderableType:
    """The result of `inspection.explain.trace`: the outcome, then what each stage made of the document."""
    if trace["outcome"] == "rejected":
        return _of_reject(trace["reject"])
    document, rows = trace["document"], labelled()
    add(rows, "document", document["doc_id"], *_unless(document["title"], document["record_id"]), document["url"])
    add(rows, "read from", f"{document['source_file']}, row {document['source_row']}", _origin(document))
    if "extension" in trace:
        add(rows, "extension", trace["extension"])
    add(rows, "text", f"{document['characters']:,} characters", *_changes(trace["changes"]))
    if trace["signals"]:
        add(rows, "signals", _headline(trace["signals"]))
    if trace["rules"] is not None:
        add(rows, "rules", _rules(trace["rules"]))
    if trace["contamination"]:
        add(rows, "shared", *_contamination(trace["contamination"]))
    if trace["ordinal"] is not None:
        add(rows, "selected", *_tokens(trace))
    for number, loss in enumerate(trace["losses"]):
        if loss.keys() > {"stage", "reason", "to"} or loss["to"]:
            add(rows, "lost" if number == 0 else "then that", *loss_lines(loss))
    if trace["neighbors"] is not None:
        add(rows, "nearest", _nearest(trace["neighbors"]) if trace["neighbors"] else "none")
    if trace["order"] is not None:
        add(rows, "order", *_order(trace["order"]))
    for context in trace["contexts"] or ():
        add(rows, "context", context_line(context))
    title = document["title"] or document["record_id"] or document["doc_id"]
    style = {"placed": "bold green", "unfinished": "bold yellow"}.get(trace["outcome"], "bold red")
    return Group(Text(title, style="bold"), Text(outcome(trace), style=style), Text(), rows)


def outcome(trace: Told) -> str:
    """One sentence: what became of the document."""
    if trace["outcome"] == "rejected":
        return f"rejected by ingest: {trace['reject']['reason']}"
    if trace["losses"]:
        return f"dropped by {_reason(trace['losses'][0], trace['rules'])}"
    if trace["outcome"] == "placed":
        pieces = len(trace["contexts"])
        return f"placed in {place_of(trace['contexts'][0])}" + (f" and {pieces - 1:,} more" if pieces > 1 else "")
    if trace["outcome"] == "unplaced":
        return "kept and ordered, but the shards do not hold it: it was removed, or dropped by the packing policy"
    return f"not packed yet; finished are {', '.join(trace['finished'])}"


def _reason(loss: Told, rules: Sequence[Told] | None) -> str:
    """`select: gopher_too_few_words, word_count 29 is less than 50`, or what it is a duplicate of."""
    if loss["reason"] in KINDS:
        of = f" of {_called(loss['to'])}" if loss["to"] else ""
        return f"{loss['stage']} as {KINDS[loss['reason']]}{of}"
    if loss["reason"] == SUBSET:
        return f"{loss['stage']}: the subset of {loss['share']:g} by {loss['by']} goes without it"
    failed = next((rule for rule in rules or () if rule["rule"] == loss["reason"]), None)
    return f"{loss['stage']}: {loss['reason']}" + (f", {_failing(failed)}" if failed else "")


def _failing(rule: Told) -> str:
    if rule["value"] is None:
        return f"{rule['signal']} is not known"
    said = f"{rule['signal']} {_number(rule['value'])}"
    if "allowed" in rule:
        return f"{said} is none of {', '.join(rule['allowed'])}"
    if rule["minimum"] is not None and rule["value"] < rule["minimum"]:
        return f"{said} is less than {_number(rule['minimum'])}"
    return f"{said} is more than {_number(rule['maximum'])}"


def _called(document: Told) -> str:
    name = document.get("title") or document.get("record_id") or document.get("url")
    return f"“{name}”" if name else document["doc_id"][:12]


def _of_reject(reject: Told) -> RenderableType:
    rows = labelled()
    add(rows, "read from", f"{reject['source_file']}, row {reject['source_row']}", reject["source"])
    add(rows, "reason", reject["reason"])
    add(rows, "detail", reject["detail"])
    return Group(Text(f"rejected by ingest: {reject['reason']}", style="bold red"), Text(), rows)


def _changes(changes: Sequence[Told] | None) -> Iterator[str]:
    if changes is None:
        return
    if not changes:
        yield "refining changed nothing"
    for one in changes:
        yield (
            f"{one['operation']}: {one['count']:,} times, {one['characters_removed']:,} characters away, "
            f"{one['characters_added']:,} in"
        )


def _headline(signals: Told) -> str:
    words = f"{_number(signals.get('word_count'))} words in {_number(signals.get('line_count'))} lines"
    score = signals.get("language_score")
    return f"{words}, language {signals.get('language')}" + ("" if score is None else f" ({score:.2f})")


def _rules(rules: Iterable[Told]) -> RenderableType:
    rows = []
    for rule in rules:
        style = "" if rule["passed"] else "bold red"
        cells = ("✓" if rule["passed"] else "✗", rule["rule"], _number(rule["value"]), _bound(rule))
        rows.append([Text(cell, style=style) for cell in cells])
    return _lines(("left", "left", "right", "left"), rows)


def _lines(justified: Sequence[Any], rows: Sequence[Sequence[Text | str]]) -> RenderableType:
    """A table of one line each; the last column ends in an ellipsis where it is too long."""
    table = Table(box=None, pad_edge=False, show_header=False)
    for column, justify in enumerate(justified):
        widest = max((len(row[column]) for row in rows), default=0)
        is_last = column == len(justified) - 1
        table.add_column(justify=justify, overflow="ellipsis", no_wrap=True, min_width=None if is_last else widest)
    for row in rows:
        table.add_row(*(Text(cell) if isinstance(cell, str) else cell for cell in row))
    return table


def _bound(rule: Told) -> str:
    if "allowed" in rule:
        return ", ".join(rule["allowed"])
    bounds = (("≥", rule["minimum"]), ("≤", rule["maximum"]))
    return " ".join(f"{sign} {_number(bound)}" for sign, bound in bounds if bound is not None)


def _contamination(found: Told) -> Iterator[str]:
    ids = f" ({found['evaluation_id']})" if found["evaluation_id"] else ""
    yield f"with {found['evaluation_file']}, row {found['evaluation_row']}{ids}:"
    yield f"“{' '.join(found['ngram'].split())}”"


def _tokens(trace: Told) -> Iterator[str]:
    tokens = trace["tokens"]
    yield f"ordinal {trace['ordinal']:,}" + (f", {plural(tokens['tokens'], 'token')}" if tokens else "")
    if tokens and tokens.get("repeated_spans"):
        spans = plural(tokens["repeated_spans"], "repeated span")
        yield f"{spans}, {plural(tokens['repeated_tokens'], 'token')} in all, found in it"


def _nearest(documents: Sequence[Told]) -> RenderableType:
    return _lines(("right", "left", "left"), [(f"{one['cosine']:.3f}", *_brief(one)) for one in documents])


def _order(order: Told) -> Iterator[RenderableType | str]:
    family = f" of family {order['family']}" if order["family"] else ""
    yield (
        f"place {order['position'] + 1:,} of {order['documents']:,}; {order['place_in_path'] + 1:,} of "
        f"{order['documents_in_path']:,} on path {order['path']}{family}"
    )
    cosine = order["cosine_to_previous"]
    sides = (("follows", "before", cosine), ("precedes", "after", None))
    rows = [
        (word, "" if close is None else f"{close:.3f}", *_brief(order[side]))
        for word, side, close in sides
        if order[side] is not None
    ]
    yield _lines(("left", "right", "left", "left"), rows)


def _brief(document: Told) -> tuple[str, str]:
    return document["doc_id"][:12], document["title"] or document["record_id"] or document["url"] or ""


def _origin(document: Told) -> str:
    return ", ".join(
        part for part in (f"source {document['source']}", document["license"], document["timestamp"]) if part
    )


def _unless(title: str | None, record_id: str | None) -> list[str]:
    return [record_id] if record_id and record_id != title else []


def _number(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, float) and not value.is_integer():
        return f"{value:.4g}"
    return f"{value:,.0f}" if isinstance(value, int | float) else str(value)
