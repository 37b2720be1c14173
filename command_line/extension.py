"""The command that adds new documents to a finished run."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

from sequitur.command_line.common import (
    AsJson,
    LogFile,
    LogFormat,
    MetricsFile,
    OpenLineage,
    RunPath,
    Workers,
    fail,
    print_json,
    telling,
)


def extend(
    path: RunPath,
    inputs: Annotated[
        list[str],
        typer.Option(
            "--inputs",
            metavar="PATH",
            help="New files, as in ingest.inputs: a path, a directory or a glob; or in YAML a list of such, or a "
            "mapping, as in '{path: new, source: web}'. May be repeated.",
            show_default=False,
        ),
    ],
    workers: Workers = None,
    on: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Beam options of a runner (YAML): run there, not here.")
    ] = None,
    log_file: LogFile = None,
    log_format: LogFormat = "text",
    metrics_file: MetricsFile = None,
    openlineage: OpenLineage = None,
    as_json: AsJson = False,
) -> None:
    """Extend a finished run by new documents: its shards stay as they are, and new ones come behind them.

    The new documents are refined, judged, ordered and packed by the run's own settings, with its tokenizer and its
    model, and deduplicated against all that it holds. Trainers that read the shards go on; the next time they are
    opened they hold both. What was interrupted goes on when the same command is given again.
    """
    with telling(log_file, log_format, metrics_file, openlineage) as progress:
        from sequitur import beam_job
        from sequitur.api.extending import extend_run
        from sequitur.pipeline.storage import Directory

        options = beam_job.options_of(on)
        told = extend_run(
            Directory(path.rstrip("/")), _given(inputs), options, workers or os.cpu_count() or 1, progress
        )
    if as_json:
        print_json(told)


def _given(inputs: list[str]) -> list[Any]:
    """What the option says, of which that in brackets or braces is YAML."""
    from sequitur.pipeline.config import read_yaml

    found: list[Any] = []
    for one in inputs:
        if one.lstrip()[:1] not in ("[", "{"):
            found.append(one)
            continue
        try:
            value = read_yaml(one)
        except yaml.YAMLError:
            fail(f"--inputs {one}: not valid YAML; mend the syntax", code=2)
        found += value if isinstance(value, list) else [value]
    return found
