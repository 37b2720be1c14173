"""Refining changes the texts as its settings say, tells what it changed, and is not there where nothing is asked."""

import json
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sequitur import beam_job
from sequitur.inspection.summary_view import render
from sequitur.pipeline import artifacts, run_directory
from sequitur.pipeline.config import validate
from sequitur.pipeline.errors import ConfigError
from sequitur.pipeline.runner import Runner
from sequitur.pipeline.stage import Run, expected, wanted
from sequitur.stages.refine import stage as refine
from sequitur.stages.report import stage as report

HOME = "Home | About\nThe cafÃ© opens.\n----\nWrite to a@b.org.\nAll rights reserved."
RECORDS = [
    {"id": "one", "source": "web", "text": HOME},
    {"id": "two", "source": "web", "text": "Home | About\nNothing else.\n"},
    {"id": "three", "source": "books", "text": "Home | About\nCall +49 30 901820.\nPage 3\n"},
    {"id": "four", "source": "books", "text": "Cookies!\n...\n"},
]
Execute = Callable[..., Run]


@pytest.fixture
def refined(execute: Execute, rows: Any, tmp_path: Path) -> Callable[..., tuple[Run, dict[str, str]]]:
    """Refines some records, by the settings given; the run, and the texts by the records' ids."""

    def make(settings: dict[str, Any], records: list[dict[str, str]] = RECORDS, part_bytes: int = 60) -> Any:
        file = tmp_path / "records.jsonl"
        file.write_text("".join(json.dumps(record) + "\n" for record in records))
        output = tmp_path / f"run-{len(list(tmp_path.iterdir()))}"
        run = execute(output, "refine", ingest={"inputs": [str(file)], "part_bytes": part_bytes}, refine=settings)
        assert list(refine.verify(run)) == []
        texts = [row["text"] for row in rows(run, "refined")]
        return run, dict(zip([row["record_id"] for row in rows(run)], texts, strict=True))

    return make


def changes(run: Run) -> list[tuple[Any, ...]]:
    """The rows of `refined/changes`: record, operation, count, characters removed and added."""
    found = []
    for part in run.manifest("refined/changes").parts:
        documents = artifacts.read_part(run.artifact("documents"), part_of(run, part.name)).to_pylist()
        for row in artifacts.read_part(run.artifact("refined/changes"), part).to_pylist():
            assert documents[row["row"]]["doc_id"] == row["doc_id"]
            found.append((documents[row["row"]]["record_id"], *list(row.values())[2:]))
    return found


def part_of(run: Run, name: str) -> artifacts.Part:
    return next(part for part in run.manifest("documents").parts if part.name == name)


def test_operations_come_in_the_order_of_their_settings(refined: Any) -> None:
    run, texts = refined(
        {
            "fix_unicode": True,
            "edits": [{"remove_lines": "^All rights|^Cookies"}, {"replace": "The", "by": "A"}],
            "symbol_lines": True,
            "max_line_repeats": 2,
            "redact": ["phone", "email"],
        }
    )
    assert texts == {
        "one": "A café opens.\nWrite to email@example.com.\n",
        "two": "Nothing else.\n",
        "three": "Call +1 202-555-0100.\nPage 3\n",
        "four": "",
    }
    assert changes(run) == [
        ("one", "fix_unicode", 1, 2, 1),
        ("one", "edit_1", 1, 20, 0),
        ("one", "edit_2", 1, 3, 1),
        ("one", "symbol_lines", 1, 5, 0),
        ("one", "max_line_repeats", 1, 13, 0),
        ("one", "redact_email", 1, 7, 17),
        ("two", "max_line_repeats", 1, 13, 0),
        ("three", "max_line_repeats", 1, 13, 0),
        ("three", "redact_phone", 1, 13, 15),
        ("four", "edit_1", 1, 9, 0),
        ("four", "symbol_lines", 1, 4, 0),
    ]
    statistics = run.manifest("refined").statistics
    assert statistics["documents_changed"] == 4
    assert statistics["operations"]["max_line_repeats"] == {
        "documents": 3,
        "count": 3,
        "characters_removed": 39,
        "characters_added": 0,
    }
    assert statistics["characters_read"] == sum(len(record["text"]) for record in RECORDS)
    assert statistics["characters"] == sum(map(len, texts.values()))
    assert statistics["text_bytes"] == sum(len(text.encode()) for text in texts.values())


