"""Contaminated documents: found by their words, each with its n-gram and the evaluation record, and no other."""

import gzip
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zstandard

from sequitur import beam_job
from sequitur.pipeline import artifacts, builds, run_directory, schemas
from sequitur.pipeline.config import validate
from sequitur.pipeline.errors import ConfigError, InputError, SequiturError
from sequitur.pipeline.names import CONTAMINATION
from sequitur.pipeline.stage import Run
from sequitur.stages.select import decontamination
from sequitur.stages.select.declaration import evaluation_parameters
from sequitur.stages.shared.sources import evaluation_files
from sequitur.stages.shared.sources.compression import Limits

WORDS = 13
LIMITS = Limits(2**20, 2**20)


@pytest.fixture(scope="module")
def documents(execute: Callable[..., Run], tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The documents of the synthetic corpus. Not to be changed."""
    return execute(tmp_path_factory.mktemp("documents") / "run", "ingest")


@pytest.fixture
def against(documents: Run, settings: Any, tmp_path: Path) -> Callable[..., Run]:
    """The run with evaluation files, its `selection` begun."""

    def run(*files: Path, **options: Any) -> Run:
        selected = {"decontaminate": [str(file) for file in files], **options}
        config = validate(settings(tmp_path / "run", select=selected), "settings")
        if not (tmp_path / "run").exists():
            (tmp_path / "run").mkdir()
            (tmp_path / "run" / "documents").symlink_to(Path(documents.config.output) / "documents")
        job = Run(config)
        builds.begin(job.artifact("selection"), "a fingerprint")
        return job

    return run


def find(run: Run) -> tuple[decontamination.Contamination, dict[str, Any]]:
    return decontamination.find(run.jobs, run.root, run.artifact(run.text), run.config)


def record(path: Path, *records: Any) -> Path:
    path.write_text("".join(json.dumps(one) + "\n" for one in records))
    return path


def words_of(text: str) -> list[str]:
    """The words of the synthetic corpus, folded."""
    return text.lower().replace(".", " ").replace("-", " ").split()


def contaminated(texts: list[str], evaluation: list[str]) -> list[int]:
    """The documents that share `WORDS` successive words with an evaluation text, by Python's sets."""

    def ngrams(text: str) -> set[tuple[str, ...]]:
        words = words_of(text)
        return {tuple(words[i : i + WORDS]) for i in range(len(words) - WORDS + 1)}

    forbidden = set().union(*map(ngrams, evaluation))
    return [row for row, text in enumerate(texts) if ngrams(text) & forbidden]


def test_documents_that_share_a_run_of_words_are_found_and_no_other(
    against: Callable[..., Run], documents: Run, rows: Any, tmp_path: Path
) -> None:
    all_rows = rows(documents)
    rng = random.Random(5)
    chosen = rng.sample(all_rows, 20)
    pieces = []
    for number, row in enumerate(chosen):
        words = row["text"].split()
        length = min(len(words), rng.choice([WORDS - 1, WORDS, 20]))
        start = rng.randrange(len(words) - length + 1)
        pieces.append({"id": number, "question": " - ".join(words[start : start + length]).upper(), "answer": "yes"})
    run = against(record(tmp_path / "evaluation.jsonl", *pieces))
    found, counts = find(run)

    expected = contaminated([row["text"] for row in all_rows], [piece["question"] for piece in pieces])
    assert 10 < len(expected) < 40
    assert found.row.tolist() == expected
    assert counts["contaminated"] == len(expected)
    assert counts["evaluation_texts"] == 40
    assert counts["evaluation_texts_too_short"] >= 20

    decontamination.write(run.root, found, np.arange(len(found.row)) % 2 == 0)
    told = rows(run, CONTAMINATION)
    for place, (row, one) in enumerate(zip(expected, told, strict=True)):
        assert (one["doc_id"], one["source"]) == (all_rows[row]["doc_id"], all_rows[row]["source"])
        assert one["ngram"] in all_rows[row]["text"]
        assert len(one["ngram"].split()) == WORDS
        assert " ".join(words_of(one["ngram"])) in " ".join(words_of(pieces[one["evaluation_row"]]["question"]))
        assert one["evaluation_id"] == str(one["evaluation_row"])
        assert one["evaluation_file"] == str(tmp_path / "evaluation.jsonl")
        assert one["dropped"] == (place % 2 == 0)
    assert list(artifacts.schema_problems(run.artifact(CONTAMINATION), schemas.CONTAMINATION)) == []
    decontamination.remove_working_parts(run.root)
    assert run.artifact("selection").names() == ["_building.json", "contamination"]


def test_without_evaluation_files_nothing_is_read_and_the_table_is_empty(
    against: Callable[..., Run], rows: Any
) -> None:
    run = against()
    found, counts = find(run)
    decontamination.write(run.root, found, np.empty(0, dtype=bool))
    assert (rows(run, CONTAMINATION), counts, evaluation_parameters(run.config)) == ([], {}, {})
    assert list(artifacts.schema_problems(run.artifact(CONTAMINATION), schemas.CONTAMINATION)) == []


def test_parts_are_kept_until_an_evaluation_file_changes(
    against: Callable[..., Run], documents: Run, rows: Any, tmp_path: Path
) -> None:
    texts = [row["text"] for row in rows(documents)]
    file = record(tmp_path / "evaluation.jsonl", {"text": texts[3]})
    first, _ = find(run := against(file))
    before = evaluation_parameters(run.config)
    found = run.manifest(decontamination.FOUND).parts[0].path
    part = Path(run.artifact(decontamination.FOUND).path(found))
    written = part.stat().st_mtime_ns
    again, _ = find(run)
    assert (first.row.tolist(), first.ngram) == (again.row.tolist(), again.ngram)
    assert part.stat().st_mtime_ns == written
    record(file, {"text": texts[4]})
    other, _ = find(run)
    assert other.row.tolist() == contaminated(texts, [texts[4]]) != first.row.tolist()
    assert evaluation_parameters(run.config) != before


def test_every_string_of_a_record_counts_and_paragraphs_of_plain_text(tmp_path: Path) -> None:
    nested = {"id": 7, "question": "Why?", "choices": {"text": ["one", "two", " "], "label": [0, None]}, "answer": True}
    lines = (json.dumps(nested) + '\n\n{"id": true, "text": "last"}\n').encode()
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(lines))
    (tmp_path / "b.txt.zst").write_bytes(zstandard.compress("\ufeff\n One\r\ntwo\r\n \r\n\nThree é".encode()))
    files = evaluation_files.find([str(tmp_path / "*"), str(tmp_path / "a.jsonl.gz")])
    assert [Path(file).name for file in files] == ["a.jsonl.gz", "b.txt.zst"]
    read = [text for file in files for text in evaluation_files.read(file, LIMITS)]
    assert [(text.row, text.record_id, text.text) for text in read] == [
        *((0, "7", text) for text in ("Why?", "one", "two")),
        (2, None, "last"),
        (0, None, " One\ntwo"),
        (1, None, "Three é"),
    ]


