"""Progress on a terminal: what is done, at which rate, and how much time is left."""

import io
import json
import time
from datetime import datetime
from pathlib import Path

import pytest
from rich.console import Console

from sequitur.pipeline.errors import StorageError
from sequitur.pipeline.progress import Progress


def shown(terminal: bool) -> tuple[Progress, io.StringIO]:
    out = io.StringIO()
    return Progress(Console(file=out, force_terminal=terminal, width=120, highlight=False, soft_wrap=True)), out


def test_terminal_sees_the_step_its_count_and_the_time_left() -> None:
    progress, out = shown(terminal=True)

    with progress.stage("embed"):
        tell = progress.counted("embed: sampling")
        for done in range(3):
            tell(done, 4)
            time.sleep(0.15)  # bars are drawn ten times a second

    text = out.getvalue()
    assert "embed: sampling" in text
    assert "/4 parts" in text


def test_elsewhere_only_what_is_said_is_printed_and_nothing_in_it_is_markup() -> None:
    progress, out = shown(terminal=False)

    with progress.stage("embed"):
        progress.step("embed: encoding", 3)
        progress.update(1)
        progress.say("embed      [bold]done[/bold] before")
    progress.step("after the stage", 3)  # told outside of a stage: nowhere to show it
    progress.update(2)

    assert out.getvalue() == "embed      [bold]done[/bold] before\n"


def test_elsewhere_a_line_tells_how_far_a_step_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    moment = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: moment)
    text, as_json, log = io.StringIO(), io.StringIO(), tmp_path / "run.log"
    both = (
        Progress(Console(file=text, width=120, soft_wrap=True), log_file=log),
        Progress(Console(file=as_json, width=120, soft_wrap=True), as_json=True),
    )
    for progress in both:
        moment = 100.0
        with progress.stage("embed"):
            progress.step("embed: encoding", 50)
            for done, seconds in ((4, 1), (5, 5), (9, 7), (24, 11), (25, 12)):
                moment = 100.0 + seconds
                progress.update(done)
            progress.say("all is well")
    line = "embed: encoding  24/50 parts  2.0/s  0:00:13 left"
    assert text.getvalue() == f"{line}\nall is well\n"
    assert [each.split("  ", 1)[1] for each in log.read_text().splitlines()] == [line, "all is well"]
    step, said = map(json.loads, as_json.getvalue().splitlines())
    assert {name: step[name] for name in step if name != "time"} == {
        "stage": "embed",
        "message": line.replace("  ", " "),
        "done": 24,
        "total": 50,
        "unit": "parts",
        "rate": 2.0,
        "seconds_left": 13.0,
    }
    assert (said["message"], said["stage"]) == ("all is well", "embed")
    assert datetime.fromisoformat(said["time"]).tzinfo is not None


def test_bytes_are_told_as_a_person_says_them_and_files_beside_them(monkeypatch: pytest.MonkeyPatch) -> None:
    moment = 0.0
    monkeypatch.setattr(time, "monotonic", lambda: moment)
    progress, out = shown(terminal=False)
    with progress.stage("ingest"):
        progress.step("ingest: reading", 3 * 2**20, "bytes")
        progress.update(0)
        moment = 16.0
        progress.update(2**20, "1 of 3 files")
    assert out.getvalue() == "ingest: reading  1.0 MiB/3.0 MiB  1 of 3 files  64.0 KiB/s  0:00:32 left\n"


def test_a_log_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"none/run\.log: No such file or directory; choose another --log-file"):
        Progress(quiet=True, log_file=tmp_path / "none" / "run.log").say("anything")
