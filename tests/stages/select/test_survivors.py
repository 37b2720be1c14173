"""Which of several duplicates stays, and which sources give an alarm."""

import io
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from sequitur import beam_job
from sequitur.pipeline import run_directory
from sequitur.pipeline.config import validate
from sequitur.pipeline.errors import ConfigError
from sequitur.pipeline.progress import Progress
from sequitur.pipeline.stage import Run

Select = Callable[..., tuple[Run, dict[str, dict[str, Any]]]]


def text(seed: int, words: int = 200, replaced: int = 0) -> str:
    rng = random.Random(seed)
    return " ".join([*(f"w{rng.randrange(10**6)}" for _ in range(words)), *(f"x{seed}{n}" for n in range(replaced))])


@pytest.fixture
def select(settings: Any, rows: Any, tmp_path: Path) -> Select:
    """The run and its verdicts, by record id; ids in them replaced by record ids."""

    def run(records: list[dict[str, Any]], said: io.StringIO | None = None, **options: Any) -> Any:
        path = tmp_path / "records.jsonl"
        path.write_text("".join(json.dumps(record) + "\n" for record in records))
        content = settings(tmp_path / "run", ingest={"inputs": [str(path)]}, select={"rules": "none", **options})
        job = Run(validate(content, "settings"), progress=Progress(Console(file=said or io.StringIO(), width=1000)))
        run_directory.execute(beam_job.RECIPE, job, None, "select")
        documents = rows(job)
        names = {row["doc_id"]: row["record_id"] for row in documents} | {None: None}
        verdicts = {}
        for document, verdict in zip(documents, rows(job, "selection"), strict=True):
            verdict |= {key: names[verdict[key]] for key in ("duplicate_of", "evidence")}
            verdicts[document["record_id"]] = verdict
        return job, verdicts

    return run


# Two exact copies and a fuzzy one, the longest, of one text; and a text of its own.
RECORDS = [
    {"id": "first", "text": text(1), "source": "web", "timestamp": "2020-05-01"},
    {"id": "upper", "text": text(1).upper(), "source": "books", "timestamp": "2021-05-01"},
    {"id": "longer", "text": text(1) + " and more", "source": "mail"},
    {"id": "other", "text": text(2), "source": "web"},
]


@pytest.mark.parametrize(
    ("options", "survivor"),
    [
        ({}, "longer"),
        ({"survivor": "newest"}, "upper"),
        ({"survivor": "source_priority", "source_priority": ["web", "books"]}, "first"),
        ({"survivor": "source_priority", "source_priority": ["none", "books", "web"]}, "upper"),
        ({"survivor": "source_priority", "source_priority": ["none"]}, "longer"),
        ({"survivor": "best:word_count"}, "longer"),
    ],
)
def test_the_preferred_one_stays_and_every_removal_has_its_evidence(
    select: Select, options: dict[str, Any], survivor: str
) -> None:
    _, verdicts = select(RECORDS, **options)
    assert [name for name, verdict in verdicts.items() if verdict["kept"]] == [
        name for name in verdicts if name in (survivor, "other")
    ]
    lost = {name: verdict for name, verdict in verdicts.items() if not verdict["kept"]}
    kinds = {name: verdict["reason"] for name, verdict in lost.items()}
    assert list(kinds.values()).count("exact_duplicate") == 1
    assert list(kinds.values()).count("fuzzy_duplicate") == 1
    for name, verdict in lost.items():
        exact = kinds[name] == "exact_duplicate"
        assert verdict["similarity"] == pytest.approx(1 if exact else 196 / 198, abs=1e-6)
        assert {name, verdict["evidence"]} <= {"first", "upper", "longer"}
    fuzzy = next(verdict for name, verdict in lost.items() if kinds[name] == "fuzzy_duplicate")
    assert fuzzy["duplicate_of"] == survivor


def test_documents_without_a_time_come_last_and_ties_go_to_the_longest(select: Select) -> None:
    records = [{"id": "none", "text": text(1, replaced=9)}, {"id": "old", "text": text(1), "timestamp": "1950-01-01"}]
    records += [{"id": f"longer{n}", "text": text(1, replaced=n), "timestamp": "1950-01-01"} for n in (1, 2)]
    _, verdicts = select(records, survivor="newest")
    assert [name for name, verdict in verdicts.items() if verdict["kept"]] == ["longer2"]


def test_the_highest_signal_stays_even_if_it_is_not_the_longest(select: Select) -> None:
    _, verdicts = select([RECORDS[0], RECORDS[2]], survivor="best:mean_word_length")
    assert [name for name, verdict in verdicts.items() if verdict["kept"]] == ["first"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"survivor": "best:charm"}, r"select\.survivor: .*no.* signal.*charm|best:charm"),
        ({"survivor": "best:content_hash"}, r"select\.survivor: .*content_hash"),
        ({"survivor": "source_priority"}, r"select\.source_priority: is empty; list the sources"),
    ],
)
def test_a_choice_that_cannot_be_made_is_an_error(select: Select, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as raised:
        select(RECORDS, **options)
    assert "\n" not in str(raised.value)


def test_a_source_that_is_mostly_duplicates_gives_an_alarm(select: Select) -> None:
    def record(source: str, number: int, seed: int) -> dict[str, Any]:
        return {"id": f"{source}{number}", "source": source, "text": text(seed)}

    records = [record("mirror", number, number if number < 5 else 0) for number in range(20)]
    records += [record("fine", number, 100 + number) for number in range(40)]
    records += [record("small", number, 0) for number in range(19)]
    said = io.StringIO()
    run, verdicts = select(records, said)
    lost = sum(not verdict["kept"] for name, verdict in verdicts.items() if name.startswith("mirror"))
    assert lost >= 15
    (alarm,) = run.manifest("selection").statistics["alarms"]
    assert alarm == {
        "step": "exact_duplicate", "of": "source", "name": "mirror",
        "documents": 20, "reached": 20, "lost": lost, "share": lost / 20,
    }  # fmt: skip
    (warning,) = [line for line in said.getvalue().splitlines() if line.startswith("warning")]
    assert warning.startswith(f"warning: exact_duplicate takes much of source mirror {lost / 20:.1%} of 20 ({lost} to ")
    said = io.StringIO()
    run, _ = select(records, said, alarm_share=0.99)
    assert run.manifest("selection").statistics["alarms"] == []
    assert "warning" not in said.getvalue()


def test_a_rule_that_takes_much_of_a_source_or_of_a_language_gives_an_alarm(select: Select) -> None:
    """Of the rest each has its own text; the language is that of most, whatever it is called."""
    short = [{"id": f"s{number}", "source": "short", "text": f"word {number}"} for number in range(30)]
    long = [{"id": f"l{number}", "source": "long", "text": text(number)} for number in range(100)]
    said = io.StringIO()
    run, _ = select(short + long, said, rules="gopher_short", thresholds={"gopher_too_few_words": 50})
    alarms = run.manifest("selection").statistics["alarms"]
    assert [(alarm["step"], alarm["of"], alarm["name"], alarm["lost"]) for alarm in alarms][:1] == [
        ("gopher_too_few_words", "source", "short", 30)
    ]
    assert "warning: gopher_too_few_words takes much of source short 100.0% of 30" in said.getvalue()