def test_lines_that_c4_and_fineweb_remove(refined: Any) -> None:
    end = "Some words that end with a stop."
    record = {"id": "one", "text": f"  {end}[1]\n\nno end\n{end}\nToo short.\n"}

    run, texts = refined({"c4_lines": True, "fineweb_lines": True}, [record])

    assert texts == {"one": end}
    assert changes(run) == [("one", "c4_lines", 3, 25, 0), ("one", "fineweb_lines", 1, len(end) + 1, 0)]


def test_edits_keep_to_their_source_and_record(refined: Any) -> None:
    before = {record["id"]: record["text"] for record in RECORDS}
    _, texts = refined(
        {
            "edits": [
                {"drop": [1, 1], "source": "web"},
                {"drop": [-1, -1], "record_id": "three"},
                {"remove_lines": ".", "source": "web", "record_id": "four"},
                {"remove_lines": ".", "source": "none"},
            ]
        }
    )
    assert texts == before | {
        "one": before["one"].removeprefix("Home | About\n"),
        "two": "Nothing else.\n",
        "three": "Home | About\nCall +49 30 901820.\n",
    }


def repetitive(seed: int, count: int = 60) -> list[dict[str, str]]:
    """Records of paragraphs and lines that come again and again, now and then with white space around."""
    rng = random.Random(seed)
    lines = [f"line {number}" for number in range(40)]

    def paragraph() -> str:
        return "\n".join(rng.choice(["", " "]) + line for line in rng.choices(lines, k=rng.randint(1, 2)))

    gaps = ["\n\n", "\n \n", "\n\n\n"]
    return [
        {"id": f"{number}", "text": "".join(paragraph() + rng.choice(gaps) for _ in range(rng.randint(1, 5)))}
        for number in range(count)
    ]


def paragraphs_of(text: str) -> list[list[str]]:
    """The lines of each paragraph, with their breaks and the blank lines that follow."""
    found: list[list[str]] = []
    blank = True
    for line in text.splitlines(keepends=True):
        if line.strip() and blank:
            found.append([])
        found[-1].append(line)
        blank = not line.strip()
    return found


def key(paragraph: list[str]) -> str:
    return "\n".join(line.strip() for line in paragraph if line.strip())


@pytest.mark.parametrize("asked", [(4, None), (None, 2), (8, 2)])
def test_repeats_are_those_of_a_counter_whatever_the_parts(refined: Any, asked: tuple[int | None, int | None]) -> None:
    records = repetitive(seed=1)
    lines = Counter(line.strip() for record in records for line in record["text"].splitlines() if line.strip())
    blocks = Counter(key(block) for record in records for block in paragraphs_of(record["text"]))
    most = [float("inf") if one is None else one for one in asked]
    expected_texts = {
        record["id"]: "".join(
            line
            for block in paragraphs_of(record["text"])
            if blocks[key(block)] <= most[1]
            for line in block
            if lines[line.strip()] <= most[0]
        )
        for record in records
    }
    settings = {"max_line_repeats": asked[0], "max_paragraph_repeats": asked[1]}

    many, texts = refined(settings, records, part_bytes=100)
    one, same = refined(settings, records, part_bytes=10_000)

    assert texts == same == expected_texts
    assert 0 < sum(map(len, texts.values())) < sum(len(record["text"]) for record in records)
    assert len(many.manifest("refined").parts) > len(one.manifest("refined").parts) == 1
    assert many.manifest("refined").statistics == one.manifest("refined").statistics
    assert not many.artifact("refined").exists("_repeats")


