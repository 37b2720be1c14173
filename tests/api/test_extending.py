"""An extension leaves what is there as it is, drops what is there already, and comes to the same bytes however often
it is killed."""

import json
import math
import random
import shutil
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pytest
from job_runs import content, written
from killing import Killed, kill_at

import sequitur
from sequitur import beam_job
from sequitur.api import extending
from sequitur.pipeline import lock, run_directory
from sequitur.pipeline.errors import (
    ExtensionRefused,
    ExtensionsUndone,
    ExtensionUnfinished,
    NothingKept,
    RunLocked,
    SequiturError,
)
from sequitur.pipeline.progress import Progress
from sequitur.pipeline.stage import Run
from sequitur.pipeline.storage import Directory
from sequitur.shards import ContextDataset
from sequitur.shards.manifest import read_manifest
from sequitur.shards.verify import verify
from sequitur.stages.report import stage as report_stage
from sequitur.stages.shared.columns.stored_vectors import StoredVectors

RENEWED = {"shards/manifest.json", "shards/_manifest.json", "shards/train/state.json", "shards/val/state.json"}
ADDING = 85  # writes, the last of all, by which shards are added and told of; it holds at each of them and before


def records(corpus: Any, seed: int, count: int = 40) -> list[dict[str, str]]:
    """New documents, of the words that the model knows."""
    rng = random.Random(seed)
    found = []
    for number in range(count):
        words = rng.sample(corpus.words, 40)
        text = ". ".join(" the of and ".join(rng.choices(words, k=5)) for _ in range(14)) + "."
        found.append({"id": f"new-{seed}-{number}", "text": text, "source": "news"})
    return found


def write(path: Path, found: list[dict[str, str]]) -> Path:
    path.write_text("".join(json.dumps(one) + "\n" for one in found))
    return path


@pytest.fixture
def news(corpus: Any, tmp_path: Path) -> Path:
    """New documents, among them an old one, one that is nearly one, and one with the id of an old one."""
    old = sorted(corpus.topic)
    near = corpus.texts[old[3]].split(" ")
    planted = [
        {"id": "old text", "text": corpus.texts[old[2]], "source": "news"},
        {"id": "near old", "text": " ".join([*near[:70], "otherwise", *near[71:]]), "source": "news"},
        {"id": old[5], "text": records(corpus, 5, 1)[0]["text"], "source": "news"},
    ]
    return write(tmp_path / "news.jsonl", [*records(corpus, 1), *planted])


@pytest.fixture
def run(branch: Any) -> Run:
    return branch("run")


@pytest.fixture
def quick_report(monkeypatch: pytest.MonkeyPatch) -> None:
    """A report whose page is made in no time, but written as always."""
    monkeypatch.setattr(report_stage, "measure_order", lambda *_: {})
    monkeypatch.setattr(report_stage, "page_data", lambda root, config, report, *_: {"report": report})
    monkeypatch.setattr(report_stage, "render", json.dumps)


def old_files(root: Path) -> dict[str, tuple[int, int]]:
    """Inode and time of every file that an extension may not touch."""
    return {
        name: one for name, one in written(root).items() if name not in RENEWED and not name.startswith("extensions/")
    }


def problems(root: str) -> list[str]:
    return list(run_directory.problems(beam_job.RECIPE, Run(run_directory.read_config(Directory(root)))))


@pytest.mark.usefixtures("quick_report")
def test_what_is_new_comes_behind_and_what_is_there_is_dropped(
    run: Run, news: Path, corpus: Any, rows: Any, tmp_path: Path
) -> None:
    root = Path(run.config.output)
    before, bytes_before, rows_before = old_files(root), content(root), read_manifest(root / "shards").splits

    told = sequitur.extend(root, news, progress=False)

    after = old_files(root)
    assert {name: after[name] for name in before} == before
    assert {name: one for name, one in content(root).items() if name in before} == {
        name: bytes_before[name] for name in before
    }
    extension = Run(run_directory.read_config(Directory(str(root / "extensions/0001"))))
    verdicts = {
        document["record_id"]: verdict["reason"]
        for document, verdict in zip(rows(extension), rows(extension, "selection"), strict=True)
    }
    dropped = {name: reason for name, reason in verdicts.items() if reason}
    assert dropped == {
        "old text": "exact_duplicate_elsewhere",
        "near old": "fuzzy_duplicate_elsewhere",
        sorted(corpus.topic)[5]: "repeated_id",
    }
    assert (told["documents"], told["kept"], told["placed"]) == (43, 40, 40)
    assert 0 <= told["nearest_old"]["median"] <= 1
    assert verify(root / "shards") == []
    assert problems(str(root)) == problems(extension.config.output) == []
    whole = read_manifest(root / "shards")
    for split, entry in rows_before.items():
        assert whole.splits[split].rows == entry.rows + told["contexts"].get(split, 0)
        assert len(datasets.load_from_disk(str(root / "shards" / split))) == whole.splits[split].rows
    assert whole.fingerprint == told["fingerprint"]
    assert run.manifest("shards").rows == sum(entry.rows for entry in rows_before.values()), "the run's own"

    second = write(tmp_path / "second.jsonl", [*records(corpus, 2, 12), records(corpus, 1)[7] | {"id": "again"}])
    told = sequitur.extend(root, [str(second)], workers=1, progress=False)
    assert (told["extension"], told["documents"], told["kept"]) == ("0002", 13, 12)
    assert verify(root / "shards") == []
    assert {name: old_files(root)[name] for name in before} == before


