"""Orders side by side: the best is marked, what is missing is said, and the page needs nothing from elsewhere."""

import io
import re
from typing import Any
from xml.etree import ElementTree

import pytest
from rich.console import Console

from sequitur.inspection.compare_view import render
from sequitur.stages.report.page.comparison import baseline, best_of, page, ratio


@pytest.fixture
def comparison() -> dict[str, Any]:
    iclm = {"saved_vs_published": 0.9, "saved_vs_published_error": 0.02, "compressed_share": 0.4}
    iclm |= {"adjacency": 0.5, "pairwise": 0.2, "excess_gain": 0.1, "excess_gain_error": 0.004, "leakage_z": -1.5}
    return {
        "documents": 1200,
        "context_length": 8192,
        "policy": "whole",
        "bound": 0.7,
        "orders": {
            "iclm": {**iclm, "padding": 0.02, "repeats": 0, "in_context_gain_contexts": 300},
            "<b>ours": {**iclm, "adjacency": 0.45, "pairwise": 0.25, "padding": 0.01, "repeats": 0},
            "knn": {**iclm, "pairwise": 0.9, "repeats": 17, "padding": None},
            "bm25": {"error": "no <terms>"},
        },
    }


def text_of(comparison: dict[str, Any]) -> str:
    console = Console(file=io.StringIO(), width=80, color_system=None)
    console.print(render(comparison))
    return console.file.getvalue()  # type: ignore[attr-defined]


def test_table_has_values_ratios_and_errors(comparison: dict[str, Any]) -> None:
    rows = [line.split() for line in text_of(comparison).splitlines()]

    assert "1,200 documents; contexts of 8,192 tokens, whole; gain over 300 contexts" in text_of(comparison)
    assert ["iclm", "0.900", "±0.020", "0.400", "0.020"] in rows
    assert ["iclm", "0.500", "0.200", "0.100", "±0.004"] in rows
    assert ["<b>ours", "0.450", "0.90x", "0.250", "1.25x", "0.100", "±0.004", "1.00x"] in rows
    assert ["knn", "-1.50", "17"] in rows
    assert ["knn", "0.900", "±0.020", "0.400", "-"] in rows
    assert "bm25: cannot be computed: no <terms>" in text_of(comparison)
    assert "graph" not in text_of(comparison)


def test_rows_that_were_drawn_are_counted(comparison: dict[str, Any]) -> None:
    comparison |= {"drawn_tokens": 1024, "own_neighbors": False}
    assert "gain over 300 contexts, saved bytes over 1,024 rows; iclm + stream by the run's edges" in " ".join(
        text_of(comparison).split()
    )


def test_ratios_are_to_the_order_as_published_where_it_is_measured(comparison: dict[str, Any]) -> None:
    comparison["orders"]["iclm + stream"] = {**comparison["orders"]["iclm"], "pairwise": 0.4}
    assert baseline(comparison["orders"]) == "iclm + stream"
    rows = [line.split() for line in text_of(comparison).splitlines()]
    assert ["iclm", "0.500", "1.00x", "0.200", "0.50x", "0.100", "±0.004", "1.00x"] in rows
    assert ["iclm", "+", "stream", "0.500", "0.400", "0.100", "±0.004"] in rows


def test_repeats_are_shown_only_where_there_are_some(comparison: dict[str, Any]) -> None:
    del comparison["orders"]["knn"]
    assert "repeats" not in text_of(comparison)


def test_measures_by_the_graphs_vectors_have_a_table_of_their_own(comparison: dict[str, Any]) -> None:
    comparison["orders"]["iclm"] |= {"graph_adjacency": 0.61, "graph_pairwise": 0.31}
    rows = [line.split() for line in text_of(comparison).splitlines()]
    assert ["iclm", "0.610", "0.310"] in rows


def test_the_best_repeats_nothing(comparison: dict[str, Any]) -> None:
    orders = comparison["orders"]
    assert best_of(orders, "pairwise", True) == ["<b>ours"]
    assert best_of(orders, "padding", False) == ["<b>ours"]
    assert best_of(orders, "excess_gain", True) == ["iclm", "<b>ours"]
    assert best_of(orders, "leakage_z", None) == best_of({"iclm": orders["iclm"]}, "pairwise", True) == []


def test_ratios_are_to_iclm_or_else_to_random(comparison: dict[str, Any]) -> None:
    orders = comparison["orders"]
    assert baseline(orders) == "iclm"
    assert ratio(orders, "<b>ours", "iclm", "pairwise") == "1.25x"
    assert ratio(orders, "iclm", "iclm", "pairwise") == ratio(orders, "knn", "iclm", "leakage_z") == ""
    orders["random"], orders["iclm"] = orders["iclm"], {"error": "none"}
    assert baseline(orders) == "random"
    del orders["random"]
    assert baseline(orders) is None
    assert "0.90x" not in text_of(comparison)


def test_page_stands_alone_and_escapes_names(comparison: dict[str, Any]) -> None:
    comparison["orders"]["iclm"]["graph_pairwise"] = 0.3
    written = page(comparison)

    assert "<b>ours" not in written
    assert "no &lt;terms&gt;" in written
    assert "prefers-color-scheme: dark" in written
    assert "default-src 'none'" in written
    assert not re.search(r"(\bsrc=|href=.(?!data:)|url\(|@import|<script)", written, re.IGNORECASE)
    assert written.count('<table class="orders">') == 9
    bars = re.findall(r'<svg class="bar".*?</svg>', written, re.DOTALL)
    assert len(bars) == 3 * 9
    for bar in bars:
        for part in ElementTree.fromstring(bar).iter("rect"):  # noqa: S314 - ours
            assert 0 <= float(part.attrib["x"]) <= float(part.attrib["x"]) + float(part.attrib["width"]) <= 1003
