"""Those who watch a run: its progress tells them of its course, and they tell others, who look elsewhere than here."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sequitur.pipeline.config import Config
    from sequitur.pipeline.progress import Progress
    from sequitur.pipeline.storage import Directory

_USER = re.compile(r"(?<=://)(?:[^/\s:]*:[^/\s]*@|(?<!abfs://)(?<!abfss://)[^/\s]+@)")
_QUERY = re.compile(r"(\w://[^\s?#]*)[?#]\S*")


@dataclass(frozen=True)
class Planned:
    """A stage that is to be up to date: the artifacts that it reads and makes, and the fingerprint of what it makes."""

    name: str
    reads: Sequence[Directory]
    makes: Sequence[Directory]
    fingerprint: str


class Watcher:
    """Told of the course of a run by its progress, in this order. A stage that is done before does not begin."""

    def run_begins(self, config: Config) -> None:
        """The configuration is known, and nothing else: what it names may be missing, or another's."""

    def planned(self, stages: Sequence[Planned]) -> None:
        """The run's lock is held, and these stages come next, behind those that were planned before."""

    def stage_begins(self, stage: str) -> None:
        """A stage is at work from now on."""

    def ticked(self, done: int, total: int | None, unit: str) -> None:
        """Of a step of the stage that is at work so much is done. May come from another thread, and often."""

    def stage_ends(self, stage: str) -> None:
        """A stage is up to date: what it makes is there."""

    def run_ends(self, error: BaseException | None) -> None:
        """All is over: well, or by an error. May come without anything before it. Raises nothing."""


@contextmanager
def watched(progress: Progress, metrics_file: Path | None, openlineage: str | None) -> Iterator[None]:
    """Within the block a run is watched by those whom options ask for, who are told how it ends.

    Raises:
        ConfigError: nobody can be told under that address.
    """
    if metrics_file is not None:
        from sequitur.pipeline.metrics_file import MetricsFile

        progress.watch(MetricsFile(metrics_file, progress.say))
    if openlineage is not None:
        from sequitur.pipeline.openlineage import Lineage

        progress.watch(Lineage(openlineage, progress.say))
    try:
        yield
    except BaseException as error:
        progress.run_ends(error)
        raise
    progress.run_ends(None)


def without_secrets(text: str) -> str:
    """A text in which URLs have no users, passwords and queries, which may hold keys. (What stands before the @ of
    `abfss://container@account` is none of these.)"""
    return _QUERY.sub(r"\1", _USER.sub("", text))
