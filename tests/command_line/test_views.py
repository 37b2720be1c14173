"""show, stats, why and trace as commands: one JSON object, 80 columns without colours, a mistake in one line."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fsspec
import pytest
from example_dataset import Dataset, write_dataset

from sequitur.inspection import explain
from sequitur.pipeline import config
from sequitur.shards.families import dataset_entry, families_json

Sequitur = Callable[..., Any]


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """A run's directory with shards in it; not to be changed."""
    return write_dataset(tmp_path_factory.mktemp("run") / "shards")


@pytest.fixture
def families(dataset: Dataset, tmp_path: Path) -> Path:
    """Two datasets, alike."""
    for name in ("code", "web"):
        (tmp_path / name).symlink_to(dataset.root)
    entries = [dataset_entry(name, name, dataset.manifest) for name in ("code", "web")]
    (tmp_path / "families.json").write_text(families_json(entries))
    return tmp_path


def lines(ended: Any) -> list[str]:
    """What was printed well: within 80 columns, no colours, no spaces at the end."""
    assert (ended.code, "\x1b" in ended.out) == (0, False), ended.err
    shown: list[str] = ended.out.splitlines()
    assert max(map(len, shown)) <= 80
    assert [line for line in shown if line != line.rstrip()] == []
    return shown


def refused(ended: Any, complaint: str, code: int = 1) -> None:
    assert ended.code == code
    assert complaint in ended.err
    assert (ended.err[:7], ended.err.count("\n"), ended.out) == ("error: ", 1, "")


def test_show_a_row(sequitur: Sequitur, dataset: Dataset) -> None:
    of_run, of_shards = sequitur("show", dataset.root.parent), sequitur("show", dataset.root, "--context", "0")
    assert of_run == of_shards
    assert lines(of_run)[0].startswith("train[0] of 36  context ")
    told = json.loads(sequitur("show", dataset.root, "--split", "val", "--context", "2", "--json").out)
    (context,) = told["contexts"]
    assert (context["split"], context["row"], context["matches"]) == ("val", 2, [])
    assert context["num_tokens"] == sum(piece["length"] for piece in context["pieces"])


def test_show_a_document(sequitur: Sequitur, dataset: Dataset) -> None:
    ended = sequitur("show", dataset.root, "--doc", "documents.jsonl:5")
    assert any(line.startswith("1. Title 5") or "2. Title 5" in line for line in lines(ended))
    told = json.loads(sequitur("show", dataset.root, "--doc", f"{5:032x}", "--json", "--limit", "9").out)
    pieces = [context["pieces"][match] for context in told["contexts"] for match in context["matches"]]
    assert {piece["doc_id"] for piece in pieces} == {f"{5:032x}"}
    assert sum(piece["length"] for piece in pieces) == len(dataset.documents[5])


def test_show_what_holds_a_text(sequitur: Sequitur, dataset: Dataset) -> None:
    (context,) = json.loads(sequitur("show", dataset.root, "--json").out)["contexts"]
    ended = sequitur("show", dataset.root, "--search", context["pieces"][0]["text"][:8].swapcase())
    assert any(line.startswith("train[0] of 36") for line in lines(ended))
    ended = sequitur("show", dataset.root, "--search", "a", "--limit", "2", "--full-text")
    assert sum(line.startswith(("train[", "val[")) for line in lines(ended)) == 2
    assert ended.err == "stopped at --limit 2; there may be more\n"
    assert json.loads(sequitur("show", dataset.root, "--search", "nowhere", "--json").out) == {"contexts": []}


def test_show_several_datasets(sequitur: Sequitur, families: Path) -> None:
    assert [line.split()[:2] for line in lines(sequitur("show", families))[1:]] == [["code", "code"], ["web", "web"]]
    told = json.loads(sequitur("show", families, "--json").out)
    assert [one["directory"] for one in told["datasets"]] == ["code", "web"]
    refused(sequitur("show", families, "--context", "0"), "holds several datasets; give one of code, web")
    assert lines(sequitur("show", families / "web", "--context", "0"))


