"""The report's page stands alone, escapes whatever it shows, says what became of all records, and stays small."""

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from typing import Any

import pytest

from sequitur.stages.report.ledger import Ledger
from sequitur.stages.report.page.markup import count, embedded, share
from sequitur.stages.report.page.page import SECTIONS, render

HOSTILE = '</script><script>alert(1)</script><img src=x onerror="alert(2)">\u2028\u202e&amp;'
VOID = {"meta", "link", "br", "img"}
SIGNAL = {
    "signal": "word_count", "scale": "linear", "edges": [0, 50, 100], "beyond": [False, True], "kept": [0, 7],
    "failed": [2, 0], "other": [0, 1], "missing": 1, "rules": [{"name": "short", "min": 50, "max": None, "dropped": 2}],
}  # fmt: skip


class Outline(HTMLParser):
    """What a page has: elements with their attributes, and text by the element that it stands in."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[str, str]] = []
        self.feed(page)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append((self.open[-1] if self.open else "", data))

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def make_page(text: str = "plain", sources: int = 2) -> dict[str, Any]:
    """The content of page.json, small, with `text` wherever a corpus has its say."""
    ledger = Ledger(tokens_of_placed=900, tokens_in_shards=900)
    for number in range(sources):
        source = f"{text} {number}"
        ledger.read[source] = 10
        ledger.drop(source, "short", 2)
        ledger.drop(source, "fuzzy_duplicate", 1)
        ledger.placed[source] = 7
    measured = {"saved_vs_published": 1.25, "saved_vs_published_error": 0.03, "adjacency": 0.5, "excess_gain": 0.1}
    side = {"name": text, "source": text, "title": text, "text": [[True, text], [False, text]]}
    piece = {"document": 0, "start": 0, "length": 9, "cosine": 0.25, "text": text}
    context = {"context": 0, "row": 3, "tokens": 90, "room": 100, "coherence": 0.5, "pieces_in_all": 3}
    stretch = {
        "name": "beginning",
        "first": 0,
        "documents": [0, 1],
        "cosines": [None, 0.5],
        "boundaries": [0],
        "contexts": [0, 0],
    }
    sizes = {
        "documents": 2,
        "clusters": 1,
        "largest": 3,
        "sizes": [{"from": 2, "to": 2, "count": 0}, {"from": 3, "to": None, "count": 1}],
    }
    return {
        "name": text,
        "report": {
            "ledger": ledger.to_json(),
            "alarms": [
                {"step": "short", "of": "source", "name": text, "documents": 9, "reached": 8, "lost": 7, "share": 0.8}
            ],
            "order": {"strategy": "contexts", "contexts": measured, "random_baseline": {"adjacency": 0.1},
                      "published": {"saved_vs_published": 1.0, "adjacency": 0.4}},
            "packing": {
                "contexts": {"train": 1}, "context_length": 100, "tokens": 90, "padded_tokens": 10, "documents": 14,
                "dropped_tokens": 0, "repeated_tokens": 0, "split_docs": 0, "policy": "whole",
            },
            "distributions": {"documents_per_context": [{"from": 2, "to": 3, "count": 1}]},
            "stages": {"tokens": {"tokenizer": {"name": text, "vocab_size": 300}}},
            "fingerprints": {"documents": "ab"},
        },
        "reasons": ["short", "fuzzy_duplicate"],
        "signals": [SIGNAL, {**SIGNAL, "signal": text, "rules": []}],
        "duplicates": {
            "clusters": {"fuzzy_duplicate": sizes, "semantic_duplicate": sizes},
            "examples": [
                {"kind": "fuzzy_duplicate", "similarity": 0.8, "direct": False, "kept": side, "dropped": side},
                {"kind": "semantic_duplicate", "similarity": 0.8, "overlap": 0.6, "direct": True, "kept": side,
                 "dropped": side},
            ],
        },
        "path": {
            "pieces": 2, "contexts": 1, "inside": 0.5, "between": None, "stretches": [stretch],
            "bins": [{"from": 1, "to": 1, "low": 0.4, "mean": 0.5, "high": 0.6}],
        },
        "fill": [0] * 19 + [1],
        "map": {
            "how": "t-SNE", "ordinals": [0, 1], "points": [[0, 0], [1000, 9]],
            "paths": [{"context": 0, "points": [0, 1]}],
        },
        "contexts": [{**context, "pieces": [{**piece, "cosine": None}, piece]}],
        "documents": {"0": [text, text, text], "1": ["other", text, "books"]},
        "config": text,
        "versions": {"python": "3.11"},
    }  # fmt: skip


COMPARISON = {
    "documents": 14, "context_length": 100, "policy": "whole", "bound": 0.7,
    "orders": {"iclm": {"adjacency": 0.4}, "random": {"adjacency": 0.1}, "bm25": {"error": HOSTILE}},
}  # fmt: skip


def test_text_stays_text() -> None:
    page = render(make_page(HOSTILE), COMPARISON)
    outline, plain = Outline(page), Outline(render(make_page(), COMPARISON))

    # Whatever the text, the page has the same elements with the same attributes but for what is told in them.
    told = ("title", "aria-label", "content")
    names = [(tag, sorted(attributes)) for tag, attributes in outline.elements]
    assert [name for name in names if name[0] != "bdi"] == [
        (tag, sorted(attributes)) for tag, attributes in plain.elements if tag != "bdi"
    ]
    assert all(
        "alert" not in (value or "") or name in told for _, one in outline.elements for name, value in one.items()
    )
    assert len(outline.all("script")) == 2
    assert not outline.all("img")
    assert any("alert(1)" in text for tag, text in outline.texts if tag == "pre")
    data = next(text for tag, text in outline.texts if tag == "script" and text.startswith("{"))
    assert json.loads(data)["map"][0][3] == HOSTILE


def test_a_page_asks_for_nothing_and_runs_only_its_own_script() -> None:
    page = render(make_page())
    outline = Outline(page)
    policy = next(str(one["content"]) for one in outline.all("meta") if "http-equiv" in one)

    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy
    for kind in ("style", "script"):
        content = re.findall(rf"<{kind}>(.*?)</{kind}>", page, re.DOTALL)
        assert len(content) == 1
        digest = base64.b64encode(hashlib.sha256(content[0].encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in policy
    addresses = [str(value) for _, one in outline.elements for name, value in one.items() if name in ("src", "href")]
    assert all(address.startswith(("#", "data:")) for address in addresses)
    assert not any(name.startswith("on") or name == "style" for _, one in outline.elements for name in one)


def test_every_section_can_be_reached_and_tables_are_named() -> None:
    outline = Outline(render(make_page(), COMPARISON))

    identifiers = [one["id"] for _, one in outline.elements if "id" in one]
    assert len(identifiers) == len(set(identifiers))
    assert {str(one["href"])[1:] for one in outline.all("a")} == set(SECTIONS) <= set(identifiers)
    assert len(outline.all("table")) == len(outline.all("caption")) > 5
    assert all(one.get("aria-label") for tag, one in outline.elements if one.get("tabindex") == "0")


def test_the_waterfall_leads_from_read_to_placed() -> None:
    content = make_page(sources=40)
    page = render(content)

    rows = re.search(r'<tbody data-source="0">(.*?)</tbody>', page, re.DOTALL)
    assert rows is not None
    steps = re.findall(r"<bdi>(.*?)</bdi></th><td>(.*?)</td>", rows[1])
    assert steps == [("read", "400"), ("\u2212 short", "80"), ("\u2212 fuzzy duplicate", "40"), ("placed", "280")]
    assert page.count("<tbody data-source=") == 25  # all, the 23 largest, and the others as one
    assert "(17 others)" in page
    assert "removed later" not in page


def test_alarms_are_shown_where_there_are_some() -> None:
    content = make_page()
    assert '<th scope="row"><bdi>short</bdi></th>' in render(content)
    content["report"]["alarms"] = []
    assert "Alarms" not in render(content)


def test_documents_removed_from_the_shards_are_counted() -> None:
    content = make_page()
    for counts in (content["report"]["ledger"]["records"], *content["report"]["ledger"]["sources"].values()):
        counts |= {"removed": 1, "placed": counts["placed"] - 1}

    assert "<bdi>\u2212 removed later</bdi></th><td>1</td>" in render(content)


def test_thresholds_are_drawn_where_they_lie() -> None:
    page = render(make_page())
    assert '<path class="threshold" d="M500.0 0V100"/>' in page  # 50 between 0 and 100
    assert '<rect class="shade" x="0.0" width="500.0" height="100"/>' in page
    assert "<title>0 … 50: 0 kept, 2 dropped by this signal, 0 otherwise</title>" in page


def test_what_is_saved_stands_first_and_beside_the_published_order() -> None:
    page = render(make_page())
    assert "of what the published order saves, ± " in page
    assert '<th scope="row">iclm + stream</th>' in page
    assert page.index("<caption>saved vs published") < page.index("<caption>adjacency")
    older = make_page()  # as an earlier version wrote it, which `compare` renews
    del older["report"]["order"]["published"]
    assert "iclm + stream" not in render(older)


def test_compared_orders_are_shown_where_there_are_some() -> None:
    assert "Orders compared" not in render(make_page())
    page = render(make_page(), COMPARISON)
    assert "Orders compared" in page
    assert "cannot be computed" in page


def test_an_imbalance_is_shouted() -> None:
    content = make_page()
    content["report"]["ledger"]["balances"] = False
    assert "does not balance" in render(content)


def test_a_run_without_contexts_or_duplicates_has_a_page() -> None:
    content = make_page()
    content |= {"duplicates": {"clusters": {}, "examples": []}, "contexts": [], "signals": []}
    content["path"] |= {"bins": [], "stretches": [], "inside": None}
    content["map"] |= {"ordinals": [], "points": [], "paths": []}
    outline = Outline(render(content))
    assert len(outline.all("section")) == len(SECTIONS)


def test_a_page_of_all_that_it_may_hold_is_small() -> None:
    worst = "<"  # of which most is made: six bytes in a script, four elsewhere
    content = make_page("plain")
    many = make_page(worst * 10_000, sources=3000)["report"]["ledger"]
    content["report"]["ledger"] = many
    content["documents"] = {str(number): [worst * 80] * 3 for number in range(2280)}
    content["map"] |= {"ordinals": list(range(2280)), "points": [[999, 999]] * 2280}
    stretch = {**content["path"]["stretches"][0], "documents": [0] * 64, "cosines": [0.1234] * 64}
    content["path"] |= {"stretches": [stretch] * 3, "bins": content["path"]["bins"] * 240}
    content["signals"] = [
        {**SIGNAL, **{kind: [9] * 40 for kind in ("kept", "failed", "other")}, "edges": list(range(41))}
    ] * 48
    side = {
        "name": worst * 80,
        "source": worst * 80,
        "title": worst * 80,
        "text": [[True, worst * 8], [False, worst * 8]] * 130,
    }
    content["duplicates"]["examples"] = [{**content["duplicates"]["examples"][0], "kept": side, "dropped": side}] * 42
    context, piece = content["contexts"][0], content["contexts"][0]["pieces"][0]
    content["contexts"] = [{**context, "pieces": [{**piece, "text": worst * 1000}] * 10}] * 7
    content["config"] = worst * 50_000

    assert len(render(content).encode()) < 5_000_000


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (count(999_999), "999,999"),
        (count(8_309_904), '<span title="8,309,904">8.31\u202fM</span>'),
        (share(1, 3), '<span title="33.3333 %">33.3\u202f%</span>'),
        (share(1, 10**6), '<span title="0.0001 %">&lt;0.1\u202f%</span>'),
        (share(10**6 - 1, 10**6), '<span title="99.9999 %">&gt;99.9\u202f%</span>'),
        (share(0, 0), '<span title="0 %">0\u202f%</span>'),
        (embedded({"a": "</script>\u2028&"}), '{"a":"\\u003c/script>\\u2028&"}'),
    ],
    ids=["in full", "rounded", "share", "little", "nearly all", "of nothing", "JSON"],
)
def test_numbers_are_for_people(written: str, expected: str) -> None:
    assert written == expected