@pytest.mark.usefixtures("quick_report")
def test_inputs_that_were_read_before_are_told_by_name(run: Run, news: Path, corpus_file: Path, corpus: Any) -> None:
    root = Path(run.config.output)
    told = sequitur.extend(root, news, progress=False)
    before = content(root)

    assert sequitur.extend(root, news, progress=False) == told
    for inputs in (corpus_file, [news, corpus_file]):
        with pytest.raises(ExtensionRefused, match="has read this file before"):
            sequitur.extend(root, inputs, progress=False)
    more = write(news.parent / "more.jsonl", records(corpus, 3, 5))
    with pytest.raises(ExtensionRefused, match=r"news\.jsonl: .*extensions/0001 has read this file before"):
        sequitur.extend(root, [more, news], progress=False)
    with pytest.raises(SequiturError, match="no such file"):
        sequitur.extend(root, "nowhere.jsonl", progress=False)
    with pytest.raises(ExtensionRefused, match="is itself an extension"):
        sequitur.extend(root / "extensions/0001", more, progress=False)
    assert content(root) == before
    with lock.exclusive(Directory(str(root))), pytest.raises(RunLocked):
        sequitur.extend(root, more, progress=False)


@pytest.mark.usefixtures("quick_report")
def test_running_again_does_not_undo_it(run: Run, news: Path, branch: Any, execute: Any) -> None:
    root = run.config.output
    sequitur.extend(root, news, progress=False)
    before = content(Path(root))
    sections = run.config.model_dump(mode="json")

    run_directory.execute(beam_job.RECIPE, Run(run.config))
    assert content(Path(root)) == before
    for change in (
        {"pack": {"context_length": 512}},
        {"select": {**sections["select"], "jaccard": 0.5}},
        {"tokenize": {"vocabulary": 700}},
    ):
        with pytest.raises(ExtensionsUndone, match="would be made anew"):
            execute(Path(root), **{"pack": sections["pack"], **change})
    assert content(Path(root)) == before
    (shard,) = (Path(root) / "shards/train").glob("data-00000-*.arrow")
    shard.unlink()
    with pytest.raises(ExtensionsUndone, match="restore what is missing there from a copy, or delete"):
        run_directory.execute(beam_job.RECIPE, Run(run.config))
    shutil.rmtree(Path(root) / "shards")
    run_directory.execute(beam_job.RECIPE, Run(run.config))
    sequitur.extend(root, news, progress=False)
    assert content(Path(root)) == before, "the remedy"


@pytest.mark.usefixtures("quick_report")
def test_a_run_that_cannot_be_extended_says_why(branch: Any, news: Path) -> None:
    for name, sections, reason in (
        ("families", {"families": {"by": "source"}}, "families.by"),
        ("buckets", {"pack": {"policy": "buckets", "context_length": 1024}}, "pack.policy buckets"),
        ("epochs", {"pack": {"epochs": 2, "context_length": 1024}}, "pack.epochs"),
    ):
        run = branch(name, **sections)
        with pytest.raises(ExtensionRefused, match=f"{reason}, by which .*; make another run") as raised:
            sequitur.extend(run.config.output, news, progress=False)
        assert "\n" not in str(raised.value)
    unfinished = branch("unfinished", "order", pack={"context_length": 512})
    with pytest.raises(ExtensionRefused, match="shards is not finished, or out of date"):
        sequitur.extend(unfinished.config.output, news, progress=False)
    elsewhere = Directory("memory://run")
    elsewhere.write_bytes("config.yaml", run.config.to_yaml().encode())
    with pytest.raises(ExtensionRefused, match="shards are extended where they are local"):
        extending.extend_run(elsewhere, [str(news)], (), 1, Progress(quiet=True))


