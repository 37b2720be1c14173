"""What another run kept is dropped, by its signatures alone."""

import json
import random
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sequitur.pipeline.artifacts import require_manifest
from sequitur.pipeline.errors import ConfigError
from sequitur.pipeline.stage import Run

Execute = Callable[..., Run]
Make = Callable[..., Run]


def text(seed: int, words: int = 120, replaced: int = 0) -> str:
    rng = random.Random(seed)
    kept = [f"w{rng.randrange(10**6)}" for _ in range(words)][: words - replaced]
    return " ".join([*kept, *(f"x{seed}y{number}" for number in range(replaced))])


OLD = {
    **{f"old{seed}": text(seed) for seed in range(200)},
    "short": "too short",
    "copy0": text(0).upper(),
    "signs": "!!!",
}
NEW = {
    **{f"new{seed}": text(1000 + seed) for seed in range(50)},
    "same0": text(0).title(),
    "same7": text(7),
    "near9": text(9, replaced=6),
    "near9 again": text(9, replaced=5),
    "far11": text(11, replaced=60),
    "short": "too short",
    "near new3": text(1003, replaced=4),
    "signs": "!!!",
}


@pytest.fixture
def make(execute: Execute, tmp_path: Path) -> Make:
    """A run until select over some texts."""

    def run(name: str, texts: dict[str, str], annotate: dict[str, Any] | None = None, **options: Any) -> Run:
        path = tmp_path / f"{name}.jsonl"
        path.write_text("".join(json.dumps({"id": key, "text": value}) + "\n" for key, value in texts.items()))
        section = {"inputs": [str(path)], "part_bytes": 2**14, "split_bytes": 2**16}
        chosen = {"rules": "none", "thresholds": {}, **options}
        return execute(tmp_path / name, "select", ingest=section, annotate=annotate or {}, select=chosen)

    return run


def verdicts(run: Run, rows: Any) -> dict[str, dict[str, Any]]:
    both = zip(rows(run), rows(run, "selection"), strict=True)
    return {document["record_id"]: verdict | {"id": document["doc_id"]} for document, verdict in both}


def test_what_another_run_kept_is_dropped_without_its_text(make: Make, rows: Any, tmp_path: Path) -> None:
    old = make("old", OLD, limits=[{"signal": "word_count", "min": 3, "name": "few"}], fuzzy_duplicates=True)
    before = verdicts(old, rows)
    assert not before["short"]["kept"]
    twin = "old0" if before["old0"]["kept"] else "copy0"
    alone = verdicts(make("alone", NEW), rows)
    new = make("new", NEW, against=old.config.output)
    found = verdicts(new, rows)
    elsewhere = {name: row for name, row in found.items() if "elsewhere" in (row["reason"] or "")}
    assert {name: row["reason"] for name, row in elsewhere.items()} == {
        "same0": "exact_duplicate_elsewhere",
        "same7": "exact_duplicate_elsewhere",
        "near9": "fuzzy_duplicate_elsewhere",
        "near9 again": "fuzzy_duplicate_elsewhere",
    }
    originals = {"same0": twin, "same7": "old7", "near9": "old9", "near9 again": "old9"}
    for name, row in elsewhere.items():
        assert row["duplicate_of"] == row["evidence"] == before[originals[name]]["id"]
        if name.startswith("same"):
            assert row["similarity"] == 1
        else:
            assert row["similarity"] == pytest.approx(0.9, abs=0.09)
    untouched = found.keys() - elsewhere.keys()
    for name in untouched:
        expected = {key: alone[name][key] for key in ("kept", "reason", "similarity")}
        assert {key: found[name][key] for key in expected} == expected
    statistics = new.manifest("selection").statistics
    assert statistics["verified_pairs_elsewhere"] >= 2


def test_only_settings_of_duplicates_that_are_on_count(make: Make, rows: Any) -> None:
    old = make("old", OLD)
    found = verdicts(make("exact", NEW, against=old.config.output, fuzzy_duplicates=False), rows)
    assert {row["reason"] for row in found.values()} == {None, "exact_duplicate_elsewhere"}
    found = verdicts(make("fuzzy", NEW, against=old.config.output, exact_duplicates=False), rows)
    assert {row["reason"] for row in found.values()} == {None, "fuzzy_duplicate_elsewhere", "fuzzy_duplicate"}


def test_the_selection_follows_the_other_run(make: Make, rows: Any) -> None:
    old = make("old", OLD)
    options = {"against": old.config.output}
    fingerprint = make("new", NEW, **options).manifest("selection").fingerprint
    shutil.move(old.config.output, f"{old.config.output}-moved")
    moved = {"against": f"{old.config.output}-moved"}
    assert make("new", NEW, **moved).manifest("selection").fingerprint == fingerprint
    other = make("other", {"only": text(1003)})
    assert make("new", NEW, against=other.config.output).manifest("selection").fingerprint != fingerprint


def test_another_run_that_cannot_serve_is_an_error(make: Make, tmp_path: Path) -> None:
    old = make("old", OLD, annotate={"shingle_words": 4})
    for against, message in (
        (str(tmp_path / "nowhere"), "nowhere: has no finished documents; run it until select first"),
        (old.config.output, "has annotate.shingle_words 4 where this run has 5; make them equal"),
        (str(tmp_path / "new"), "is this run itself"),
    ):
        with pytest.raises(ConfigError, match=message) as raised:
            make("new", NEW, against=against)
        assert str(raised.value).startswith("select.against: ")
        assert "\n" not in str(raised.value)


def test_signatures_of_another_version_are_not_compared(make: Make) -> None:
    signals = make("old", OLD).artifact("signals")
    manifest = replace(require_manifest(signals), statistics={"signature_version": 0})
    signals.write_json("_manifest.json", manifest.to_json())
    with pytest.raises(ConfigError, match="its signatures are of another version"):
        make("new", NEW, against=signals.path().removesuffix("/signals"))
