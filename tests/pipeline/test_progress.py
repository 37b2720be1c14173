"""Progress on a terminal: what is done, at which rate, and how much time is left."""

import io
import time

from rich.console import Console

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