@pytest.mark.usefixtures("quick_report")
def test_where_nothing_is_new_nothing_is_added(run: Run, corpus: Any, tmp_path: Path) -> None:
    root = Path(run.config.output)
    copies = [{"id": f"copy {name}", "text": corpus.texts[name]} for name in sorted(corpus.topic)[:5]]
    shards = content(root / "shards")

    with pytest.raises(NothingKept):
        sequitur.extend(root, write(tmp_path / "copies.jsonl", copies), progress=False)

    assert content(root / "shards") == shards
    more = write(tmp_path / "more.jsonl", records(corpus, 3, 5))
    with pytest.raises(ExtensionRefused, match=r"was begun by other inputs and is not finished; .* delete"):
        sequitur.extend(root, more, progress=False)
    shutil.rmtree(root / "extensions/0001")
    (root / "extensions/0001").mkdir()
    (root / "extensions/0001/_lock").touch()  # as of one that was killed before it began
    assert sequitur.extend(root, more, progress=False)["extension"] == "0001"


def made(root: Path) -> dict[str, str]:
    """What a run and its extensions hold, but for what tells of the runs themselves."""
    own = ("_state", "_lock", "config.yaml")
    return {name: one for name, one in content(root).items() if not set(own) & set(name.split("/"))}


def is_refused(root: Path) -> bool:
    """Whether running the job again is refused until the extension is finished."""
    try:
        run_directory.execute(beam_job.RECIPE, Run(run_directory.read_config(Directory(str(root)))))
    except ExtensionUnfinished:
        return True
    return False


@pytest.mark.usefixtures("quick_report")
@pytest.mark.borders
def test_killed_at_any_write_it_comes_to_the_same_bytes(run: Run, news: Path, tmp_path: Path) -> None:
    whole = Path(shutil.copytree(run.config.output, tmp_path / "whole"))
    with pytest.MonkeyPatch.context() as patch:
        writes = kill_at(patch, math.inf)
        sequitur.extend(whole, news, progress=False)
    last = writes() - ADDING
    wanted, begun, ended = made(whole), set(), False
    for step in [*range(last // 4, last, last // 4), *range(last, 2 * writes(), 17)]:
        root = Path(shutil.copytree(run.config.output, tmp_path / "killed"))
        before = old_files(root)
        with pytest.MonkeyPatch.context() as patch:
            kill_at(patch, step)
            try:
                sequitur.extend(root, news, progress=False)
                ended = True
            except (Killed, SequiturError):
                ended = False
        assert {name: old_files(root)[name] for name in before} == before, step
        n = len(ContextDataset(root / "shards"))
        assert n in (run.manifest("shards").statistics["contexts"]["train"], len(ContextDataset(whole / "shards")))
        begun.add(is_refused(root))
        sequitur.extend(root, news, progress=False)
        found = made(root)
        assert {name for name in found.keys() | wanted if found.get(name) != wanted.get(name)} == set(), step
        shutil.rmtree(root)
        if ended:
            break
    assert ended
    assert begun == {True, False}


def test_a_fitted_model_places_new_documents_as_it_placed_the_old(
    execute: Any, corpus: Any, tmp_path: Path, quick_report: None
) -> None:
    """So the cosine of a copy to its original is 1, and its vector the same."""
    base = execute(tmp_path / "run", embed={"model": "fitted", "lexical_weight": 0.3, "lexical_dimensions": 64})
    old = sorted(corpus.topic)[:30]
    copies = [{"id": f"new {name}", "text": corpus.texts[name], "source": "news"} for name in old]
    root = Directory(base.config.output)
    settings = extending._settings(
        root, base.config, (), [str(write(tmp_path / "copies.jsonl", copies))], root / "extensions/0001"
    )
    settings = settings.model_copy(update={"select": base.config.select})
    run_directory.execute(beam_job.RECIPE, Run(settings), None, "embed")

    near = extending.nearest_old(Directory(settings.output), [root], 0)
    assert near["compared"] == near["above"]["0.95"] == len(old)
    assert settings.tokenize.tokenizer.endswith("run/tokens/tokenizer.json")
    new = StoredVectors(Directory(settings.output) / "vectors", own=True).all().astype(np.float32)
    there = StoredVectors(root / "vectors", own=True).all().astype(np.float32)
    apart = np.abs(new[:, None, :] - there[None]).max(axis=2).min(axis=1)
    assert np.count_nonzero(apart == 0) > 20, "of some not they but copies of theirs stayed"
