"""Every document that is dropped is dropped for the reason that a plain reading of the rules gives."""

import functools
import json
import re
from collections.abc import Callable
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import xxhash

from sequitur.pipeline.errors import ConfigError, NothingKept
from sequitur.pipeline.stage import Run
from sequitur.stages.select import stage as select

Execute = Callable[..., Run]


@pytest.fixture
def selected(execute: Execute, rows: Any, tmp_path: Path) -> Callable[..., list[dict[str, Any]]]:
    """The verdicts on some texts, each with its record id."""

    def run(texts: dict[str, str], **options: Any) -> list[dict[str, Any]]:
        path = tmp_path / "texts.jsonl"
        path.write_text("".join(json.dumps({"id": name, "text": text}) + "\n" for name, text in texts.items()))
        finished = execute(tmp_path / "run", "select", ingest={"inputs": [str(path)]}, select=options)
        return named_verdicts(finished, rows)

    return run


def named_verdicts(run: Run, rows: Any) -> list[dict[str, Any]]:
    """The verdicts with record ids instead of document ids."""
    documents = rows(run)
    names = {row["doc_id"]: row["record_id"] for row in documents} | {None: None}
    verdicts = rows(run, "selection")
    for document, verdict in zip(documents, verdicts, strict=True):
        verdict |= {"id": document["record_id"], **{key: names[verdict[key]] for key in ("duplicate_of", "evidence")}}
    return verdicts


@functools.cache
def shingles(text: str) -> set[tuple[str, ...]]:
    words = re.findall(r"[a-z]+", text.lower())
    return set(zip(*(words[start:] for start in range(5)), strict=False))


def similarity(a: str, b: str) -> float:
    return len(shingles(a) & shingles(b)) / len(shingles(a) | shingles(b))


def brute_force(documents: list[dict[str, Any]]) -> list[tuple[str | None, str | None]]:
    """(reason, record id of the survivor) of each document, by comparing each with each."""
    found: list[tuple[str | None, str | None]] = [(None, None)] * len(documents)

    def alive() -> list[int]:
        return [row for row in range(len(documents)) if found[row][0] is None]

    def keep_longest(group: list[int], reason: str) -> None:
        best = min(group, key=lambda row: (-len(documents[row]["text"].encode()), documents[row]["doc_id"]))
        for row in group:
            if row != best:
                found[row] = (reason, documents[best]["record_id"])

    first: dict[bytes, int] = {}
    for row, document in enumerate(documents):
        if len(document["text"].split()) < 50:
            found[row] = ("gopher_too_few_words", None)
        if first.setdefault(document["doc_id"], row) != row:
            found[row] = ("repeated_id", document["record_id"])
    same: dict[str, list[int]] = {}
    for row in alive():
        same.setdefault(" ".join(documents[row]["text"].casefold().split()), []).append(row)
    for group in same.values():
        keep_longest(group, "exact_duplicate")
    group_of = {row: {row} for row in alive()}
    for a, b in combinations(alive(), 2):
        if similarity(documents[a]["text"], documents[b]["text"]) >= 0.8:
            together = group_of[a] | group_of[b]
            group_of |= dict.fromkeys(together, together)
    for members in group_of.values():
        keep_longest(sorted(members), "fuzzy_duplicate")
    return found


def test_the_verdicts_are_those_of_brute_force(finished: Run, rows: Any, corpus: Any) -> None:
    documents, verdicts = rows(finished), named_verdicts(finished, rows)
    assert [(row["reason"], row["duplicate_of"]) for row in verdicts] == brute_force(documents)
    dropped = {row["id"]: row for row in verdicts if row["reason"] == "fuzzy_duplicate"}
    assert len(dropped) == len(corpus.near)
    for name, row in dropped.items():
        assert row["evidence"] == row["duplicate_of"]
        expected = similarity(corpus.texts[name], corpus.texts[row["evidence"]])
        assert row["similarity"] == pytest.approx(expected, abs=1e-6)
    exact = [row for row in verdicts if row["reason"] == "exact_duplicate"]
    assert {(row["id"], row["duplicate_of"]) for row in exact} == {(name, copy) for copy, name in corpus.exact.items()}
    assert all((row["evidence"], row["similarity"]) == (row["duplicate_of"], 1) for row in exact)
    assert {row["id"] for row in verdicts if row["reason"] == "gopher_too_few_words"} == corpus.short
    assert [row["id"] for row in verdicts if row["reason"] == "repeated_id"] == corpus.repeated


def test_ordinals_number_the_kept_documents_in_order(finished: Run, rows: Any) -> None:
    verdicts = rows(finished, "selection")
    kept = [row["ordinal"] for row in verdicts if row["kept"]]
    assert kept == list(range(finished.manifest("selection").statistics["kept"]))
    assert all((row["reason"] is None) == row["kept"] == (row["ordinal"] is not None) for row in verdicts)
    assert list(select.verify(finished)) == []


@pytest.mark.parametrize("part_bytes", [6000, 2**20])
def test_verdicts_do_not_depend_on_the_parts(
    execute: Execute, finished: Run, rows: Any, corpus_file: Path, tmp_path: Path, part_bytes: int
) -> None:
    section = {"inputs": [str(corpus_file)], "part_bytes": part_bytes, "split_bytes": 10 * part_bytes}
    other = execute(tmp_path / "run", "select", ingest=section)
    assert rows(other, "selection") == rows(finished, "selection")
    assert other.root.names() == ["_lock", "_state", "config.yaml", "documents", "rejects", "selection", "signals"]
    assert [name for name in other.artifact("selection").names() if name.startswith("_")] == ["_manifest.json"]


