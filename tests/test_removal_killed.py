"""A removal from a run, killed at any write: `run` says to repeat it, and repeated it is whole and quotes nothing."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from job_runs import content
from killing import Killed, kill_at

from sequitur import beam_job
from sequitur.pipeline import run_directory
from sequitur.pipeline.errors import RemovalUnfinished
from sequitur.pipeline.stage import Run
from sequitur.pipeline.storage import Directory
from sequitur.stages.report import stage as report_stage

Sequitur = Callable[..., Any]
STRIDE = 13  # of some 100 writes, so that the test is short; it holds at each of them
TEXTS = ("documents", "tokens", "vectors")  # which keep what was removed, as the guide says


@pytest.fixture
def quick_report(monkeypatch: pytest.MonkeyPatch) -> None:
    """A report whose page is made in no time, but written as always."""
    monkeypatch.setattr(report_stage, "measure_order", lambda *_: {})
    monkeypatch.setattr(report_stage, "page_data", lambda root, config, report, *_: {"report": report})
    monkeypatch.setattr(report_stage, "render", json.dumps)


def run_at(root: Path) -> Run:
    return Run(run_directory.read_config(Directory(str(root))))


def placed(run: Run, rows: Any, count: int) -> list[str]:
    """Record ids of documents that stayed though others were dropped for them, and of others."""
    verdicts = list(zip(rows(run), rows(run, "selection"), strict=True))
    lost = {row["ordinal"] for row in rows(run, "neighbors/duplicates")}
    names = {
        document["doc_id"]: document["record_id"]
        for document, verdict in verdicts
        if verdict["ordinal"] is not None and verdict["ordinal"] not in lost
    }
    copied = [verdict["duplicate_of"] for _, verdict in verdicts if verdict["duplicate_of"] in names]
    return [names[one] for one in dict.fromkeys([*copied, *names])][:count]


@pytest.mark.usefixtures("quick_report")
@pytest.mark.parametrize("sections", [{}, {"families": {"by": "source"}}], ids=["one", "families"])
def test_killed_at_any_write_it_is_repeated(
    branch: Any, sequitur: Sequitur, rows: Any, tmp_path: Path, sections: dict[str, Any]
) -> None:
    before = branch("before", **sections)
    asked = [f"--doc-id={name}" for name in placed(before, rows, 3)]
    whole = shutil.copytree(before.config.output, tmp_path / "whole")
    assert sequitur("remove", whole, *asked).code == 0
    after, said = content(whole), set()
    for step in range(1, 400, STRIDE):
        root = tmp_path / "killed"
        shutil.copytree(before.config.output, root)
        with pytest.MonkeyPatch.context() as patch:
            kill_at(patch, step)
            try:
                ended = sequitur("remove", root, *asked).code == 0
            except Killed:
                ended = False
        begun = (root / "shards/_removal.json").exists()
        if begun:
            with pytest.raises(RemovalUnfinished, match="repeat the same sequitur remove"):
                run_directory.execute(beam_job.RECIPE, run_at(root))
            (shards,) = (one for one in run_directory.status(beam_job.RECIPE, run_at(root)) if one.artifact == "shards")
            assert shards.state == "interrupted"
        again = sequitur("remove", root, *asked)
        said.add((begun, next(word for word in ("finished", "nothing", "removed") if word in again.out)))
        found = content(root)
        assert {name for name in found.keys() | after if found.get(name) != after.get(name)} == set(), step
        assert again.code == 0
        shutil.rmtree(root)
        if ended:
            break
    assert ended
    assert said == {(False, "removed"), (True, "finished"), (False, "nothing")}


def test_verify_names_an_unfinished_removal(branch: Any, sequitur: Sequitur, rows: Any) -> None:
    run = branch("run")
    (name,) = placed(run, rows, 1)
    with pytest.MonkeyPatch.context() as patch:
        kill_at(patch, 20)
        with pytest.raises(Killed):
            sequitur("remove", run.config.output, f"--doc-id={name}")
    said = list(run_directory.problems(beam_job.RECIPE, run))
    assert [line for line in said if "repeat the same sequitur remove" in line]
    assert not [line for line in said if "delete it" in line]


def test_no_copy_of_what_is_gone_is_quoted(branch: Any, sequitur: Sequitur, rows: Any, corpus: Any) -> None:
    """The copies of a removed document say what it said: the page shows them no more."""
    run = branch("run")
    names = placed(run, rows, 40)
    copies = {name: copy for copy, name in (corpus.exact | corpus.near | corpus.shuffled).items()}
    words = {name: [corpus.texts[copies.get(name, name)], corpus.texts[name]] for name in names}
    phrases = {" ".join(text.split()[5:9]) for texts in words.values() for text in texts}

    def quoted() -> set[str]:
        files = [path for path in Path(run.config.output).rglob("*") if path.suffix in (".html", ".json", ".yaml")]
        held = [" ".join(path.read_text().split()) for path in files if path.parts[-2] not in TEXTS]
        return {phrase for phrase in phrases if any(phrase in one for one in held)}

    assert quoted()
    examples = run.artifact("report").read_json("page.json")["duplicates"]["examples"]
    ended = sequitur("remove", run.config.output, *(f"--doc-id={name}" for name in names))
    assert ended.code == 0, ended.err
    assert quoted() == set()
    assert len(run.artifact("report").read_json("page.json")["duplicates"]["examples"]) < len(examples)
