"""Running the job from Python."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sequitur.api.log_lines import unasked_log_lines_hidden
from sequitur.api.run_view import RunView, open_run
from sequitur.pipeline import config as configuration
from sequitur.pipeline import run_directory
from sequitur.pipeline.config import Config
from sequitur.pipeline.errors import ConfigError
from sequitur.pipeline.progress import Progress
from sequitur.pipeline.stage import Run


def run(
    config: str | Path | Mapping[str, Any] | Config,
    *,
    workers: int = 1,
    overrides: Sequence[str] = (),
    only: str | None = None,
    first: str | None = None,
    last: str | None = None,
    refit: bool = False,
    progress: bool = True,
) -> RunView:
    """Run the job, or bring it up to date, and open the run: what `sequitur run` does.

    What is done is skipped, and what was interrupted goes on. With other input files than before what was made of the
    others is kept, and so are the tokenizer and the model.

    >>> run = sequitur.run("my.yaml", progress=False)
    >>> run.ledger["balances"]
    True
    >>> sorted(run.metrics)
    ['alarms', 'distributions', 'fingerprints', 'ledger', 'order', 'packing', 'stages']

    Args:
        config: a YAML file, a mapping of what would stand in one, or a `Config`.
        workers: worker processes.
        overrides: settings as `section.key=value`, as after `--set`.
        only: the one stage to run.
        first: the stage to begin with, as after `--from`.
        last: the stage to end with, as after `--until`.
        refit: whether these two are fitted anew, as after `--refit`.
        progress: whether each stage is told on standard error.

    Raises:
        SequiturError: a setting is wrong, the output is another run's or locked, or a stage failed. Whatever was
            finished stays.
    """
    if only and (first or last):
        raise ConfigError("only goes without first and last; leave them out")
    settings = _settings(config, overrides)
    with unasked_log_lines_hidden():
        from sequitur import beam_job
        from sequitur.pipeline.runner import Runner

        job = Run(settings, Runner(workers), Progress(quiet=not progress))
        run_directory.execute(beam_job.RECIPE, job, only or first, only or last, refit=refit)
    return open_run(settings.output)


def _settings(config: str | Path | Mapping[str, Any] | Config, overrides: Sequence[str]) -> Config:
    if isinstance(config, str | Path):
        return configuration.load(config, overrides)
    settings = config if isinstance(config, Config) else configuration.validate(dict(config), "config")
    return configuration.overridden(settings, overrides) if overrides else settings
