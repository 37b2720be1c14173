"""Signals stand in the rows of their documents, whatever the parts."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from sequitur.pipeline.errors import ConfigError
from sequitur.pipeline.sections import Annotate
from sequitur.pipeline.stage import Run
from sequitur.stages.annotate import stage as annotate
from sequitur.text_core.signals.all_signals import signal_names
from sequitur.text_core.signals.stop_words import stop_words


def test_signals_are_row_aligned_with_documents(finished: Run, rows: Any) -> None:
    documents, signals = rows(finished), rows(finished, "signals")
    assert [row["byte_count"] for row in signals] == [len(row["text"].encode()) for row in documents]
    assert [row["char_count"] for row in signals] == [len(row["text"]) for row in documents]
    assert list(annotate.verify(finished)) == []
    parts = [(part.name, part.rows) for part in finished.manifest("signals").parts]
    assert parts == [(part.name, part.rows) for part in finished.manifest("documents").parts]


def signals(text: pa.Array, **options: Any) -> pa.RecordBatch:
    return pa.record_batch(annotate.signals(text, Annotate(**options), stop_words(), None))


def test_a_row_does_not_depend_on_its_neighbours(corpus: Any) -> None:
    text = pa.array([*list(corpus.texts.values())[:20], "", "!?", "word", "字字"], pa.large_string())
    together = signals(text, permutations=16)
    alone = [signals(text.slice(row, 1), permutations=16).to_pylist()[0] for row in range(len(text))]
    assert together.to_pylist() == alone


def test_no_rows_have_the_same_columns() -> None:
    none = signals(pa.array([], pa.large_string()))
    some = signals(pa.array(["some words"], pa.large_string()))
    assert none.num_rows == 0
    assert none.schema.equals(some.schema)


def test_stop_words_are_those_of_the_language() -> None:
    german = "Der Hund und die Katze sind in dem Haus, und das Wetter ist heute nicht so schön wie gestern im Garten."
    english = "The dog and the cat are in the house, and today the weather is not as nice as it was yesterday."
    found = signals(pa.array([german, english], pa.large_string())).to_pylist()
    assert [row["language"] for row in found] == ["de", "en"]
    assert all(row["language_score"] > 0.9 and row["stop_word_count"] >= 2 for row in found)


@pytest.mark.parametrize(
    ("rules", "families"),
    [
        ("none", ["composition", "compression"]),
        ("c4", ["c4", "composition", "compression"]),
        ("gopher_lenient", ["gopher", "composition", "compression"]),
    ],
)
def test_what_is_needed_decides_as_all_signals_do(
    execute: Any, rows: Any, tmp_path: Path, rules: str, families: list[str]
) -> None:
    select = {"rules": rules}
    whole = execute(tmp_path / "whole", "select", select=select)
    needed = execute(tmp_path / "needed", "select", select=select, annotate={"signals": "needed"})
    assert needed.manifest("signals").parameters["families"] == families
    columns = {*signal_names(families), "byte_count"}
    for row, of_all in zip(rows(needed, "signals"), rows(whole, "signals"), strict=True):
        assert set(row) & set(signal_names()) == columns
        assert {name: of_all[name] for name in row} == row
    assert rows(needed, "selection") == rows(whole, "selection")
    assert list(annotate.verify(needed)) == []


def test_the_signals_of_other_rules_are_computed_when_they_are_asked_for(execute: Any, tmp_path: Path) -> None:
    settings = {"select": {"rules": "none"}, "annotate": {"signals": "needed"}}
    before = execute(tmp_path / "run", "report", **settings).manifest("signals")
    others = {"rules": "c4", "survivor": "best:duplicate_line_fraction"}
    after = execute(tmp_path / "run", "report", **settings | {"select": others}).manifest("signals")
    assert after.fingerprint != before.fingerprint
    assert after.parameters["families"] == ["repetition", "c4", "composition", "compression"]


def test_a_word_list_and_models_add_signals(execute: Any, rows: Any, corpus: Any, tmp_path: Path) -> None:
    words = tmp_path / "words.txt"
    words.write_text(f"{corpus.words[0]}\n\n{corpus.words[1].upper()}\n")
    run = execute(tmp_path / "run", "annotate", annotate={"word_list": str(words)})
    texts, shares = rows(run), [row["listed_word_share"] for row in rows(run, "signals")]
    for document, share in zip(texts, shares, strict=True):
        found = re.findall(r"[a-z]+", document["text"].lower())
        expected = sum(word in corpus.words[:2] for word in found) / len(found)
        assert share == pytest.approx(expected, abs=1e-6)
    assert max(shares) > 0


@pytest.mark.parametrize(("content", "complaint"), [(b"", "holds no word"), (b"\xff", "not UTF-8"), (None, "No such")])
def test_a_word_list_that_is_none_is_refused(
    execute: Any, tmp_path: Path, content: bytes | None, complaint: str
) -> None:
    words = tmp_path / "words.txt"
    if content is not None:
        words.write_bytes(content)
    with pytest.raises(ConfigError, match=complaint):
        execute(tmp_path / "run", "annotate", annotate={"word_list": str(words)})


def test_copies_share_content_hash_and_signature(finished: Run, rows: Any, corpus: Any) -> None:
    ids = [row["record_id"] for row in rows(finished)]
    signal = dict(zip(reversed(ids), reversed(rows(finished, "signals")), strict=True))  # of repeated ids the first
    for copy, name in corpus.exact.items():
        assert signal[copy]["content_hash"] == signal[name]["content_hash"]
        assert signal[copy]["minhash"] == signal[name]["minhash"]
    for copy, name in corpus.near.items():
        assert signal[copy]["content_hash"] != signal[name]["content_hash"]
        assert np.mean(np.equal(signal[copy]["minhash"], signal[name]["minhash"])) > 0.8
