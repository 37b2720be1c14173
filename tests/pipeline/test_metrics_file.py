"""The file for Prometheus: its format, when it is written, and how a run stands by it."""

import stat
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from exposition import parsed, value
from hypothesis import given
from hypothesis import strategies as st

from sequitur.pipeline import lock, run_directory
from sequitur.pipeline.errors import RunLocked, StorageError, StorageFull
from sequitur.pipeline.metrics_file import MetricsFile, exposition
from sequitur.pipeline.progress import Progress
from sequitur.pipeline.stage import Run, Stage
from sequitur.pipeline.storage import Directory
from sequitur.pipeline.watching import Planned, watched

TEXTS = st.text(st.characters(exclude_categories=["Cs"]))


def told(path: Path) -> dict[Any, float]:
    return parsed(path.read_text(encoding="utf-8"))


def executed(recipe: Sequence[Stage], run: Run, path: Path) -> None:
    """Runs a recipe as a command does, with the file."""
    run.progress._watchers.clear()
    with watched(run.progress, path, None):
        run.progress.run_begins(run.config)
        run_directory.execute(recipe, run)


@given(TEXTS, TEXTS, st.floats(allow_nan=False, allow_infinity=False))
def test_whatever_labels_and_help_hold_is_read_back(text: str, said: str, number: float) -> None:
    written = exposition([("a", {"x": text, "y": ""}, number), ("a", {}, 1)], {"a": f"{said} ", "b": "has no samples"})
    assert parsed(written) == {
        ("a", frozenset({("x", text), ("y", "")})): number,
        ("a", frozenset()): 1,
    }


def test_a_run_that_succeeds(make_run: Any, recipe: Any, tmp_path: Path) -> None:
    run, path, before = make_run(), tmp_path / "run.prom", time.time()
    executed(recipe, run, path)
    found = told(path)

    assert {dict(labels)["output"] for _, labels in found} == {run.config.output}
    assert value(found, "sequitur_run_info", name="corpus", fingerprint=run.manifest("doubled").fingerprint) == 1
    statuses = {status: value(found, "sequitur_run_status", status=status) for status in ("running", "succeeded")}
    assert statuses == {"running": 0, "succeeded": 1}
    assert before <= value(found, "sequitur_run_start_timestamp_seconds")
    assert before <= value(found, "sequitur_run_last_success_timestamp_seconds") <= time.time()
    for stage, artifact in (("count", "documents"), ("double", "doubled")):
        manifest = run.manifest(artifact)
        assert value(found, "sequitur_stage_up_to_date", stage=stage) == 1
        assert value(found, "sequitur_stage_seconds", stage=stage) > 0
        assert value(found, "sequitur_stage_rows", stage=stage) == 6
        assert value(found, "sequitur_stage_bytes", stage=stage) == manifest.bytes
        assert value(found, "sequitur_stage_parts", stage=stage) == 2
    assert value(found, "sequitur_driver_resident_memory_bytes") > 2**20
    assert value(found, "sequitur_output_free_bytes") > 0
    assert [file.name for file in tmp_path.iterdir() if file.name.startswith(".")] == []
    assert stat.S_IMODE(path.stat().st_mode) == 0o644  # whoever collects it is another user

    executed(recipe, run, path)  # with nothing to do
    again = told(path)
    assert value(again, "sequitur_stage_rows", stage="count") == 6
    assert not [name for name, _ in again if name == "sequitur_stage_seconds"]


def test_a_run_that_fails_keeps_when_one_succeeded(make_run: Any, recipe: Any, tmp_path: Path) -> None:
    run, path = make_run(), tmp_path / "run.prom"
    executed(recipe, run, path)
    succeeded = value(told(path), "sequitur_run_last_success_timestamp_seconds")

    for error, status in ((StorageFull("full; free some"), "failed"), (KeyboardInterrupt(), "interrupted")):
        run.artifact("doubled").remove("_manifest.json")

        def fail(run: Run, error: BaseException = error) -> dict[str, Any]:
            assert value(told(path), "sequitur_run_status", status="running") == 1
            assert value(told(path), "sequitur_stage_up_to_date", stage="count") == 1
            assert value(told(path), "sequitur_stage_seconds", stage="double") >= 0
            raise error

        failing = (recipe[0], Stage(**{**vars(recipe[1]), "work": fail}))
        with pytest.raises(type(error)):
            executed(failing, make_run(), path)
        found = told(path)
        assert value(found, "sequitur_run_status", status=status) == 1
        assert value(found, "sequitur_run_status", status="running") == 0
        assert value(found, "sequitur_stage_up_to_date", stage="double") == 0
        assert value(found, "sequitur_run_last_success_timestamp_seconds") == succeeded


