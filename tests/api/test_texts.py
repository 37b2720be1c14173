"""Signals, verdicts and duplicates of a column are those that the stages found of the same texts."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

import sequitur
from sequitur.api import texts
from sequitur.pipeline.errors import ConfigError
from sequitur.pipeline.stage import Run
from sequitur.stages.shared.judge import judge_of
from sequitur.text_core.duplicates.lsh import UnreachableThresholdError

COLUMNS = ["doc_id", "text", "reason", "duplicate_of", "evidence", "similarity"]


@pytest.fixture(scope="module")
def documents(finished: Run) -> pa.Table:
    return sequitur.open_run(finished.config.output).documents(COLUMNS)


def test_signals_are_the_artifacts(finished: Run, documents: pa.Table, monkeypatch: pytest.MonkeyPatch) -> None:
    stored = sequitur.open_run(finished.config.output).artifact("signals").to_table()
    assert documents["text"].num_chunks > 1
    for text in (documents["text"], documents["text"].to_pylist(), documents["text"].cast(pa.string())):
        found = sequitur.signals(text)
        assert found.schema == stored.schema
        assert found.to_pylist() == stored.to_pylist()
    monkeypatch.setattr(texts, "BLOCK_BYTES", 10_000)
    assert sequitur.signals(documents["text"]).to_pylist() == stored.to_pylist()


def test_settings_of_signals_are_those_of_the_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "words.txt").write_text("tide\n")
    found = sequitur.signals(["the tide turns", None], permutations=16, word_list=str(tmp_path / "words.txt"))
    assert found["minhash"].type.list_size == 16
    assert found["listed_word_share"].to_pylist() == pytest.approx([1 / 3, 0], nan_ok=True)
    (tmp_path / "vowels_of_mine.py").write_text(
        "def signal(text):\n    return [len(one) for one in text.to_pylist()]\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    found = sequitur.signals(["tide", ""], own_signals=["tests_of_mine.vowels"]) if False else None
    with pytest.raises(ConfigError, match=r"unknown key annotate\.permutation; did you mean annotate\.permutations"):
        sequitur.signals(["a"], permutation=16)
    with pytest.raises(TypeError, match="an Arrow column of strings, not of int64"):
        sequitur.signals(pa.array([1]))
    assert sequitur.signals([]).num_rows == 0


def test_verdicts_are_those_of_select(finished: Run, documents: pa.Table) -> None:
    alone = judge_of(finished.config.select).reasons
    reached = documents.filter(pc.fill_null(pc.not_equal(documents["reason"], "repeated_id"), True))
    expected = [one if one in alone else None for one in reached["reason"].to_pylist()]
    assert set(expected) == {None, "gopher_too_few_words"}
    signals = sequitur.signals(reached["text"])
    assert sequitur.verdicts(signals).to_pylist() == expected
    assert sequitur.verdicts(signals, "gopher_lenient").type == pa.string()
    few = signals.select(["byte_count", "word_count"])
    limits = [{"signal": "word_count", "min": 10, "name": "few"}]
    found = sequitur.verdicts(few, "none", limits=limits).to_pylist()
    assert found == ["few" if count < 10 else None for count in few["word_count"].to_pylist()]
    assert "few" in found
    with pytest.raises(ConfigError, match=r"a rule goes by the signal .* not among the columns"):
        sequitur.verdicts(few, ["c4"])
    with pytest.raises(ConfigError, match=r"select\.thresholds\.few: no such rule"):
        sequitur.verdicts(signals, thresholds={"few": 3})


def test_blocked_urls(tmp_path: Path) -> None:
    (tmp_path / "domains.txt").write_text("example.org\n")
    signals = sequitur.signals(["one", "two"])
    urls = {"block_domains": str(tmp_path / "domains.txt")}
    addresses = ["https://www.example.org/a", None]
    assert sequitur.verdicts(signals, "none", url=addresses, urls=urls).to_pylist() == ["blocked_domain", None]
    with pytest.raises(ConfigError, match="blocks URLs, and none are given"):
        sequitur.verdicts(signals, "none", urls=urls)


def test_near_duplicates_are_those_of_select(finished: Run, documents: pa.Table) -> None:
    """Of the documents that reach it: those that the rules keep, each id once."""
    reached = [row for row in documents.to_pylist() if row["reason"] not in ("repeated_id", "gopher_too_few_words")]
    ids = [row["doc_id"] for row in reached]
    sizes = [-len(row["text"].encode()) for row in reached]
    preference = np.empty(len(ids), dtype=np.int64)
    preference[sorted(range(len(ids)), key=lambda row: (sizes[row], ids[row]))] = np.arange(len(ids))
    found = sequitur.near_duplicates([row["text"] for row in reached], preference=preference).to_pylist()
    reasons: set[Any] = set()
    for row, mine in zip(reached, found, strict=True):
        named = {name: None if mine[name] is None else ids[mine[name]] for name in ("duplicate_of", "evidence")}
        lost = row["reason"] in ("exact_duplicate", "fuzzy_duplicate")
        assert mine | named == {name: row[name] if lost else None for name in mine}
        reasons.add(mine["reason"])
    assert reasons == {None, "exact_duplicate", "fuzzy_duplicate"}


def test_of_several_the_longest_stays_then_the_first() -> None:
    words = [f"word{number}" for number in range(60)]
    text = " ".join(words)
    copies = [text, text.upper(), f"{text} more", "", "", "another text by itself"]
    found = sequitur.near_duplicates(copies)
    assert found["duplicate_of"].to_pylist() == [2, 0, None, None, 3, None]
    assert found["reason"].to_pylist() == ["fuzzy_duplicate", "exact_duplicate", None, None, "exact_duplicate", None]
    assert sequitur.near_duplicates([])["reason"].to_pylist() == []


def test_pairs_are_those_of_brute_force(documents: pa.Table) -> None:
    column = documents["text"].to_pylist()
    sets = [
        set(zip(*(text.lower().replace(".", "").split()[start:] for start in range(5)), strict=False))
        for text in column
    ]
    expected = {}
    for a, mine in enumerate(sets):
        for b in range(a + 1, len(sets)):
            similarity = len(mine & sets[b]) / max(1, len(mine | sets[b]))
            if similarity >= 0.8:
                expected[a, b] = similarity
    found = sequitur.similar_pairs(documents["text"])
    pairs = list(zip(found["a"].to_pylist(), found["b"].to_pylist(), strict=True))
    assert pairs == sorted(expected)
    assert found["similarity"].to_pylist() == pytest.approx([expected[pair] for pair in pairs])
    with pytest.raises(UnreachableThresholdError):
        sequitur.similar_pairs(["a"], 0.01)
