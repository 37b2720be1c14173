"""The report of a run as one HTML page that stands alone: `report/index.html`."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

from sequitur.pipeline.names import DUPLICATE_REASONS
from sequitur.stages.report.page import contexts as report_contexts
from sequitur.stages.report.page import markup
from sequitur.stages.report.page import orders as report_orders
from sequitur.stages.report.page import records as report_records
from sequitur.stages.report.page.comparison import TIMES
from sequitur.stages.report.page.markup import MARK, NONE, count, decimal, name, section, share, table

INDEX, PAGE, COMPARISON = "index.html", "page.json", "compare.json"
SECTIONS = {
    "records": "Records",
    "signals": "Signals",
    "duplicates": "Duplicates",
    "order": "Order",
    "path": "Path",
    "packing": "Packing",
    "map": "Map",
    "reading": "Read",
    "setup": "Setup",
}


def render(page: Mapping[str, Any], comparison: Mapping[str, Any] | None = None) -> str:
    """The page.

    Args:
        page: the content of page.json, as of `stages.report.page_data.page_data`.
        comparison: the result of `sequitur compare`, if there is one, made harmless.

    Below 5 MB: everything in it that could grow with the run is a sample, or cut.
    """
    body = "\n".join(
        [
            report_records.records(page),
            report_records.signals(page),
            report_records.duplicates(page),
            report_orders.order(page, comparison),
            report_orders.path(page),
            report_orders.packing(page),
            report_contexts.document_map(page),
            report_contexts.reading(page),
            _setup(page),
        ]
    )
    title = f"{page['name'][:80]} · Sequitur report"
    return markup.page(title, _header(page), body, report_contexts.embedded_data(page))


def _header(page: Mapping[str, Any]) -> str:
    report = page["report"]
    ledger, packed = report["ledger"], report["packing"]
    records, contexts = ledger["records"], sum(packed["contexts"].values())
    balance = (
        '<span class="badge good">the ledger balances</span> every record is accounted for'
        if ledger["balances"]
        else '<span class="badge bad">the ledger does not balance</span> some records are not accounted for'
    )
    links = "".join(f'<li><a href="#{identifier}">{label}</a></li>' for identifier, label in SECTIONS.items())
    facts = "".join(
        f"<div><dt>{label}</dt><dd>{value}<small>{of}</small></dd></div>" for label, value, of in _facts(report)
    )
    return (
        f'<a class="skip" href="#records">Skip to the report</a>\n<header><p class="brand">{MARK}Sequitur</p>'
        f"<h1>{name(page['name'])}</h1>"
        f'<p class="lead">{count(records["placed"])} of {count(records["read"])} documents, in {count(contexts)} '
        f'contexts of {packed["context_length"]:,} tokens.</p><p>{balance}</p><dl class="facts">{facts}</dl></header>\n'
        f'<nav aria-label="Sections"><ul>{links}</ul></nav>'
    )


def _facts(report: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    ledger, order, packed = report["ledger"], report["order"], report["packing"]
    records, own, chance = ledger["records"], order[order["strategy"]], order["random_baseline"]
    room = packed["tokens"] + packed["padded_tokens"]
    copies = sum(number for reason, number in records["dropped"].items() if reason in DUPLICATE_REASONS)
    saved, error = own.get("saved_vs_published"), own.get("saved_vs_published_error")
    return [
        ("placed", share(records["placed"], records["read"]), "of the records read"),
        ("duplicates", count(copies), f"dropped; {share(copies, records['read'])} of all"),
        ("tokens", count(ledger["tokens"]["in_shards"]), "in the shards"),
        (
            "adjacency",
            decimal(own.get("adjacency"), 2),
            f"cosine of neighbours; at random {decimal(chance.get('adjacency'), 2)}",
        ),
        (
            "saved bytes",
            NONE if saved is None else f"{decimal(saved, 2)}{TIMES}",
            "of what the published order saves" + (f", ± {decimal(error, 2)}" if error else ""),
        ),
        ("padding", share(packed["padded_tokens"], room), "of the contexts' room"),
    ]


def _setup(page: Mapping[str, Any]) -> str:
    versions = [[escape(package), escape(version)] for package, version in page["versions"].items()]
    prints = page["report"]["fingerprints"]
    fingerprints = [
        [escape(artifact), f"<code>{escape(fingerprint)}</code>"] for artifact, fingerprint in prints.items()
    ]
    tokenizer = page["report"]["stages"]["tokens"]["tokenizer"]
    return section(
        "setup",
        "Configuration and versions",
        f"Tokenizer <b>{name(tokenizer['name'])}</b> with {tokenizer['vocab_size']:,} tokens. Equal input, "
        "configuration and versions give equal shards.",
        f"<details><summary>Configuration, resolved</summary><pre>{escape(page['config'])}</pre></details>",
        "<details><summary>Versions</summary>" + table("Versions", ["package", "version"], versions) + "</details>",
        "<details><summary>Fingerprints of the artifacts</summary>"
        + table("Fingerprints", ["artifact", "sha256"], fingerprints)
        + "</details>",
    )