def test_show_what_is_not_there(sequitur: Sequitur, dataset: Dataset, tmp_path: Path) -> None:
    root = dataset.root
    refused(sequitur("show", tmp_path), "manifest.json is missing")
    refused(sequitur("show", root, "--context", "99"), "row 99 of a split of 36")
    refused(sequitur("show", root, "--split", "test"), "no split 'test'")
    refused(sequitur("show", root, "--doc", "abc"), "no document is called abc")
    refused(sequitur("show", root, "--search", "nowhere"), "no context holds 'nowhere'")
    refused(sequitur("show", root, "--doc", f"{5:032x}", "--split", "val"), "no context holds")
    refused(sequitur("show", root, "--doc", "abc", "--search", "b"), "give one of them", code=2)
    refused(sequitur("show", root, "--search", " "), "--search: is empty", code=2)


def test_stats(sequitur: Sequitur, dataset: Dataset, families: Path) -> None:
    assert "languages (2)" in "\n".join(lines(sequitur("stats", dataset.root.parent)))
    told = json.loads(sequitur("stats", dataset.root, "--json").out)
    assert told["tokens_per_document"]["sum"] == sum(map(len, dataset.documents.values()))
    assert lines(sequitur("stats", families)).count("web") == 1
    assert json.loads(sequitur("stats", families, "--json").out) == {"datasets": {"code": told, "web": told}}
    refused(sequitur("stats", dataset.root / "train"), "manifest.json is missing")


def test_damaged_shards(sequitur: Sequitur, tmp_path: Path) -> None:
    dataset = write_dataset(tmp_path / "damaged")
    (shard,) = dataset.manifest.splits["val"].shards[:1]
    (dataset.root / shard.path).write_bytes((dataset.root / shard.path).read_bytes()[:-8])
    refused(sequitur("show", dataset.root, "--split", "val"), shard.path)
    refused(sequitur("show", dataset.root, "--search", "nowhere"), shard.path)
    refused(sequitur("stats", dataset.root), shard.path)


def test_interrupted(sequitur: Sequitur, dataset: Dataset, stored: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("sequitur.shards.views.show.contexts_with_text", interrupt)
    monkeypatch.setattr("sequitur.shards.views.stats.statistics", interrupt)
    monkeypatch.setattr(explain, "trace", interrupt)
    monkeypatch.setattr(explain, "why", interrupt)
    for arguments in (("show", dataset.root, "--search", "a"), ("stats", dataset.root), ("trace", stored, "a")):
        refused(sequitur(*arguments), "interrupted; nothing was changed", code=130)
    refused(sequitur("why", stored, "a", "b"), "interrupted; nothing was changed", code=130)


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    """A run directory in which nothing is done yet."""
    (tmp_path / "run").mkdir()
    settings = {"output": str(tmp_path / "run"), "ingest": {"inputs": ["none.jsonl"]}}
    (tmp_path / "run" / "config.yaml").write_text(config.validate(settings, "").to_yaml())
    return tmp_path / "run"


def test_trace_and_why_without_a_run(sequitur: Sequitur, stored: Path, tmp_path: Path) -> None:
    refused(sequitur("trace", tmp_path / "none", "a"), "no run is there")
    refused(sequitur("why", tmp_path / "none", "a", "b"), "no run is there")
    refused(sequitur("trace", stored, "a"), "documents: not finished")


def test_nothing_in_a_document_is_obeyed(sequitur: Sequitur, stored: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reject = {
        "source": "\x1b[31m[red]",
        "source_file": "a\x9b",
        "source_row": 1,
        "reason": "bad_json",
        "detail": "\u202e",
    }
    monkeypatch.setattr(explain, "trace", lambda run, name: {"outcome": "rejected", "reject": reject, "document": None})
    for arguments in ((), ("--json",)):
        out = sequitur("trace", stored, "a", *arguments).out
        assert {"\x1b", "\x9b", "\u202e"} & set(out) == set()
        assert "\u241b[31m[red]" in out


def test_shards_elsewhere_are_copied_and_it_is_said(sequitur: Sequitur, dataset: Any, tmp_path: Path) -> None:
    here, url = sequitur("stats", dataset.root), "memory://run/shards"
    fsspec.filesystem("memory").put(str(dataset.root), url, recursive=True)
    for given in (url, "memory://run"):
        there = sequitur("stats", given)
        assert (there.code, there.out) == (0, here.out)
        assert there.err.endswith(f"from {url}, which is read where it can be mapped\n")
        assert there.err.startswith("copying ")
    refused(sequitur("show", "memory://nowhere"), "no such directory; give that of some shards", 1)
    fsspec.filesystem("memory").rm("/run", recursive=True)