def test_deeply_nested_records_are_read(tmp_path: Path) -> None:
    (tmp_path / "deep.jsonl").write_text('{"a": ' + "[" * 500 + '"text"' + "]" * 500 + "}")
    assert [text.text for text in evaluation_files.read(str(tmp_path / "deep.jsonl"), LIMITS)] == ["text"]


@pytest.mark.parametrize(
    ("name", "content", "kind", "message"),
    [
        ("none.jsonl", None, ConfigError, r"none\.jsonl: no such file; correct the path"),
        ("a.csv", b"text\n", ConfigError, r"a\.csv: neither JSON \(\.jsonl, \.json\) nor text"),
        ("a.jsonl", b"", ConfigError, r"a\.jsonl: holds no text; leave it out"),
        ("a.txt", b" \n\n\t\n", ConfigError, r"a\.txt: holds no text; leave it out"),
        ("a.jsonl", b'{"id": 3}\n', ConfigError, r"a\.jsonl: holds no text"),
        ("a.jsonl", b'{"text": "too few words"}', ConfigError, r"a\.jsonl: no text in it has 13 words"),
        ("a.jsonl", b'{"text": "one"}\n{"text": "tw', InputError, r"a\.jsonl: record 1: Unterminated string"),
        ("a.jsonl", b'["text"]\n', InputError, r"a\.jsonl: record 0: a JSON list where an object belongs"),
        ("a.jsonl", b'{"text": "\xff"}', InputError, r"a\.jsonl: record 0: byte 10 of the record is not UTF-8"),
        ("a.jsonl", b'{"text": "\\ud800"}', InputError, r"a\.jsonl: record 0: it has an unpaired surrogate"),
        ("a.txt", b"one\n\ntwo\n\xff", InputError, r"a\.txt: record 1: line 4 is not UTF-8"),
        ("a.txt", b"a" * 2**21, InputError, r"a\.txt: record 0: more than 1,048,576 bytes"),
        (
            "a.jsonl.gz",
            gzip.compress(b'{"text": "one"}', mtime=0)[:-6],
            InputError,
            r"a\.jsonl\.gz: the \.gz stream ends early",
        ),
    ],
)
def test_evaluation_files_that_cannot_be_used_are_named(
    against: Callable[..., Run], tmp_path: Path, name: str, content: bytes | None, kind: type, message: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    run = against(tmp_path / name)
    run = Run(
        run.config.model_copy(update={"ingest": run.config.ingest.model_copy(update={"max_record_bytes": 2**20})})
    )
    with pytest.raises(SequiturError, match=message) as caught:
        find(run)
    assert isinstance(caught.value, kind)
    assert "\n" not in str(caught.value)


def test_memory_goes_by_the_size_of_the_files(against: Callable[..., Run], tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"a" * 100)
    (tmp_path / "b.txt.gz").write_bytes(b"a" * 10)
    settings = against(tmp_path / "a.txt", tmp_path / "b.txt.gz").config.select
    assert decontamination.memory_bytes(settings) == 4200


@pytest.mark.parametrize("action", ["drop", "report"])
def test_a_whole_job_accounts_for_contaminated_documents(
    branch: Callable[..., Run], finished: Run, rows: Any, tmp_path: Path, action: str
) -> None:
    before = list(zip(rows(finished), rows(finished, "selection"), strict=True))
    clean = next(text for text, verdict in before if verdict["kept"])
    short = next(text for text, verdict in before if verdict["reason"] == "gopher_too_few_words")
    file = record(tmp_path / "evaluation.jsonl", {"id": "a", "question": clean["text"]}, {"text": short["text"]})
    options = {"decontaminate": str(file), "decontaminate_words": 7, "decontaminate_action": action}
    run = branch("run", select=options)

    texts = {row["doc_id"]: row["text"] for row in rows(run)}
    told = rows(run, CONTAMINATION)
    reasons = {row["doc_id"]: verdict["reason"] for row, verdict in zip(rows(run), rows(run, "selection"), strict=True)}
    assert {clean["doc_id"], short["doc_id"]} <= {one["doc_id"] for one in told}
    for one in told:
        assert one["ngram"] in texts[one["doc_id"]]
        assert one["dropped"] == (reasons[one["doc_id"]] == "contaminated")
    assert (reasons[clean["doc_id"]] == "contaminated") == (action == "drop")
    assert reasons[short["doc_id"]] == "gopher_too_few_words"
    assert run.manifest("selection").statistics["contaminated"] == len(told)
    report = json.loads(run.artifact("report").read_bytes("metrics.json"))
    assert report["ledger"]["balances"]
    dropped = report["ledger"]["records"]["dropped"].get("contaminated", 0)
    assert dropped == sum(one["dropped"] for one in told) == (len(told) - 1 if action == "drop" else 0)
    assert not [name for name in run.artifact("selection").names() if name.startswith("_") and name != "_manifest.json"]
    assert list(run_directory.problems(beam_job.RECIPE, run)) == []
