"""The end of a run, as a person reads it."""

import io
from typing import Any

import pytest
from rich.console import Console

from sequitur.inspection.summary_view import MAX_SOURCES, render
from sequitur.stages.report.ledger import Characters, Ledger


@pytest.fixture
def report() -> dict[str, Any]:
    """The least that `render` needs."""
    ledger = Ledger(tokens_of_placed=8000, tokens_in_shards=7990, tokens_dropped=10)
    ledger.read.update({"[red]web[/red]": 1200, "books": 4})
    ledger.rejected.update({"books": 1})
    ledger.drop("[red]web[/red]", "too_short", 100)
    ledger.drop("[red]web[/red]", "exact_duplicate", 50)
    ledger.placed.update({"[red]web[/red]": 1050, "books": 3})
    return {
        "ledger": ledger.to_json(),
        "packing": {"contexts": {"train": 1500, "validation": 2}, "context_length": 4096},
        "order": {
            "strategy": "path",
            "path": {
                "adjacency": 0.5432,
                "padding": 0.01,
                "excess_gain": 0.12,
                "excess_gain_error": 0.0041,
                "saved_vs_published": 1.25,
                "saved_vs_published_error": 0.03,
            },
            "random_baseline": {"adjacency": 0.1, "padding": None},
            "published": {"saved_vs_published": 1.0, "adjacency": 0.4567, "padding": 0.0},
        },
    }


def text_of(report: dict[str, Any]) -> str:
    console = Console(file=io.StringIO(), width=200, color_system=None)
    console.print(render(report))
    return console.file.getvalue()  # type: ignore[attr-defined]


def rows_of(report: dict[str, Any]) -> list[list[str]]:
    return [line.split() for line in text_of(report).splitlines()]


def test_counts_metrics_and_balance_are_shown(report: dict[str, Any]) -> None:
    rows = rows_of(report)

    assert ["-", "too_short", "100", "8.3%"] in rows
    assert ["placed", "1,053", "87.5%"] in rows
    assert ["order", "path", "random", "iclm", "+", "stream"] in rows
    assert rows.index(["order", "path", "random", "iclm", "+", "stream"]) + 1 == next(
        at for at, row in enumerate(rows) if row[:5] == ["saved_vs_published", "1.250", "±0.030", "-", "1.000"]
    )
    assert ["adjacency", "0.543", "0.100", "0.457", "cosine", "of", "consecutive", "documents"] in rows
    assert ["padding", "0.010", "-", "0.000", "padding"] in rows
    assert ["excess_gain", "0.120", "±0.004", "-", "-", "the", "same,", "beyond", "a", "random", "order"] in rows
    last = "1,502 contexts of 4,096 tokens; 7,990 tokens of 1,053 documents; the ledger balances"
    assert last in text_of(report)


def test_names_that_look_like_markup_are_printed_as_they_are(report: dict[str, Any]) -> None:
    assert ["[red]web[/red]", "1,200", "·", "100", "50", "1,050"] in rows_of(report)
    assert ["books", "4", "1", "·", "·", "3"] in rows_of(report)


def test_characters_are_shown_where_text_was_refined(report: dict[str, Any]) -> None:
    assert "characters" not in text_of(report)
    characters = Characters(read=5000, refined=3010)
    characters.removed.update(symbol_lines=2000)
    characters.added.update(redact_ip=10)
    report["ledger"]["characters"] = characters.to_json()

    rows = rows_of(report)

    assert ["symbol_lines", "2,000", "0"] in rows
    assert ["redact_ip", "0", "10"] in rows
    assert ["5,000", "read,", "3,010", "refined"] in rows


def test_imbalance_is_shouted(report: dict[str, Any]) -> None:
    report["ledger"]["balances"] = False

    assert "the ledger DOES NOT BALANCE" in text_of(report)


def test_many_sources_are_gathered_into_others(report: dict[str, Any]) -> None:
    ledger = Ledger()
    for number in range(MAX_SOURCES + 3):
        ledger.read[f"source{number:02}"] = ledger.placed[f"source{number:02}"] = 100 - number
    report["ledger"] = ledger.to_json()

    names = [row[0] for row in rows_of(report) if row and row[0].startswith("source")]
    assert names == ["source", *(f"source{number:02}" for number in range(MAX_SOURCES - 1))]
    assert ["(4", "others)", "350", "·", "·", "·", "350"] in rows_of(report)


def test_duplicates_of_another_run_count_as_duplicates(report: dict[str, Any]) -> None:
    ledger = Ledger()
    ledger.read.update({"books": 40})
    for reason, count in (("exact_duplicate_elsewhere", 7), ("fuzzy_duplicate_elsewhere", 5), ("repeated_id", 3)):
        ledger.drop("books", reason, count)
    ledger.drop("books", "contaminated", 2)
    ledger.placed.update({"books": 23})
    report["ledger"] = ledger.to_json()

    assert ["source", "read", "rejected", "by", "rules", "duplicates", "placed"] in rows_of(report)
    assert ["books", "40", "·", "2", "15", "23"] in rows_of(report)
