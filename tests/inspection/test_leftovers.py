"""What a run needs no more: told with why, and deleted; but nothing that is not the run's, or that it goes on from."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import fsspec
import pytest
from job_runs import content

from sequitur import beam_job
from sequitur.inspection import leftovers
from sequitur.inspection.leftovers import Found, collect
from sequitur.inspection.run_tree import tree_of
from sequitur.pipeline import artifacts, lock
from sequitur.pipeline.errors import ForeignDirectory, RunLocked
from sequitur.pipeline.stage import Run
from sequitur.pipeline.storage import Directory

Execute = Callable[..., Run]
KILLED = Path(__file__).parents[1] / "helpers/killed_stage.py"
OTHER = "0123456789abcdef"  # the folder of a build by no settings of ours


def found_in(root: str | Path, **options: bool) -> Found:
    return collect(beam_job.RECIPE, Directory(str(root)), **options)


def whys(found: Found) -> dict[str, str]:
    return {one.path: one.why for one in found.leftovers}


def paths(found: Found) -> dict[str, str]:
    return {one.path: one.why for one in found.foreign}


@pytest.fixture(scope="module")
def ingested(execute: Execute, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of which `documents` and `signals` are there. Not to be changed."""
    return Path(execute(tmp_path_factory.mktemp("leftovers") / "run", "annotate").config.output)


@pytest.fixture
def root(ingested: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(ingested, tmp_path / "run"))


def folder(root: Path, artifact: str) -> Path:
    """Where the parts of an artifact lie."""
    manifest = artifacts.require_manifest(Directory(str(root / artifact)))
    return root / artifact / manifest.folder


def put(path: Path, content: str = "12345") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    return path


def test_a_finished_run_has_nothing_over(finished: Run) -> None:
    assert found_in(finished.config.output) == Found()


def test_nor_has_one_by_other_methods(branch: Callable[..., Run]) -> None:
    """So the names of what stages put beside their parts are all known."""
    embed = {"model": "fitted", "lexical_weight": 0.3, "lexical_dimensions": 64}
    run = branch("other", refine={"fix_unicode": True}, embed=embed, neighbors={"method": "cells", "k": 8})
    assert found_in(run.config.output) == Found()


def test_what_no_manifest_names_is_told_with_its_bytes(root: Path) -> None:
    put(root / "documents" / OTHER / "part-00000-0000.arrow")
    put(root / "documents" / OTHER / "_parts" / "part-00000-0000.arrow.json")
    put(folder(root, "signals") / "part-09999-0000.arrow")
    put(root / "signals" / "_former" / "abc.json")
    put(root / "signals" / "_working" / "_manifest.json")
    put(root / "signals" / "_working" / OTHER / "numbers.npy")
    put(folder(root, "signals") / "_parts" / "part-00000-0000.arrow.json")
    put(root / "signals" / ".tmp-x8s2")
    put(root / "_state" / "sequitur-workers-abc" / "scratch" / "stderr")
    put(root / ".tmp-probe")
    put(root / "_state" / "sequitur-1.log")  # which somebody may want to read
    put(root / "vectors" / "_model.json")  # of an artifact that was deleted but for this
    found = found_in(root)
    assert whys(found) == {
        f"documents/{OTHER}": leftovers.OTHER_BUILD,
        str((folder(root, "signals") / "part-09999-0000.arrow").relative_to(root)): leftovers.ORPHAN,
        str((folder(root, "signals") / "_parts").relative_to(root)): leftovers.WORKING,
        "signals/_former": leftovers.FORMER,
        "signals/_working": leftovers.WORKING,
        "signals/.tmp-x8s2": leftovers.KILLED,
        "_state/sequitur-workers-abc": leftovers.KILLED,
        ".tmp-probe": leftovers.KILLED,
        "vectors/_model.json": leftovers.ABSENT,
    }
    assert (found.foreign, found.kept, found.bytes) == ([], [], 11 * 5)
    assert {one.path: (one.bytes, one.files) for one in found.leftovers}[f"documents/{OTHER}"] == (10, 2)


def test_nothing_is_deleted_unless_asked_for(root: Path, ingested: Path) -> None:
    put(root / "documents" / OTHER / "part-00000-0000.arrow")
    before = content(root)
    found = found_in(root)
    assert content(root) == before
    assert found_in(root, deleting=True) == found
    assert content(root) == content(ingested)
    assert found_in(root) == Found()


