"""Configurations to start from, each a commented YAML file of this folder: `sequitur init --recipe NAME`.

Each sets only what differs from the defaults, says why, and where a number comes from; its first line says what it is
for. `ingest.inputs` and `output` are one line each, to be replaced.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

from sequitur.pipeline.config import read_yaml
from sequitur.pipeline.config_text import yaml_value
from sequitur.pipeline.errors import ConfigError

SUFFIX = ".yaml"


def purposes() -> dict[str, str]:
    """What each recipe is for, by name."""
    found = sorted(file.name for file in files(__name__).iterdir() if file.name.endswith(SUFFIX))
    names = [name.removesuffix(SUFFIX) for name in found]
    return {name: _text(name).partition("\n")[0].removeprefix("# ") for name in names}


def recipe(name: str, chosen: Mapping[str, Any] | None = None) -> str:
    """A recipe as text.

    Args:
        name: of the recipe.
        chosen: settings of `ingest` by name, such as `inputs`, in place of the recipe's own.

    Raises:
        ConfigError: there is none of that name; tells which there are.
    """
    known = purposes()
    if name not in known:
        raise ConfigError(f"--recipe {name}: no such recipe; there are {', '.join(known)}, and `list` shows them")
    text = _text(name)
    for key, value in (chosen or {}).items():
        line = f"  {key}: {yaml_value(value)}".replace("\\", r"\\")
        text, replaced = re.subn(rf"^  {key}:.*$", line, text, count=1, flags=re.MULTILINE)
        if not replaced:
            text = re.sub(r"^ingest:$", rf"ingest:\n{line}", text, flags=re.MULTILINE)
    return text


def reading(name: str) -> dict[str, Any]:
    """What a recipe says of its inputs but their paths: nothing where any files will do."""
    content = read_yaml(recipe(name))
    of_inputs = [each for each in content["ingest"]["inputs"] if isinstance(each, dict)]
    return {key: value for each in of_inputs for key, value in each.items() if key != "path"}


def _text(name: str) -> str:
    return files(__name__).joinpath(name + SUFFIX).read_text(encoding="utf-8")
