"""The demo corpus, gathered from a small made-up environment: two packages, one standard library."""

import gzip
import importlib.metadata
import io
import json
import logging
import sysconfig
from collections import Counter
from pathlib import Path

import pytest
import zstandard

from sequitur.corpora import python_docs
from sequitur.corpora.python_docs import write_python_docs

LONG = "Something to say about a matter at hand. " * 6
BIG_MODULES = 30


def _docstring(indent: str, about: str) -> str:
    return f'{indent}"""{about}. {LONG}\n\n{indent}A list:\n{indent}    an item\n{indent}"""\n'


def _install(site: Path, name: str, metadata: str, files: dict[str, bytes]) -> None:
    """Write a distribution as an installer would: its files, METADATA and RECORD."""
    files = {f"{name}-1.0.dist-info/METADATA": f"Name: {name}\nVersion: 1.0\n{metadata}".encode(), **files}
    for relative, content in files.items():
        (site / relative).parent.mkdir(parents=True, exist_ok=True)
        (site / relative).write_bytes(content)
    record = "".join(f"{relative},,\n" for relative in [*files, "../../bin/tool.py", f"{name}/gone.py"])
    (site / f"{name}-1.0.dist-info/RECORD").write_text(record)


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    site, stdlib = tmp_path / "site", tmp_path / "stdlib"
    small = (
        _docstring("", "The module")
        + "import os\nif os.name:\n    class Shape:\n"
        + _docstring("        ", "A shape")
        + "        def area(self):\n"
        + _docstring("            ", "Its area")
        + "            def inner():\n"
        + _docstring("                ", "Hidden")
        + "    def area():\n"
        + _docstring("        ", "First")
        + "    def area():\n"
        + _docstring("        ", "Second")
        + "def short():\n    '''Too short.'''\n"
    )
    _install(
        site,
        "Small",
        f"License-Expression: MIT\nDescription-Content-Type: text/plain\n\nRead me. {LONG}",
        {
            "small/__init__.py": small.encode(),
            "small/tests/test_it.py": small.encode(),
            "small/not-importable.py": small.encode(),
            "small/broken.py": f'"""{LONG}"""\ndef def'.encode(),
            "small/undecodable.py": b'"""' + LONG.encode() + b'\xff"""',
            "small/surrogate.py": f'"""\\ud800 {LONG}"""'.encode(),
            "Small-1.0.dist-info/licenses/LICENSE": f"Permission is granted. {LONG}".encode(),
            "Small-1.0.dist-info/licenses/vendored/LICENSE": f"Permission is granted. {LONG}".encode(),
        },
    )
    modules = {f"big/part{i % 3}/m{i:02d}.py": _docstring("", f"Part {i}").encode() for i in range(BIG_MODULES)}
    _install(site, "big", "License: BSD\n", modules)
    for name in ["json/tool.py", "test/test_json.py", "site-packages/other.py"]:
        (stdlib / name).parent.mkdir(parents=True, exist_ok=True)
        (stdlib / name).write_text(_docstring("", "Of the standard library"))
    real_distributions = importlib.metadata.distributions
    monkeypatch.setattr(importlib.metadata, "distributions", lambda: real_distributions(path=[str(site)]))
    monkeypatch.setattr(sysconfig, "get_path", lambda name: str(stdlib))
    return tmp_path


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


def test_what_cannot_be_read_is_counted(
    environment: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(python_docs, "MAX_FILE_BYTES", 1500)  # small/__init__.py is larger
    with caplog.at_level(logging.WARNING):
        documents = _gather(environment / "docs.jsonl")
    assert "'files that are not valid Python': 2" in caplog.text
    assert "'files unreadable': 2" in caplog.text
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

    monkeypatch.setattr(python_docs.json, "dumps", fail)
    with pytest.raises(OSError, match="disk full"):
        write_python_docs(environment / "docs.jsonl.zst")
    assert sorted(path.name for path in environment.iterdir()) == ["site", "stdlib"]


def test_refuses_an_empty_bound(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="max_documents is 0"):
        write_python_docs(tmp_path / "docs.jsonl", 0)
