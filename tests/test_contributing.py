"""The walks of CONTRIBUTING.md, as a reader would follow them: their files are written, their commands run."""

import json
import os
import re
import runpy
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from example_dataset import SEQ_LEN, write_dataset

from sequitur import beam_job
from sequitur.pipeline import artifacts, run_directory
from sequitur.pipeline.config import load
from sequitur.pipeline.stage import Run

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
WALKS = dict(re.findall(r"^### A new ([^\n]+)\n(.*?)(?=^##|\Z)", PAGE, re.MULTILINE | re.DOTALL))
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
MESSAGES = """From ada Thu Jan  1 00:00:00 1970
Message-ID: <1@example.org>
Subject: Of notes

A first message.
From ada Thu Jan  1 00:00:01 1970
Message-ID: <2@example.org>
Subject: Of pages
Content-Type: text/html

<p>A page.</p>
From ada Thu Jan  1 00:00:02 1970
Message-ID: <3@example.org>
Subject: Of engines

A third message,
in two lines.
"""


class Place(NamedTuple):
    """A folder in which a walk is followed."""

    folder: Path
    sequitur: Callable[..., Any]

    def write(self, text: str) -> list[str]:
        """Writes the files of a piece of the page, each named by its first line; returns the commands in it."""
        commands = []
        for language, block in BLOCK.findall(text):
            if language == "sh":
                commands += block.splitlines()
                continue
            name, rest = block.split("\n", 1)
            assert name.startswith("# "), f"a block of {language} names its file in the first line: {name}"
            file = self.folder / name.removeprefix("# ")
            file.parent.mkdir(exist_ok=True)
            file.write_text(rest)
        return commands

    def follow(self, walk: str) -> list[str]:
        """Does what a walk says; returns what each command printed."""
        return [self.run(command) for command in self.write(WALKS[walk])]

    def run(self, command: str) -> str:
        """Runs a command in this process, which imports from the folder as `PYTHONPATH=.` says."""
        path, program, *arguments = shlex.split(command)
        assert path == "PYTHONPATH=."
        if program == "python":
            runpy.run_path(*arguments, run_name="__main__")
            return ""
        assert program == "sequitur"
        code, out, err = self.sequitur(*arguments)
        assert code == 0, err
        return str(out)

    def manifest(self, artifact: str) -> artifacts.Manifest:
        return Run(load("my.yaml")).manifest(artifact)

    def rows(self, artifact: str, config: str = "my.yaml") -> list[dict[str, Any]]:
        run = Run(load(config))
        directory = run.artifact(artifact)
        return [
            row for part in run.manifest(artifact).parts for row in artifacts.read_part(directory, part).to_pylist()
        ]


@pytest.fixture
def place(
    tmp_path: Path, corpus: Any, sequitur: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Place]:
    """With 60 documents in data/, of which every tenth asks."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    records = [
        {"id": name, "text": corpus.texts[name].replace(".", "." if number % 10 else "?"), "source": f"s{number % 3}"}
        for number, name in enumerate(sorted(corpus.topic)[:60])
    ]
    (tmp_path / "data").mkdir()
    (tmp_path / "data/a.jsonl").write_text("".join(f"{json.dumps(record)}\n" for record in records))
    found = Place(tmp_path, sequitur)
    assert found.write(PAGE.split("## The walks")[1].split("### ")[0]) == []
    yield found
    for name in [name for name in sys.modules if name.split(".")[0] == "my_package"]:
        del sys.modules[name]


def test_there_are_five_walks_each_with_a_whole_example() -> None:
    assert list(WALKS) == ["order", "signal, with a rule", "input format", "exporter", "stage"]
    for walk in WALKS.values():
        languages = [language for language, _ in BLOCK.findall(walk)]
        assert languages[0] == "python"
        assert languages[-1] == "sh"
        assert "\n*As one of ours:* " in walk


def test_a_new_order(place: Place) -> None:
    _, compared = place.follow("order")
    sources = [row["source"] for row in place.rows("documents")]
    kept = [source for source, row in zip(sources, place.rows("selection"), strict=True) if row["kept"]]
    lengths = [len(row["input_ids"]) for row in place.rows("tokens")]
    read = [(kept[row["ordinal"]], lengths[row["ordinal"]]) for row in place.rows("order")]
    assert read == sorted(read)
    assert len({source for source, _ in read}) == 3
    assert place.manifest("order").statistics["paths"] == 3
    assert "my_package.by_source" in compared


def test_a_new_signal_with_a_rule(place: Place) -> None:
    _, tried = place.follow("signal, with a rule")
    signals, verdicts = place.rows("signals"), place.rows("selection")
    assert [row["question_share"] for row in signals] == [float(number % 10 == 0) for number in range(60)]
    dropped = [number for number, row in enumerate(verdicts) if row["reason"] == "mostly_questions"]
    assert dropped == list(range(0, 60, 10))
    assert "limit_question_share" in tried


def test_a_new_input_format(place: Place) -> None:
    (place.folder / "mail").mkdir()
    (place.folder / "mail/inbox.mbox").write_text(MESSAGES)
    _, traced = place.follow("input format")
    documents, rejects = (place.rows(name, "mail.yaml") for name in ("documents", "rejects"))
    assert [row["text"] for row in documents] == ["A first message.\n", "A third message,\nin two lines.\n"]
    assert [(row["record_id"], row["source"], row["metadata"]) for row in documents] == [
        ("<1@example.org>", "inbox", '{"subject": "Of notes"}'),
        ("<3@example.org>", "inbox", '{"subject": "Of engines"}'),
    ]
    assert [(row["source_row"], row["detail"]) for row in rejects] == [(1, "a message of type text/html")]
    assert "no_plain_text" in traced


def test_the_input_format_in_processes_that_know_of_it_by_pythonpath_alone(place: Place) -> None:
    (place.folder / "mail").mkdir()
    for name in ("inbox", "sent"):
        (place.folder / f"mail/{name}.mbox").write_text(MESSAGES)
    command, _ = place.write(WALKS["input format"])
    main = (
        "from sequitur.command_line.main import main; from sequitur.pipeline import runner; runner.START_SECONDS = 1e-9"
    )
    arguments = shlex.split(command.partition("sequitur ")[2])
    subprocess.run(
        [sys.executable, "-P", "-c", f"{main}; main()", *arguments, "--workers", "2"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([".", str(ROOT)])},
        check=True,
        capture_output=True,
    )
    assert [row["source"] for row in place.rows("documents", "mail.yaml")] == ["inbox", "inbox", "sent", "sent"]


def test_a_new_exporter(place: Place) -> None:
    dataset = write_dataset(place.folder / "runs/mine/shards")
    place.follow("exporter")
    rows = np.concatenate([np.load(file) for file in sorted((place.folder / "exported").glob("*.npy"))])
    assert rows.shape == (dataset.manifest.split("train").rows - 1, SEQ_LEN)
    report = json.loads((place.folder / "exported/sequitur-export.json").read_text())
    assert report["target"] == "my_package.npy"
    assert report["settings"] == {"files": "*.npy", "sequence_length": SEQ_LEN}


def test_a_new_stage(place: Place) -> None:
    place.follow("stage")
    texts = [row["text"] for row in place.rows("documents")]
    assert [row["opening"] for row in place.rows("openings")] == [text[:80] for text in texts]
    from my_package.openings import STAGE

    recipe = (*beam_job.RECIPE[:2], STAGE)
    assert list(run_directory.problems(recipe, Run(load("my.yaml")))) == []
