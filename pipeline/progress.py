"""What a person sees while a run goes on: one line per stage, with rate and time left, on standard error."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)
from rich.progress import Progress as Bars
from rich.text import Text

from sequitur.pipeline.terminal import printable


class _RateAndTimeLeft(ProgressColumn):
    """`3/5 parts  1.2/s  0:00:02 left`."""

    def render(self, task: Task) -> Text:
        if not task.total:
            return Text("")
        text = f"{int(task.completed):,}/{int(task.total):,} {task.fields['unit']}"
        speed = task.finished_speed or task.speed
        if speed:
            text += f"  {speed:,.1f}/s" if speed < 100 else f"  {speed:,.0f}/s"
        if speed and not task.finished:
            left = int((task.total - task.completed) / speed)
            text += f"  {left // 3600}:{left // 60 % 60:02}:{left % 60:02} left"
        return Text(text)


class Progress:
    """Progress of one run. On a terminal bars; elsewhere a line as each stage ends, which the caller prints."""

    def __init__(self, console: Console | None = None, *, quiet: bool = False) -> None:
        self.console = console or Console(stderr=True, quiet=quiet, highlight=False, soft_wrap=True)
        self._bars: Bars | None = None
        self._task: TaskID | None = None

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Shows a line for the stage while the block runs."""
        bars = Bars(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            _RateAndTimeLeft(),
            TimeElapsedColumn(),
            console=self.console,
            transient=True,
            disable=not self.console.is_terminal,
        )
        with bars:
            self._bars, self._task = bars, bars.add_task(name, total=None, unit="")
            try:
                yield
            finally:
                self._bars = self._task = None

    def step(self, what: str, total: int | None = None, unit: str = "parts") -> None:
        """Begins a step of the stage: what is done, and out of how many."""
        if self._bars is not None and self._task is not None:
            self._bars.remove_task(self._task)  # a reset would keep the old total where the new one is unknown
            self._task = self._bars.add_task(what, total=total, unit=unit)

    def update(self, done: int) -> None:
        """Notes how many of the step's total are done."""
        if self._bars is not None and self._task is not None:
            self._bars.update(self._task, completed=done)

    def counted(self, what: str) -> Callable[[int, int], None]:
        """A function that tells of a step how many parts of how many are done."""

        def tell(done: int, total: int) -> None:
            self.step(what, total)
            self.update(done)

        return tell

    def say(self, text: str) -> None:
        """Prints a line that stays."""
        self.console.print(printable(text), markup=False)


def human(size: int) -> str:
    """A size in bytes as a person would say it: `1.5 GiB`."""
    value = float(size)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 1024:
            return f"{value:.0f} B" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} TiB"
