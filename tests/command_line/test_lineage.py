"""Shards alone are asked and changed on the command line."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from example_dataset import write_dataset

from sequitur.shards.find import Query
from sequitur.shards.removal.removing import remove

Sequitur = Callable[..., Any]


@pytest.fixture
def shards(tmp_path: Path) -> Path:
    """Shards without a run."""
    return write_dataset(tmp_path / "elsewhere").root


def test_shards_alone_need_no_run(sequitur: Sequitur, shards: Path) -> None:
    ended = sequitur("remove", shards, "--source", "random", "--license", "MIT", "--dry-run")
    assert ended.err.startswith(f"error: {shards}: {shards}: no context would be left")
    ended = sequitur("remove", shards, "--license", "MIT", "--dry-run")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.startswith("would remove 32 documents, ")
    ended = sequitur("remove", shards, "--license", "MIT", "--json")
    (told,) = json.loads(ended.out)["removals"]
    assert (told["documents"], told["record"]) == (32, "removals/removal-00001.json")
    ended = sequitur("remove", shards, "--license", "MIT")
    assert (ended.code, ended.out) == (0, "nothing to remove: none of these documents is there\n")


def test_find_lists_pieces(sequitur: Sequitur, shards: Path, tmp_path: Path) -> None:
    (tmp_path / "ids").write_text(f"{5:032x}\n{31:032x}\nnobody\n")
    ended = sequitur("find", shards, "--doc-ids", tmp_path / "ids")
    assert (ended.code, ended.out) == (1, "")
    assert "1 of 3 ids fit no document: nobody" in ended.err
    ended = sequitur("find", shards, "--doc-ids", tmp_path / "ids", "--missing-ok", "--json")
    pieces = json.loads(ended.out)["pieces"]
    assert {piece["split"] for piece in pieces} == {"train", "val"}
    ended = sequitur("find", shards, "--doc-ids", tmp_path / "ids", "--missing-ok")
    assert ended.out.count("\n") == len(pieces)
    assert ended.out.startswith(f"{5:032x}  tokens ")
    remove(shards, Query((f"{5:032x}",)))
    assert json.loads(sequitur("find", shards, "--doc-id", f"{5:032x}", "--missing-ok", "--json").out) == {"pieces": []}


def test_locate_tells_where_a_token_is_from(sequitur: Sequitur, shards: Path) -> None:
    ended = sequitur("locate", shards, "--row", 2, "--token", 3, "--json")
    found = json.loads(ended.out)
    assert (found["row"], found["token"], found["split"]) == (2, 3, "train")
    ended = sequitur("locate", shards, "--context", found["context_id"], "--token", 3)
    assert (
        ended.out.splitlines()[0] == f"token      3 of train[2], context {found['context_id']}, piece {found['piece']}"
    )
    assert f"of document {found['document']['doc_id']}" in ended.out
    for arguments, complaint in (
        (("--row", 2, "--token", 99), "token 99 of row 2"),
        (("--row", 999, "--token", 0), "row 999 of"),
        (("--row", 2, "--token", 0, "--split", "test"), "no split 'test'"),
        (("--token", 0), "give --row or --context"),
    ):
        ended = sequitur("locate", shards, *arguments)
        assert ended.code
        assert complaint in ended.err
        assert ended.err.count("\n") == 1


@pytest.mark.parametrize("content", ["", "\n \n", "{\n", '{"documents": 3}', "\xff"])
def test_a_file_without_ids(sequitur: Sequitur, shards: Path, tmp_path: Path, content: str) -> None:
    (tmp_path / "ids").write_bytes(content.encode("latin-1"))
    for command in ("remove", "find"):
        ended = sequitur(command, shards, "--doc-ids", tmp_path / "ids")
        assert ended.code
        assert ended.err.count("\n") == 1
        assert str(tmp_path / "ids") in ended.err


def test_something_must_be_named(sequitur: Sequitur, shards: Path) -> None:
    assert sequitur("remove", shards).err.startswith("error: name documents: --doc-ids FILE")
    assert sequitur("remove", shards / "none", "--source", "a").err.startswith(f"error: {shards / 'none'}: ")


def test_shards_that_a_run_is_still_making_are_left_alone(sequitur: Sequitur, shards: Path) -> None:
    (shards / "_building.json").write_text("{}")
    ended = sequitur("remove", shards, "--license", "MIT")
    assert ended.err == f"error: {shards}: a run is making these shards, or was interrupted; finish it first\n"
