"""The demo as a command, without the job: tests/test_wheel.py runs the whole of it, installed."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from example_dataset import write_dataset

from sequitur.corpora import demo
from sequitur.pipeline import run_directory
from sequitur.pipeline.stage import Run

Sequitur = Callable[..., Any]  # returns how the command ended: code, out, err
CORPUS = f"demo/{demo.CORPUS}"


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Any]:
    """What the corpus and the job were asked for, in an empty directory; the job makes an example's shards."""
    calls: list[Any] = []

    def write(path: Path, max_documents: int) -> int:
        calls.append(max_documents)
        path.touch()
        return max_documents

    def execute(recipe: Any, job: Run, first: None, last: None, *, refit: bool) -> None:
        calls.append(job.config)
        run_directory.check_place(job.root)
        write_dataset(Path(job.config.output) / "shards")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(demo, "write_python_docs", write)
    monkeypatch.setattr(run_directory, "execute", execute)
    return calls


def refused(ended: Any, complaint: str, code: int = 1) -> None:
    assert (ended.code, ended.out) == (code, "")
    assert ended.err.splitlines()[-1].startswith(f"error: {complaint}")
    assert "Traceback" not in ended.err


def test_a_corpus_is_made_run_and_shown(sequitur: Sequitur, asked: list[Any]) -> None:
    ended = sequitur("demo")

    assert asked == [10_000, demo.config_of(Path("demo"))]
    assert (ended.code, ended.err.splitlines()[0]) == (0, f"wrote 10,000 documents to {CORPUS}")
    assert ended.out.startswith("train[0] of 36  context ")


def test_again_it_goes_on_with_the_corpus_that_is_there(sequitur: Sequitur, asked: list[Any]) -> None:
    Path("demo").mkdir()
    Path(CORPUS).touch()

    ended = sequitur("demo", "--max-documents", "9")

    assert (ended.code, ended.err.splitlines()[0]) == (0, f"{CORPUS} is there already")
    assert asked == [demo.config_of(Path("demo"))]


@pytest.mark.usefixtures("asked")
def test_places_of_others_are_refused(sequitur: Sequitur, tmp_path: Path) -> None:
    for place in ("thesis", "run"):
        (tmp_path / place).mkdir()
        (tmp_path / place / "chapter.txt").touch()
    (tmp_path / "python_docs.jsonl.zst").touch()

    held = "thesis: holds chapter.txt and no demo; choose another directory or empty it"
    refused(sequitur("demo", "thesis"), held, 78)
    refused(sequitur("demo", "thesis/chapter.txt"), "thesis/chapter.txt: is a file; choose another directory", 78)
    refused(sequitur("demo", "thesis/chapter.txt/demo"), f"thesis/chapter.txt/{CORPUS}: Not a directory; choose anoth")
    refused(
        sequitur("demo", "."), "run: holds chapter.txt and no run; choose another output or empty the directory", 78
    )
    assert sorted(path.name for path in tmp_path.rglob("*.*")) == ["chapter.txt"] * 2 + ["python_docs.jsonl.zst"]


@pytest.mark.parametrize("owner", [demo, run_directory])
@pytest.mark.usefixtures("asked")
def test_interrupted_it_can_go_on(sequitur: Sequitur, monkeypatch: pytest.MonkeyPatch, owner: Any) -> None:
    def interrupt(*arguments: object, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(owner, "make_corpus" if owner is demo else "execute", interrupt)
    refused(sequitur("demo"), "interrupted; the same command goes on from here", code=130)


def test_the_corpus_by_itself(sequitur: Sequitur, tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    ended = sequitur("corpus", "python-docs", tmp_path / "new" / "docs.jsonl", "--max-documents", "7")
    assert (ended.code, ended.out, ended.err) == (0, "", f"wrote 7 documents to {tmp_path}/new/docs.jsonl\n")
    assert (tmp_path / "new" / "docs.jsonl").read_text().count("\n") == 7
    refused(sequitur("corpus", "python-docs", tmp_path / "file" / "docs.jsonl"), f"{tmp_path}/file/docs.jsonl: ")


def test_corpora_of_source_files_and_of_prose(sequitur: Sequitur, tmp_path: Path) -> None:
    (tmp_path / "pages").mkdir()
    (tmp_path / "pages/a.md").write_text("Some words of a page. " * 10)
    code, prose = tmp_path / "code.jsonl", tmp_path / "prose.jsonl"

    ended = sequitur("corpus", "python-source", code, "--max-documents", "3")
    assert (ended.code, ended.err) == (0, f"wrote 3 documents to {code}\n")
    ended = sequitur("corpus", "markdown", prose, tmp_path / "pages", "--min-characters", "100")
    assert (ended.code, ended.err) == (0, f"wrote 1 documents to {prose}\n")
    refused(sequitur("corpus", "markdown", prose, tmp_path / "none"), f"{tmp_path}/none: is no folder")
