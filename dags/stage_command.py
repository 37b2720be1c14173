"""How a scheduler runs one stage: the command, what its exit code asks for, where the report is. Needs Python alone.

The job may be installed elsewhere than the scheduler, so nothing of it is imported: the stages are in `stages.json`,
which `make docs` writes from the recipe.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

STAGES: tuple[str, ...] = tuple(json.loads(Path(__file__).with_name("stages.json").read_text(encoding="utf-8")))

TRY_AGAIN = 75  # EX_TEMPFAIL of sysexits.h, as `sequitur run` ends where the same command may succeed later
PAGE = "/report/index.html"  # in a run's folder


def command(stage: str, parameters: Mapping[str, Any]) -> list[str]:
    """The command that brings one stage up to date, as a list of arguments: no value is read by a shell, or taken for
    an option.

    Args:
        stage: one of STAGES.
        parameters: `sequitur`, `config`, and where they are given `on`, `workers` and `set`, as the form has them.
    """
    options = [f"--only={stage}"]
    if parameters.get("on"):
        options.append(f"--on={parameters['on']}")
    if parameters.get("workers"):
        options.append(f"--workers={parameters['workers']}")
    options += [f"--set={setting}" for setting in parameters.get("set") or ()]
    return [parameters["sequitur"], "run", *options, "--", parameters["config"]]


def may_succeed_later(code: int) -> bool:
    """Whether the same command is worth another try: it says so itself, or a signal ended it."""
    return code == TRY_AGAIN or code < 0 or code > 128


def report_of(lines: Sequence[str], served_at: str | None) -> str:
    """Where the report is, by the line in which the last stage says so; empty where none does.

    Args:
        lines: what the command said.
        served_at: the URL at which the run's folder is served, where it is.
    """
    for line in reversed(lines):
        word, _, rest = line.partition(" ")
        place = rest.strip()
        if word == "report" and place.endswith(PAGE):
            if served_at:
                return served_at.rstrip("/") + PAGE
            return place if "://" in place else f"file://{quote(place)}"
    return ""