def test_a_run_that_fails_before_anything_is_told_of(tmp_path: Path) -> None:
    path = tmp_path / "run.prom"
    with pytest.raises(StorageFull), watched(Progress(quiet=True), path, None):
        raise StorageFull("full; free some")
    assert value(told(path), "sequitur_run_status", status="failed") == 1


def test_whoever_is_refused_the_lock_leaves_the_file_of_the_holder(make_run: Any, recipe: Any, tmp_path: Path) -> None:
    run, path = make_run(), tmp_path / "run.prom"
    path.write_text("the holder's\n")
    with lock.exclusive(run.root), pytest.raises(RunLocked):
        executed(recipe, run, path)
    assert path.read_text() == "the holder's\n"


def test_it_is_written_at_most_every_ten_seconds_within_a_stage(
    monkeypatch: pytest.MonkeyPatch, make_run: Any, tmp_path: Path
) -> None:
    moment, path = 0.0, tmp_path / "run.prom"
    monkeypatch.setattr(time, "monotonic", lambda: moment)
    run = make_run()
    progress = Progress(quiet=True)
    progress.watch(MetricsFile(path, progress.say))
    progress.run_begins(run.config)
    progress.plans([Planned("embed", [], [Directory(str(tmp_path / "vectors"))], "abc")])
    with progress.stage("embed"):
        progress.step("embed: encoding", 50, "documents")
        seen = []
        for done, seconds in ((4, 1), (9, 9), (24, 11), (25, 12), (49, 21)):
            moment = float(seconds)
            thread = threading.Thread(target=progress.update, args=(done,))  # as whoever looks at the parts does
            thread.start()
            thread.join()
            found = [number for (name, _), number in told(path).items() if name == "sequitur_stage_done"]
            seen.append(found)
    assert seen == [[], [], [24], [24], [49]]
    assert value(told(path), "sequitur_stage_expected", stage="embed", unit="documents") == 50
    assert value(told(path), "sequitur_stage_seconds", stage="embed") == 21


def test_a_folder_that_is_not_there_ends_the_run_at_once(
    make_run: Any, recipe: Any, tmp_path: Path, calls: Any
) -> None:
    with pytest.raises(StorageError, match=r"none/run\.prom: its folder is not there; make it, or choose another"):
        executed(recipe, make_run(), tmp_path / "none" / "run.prom")
    assert calls == []


def test_a_folder_that_goes_away_is_told_once_and_the_run_goes_on(make_run: Any, recipe: Any, tmp_path: Path) -> None:
    folder = tmp_path / "collected"
    folder.mkdir()
    said: list[str] = []
    run = make_run()
    run.progress.say = said.append

    def work(run: Run) -> Any:
        (folder / "run.prom").unlink()
        folder.rmdir()
        return recipe[0].work(run)

    executed((Stage(**{**vars(recipe[0]), "work": work}), recipe[1]), run, folder / "run.prom")
    assert [line for line in said if "warning" in line] == [
        f"warning: {folder}/run.prom: its folder is not there; make it, or choose another --metrics-file; "
        "the run goes on"
    ]
    assert run.manifest("doubled").rows == 6


def test_no_secret_of_a_url_is_told(make_run: Any, tmp_path: Path) -> None:
    path, run = tmp_path / "run.prom", make_run(output="memory://key:secret@bucket/run")
    watcher = MetricsFile(path, print)
    watcher.run_begins(run.config)
    watcher.run_ends(StorageFull("full; free some"))
    assert "secret" not in path.read_text()
    assert value(told(path), "sequitur_run_info", output="memory://bucket/run") == 1
