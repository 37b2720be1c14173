"""Those who watch a run are told of its course in order, and URLs are told without what they hold in secret."""

from pathlib import Path
from typing import Any

import pytest

from sequitur.pipeline import run_directory
from sequitur.pipeline.config import Config
from sequitur.pipeline.errors import ConfigError
from sequitur.pipeline.progress import Progress
from sequitur.pipeline.watching import Planned, Watcher, watched, without_secrets


class Noting(Watcher):
    """Notes what it is told."""

    def __init__(self) -> None:
        self.told: list[Any] = []

    def run_begins(self, config: Config) -> None:
        self.told.append(config.name)

    def planned(self, stages: Any) -> None:
        self.told.append([stage.name for stage in stages])

    def stage_begins(self, stage: str) -> None:
        self.told.append(f"{stage} begins")

    def ticked(self, done: int, total: int | None, unit: str) -> None:
        self.told.append((done, total, unit))

    def stage_ends(self, stage: str) -> None:
        self.told.append(f"{stage} ends")

    def run_ends(self, error: BaseException | None) -> None:
        self.told.append(error)


def test_the_course_of_a_run_is_told_in_order(make_run: Any, recipe: Any) -> None:
    run = make_run()
    for expected in (
        [["count", "double"], "count begins", "count ends", "double begins", "double ends"],
        [["count", "double"], "count ends", "double ends"],  # done before
    ):
        watcher = Noting()
        run.progress._watchers[:] = [watcher]
        run_directory.execute(recipe, run)
        assert [one for one in watcher.told if not isinstance(one, tuple)] == expected


def test_ticks_are_told_of_the_step_that_goes_on() -> None:
    progress, watcher = Progress(quiet=True), Noting()
    progress.watch(watcher)
    with progress.stage("embed"):
        progress.step("embed: encoding", 3, "documents")
        progress.update(2)
    progress.update(3)  # of no stage
    assert watcher.told == ["embed begins", (2, 3, "documents")]


def test_how_a_run_ends_is_told_whatever_ends_it() -> None:
    for error in (None, ConfigError("a: wrong"), KeyboardInterrupt(), SystemExit(1)):
        progress, watcher = Progress(quiet=True), Noting()
        progress.watch(watcher)
        try:
            with watched(progress, None, None):
                if error is not None:
                    raise error
        except (ConfigError, KeyboardInterrupt, SystemExit):
            assert error is not None
        assert watcher.told == [error]


def test_a_watcher_need_not_listen_to_everything(make_run: Any, recipe: Any) -> None:
    run = make_run()
    run.progress.watch(Watcher())
    run_directory.execute(recipe, run)
    run.progress.run_ends(None)
    assert Planned("a", [], [], "").name == "a"


def test_options_ask_for_watchers(tmp_path: Path) -> None:
    progress = Progress(quiet=True)
    with watched(progress, tmp_path / "run.prom", str(tmp_path / "events.jsonl")):
        pass
    assert [type(one).__name__ for one in progress._watchers] == ["MetricsFile", "Lineage"]
    refused = pytest.raises(ConfigError, match=r"--openlineage ftp://host: give a path, or an http:// or https:// URL")
    with refused, watched(Progress(quiet=True), None, "ftp://me:secret@host"):
        pass


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("/data/runs/a@b:c", "/data/runs/a@b:c"),
        ("s3://key:sec@ret/bucket/run", "s3://ret/bucket/run"),  # nobody can tell: less is told than there is
        ("s3://key:secret@bucket/run", "s3://bucket/run"),
        ("https://token@host/a?signature=x&y=z#part", "https://host/a"),
        ("failed: https://u:p@host:8080/a?sig=1, and s3://k:s@b/c", "failed: https://host:8080/a and s3://b/c"),
        ("abfss://container@account.dfs.core.windows.net/run", "abfss://container@account.dfs.core.windows.net/run"),
        ("abfss://user:key@account.dfs.core.windows.net/run", "abfss://account.dfs.core.windows.net/run"),
        ("https://user:p@ss@host/a", "https://host/a"),
    ],
)
def test_urls_are_told_without_users_passwords_and_queries(text: str, told: str) -> None:
    assert without_secrets(text) == told
