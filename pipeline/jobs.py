"""Beam jobs over artifacts: run by whatever runs them, with their progress told by the parts that appear."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import apache_beam as beam

from sequitur.pipeline import artifacts, builds, notes
from sequitur.pipeline.artifacts import Part
from sequitur.pipeline.beam import RowsOfParts, WritePart
from sequitur.pipeline.builds import Build
from sequitur.pipeline.progress import Progress
from sequitur.pipeline.runner import Runner
from sequitur.pipeline.storage import Directory

Count = Callable[[Mapping[Part, Mapping[str, Any]]], tuple[int, str]]  # of parts, and what is noted about each
LOOK_SECONDS, LOOK_ELSEWHERE_SECONDS = 0.5, 5.0  # between two looks at what has been written


@dataclass(frozen=True)
class Jobs:
    """What runs jobs, and where their progress is told."""

    runner: Runner
    progress: Progress

    def map_parts(
        self,
        source: Mapping[Directory, Sequence[str]],
        transform: beam.DoFn,
        target: Build,
        *,
        compress: bool = False,
        step: str,
        seconds: float = math.inf,
        documents: int | None = None,
        by_name: bool = False,
    ) -> None:
        """Runs `transform` over the row-aligned parts of some artifacts, part by part, into another.

        Args:
            source: columns to read, by artifact. The first artifact names the parts.
            transform: takes and yields `Rows`.
            target: what is built; parts that it already has are left alone.
            compress: whether the parts hold text.
            step: what the progress line says.
            seconds: about what all parts take on one core, which says how many processes are worth starting.
            documents: rows of all parts of the target, where progress is to be told in them.
            by_name: whether `transform` takes the names of parts, and reads of them what it needs.
        """
        columns = {artifact: tuple(names) for artifact, names in source.items()}
        done = {part.name for part in builds.written_parts(target)}
        every = artifacts.require_manifest(next(iter(source))).names
        left = [name for name in every if name not in done]
        if not left:
            return

        def build(pipeline: beam.Pipeline) -> None:
            _ = (
                pipeline
                | "Parts" >> beam.Create(left)
                | "Source" >> (beam.Reshuffle() if by_name else RowsOfParts(columns))
                | "Compute" >> beam.ParDo(transform)
                | "Write" >> beam.ParDo(WritePart(target, compress=compress))
            )

        shown = (len(every), step) if documents is None else (documents, step, "documents")
        with self.watching(target, *shown):
            self.runner.run(build, len(left), seconds * len(left) / len(every))

    @contextmanager
    def watching(
        self, target: Build, total: int, step: str, unit: str = "parts", count: Count | None = None
    ) -> Iterator[None]:
        """Shows progress by the parts that appear in an artifact, which works on every runner.

        Args:
            target: what is built.
            total: how many `unit` there will be.
            step: what is done.
            unit: what is counted: "documents" are rows of the parts, any other word the parts themselves.
            count: what is done, and what to say beside it, where that is neither.
        """
        stop = threading.Event()
        seen: dict[str, dict[Part, Mapping[str, Any]]] = {}  # by file of notes

        def done() -> tuple[int, str]:
            for name in notes.names_of(target.files):
                if name not in seen:
                    seen[name] = notes.read(target.files, target.folder, [name])
            parts = {part: about for of_file in seen.values() for part, about in of_file.items()}
            if count is not None:
                return count(parts)
            return sum(part.rows for part in parts) if unit == "documents" else len(parts), ""

        def watch() -> None:
            while not stop.wait(LOOK_SECONDS if target.files.is_local else LOOK_ELSEWHERE_SECONDS):
                self.progress.update(*done())

        self.progress.step(step, total, unit)
        thread = threading.Thread(target=watch, name="progress", daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()