def varied(replaced: dict[int, str]) -> str:
    """Two hundred different words, some of them replaced."""
    letters = str.maketrans("0123456789", "abcdefghij")
    return " ".join(replaced.get(place, f"w{place:03}".translate(letters)) for place in range(200))


def test_the_longest_of_a_chain_stays_and_the_deciding_pair_is_named(selected: Any) -> None:
    texts = {
        "c": varied(dict.fromkeys((20, 60, 100, 140, 180, 195), "x")),
        "a": varied({}),
        "b": varied(dict.fromkeys((20, 60, 100), "x")),
    }
    assert similarity(texts["a"], texts["c"]) < 0.8 <= similarity(texts["b"], texts["c"])
    verdicts = {row["id"]: row for row in selected(texts, rules="none")}
    assert verdicts["a"]["kept"]
    assert (verdicts["b"]["duplicate_of"], verdicts["b"]["evidence"]) == ("a", "a")
    assert (verdicts["c"]["duplicate_of"], verdicts["c"]["evidence"]) == ("a", "b")
    assert verdicts["c"]["similarity"] == pytest.approx(similarity(texts["b"], texts["c"]), abs=1e-6)


def test_of_equally_long_copies_the_one_with_the_lowest_id_stays(selected: Any) -> None:
    texts = {name: "The same words." if name == "x" else "THE SAME WORDS." for name in "xyz"}
    lowest = min(texts, key=lambda name: xxhash.xxh3_128_digest(f"corpus\0id\0{name}".encode()))
    assert [row["id"] for row in selected(texts, rules="none") if row["kept"]] == [lowest]


def test_documents_without_words_are_no_fuzzy_duplicates(selected: Any, execute: Execute, tmp_path: Path) -> None:
    texts = {f"{number}": mark * (number + 3) for number, mark in enumerate("!?…*-—·#")}
    assert all(row["kept"] for row in selected(texts, rules="none"))
    statistics = (
        execute(
            tmp_path / "run",
            "select",
            ingest={"inputs": [str(tmp_path / "texts.jsonl")]},
            select={"rules": "none"},
        )
        .manifest("selection")
        .statistics
    )
    assert statistics["candidate_pairs"] == 0


def test_switches_turn_off_each_kind_of_duplicate(selected: Any) -> None:
    texts = {"a": varied({}), "b": varied({}).upper(), "c": varied({20: "x"})}
    options = {"rules": "none", "exact_duplicates": False, "fuzzy_duplicates": False}
    assert all(row["kept"] for row in selected(texts, **options))
    assert [row["reason"] for row in selected(texts, **{**options, "exact_duplicates": True})].count(None) == 2
    fuzzy = selected(texts, **{**options, "fuzzy_duplicates": True})
    assert [row["reason"] for row in fuzzy].count("fuzzy_duplicate") == 2


def test_thresholds_replace_bounds_and_null_removes_a_rule(selected: Any) -> None:
    short = "the of and " * 5
    texts = {"short": short, "hashes": "to be of a # # # " * 20, "fine": "some words that we have to be with " * 10}
    by_default = {row["id"]: row["reason"] for row in selected(texts)}
    assert by_default == {"short": "gopher_too_few_words", "hashes": "gopher_words_too_short", "fine": None}
    loose: dict[str, float | None] = {"gopher_too_few_words": 10, "gopher_words_too_short": None}
    changed = {row["id"]: row["reason"] for row in selected(texts, thresholds=loose)}
    assert changed == {"short": None, "hashes": "gopher_too_many_hashes", "fine": None}


@pytest.mark.parametrize(("rules", "valid"), [("gopher_quality", "gopher_too_few_words"), ("none", "none")])
def test_a_threshold_for_no_rule_is_an_error(selected: Any, tmp_path: Path, rules: str, valid: str) -> None:
    with pytest.raises(ConfigError, match=rf"select\.thresholds\.too_few: no such rule; valid are {valid}"):
        selected({"a": "text"}, rules=rules, thresholds={"too_few": 1})
    assert not (tmp_path / "run").exists()


def test_nothing_kept_is_an_error_that_names_the_main_reason(selected: Any) -> None:
    with pytest.raises(NothingKept, match="none of 2 documents is kept, 2 of them fell to gopher_too_few_words"):
        selected({"a": "Too short.", "b": "Also short."})


def test_a_part_without_documents_is_no_obstacle(execute: Execute, rows: Any, tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text("{\n")
    (tmp_path / "b.jsonl").write_text('{"text": "Some words."}\n')
    section = {"inputs": [str(tmp_path / "*.jsonl")], "max_reject_share": 1, "part_bytes": 1}
    run = execute(
        tmp_path / "run", "tokenize", ingest=section, select={"rules": "none"}, tokenize={"tokenizer": "bytes"}
    )
    assert [part.rows for part in run.manifest("selection").parts] == [0, 1]
    assert len(rows(run, "tokens")[0]["input_ids"]) == len("Some words.") + 1