def test_what_is_not_the_runs_own_stays_and_is_named(root: Path) -> None:
    mine = [
        put(root / "notes.txt"),
        put(root / "backup" / "documents" / "part-00000-0000.arrow"),
        put(root / "signals" / "notes.txt"),
        put(root / "signals" / "_mine" / "a"),  # no note of ours says that it is a working artifact
        put(root / "documents" / OTHER / "notes.txt"),
        put(root / "_state" / "mine.json"),
        put(folder(root, "documents") / "notes.txt"),
    ]
    put(root / "documents" / OTHER / "part-00000-0000.arrow")
    found = found_in(root, deleting=True)
    assert all(one.exists() for one in mine)
    told = {str(one.relative_to(root)) for one in mine} - {"backup/documents/part-00000-0000.arrow", "signals/_mine/a"}
    assert paths(found) == dict.fromkeys(told | {"backup", "signals/_mine"}, leftovers.FOREIGN)
    assert whys(found) == {f"documents/{OTHER}/part-00000-0000.arrow": leftovers.OTHER_BUILD}


def test_no_link_is_followed_out_of_the_run(root: Path, tmp_path: Path) -> None:
    outside = put(tmp_path / "outside" / OTHER / "part-00000-0000.arrow").parents[1]
    put(outside / ".tmp-theirs")
    put(root / "documents" / OTHER / "part-00000-0000.arrow")
    (root / "documents" / OTHER / "_parts").symlink_to(outside)
    (root / "documents" / "fedcba9876543210").symlink_to(outside)
    (root / "selection").symlink_to(outside)
    (root / "extensions").mkdir()
    (root / "extensions" / "0001").symlink_to(outside)
    (root / ".tmp-link").symlink_to(outside)
    put(outside / "config.yaml", "output: run\n")
    before = content(outside)
    found = found_in(root, with_builds=True, deleting=True)
    assert content(outside) == before
    assert not (outside / "_lock").exists()
    links = [
        f"documents/{OTHER}/_parts", "documents/fedcba9876543210", "selection", "extensions/0001", ".tmp-link",
    ]  # fmt: skip
    assert paths(found) == dict.fromkeys(links, leftovers.LINK)
    assert all((root / one).is_symlink() for one in links)
    assert whys(found) == {f"documents/{OTHER}/part-00000-0000.arrow": leftovers.OTHER_BUILD}


def test_a_second_name_of_a_file_frees_nothing(root: Path) -> None:
    part = next(folder(root, "documents").glob("part-*.arrow"))
    (root / "documents" / OTHER).mkdir()
    (root / "documents" / OTHER / part.name).hardlink_to(part)
    assert found_in(root).bytes == 0


def test_what_an_update_goes_on_from_stays(root: Path) -> None:
    shutil.copytree(root / "signals", root / "as it was")
    manifest = artifacts.require_manifest(Directory(str(root / "signals")))
    (root / "signals" / "_manifest.json").rename(put(root / "signals" / "_former" / f"{manifest.folder}.json"))
    put(root / "_state" / "update.json", "{}")
    shutil.rmtree(root / "as it was")
    assert found_in(root, with_builds=True) == Found()
    (root / "_state" / "update.json").unlink()
    assert whys(found_in(root)) == {
        "signals/_former": leftovers.FORMER,
        f"signals/{manifest.folder}": leftovers.ABSENT,
    }


def test_a_damaged_note_leaves_all_of_its_artifact(root: Path) -> None:
    put(root / "signals" / "_manifest.json", "{}")
    put(root / "signals" / OTHER / "part-00000-0000.arrow")
    found = found_in(root, with_builds=True)
    assert found.leftovers == []
    assert [one.path for one in found.kept] == ["signals"]


