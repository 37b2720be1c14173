"""The demo corpus, gathered from a small made-up environment: two packages, one standard library."""

import gzip
import io
import json
import logging
from collections import Counter
from pathlib import Path

import pytest
import zstandard
from installed_packages import BIG_MODULES, LONG

from sequitur.corpora import packages
from sequitur.corpora.python_docs import write_python_docs


def _gather(out: Path, max_documents: int | None = None) -> list[dict[str, str]]:
    count = write_python_docs(out, max_documents)
    documents = [json.loads(line) for line in out.read_text().splitlines()]
    assert len(documents) == count
    return documents


def test_gathers_docstrings_readmes_and_licences(environment: Path) -> None:
    documents = _gather(environment / "docs.jsonl")
    small = {d["id"]: d for d in documents if d["source"] == "Small"}
    assert {name: (d["section"], d["kind"]) for name, d in small.items()} == {
        "Small:README": ("readme", "readme"),
        "Small:LICENSE": ("licence", "licence"),
        "Small:vendored/LICENSE": ("licence", "licence"),
        "small": ("small", "module"),
        "small.Shape": ("small", "class"),
        "small.Shape.area": ("small", "function"),
        "small.area": ("small", "function"),
        "small.area#2": ("small", "function"),
        "small.surrogate": ("small.surrogate", "module"),
    }
    assert {d["license"] for d in small.values()} == {"MIT"}
    assert small["small.Shape.area"]["text"] == f"Its area. {LONG}\n\nA list:\n    an item"
    assert small["Small:README"]["text"].startswith("Read me.")
    assert [d["id"] for d in documents if d["source"] == "python"] == ["json.tool"]
    assert sum(d["source"] == "big" for d in documents) == BIG_MODULES


def test_ids_are_unique_and_no_path_of_this_machine_is_told(environment: Path) -> None:
    documents = _gather(environment / "docs.jsonl")
    assert len({d["id"] for d in documents}) == len(documents)
    assert str(environment) not in (environment / "docs.jsonl").read_text()


def test_a_file_that_is_listed_and_not_there_is_counted(tmp_path: Path) -> None:
    """importlib-metadata, which replaces the finder of distributions where it is imported, lists none such."""
    skipped: Counter[str] = Counter()
    assert packages.read(tmp_path / "gone.py", skipped) == b""
    assert skipped == {"files unreadable": 1}


def test_what_cannot_be_read_is_counted(
    environment: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packages, "MAX_FILE_BYTES", 1500)  # small/__init__.py is larger
    with caplog.at_level(logging.WARNING):
        documents = _gather(environment / "docs.jsonl")
    assert "'files that are not valid Python': 2" in caplog.text
    assert "'files too large': 1" in caplog.text
    assert "small" not in {d["id"] for d in documents}


def test_a_bound_keeps_small_packages_and_whole_folders(environment: Path) -> None:
    documents = _gather(environment / "docs.jsonl", max_documents=20)
    source_to_count = Counter(d["source"] for d in documents)
    assert source_to_count == {"Small": 9, "python": 1, "big": 10}
    folders = {d["section"].rpartition(".")[0] for d in documents if d["source"] == "big"}
    assert len(folders) == 1


def test_the_same_environment_gives_the_same_bytes(environment: Path) -> None:
    for suffix in ["jsonl", "jsonl.gz", "jsonl.zst"]:
        first, second = environment / f"first.{suffix}", environment / f"second.{suffix}"
        write_python_docs(first, 15)
        write_python_docs(second, 15)
        assert first.read_bytes() == second.read_bytes()


def test_the_suffix_chooses_the_compression(environment: Path) -> None:
    plain, gz, zst = (environment / f"docs.jsonl{suffix}" for suffix in ["", ".gz", ".zst"])
    for path in [plain, gz, zst]:
        write_python_docs(path)
    assert gzip.decompress(gz.read_bytes()) == plain.read_bytes()
    assert zstandard.ZstdDecompressor().stream_reader(io.BytesIO(zst.read_bytes())).read() == plain.read_bytes()


def test_a_failure_leaves_no_file_behind(environment: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: object, **kwargs: object) -> str:
        raise OSError("disk full")

    monkeypatch.setattr(packages.json, "dumps", fail)
    with pytest.raises(OSError, match="disk full"):
        write_python_docs(environment / "docs.jsonl.zst")
    assert sorted(path.name for path in environment.iterdir()) == ["site", "stdlib"]


def test_refuses_an_empty_bound(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="max_documents is 0"):
        write_python_docs(tmp_path / "docs.jsonl", 0)
