"""Source files as documents, gathered from a small made-up environment."""

import json
import logging
from pathlib import Path

import pytest

from sequitur.corpora.python_source import write_python_source


def gather(out: Path, max_documents: int | None = None) -> dict[str, dict[str, str]]:
    count = write_python_source(out, max_documents)
    documents = {record["id"]: record for record in map(json.loads, out.read_text().splitlines())}
    assert len(documents) == count
    return documents


def test_files_are_whole_and_those_of_tests_are_left_out(environment: Path) -> None:
    documents = gather(environment / "code.jsonl")
    small = {name: one for name, one in documents.items() if one["source"] == "Small"}

    assert set(small) == {"small", "small.broken", "small.surrogate"}
    assert small["small"]["text"] == (environment / "site/small/__init__.py").read_text()
    assert {(one["section"], one["kind"], one["license"]) for one in small.values()} == {("small", "source", "MIT")}
    assert [name for name, one in documents.items() if one["source"] == "python"] == ["json.tool"]
    assert documents["big.part0.m00"]["section"] == "big.part0"


def test_a_file_in_another_encoding_is_read_in_it_and_what_is_no_text_is_counted(
    environment: Path, caplog: pytest.LogCaptureFixture
) -> None:
    code = "# -*- coding: latin-1 -*-\n# caf\u00e9\n" + "x = 1\n" * 50
    (environment / "stdlib/old.py").write_bytes(code.encode("latin-1"))
    (environment / "stdlib/none.py").write_bytes(b"# coding: nonsense\n" + b"x = 1\n" * 50)
    with caplog.at_level(logging.WARNING):
        documents = gather(environment / "code.jsonl")

    assert documents["old"]["text"] == code
    assert "none" not in documents
    assert "'files that are not text': 2" in caplog.text


def test_a_bound_is_kept_and_bytes_are_the_same_again(environment: Path) -> None:
    one, other = environment / "one.jsonl.zst", environment / "other.jsonl.zst"
    assert write_python_source(one, 7) == write_python_source(other, 7) == 7
    assert one.read_bytes() == other.read_bytes()
