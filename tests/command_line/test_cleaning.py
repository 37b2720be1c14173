"""`sequitur gc`: what it prints, how it ends, and that it deletes when it is asked to."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sequitur.inspection.leftovers_view import SHOWN
from sequitur.pipeline import lock
from sequitur.pipeline.stage import Run
from sequitur.pipeline.storage import Directory

Sequitur = Callable[..., Any]
BUILD = "documents/0123456789abcdef"


@pytest.fixture(scope="module")
def ingested(execute: Callable[..., Run], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that ended after its first stage. Not to be changed."""
    return Path(execute(tmp_path_factory.mktemp("cleaning") / "run", "ingest").config.output)


@pytest.fixture
def root(ingested: Path, tmp_path: Path) -> Path:
    """The same with a build of other settings, and a file of somebody's."""
    root = Path(shutil.copytree(ingested, tmp_path / "run"))
    (root / BUILD).mkdir()
    (root / BUILD / "part-00000-0000.arrow").write_bytes(b"x" * 2048)
    (root / "notes\x1b[2J.txt").write_text("mine")
    return root


def test_it_lists_and_deletes_nothing(root: Path, sequitur: Sequitur) -> None:
    code, out, err = sequitur("gc", root)
    assert (code, err) == (0, "")
    assert [" ".join(line.split()) for line in out.splitlines()] == [
        "not needed bytes files because it is",
        f"{BUILD} 2.0 KiB 1 a build by other settings, inputs or versions",
        "",
        "kept: notes\u241b[2J.txt (4 B): not of this program",
        "nothing was deleted; --delete frees 2.0 KiB",
    ]
    assert (root / BUILD).exists()


def test_it_deletes_when_asked_to_and_then_has_nothing_to_do(root: Path, sequitur: Sequitur) -> None:
    assert sequitur("gc", root, "--delete").out.splitlines()[-1] == "deleted: 2.0 KiB"
    assert not (root / BUILD).exists()
    assert (root / "notes\x1b[2J.txt").exists()
    assert sequitur("gc", root).out.splitlines()[-1] == "nothing is left over"


def test_it_tells_the_same_as_json(root: Path, sequitur: Sequitur) -> None:
    code, out, _ = sequitur("gc", f"{root}/", "--json")
    assert code == 0
    assert json.loads(out) == {
        "run": f"{root}/",
        "deleted": False,
        "bytes": 2048,
        "leftovers": [
            {"path": BUILD, "bytes": 2048, "files": 1, "why": "a build by other settings, inputs or versions"}
        ],
        "kept": [],
        "foreign": [{"path": "notes\x1b[2J.txt", "bytes": 4, "why": "not of this program"}],
    }
    assert json.loads(sequitur("gc", root, "--json", "--delete").out)["deleted"] is True


def test_many_files_of_others_are_counted(root: Path, sequitur: Sequitur) -> None:
    for number in range(SHOWN + 5):
        (root / f"mine-{number:03}").touch()
    out = sequitur("gc", root).out
    assert out.count("not of this program") == SHOWN + 1
    assert "kept: 6 more that are not of this program" in out


def test_an_interrupted_build_is_told_and_kept_unless_asked_for(root: Path, sequitur: Sequitur) -> None:
    manifest = json.loads((root / "documents/_manifest.json").read_text())
    building = {"fingerprint": manifest["fingerprint"], "in_place": False}
    (root / "documents/_building.json").write_text(json.dumps(building))
    (root / "documents/_manifest.json").unlink()
    assert "an interrupted build, which the same command goes on from" in sequitur("gc", root, "--delete").out
    folder = root / "documents" / manifest["folder"]
    assert folder.exists()
    sequitur("gc", root, "--delete", "--builds")
    assert not folder.exists()


def test_it_waits_for_nobody_who_writes_the_run(root: Path, sequitur: Sequitur) -> None:
    with lock.exclusive(Directory(str(root))):
        code, out, err = sequitur("gc", root, "--delete")
    assert (code, out) == (75, "")
    assert "is writing this run" in err
    assert (root / BUILD).exists()


def test_a_place_without_a_run(tmp_path: Path, sequitur: Sequitur) -> None:
    code, _, err = sequitur("gc", tmp_path)
    assert code == 78
    assert "no run is there" in err
    assert list(tmp_path.iterdir()) == []
