"""What is told of a document, and of two, in words: each outcome has its sentence, and every line fits 80 columns."""

import io
from typing import Any

import pytest
from rich.console import Console

from sequitur.inspection.trace_view import outcome, render_trace
from sequitur.inspection.why_view import answers, render_why

DOCUMENT = {
    "doc_id": "0123456789abcdef" * 2,
    "record_id": "record",
    "title": "A [bold]title[/bold] that is long " * 3,
    "url": "https://example.org/" + "long/" * 30,
    "source": "web",
    "source_file": "data/in.jsonl.zst",
    "source_row": 12,
    "license": "MIT",
    "timestamp": "2026-01-01T00:00:00+00:00",
    "characters": 1234,
}
OTHER = DOCUMENT | {"doc_id": "f" * 32, "title": "Another", "url": None}
RULES = [
    {"rule": "empty", "signal": "byte_count", "value": 1234, "minimum": 1, "maximum": None, "passed": True},
    {"rule": "short", "signal": "word_count", "value": 7, "minimum": 50, "maximum": None, "passed": False},
    {"rule": "long", "signal": "word_count", "value": 7.5, "minimum": None, "maximum": 5, "passed": False},
    {"rule": "odd", "signal": "ratio", "value": None, "minimum": None, "maximum": 0.1, "passed": False},
    {
        "rule": "language", "signal": "language", "value": "de", "minimum": None, "maximum": None,
        "allowed": ["en", "fr"], "passed": False,
    },
]  # fmt: skip
CONTEXT = {
    "directory": None, "split": "train", "row": 5, "context_id": 9, "piece": 1, "pieces": 3, "offset": 10, "start": 0,
    "length": 20,
}  # fmt: skip
ORDER = {
    "position": 4, "documents": 100, "path": 2, "place_in_path": 1, "documents_in_path": 30, "family": None,
    "cosine_to_previous": 0.5, "before": OTHER, "after": None,
}  # fmt: skip


def lost(reason: str, **about: Any) -> dict[str, Any]:
    return {"stage": "select", "reason": reason, "to": None, **about}


def traced(**changed: Any) -> dict[str, Any]:
    found = {
        "outcome": "placed", "document": DOCUMENT, "changes": [], "signals": {"word_count": 7, "language": "en"},
        "rules": RULES, "contamination": None, "losses": [], "ordinal": 4, "tokens": {"tokens": 20},
        "neighbors": [OTHER | {"cosine": 0.7}], "order": ORDER, "contexts": [CONTEXT], "finished": ["documents"],
    }  # fmt: skip
    return found | changed