def test_bytes_are_the_same_for_two_processes_and_for_a_run_that_lost_a_part(
    settings: Any, refined: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = {"max_line_repeats": 4, "edits": [{"remove_lines": "7$"}, {"replace": "3", "by": "three"}]}
    run, _ = refined(asked, repetitive(seed=2), part_bytes=400)
    before = content(run)
    ingest = run.config.ingest.model_dump(mode="json", include={"inputs", "part_bytes"})
    two = Run(validate(settings(tmp_path / "two", ingest=ingest, refine=asked), "settings"), Runner(2))
    run_directory.execute(beam_job.RECIPE, two, None, "ingest")
    with monkeypatch.context() as patched:
        patched.setattr("sequitur.pipeline.runner.START_SECONDS", 1e-9)
        run_directory.execute(beam_job.RECIPE, two, None, "refine")
    assert content(two) == before

    Path(run.artifact("refined").path(run.manifest("refined").parts[1].path)).unlink()
    run_directory.execute(beam_job.RECIPE, run, None, "refine")
    assert content(run) == before


def content(run: Run) -> dict[str, bytes]:
    root = Path(run.artifact("refined").path())
    return {str(file.relative_to(root)): file.read_bytes() for file in root.rglob("*") if file.is_file()}


def test_the_ledger_counts_the_characters(execute: Execute, tmp_path: Path) -> None:
    asked = {"edits": [{"drop": [1, 1], "source": "web"}, {"replace": "the ", "by": ""}], "redact": ["ip"]}
    run = execute(tmp_path / "run", refine=asked)

    content = run.artifact("report").read_json(report.METRICS)
    characters = content["ledger"]["characters"]
    assert content["ledger"]["balances"]
    assert sorted(characters["operations"]) == ["edit_1", "edit_2"]
    assert characters["read"] - characters["refined"] == sum(
        operation["removed"] - operation["added"] for operation in characters["operations"].values()
    )
    assert content["stages"]["refined"]["characters"] == characters["refined"] > 0
    assert render(content)
    assert list(run_directory.problems(beam_job.RECIPE, run)) == []


def test_nothing_is_there_where_nothing_is_refined(finished: Run) -> None:
    assert not finished.artifact("refined").exists()
    assert refine.STAGE not in wanted(beam_job.RECIPE, finished.config)
    assert list(finished.manifest("signals").parents) == ["documents"]
    assert "characters" not in finished.artifact("report").read_json(report.METRICS)["ledger"]
    without = [stage for stage in beam_job.RECIPE if stage is not refine.STAGE]
    fingerprints = expected(without, finished.config)
    assert {name: finished.manifest(name).fingerprint for name in fingerprints} == fingerprints


def test_damaged_changes_and_wrong_counts_are_found(refined: Any) -> None:
    run, _ = refined({"symbol_lines": True})
    manifest = run.manifest("refined")
    more = {**manifest.statistics, "characters": manifest.statistics["characters"] + 1}
    run.artifact("refined").write_json(artifacts.MANIFEST, replace(manifest, statistics=more).to_json())
    changed = Path(run.artifact("refined/changes").path(run.manifest("refined/changes").parts[0].path))
    changed.write_bytes(changed.read_bytes()[:-1])

    first, second = refine.verify(run)

    assert first.endswith("/refined and run again")
    assert "refined has" in second


@pytest.mark.parametrize(
    ("asked", "complaint"),
    [
        ({"edits": [{"drop": [1, 2]}, {"remove_lines": "(?<=a)b"}]}, "refine.edits: remove_lines of edit 2: invalid"),
        ({"edits": [{"remove_lines": "a("}]}, "refine.edits: remove_lines of edit 1: missing ): a(; write it in RE2's"),
        ({"edits": [{"remove_lines": "a{1000}" * 1000}]}, "edit 1: pattern too large"),
        ({"edits": [{}]}, "refine.edits: an edit has one of remove_lines, replace and drop, here none, not {}"),
        ({"edits": [{"replace": "a", "drop": [1, 1]}]}, "here replace, drop"),
        ({"edits": [{"replace": ""}]}, "replace is empty"),
        ({"edits": [{"drop": [2, 1]}]}, "drop is [first, last] in this order"),
        ({"edits": [{"drop": [0, 1]}]}, "drop is [first, last] in this order"),
        ({"edits": [{"drop": [-1, -2]}]}, "drop is [first, last] in this order"),
        ({"edits": [{"drop": [1, 1], "by": "x"}]}, "by goes with replace alone"),
        ({"redact": ["phone"], "phone_regions": ["Germany"]}, "refine.phone_regions: 'Germany' is no country"),
        ({"max_line_repeats": 0}, "refine.max_line_repeats: "),
    ],
)
def test_settings_that_are_wrong(execute: Execute, tmp_path: Path, asked: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        execute(tmp_path / "run", "refine", refine=asked)

    assert complaint in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()
