"""Signals that classifiers give: what `annotate` does for `annotate.models`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from sequitur.pipeline.errors import ModelError
from sequitur.pipeline.sections import Model
from sequitur.stages.shared.models.model_files import digests, files
from sequitur.text_core.signals import classifiers
from sequitur.text_core.signals.classifiers import Classifier, ClassifierError


def load(models: Mapping[str, Model], device: str) -> dict[str, Classifier]:
    """The classifiers by signal; `device` as in `embed.device`. Once per worker: a model takes seconds and memory.

    Raises ModelError.
    """
    return {name: _load(name, model, None if device == "auto" else device) for name, model in models.items()}


def _load(name: str, model: Model, device: str | None) -> Classifier:
    try:
        return classifiers.load(model.path, model.encoder, model.label, device)
    except ClassifierError as error:
        raise ModelError(f"annotate.models.{name}: {error}") from error


def columns(
    loaded: Mapping[str, Classifier], models: Mapping[str, Model], text: pa.LargeStringArray
) -> dict[str, pa.Array]:
    """The signals of n texts by name, each float32 [n]. Raises ModelError."""
    scores = {}
    for name, classifier in loaded.items():
        starts = pc.utf8_slice_codeunits(text, 0, models[name].max_characters).to_pylist()
        try:
            scores[name] = pa.array(classifier.scores(starts), pa.float32())
        except ClassifierError as error:
            raise ModelError(f"annotate.models.{name}: {error}") from error
    return scores


def parameters(models: Mapping[str, Model]) -> dict[str, Any]:
    """What the signals depend on: the settings, and digests of the models' files where these are local.

    Raises ModelError for a path that does not exist.
    """
    return {name: _parameters(name, model) for name, model in models.items()}


def _parameters(name: str, model: Model) -> dict[str, Any]:
    path = Path(model.path)
    if not path.exists():
        raise ModelError(f"annotate.models.{name}: {path}: no such file or directory; correct the path")
    chosen = {**model.model_dump(mode="json"), "path": path.name, "files": digests(path)}
    if model.encoder is not None:
        encoder = Path(model.encoder)
        if encoder.is_dir():
            chosen |= {"encoder": encoder.name, "encoder_files": digests(encoder)}
        elif encoder.is_absolute() or model.encoder.startswith("."):
            raise ModelError(f"annotate.models.{name}: {encoder}: no such directory; correct encoder")
    return chosen


def memory_bytes(models: Mapping[str, Model]) -> int:
    """What a worker needs for the models, about: twice the size of the local files, and 1 GiB for torch."""
    paths = [Path(path) for model in models.values() for path in (model.path, model.encoder) if path is not None]
    return 2 * sum(file.stat().st_size for path in paths for file in files(path)) + (2**30 if models else 0)
