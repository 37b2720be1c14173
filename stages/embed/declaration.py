"""What embed is: its place in the recipe, and what its artifact depends on. The work is in `stage.py`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sequitur.pipeline import artifacts
from sequitur.pipeline.config import Config
from sequitur.pipeline.errors import ModelError
from sequitur.pipeline.later import done_in
from sequitur.pipeline.names import SELECTION, SIGNALS, VECTORS
from sequitur.pipeline.stage import TEXT, Stage, as_decided
from sequitur.pipeline.storage import Directory
from sequitur.stages.embed import fitting
from sequitur.stages.shared.models import choices
from sequitur.stages.shared.models.choices import FITTED, MODEL, Choice
from sequitur.stages.shared.models.model_files import digests


def put_aside(root: Directory, config: Config) -> str | None:
    """Keeps the model that was fitted, and the weights of words that were counted, on the documents before."""
    manifest = artifacts.read_manifest(root / VECTORS)
    return None if manifest is None else fitting.put_aside(root, config, manifest)


def parameters(config: Config) -> Mapping[str, Any]:
    settings, words = fitting.settings_of(config), fitting.word_parameters(config, fitting.words_at(config))
    if settings.model == FITTED:
        model = fitting.model_at(config)
        fitted: dict[str, Any] = {"model": FITTED}
        if model is None:
            fitted |= fitting.fitted_by(config, MODEL)
        else:
            fitted["files"] = dict(fitting.digest_of_files(model))
        return fitted | words
    named = ("model", "max_characters", "long_documents")
    chosen = {name: getattr(settings, name) for name in named} | words
    path = Path(settings.model)
    if path.is_dir():
        chosen |= {"model": path.name, "files": digests(path)}
    elif path.is_absolute() or settings.model.startswith("."):
        raise ModelError(f"{path}: no such directory; correct embed.model")
    asked = {name: choices.kind_of(getattr(settings, name)) for name in Choice._fields}
    undecided = [name for name, value in asked.items() if value == "auto"]
    chosen |= {name: value for name, value in asked.items() if value != "auto"}
    return as_decided(config, "embed", chosen, undecided, lambda: choices.decided(settings)._asdict())


STAGE = Stage(
    "embed",
    VECTORS,
    3,
    (TEXT, SIGNALS, SELECTION),
    parameters,
    *done_in("sequitur.stages.embed.stage"),
    put_aside=put_aside,
    reuses=True,
)
