"""The demo's directory: its corpus is made once, and nothing of another's is touched."""

from pathlib import Path

import pytest

from sequitur.corpora import demo
from sequitur.pipeline.errors import ForeignDirectory


@pytest.fixture(autouse=True)
def writer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Writes in place of the corpus how many documents were asked for."""

    def write(path: Path, max_documents: int) -> int:
        path.write_text(str(max_documents))
        return max_documents

    monkeypatch.setattr(demo, "write_python_docs", write)


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def test_the_configuration_reads_the_corpus_and_writes_beside_it() -> None:
    config = demo.config_of(Path("some/where"))

    paths = [each.path for each in config.ingest.inputs]
    assert (config.output, paths) == ("some/where/run", ["some/where/python_docs.jsonl.zst"])
    assert (config.name, config.ingest.part_bytes, config.pack.context_length) == ("python-docs", 4 * 2**20, 2048)


def test_the_corpus_is_made_once(tmp_path: Path) -> None:
    directory = tmp_path / "new" / "demo"

    assert demo.make_corpus(directory, 5) == 5
    (directory / "run").mkdir()
    (directory / "notes.txt").touch()
    assert demo.make_corpus(directory, 6) is None
    assert (directory / demo.CORPUS).read_text() == "5"


def test_what_a_killed_writer_left_is_no_hindrance(tmp_path: Path) -> None:
    (tmp_path / f".{demo.CORPUS}.tmp").touch()

    assert demo.make_corpus(tmp_path, 5) == 5


def test_another_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.txt").write_text("precious")

    with pytest.raises(ForeignDirectory, match=r"thesis: holds chapter.txt and no demo; choose another directory or"):
        demo.make_corpus(tmp_path / "thesis", 5)
    with pytest.raises(ForeignDirectory, match=r"chapter.txt: is a file; choose another directory"):
        demo.make_corpus(tmp_path / "thesis" / "chapter.txt", 5)
    assert names(tmp_path / "thesis") == ["chapter.txt"]
