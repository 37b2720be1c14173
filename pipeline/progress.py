"""What a person sees while a run goes on, on standard error: on a terminal bars, elsewhere a line as each stage ends,
and every ten seconds within one; where it is asked for, all of it in a file, or as JSON."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

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

from sequitur.pipeline.errors import StorageError
from sequitur.pipeline.terminal import one_line, printable
from sequitur.pipeline.termination import interrupts_prevail
from sequitur.pipeline.watching import Planned, Watcher

if TYPE_CHECKING:
    from sequitur.pipeline.config import Config

LINE_SECONDS = 10.0  # between two lines about a step, where there is no terminal


def _rate(speed: float, unit: str) -> str:
    if unit == "bytes":
        return f"{human(int(speed))}/s"
    return f"{speed:,.1f}/s" if speed < 100 else f"{speed:,.0f}/s"


def _amount(done: int, total: int | None, unit: str) -> str:
    """`3/5 parts`, `1.5 MiB/2.0 GiB`."""
    said = human if unit == "bytes" else "{:,}".format
    of = f"/{said(total)}" if total else ""
    return f"{said(done)}{of}" + ("" if unit == "bytes" else f" {unit}")


def _time_left(seconds: float) -> str:
    left = int(seconds)
    return f"{left // 3600}:{left // 60 % 60:02}:{left % 60:02} left"


class _RateAndTimeLeft(ProgressColumn):
    """`3/5 parts  1.2/s  0:00:02 left`."""

    def render(self, task: Task) -> Text:
        if not task.total:
            return Text("")
        unit = task.fields["unit"]
        text = _amount(int(task.completed), int(task.total), unit)
        speed = task.finished_speed or task.speed
        if speed:
            text += f"  {_rate(speed, unit)}"
        if speed and not task.finished:
            text += f"  {_time_left((task.total - task.completed) / speed)}"
        return Text(text)


@dataclass
class _Step:
    """A step of a stage, since it began."""

    what: str
    total: int | None
    unit: str
    begun: float
    told: float  # when a line was printed last
    first: int | None = None  # done at the first look, from which on the rate is: an interrupted run has some before
    done: int = 0
    beside: str = ""

    def about(self, now: float) -> dict[str, Any]:
        """Done, total, unit, rate and seconds left, as far as they are known."""
        speed = (self.done - (self.first or 0)) / (now - self.begun) if now > self.begun else 0.0
        found: dict[str, Any] = {"done": self.done, "total": self.total, "unit": self.unit}
        if speed > 0:
            found["rate"] = round(speed, 3)
            if self.total:
                found["seconds_left"] = round(max(0.0, self.total - self.done) / speed, 1)
        return found

    def line(self, about: dict[str, Any]) -> str:
        text = f"{self.what}  {_amount(self.done, self.total, self.unit)}"
        if self.beside:
            text += f"  {self.beside}"
        if "rate" in about:
            text += f"  {_rate(about['rate'], self.unit)}"
        return text + (f"  {_time_left(about['seconds_left'])}" if "seconds_left" in about else "")


class Progress:
    """Progress of one run.

    Args:
        console: where it is shown; standard error if none.
        quiet: show nothing.
        as_json: a JSON object a line instead of text: `time` (UTC), `message`, and of a step `stage`, `done`, `total`,
            `unit`, `rate` a second and `seconds_left`.
        log_file: to which every line is appended, too, with its time.
    """

    def __init__(
        self,
        console: Console | None = None,
        *,
        quiet: bool = False,
        as_json: bool = False,
        log_file: Path | None = None,
    ) -> None:
        self.console = console or Console(stderr=True, quiet=quiet, highlight=False, soft_wrap=True)
        self._as_json, self._log_file = as_json, log_file
        self._bars: Bars | None = None
        self._task: TaskID | None = None
        self._stage = ""
        self._step: _Step | None = None
        self._watchers: list[Watcher] = []

    def watch(self, watcher: Watcher) -> None:
        """From now on tells somebody of the course of the run."""
        self._watchers.append(watcher)

    def run_begins(self, config: Config) -> None:
        """Tells who watches what is to be run."""
        for watcher in self._watchers:
            watcher.run_begins(config)

    def plans(self, stages: Sequence[Planned]) -> None:
        """Tells who watches which stages come next."""
        for watcher in self._watchers:
            watcher.planned(stages)

    def stage_ends(self, name: str) -> None:
        """Tells who watches that what a stage makes is there."""
        for watcher in self._watchers:
            watcher.stage_ends(name)

    def run_ends(self, error: BaseException | None) -> None:
        """Tells who watches how the run ended."""
        for watcher in self._watchers:
            watcher.run_ends(error)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Shows a line for the stage while the block runs, which a signal ends by KeyboardInterrupt and nothing
        else."""
        bars = Bars(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            _RateAndTimeLeft(),
            TimeElapsedColumn(),
            console=self.console,
            transient=True,
            disable=not self.console.is_terminal or self._as_json,
        )
        with interrupts_prevail(), bars:
            self._bars, self._task, self._stage = bars, bars.add_task(name, total=None, unit=""), name
            try:
                for watcher in self._watchers:
                    watcher.stage_begins(name)
                yield
            finally:
                self._bars = self._task = self._step = None
                self._stage = ""

    def step(self, what: str, total: int | None = None, unit: str = "parts") -> None:
        """Begins a step of the stage: what is done, and out of how many."""
        if self._bars is not None and self._task is not None:
            self._bars.remove_task(self._task)  # a reset would keep the old total where the new one is unknown
            self._task = self._bars.add_task(what, total=total, unit=unit)
            now = time.monotonic()
            self._step = _Step(what, total, unit, now, now)

    def update(self, done: int, beside: str = "") -> None:
        """Notes how many of the step's total are done, and what else is to be said of them."""
        step = self._step
        if self._bars is None or self._task is None or step is None:
            return
        self._bars.update(self._task, completed=done, description=f"{step.what}  {beside}".rstrip())
        now = time.monotonic()
        if step.first is None:
            step.first, step.begun = done, now
        step.done, step.beside = done, beside
        for watcher in self._watchers:
            watcher.ticked(done, step.total, step.unit)
        if now - step.told >= LINE_SECONDS:
            step.told = now
            about = step.about(now)
            self._line(step.line(about), about, shown=not self.console.is_terminal)

    def counted(self, what: str) -> Callable[[int, int], None]:
        """A function that tells of a step how many parts of how many are done."""

        def tell(done: int, total: int) -> None:
            if self._step is None or (self._step.what, self._step.total) != (what, total):
                self.step(what, total)
            self.update(done)

        return tell

    def say(self, text: str) -> None:
        """Prints a line that stays."""
        self._line(text, {})

    def _line(self, text: str, about: dict[str, Any], *, shown: bool = True) -> None:
        moment = datetime.now(UTC).isoformat(timespec="milliseconds")
        line = printable(text)
        if self._as_json:
            stage = {"stage": self._stage} if self._stage else {}
            line = json.dumps({"time": moment, **stage, "message": one_line(text), **about}, ensure_ascii=False)
        if shown or self._as_json:
            self.console.print(line, markup=False)
        if self._log_file is not None:
            try:
                with self._log_file.open("a", encoding="utf-8") as file:
                    file.write(f"{line}\n" if self._as_json else f"{moment}  {line}\n")
            except OSError as error:
                raise StorageError(f"{self._log_file}: {error.strerror}; choose another --log-file") from error


def human(size: int) -> str:
    """A size in bytes as a person would say it: `1.5 GiB`."""
    value = float(size)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 1024:
            return f"{value:.0f} B" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} TiB"