def shown(renderable: Any) -> str:
    console = Console(file=io.StringIO(), width=80)
    console.print(renderable)
    text = console.file.getvalue()
    assert max(map(len, text.splitlines())) <= 80
    return text


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({}, "placed in train[5]"),
        ({"contexts": [CONTEXT, CONTEXT | {"directory": "web"}]}, "placed in train[5] and 1 more"),
        ({"outcome": "unplaced", "contexts": []}, "kept and ordered, but the shards do not hold it"),
        ({"outcome": "unfinished", "contexts": None}, "not packed yet; finished are documents"),
        ({"losses": [lost("short")]}, "dropped by select: short, word_count 7 is less than 50"),
        ({"losses": [lost("long")]}, "dropped by select: long, word_count 7.5 is more than 5"),
        ({"losses": [lost("odd")]}, "dropped by select: odd, ratio is not known"),
        ({"losses": [lost("language")]}, "dropped by select: language, language de is none of en, fr"),
        ({"losses": [lost("blocked_url")]}, "dropped by select: blocked_url"),
        ({"losses": [lost("fuzzy_duplicate", to=OTHER)]}, "dropped by select as a fuzzy duplicate of “Another”"),
        (
            {"losses": [lost("subset", by="coverage", share=0.5, score=0.1)]},
            "dropped by select: the subset of 0.5 by coverage goes without it",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_each_outcome_has_its_sentence(changed: dict[str, Any], sentence: str) -> None:
    found = traced(**changed)
    assert outcome(found).startswith(sentence)
    assert sentence in " ".join(shown(render_trace(found)).split())


def test_what_each_stage_made_of_it_is_shown() -> None:
    change = {"operation": "redact_email", "count": 2, "characters_removed": 30, "characters_added": 14}
    leak = {"ngram": "the  quick", "evaluation_file": "exam.txt", "evaluation_row": 3, "evaluation_id": "q3"}
    losses = [
        lost("fuzzy_duplicate", jaccard=0.9, least_jaccard=0.8, compared_with="ab" * 16, to=OTHER),
        {
            "stage": "neighbors",
            "reason": "semantic_duplicate",
            "cosine": 0.97,
            "least_cosine": 0.5,
            "overlap": 0.8,
            "least_overlap": 0.4,
            "to": DOCUMENT,
        },
    ]
    found = traced(changes=[change], contamination=leak, losses=losses, tokens=None, neighbors=[])
    text = shown(render_trace(found))
    for said in (
        "A [bold]title[/bold]", "redact_email: 2 times, 30 characters away, 14 in", "with exam.txt, row 3 (q3):",
        "“the quick”", "jaccard 0.900 (0.8 or more is dropped)", "by comparison with abababababababab",
        "then that", "cosine 0.970 (0.5 or more is dropped)", "overlap 0.800 (0.4", "→ Another",
        "✗  short", "✓  empty", "nearest    none",
    ):  # fmt: skip
        assert said in text


def side(document: dict[str, Any], **changed: Any) -> dict[str, Any]:
    return {"document": document, "losses": [], "ordinal": 1, "order": ORDER, "contexts": [CONTEXT]} | changed


def compared(**changed: Any) -> dict[str, Any]:
    found = {
        "a": side(DOCUMENT), "b": side(OTHER), "cosine": {"model": 0.4, "graph": 0.3},
        "ranks": {"k": 20, "b_for_a": None, "a_for_b": None, "least_for_a": 0.5, "least_for_b": None},
        "path": {"same": False, "apart": None, "same_family": True}, "contexts": {"shared": [], "apart": 7},
        "duplicates": {
            "equal": False, "jaccard": 0.1, "least_jaccard": 0.8, "shingle_words": 5, "signature_jaccard": 0.1,
            "token_jaccard": 0.0, "least_cosine": 0.5, "least_overlap": 0.4, "same_group": False,
        },
    }  # fmt: skip
    return found | changed


SHARED = {"directory": None, "split": "val", "row": 3, "context_id": 9, "pieces_between": 2, "tokens_between": 90}
NEAR = {"k": 20, "b_for_a": 3, "a_for_b": 21, "least_for_a": 0.5, "least_for_b": 0.4}
APART = "Not together: they are on different paths."
FAR = "Neither is among the other's 20 nearest: their cosine is 0.300."


@pytest.mark.parametrize(
    ("changed", "answer"),
    [
        ({}, [APART, FAR]),
        (
            {"path": {"same": True, "apart": 1, "same_family": True}},
            [
                "Not together, but near: 1 document apart on one path, 7 contexts apart.",
                f"{FAR} Documents between them link them.",
            ],
        ),
        (
            {"path": {"same": False, "apart": None, "same_family": False}},
            ["Not together: they are of different shard families.", FAR],
        ),
        (
            {"contexts": {"shared": [], "apart": None}},
            ["Not together: they are of different splits or row lengths.", FAR],
        ),
        (
            {"contexts": {"shared": [SHARED], "apart": 0}, "ranks": NEAR},
            [
                "Together in val[3], with 2 documents between.",
                "B is the 3rd nearest to A and A is the 21st nearest to B.",
            ],
        ),
        (
            {"ranks": NEAR},
            [
                APART,
                "B is the 3rd nearest to A and A is the 21st nearest to B; "
                "but a document stands between two others only, and others were taken.",
            ],
        ),
        ({"a": side(DOCUMENT, contexts=[])}, ["A is in no context."]),
        ({"contexts": None}, ["The run has not come to pack yet, so there are no contexts to compare."]),
        (
            {"b": side(OTHER, losses=[lost("exact_duplicate", to=DOCUMENT)])},
            ["B is in no context: select dropped it as an exact duplicate, and A stayed."],
        ),
        ({"a": side(DOCUMENT, losses=[lost("short")])}, ["A is in no context: select dropped it for short."]),
        ({"ranks": None}, [APART, "There are no lists of neighbours to tell more."]),
    ],
    ids=range(11),
)
def test_each_case_has_its_answer(changed: dict[str, Any], answer: list[str]) -> None:
    found = compared(**changed)
    assert answers(found) == answer
    assert " ".join(answer) in " ".join(shown(render_why(found)).split())


def test_what_is_known_of_both_is_shown() -> None:
    found = compared(ranks=NEAR, a=side(DOCUMENT, contexts=[CONTEXT] * 7))
    text = shown(render_why(found))
    for said in (
        "0.400 by the model",
        "B is number 3 of the 20 nearest to A",
        "… 2 more",
        "A is number 2 of 30 on path 2",
    ):
        assert said in text