def test_places_that_are_no_run_or_another_processs(root: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(ForeignDirectory):
        found_in(tmp_path / "empty")
    assert list((tmp_path / "empty").iterdir()) == []
    put(root / ".tmp-probe")
    with lock.exclusive(Directory(str(root))), pytest.raises(RunLocked):
        found_in(root, deleting=True)
    assert (root / ".tmp-probe").exists()


def test_a_run_on_an_object_store(execute: Execute) -> None:
    run = execute("memory://leftovers/run", "ingest")
    fs = fsspec.filesystem("memory")
    fs.pipe({f"/leftovers/run/documents/{OTHER}/part-0.arrow": b"12345", "/leftovers/run/mine": b"1"})
    before = tree_of(run.root).files
    found = found_in(run.config.output)
    assert whys(found) == {f"documents/{OTHER}": leftovers.OTHER_BUILD}
    assert (found.bytes, paths(found)) == (5, {"mine": leftovers.FOREIGN})
    found_in(run.config.output, deleting=True)
    gone = {name for name in before.keys() - tree_of(run.root).files.keys() if not name.startswith("_lock")}
    assert gone == {f"documents/{OTHER}/part-0.arrow"}
    fs.store.clear()


@pytest.fixture
def killed(configure: Callable[..., Path], tmp_path: Path) -> tuple[Path, Path]:
    """The configuration of a run that was killed when two parts of `signals` were there, and its directory."""
    root = tmp_path / "killed"
    config = configure(root)
    ended = subprocess.run([sys.executable, KILLED, config, "annotate", "signals", "2"], check=False)
    assert ended.returncode == -9
    put(next(root.glob("signals/*/_parts")) / ".tmp-half written")
    return config, root


def test_a_killed_run_goes_on_from_what_is_kept(killed: tuple[Path, Path], execute: Execute, tmp_path: Path) -> None:
    config, root = killed
    before = {path: path.stat().st_ino for path in root.glob("signals/*/*.arrow")}
    found = found_in(root, deleting=True)
    assert [one.path.rpartition("/")[2] for one in found.leftovers] == [".tmp-half written"]
    assert [(one.path, one.why) for one in found.kept] == [("signals", leftovers.RESUMABLE)]
    assert len(before) == 2
    assert beam_job.main(["--config", str(config), "--until", "annotate"]) == 0
    assert before.items() <= {path: path.stat().st_ino for path in root.glob("signals/*/*.arrow")}.items()
    assert content(root) == content(Path(execute(tmp_path / "fresh", "annotate").config.output))


def test_where_it_is_asked_for_a_killed_run_begins_anew(
    killed: tuple[Path, Path], execute: Execute, tmp_path: Path
) -> None:
    config, root = killed
    found = found_in(root, with_builds=True, deleting=True)
    assert found.kept == []
    assert set(whys(found).values()) == {leftovers.RESUMABLE}
    assert list((root / "signals").iterdir()) == []
    assert beam_job.main(["--config", str(config), "--until", "annotate"]) == 0
    assert content(root) == content(Path(execute(tmp_path / "fresh", "annotate").config.output))


def test_a_build_by_other_settings_goes(killed: tuple[Path, Path], execute: Execute, tmp_path: Path) -> None:
    config, root = killed
    other = ["--config", str(config), "--set", "annotate.shingle_words=3"]
    assert beam_job.main([*other, "--until", "ingest"]) == 0  # after which the killed one's settings are not the run's
    found = found_in(root, deleting=True)
    assert set(whys(found).values()) == {leftovers.OTHER_BUILD}
    assert found.kept == []
    assert beam_job.main([*other, "--until", "annotate"]) == 0
    fresh = execute(tmp_path / "fresh", "annotate", annotate={"shingle_words": 3})
    assert content(root) == content(Path(fresh.config.output))


def test_a_build_whose_inputs_are_gone_stays(killed: tuple[Path, Path]) -> None:
    _, root = killed
    stored = root / "config.yaml"
    stored.write_text(stored.read_text().replace("corpus.jsonl", "gone.jsonl"))
    assert [(one.path, one.why) for one in found_in(root).kept] == [("signals", leftovers.RESUMABLE)]


def test_extensions_that_came_to_nothing(root: Path, ingested: Path) -> None:
    shutil.copytree(ingested, root / "extensions" / "0001")
    put(root / "extensions" / "0001" / "signals" / ".tmp-abc")
    (root / "extensions" / "0002").mkdir()
    put(root / "extensions" / ".tmp-0003" / "config.yaml")
    put(root / "extensions" / "notes" / "a")
    found = found_in(root)
    assert whys(found) == {
        "extensions/0001/signals/.tmp-abc": leftovers.KILLED,
        "extensions/0002": leftovers.UNFINISHED_EXTENSION,
        "extensions/.tmp-0003": leftovers.KILLED,
    }
    assert paths(found) == {"extensions/notes": leftovers.FOREIGN}
    found_in(root, with_builds=True, deleting=True)
    assert [path.name for path in (root / "extensions").iterdir()] == ["notes"]


def test_an_extension_without_its_configuration_is_nothing_to_judge(root: Path, ingested: Path) -> None:
    extension = root / "extensions" / "0001"
    shutil.copytree(ingested, extension)
    (extension / "config.yaml").unlink()
    found = found_in(root)
    assert found.leftovers == []
    assert [one.path for one in found.kept] == ["extensions/0001"]
    put(extension / "extension.json", "{}")  # so that it was added
    assert [one.path for one in found_in(root, with_builds=True).kept] == ["extensions/0001"]
    (extension / "extension.json").unlink()
    assert whys(found_in(root, with_builds=True)) == {"extensions/0001": leftovers.UNFINISHED_EXTENSION}


@pytest.mark.parametrize("name", ["extension.json", "shards/_manifest.json", "mine/notes.txt"])
def test_extensions_that_came_to_something_stay(root: Path, ingested: Path, finished: Run, name: str) -> None:
    shutil.copytree(ingested, root / "extensions" / "0001")
    if name.startswith("shards"):
        shutil.copytree(finished.artifact("shards").path(), root / "extensions" / "0001" / "shards")
    else:
        put(root / "extensions" / "0001" / name)
    before = content(root)
    found_in(root, with_builds=True, deleting=True)
    assert content(root) == before
