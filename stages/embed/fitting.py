"""What is fitted on the documents, the model and the weights of words: whether it is fitted, or was before.

It was before where the settings give it, or where the run was updated, and it was put aside for that.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sequitur.pipeline import artifacts
from sequitur.pipeline.artifacts import Manifest
from sequitur.pipeline.config import Config
from sequitur.pipeline.errors import ModelError
from sequitur.pipeline.names import VECTORS
from sequitur.pipeline.sections import Embed
from sequitur.pipeline.storage import Directory
from sequitur.stages.shared.models import fitted
from sequitur.stages.shared.models.choices import FITTED, MODEL

WEIGHTS = "_term_weights.npy"  # float32 [BUCKETS]
LANGUAGES = "_languages.json"  # the languages of the sample, each with its share
WORDS = "words"  # what was put aside of a given model's run
SAMPLED = ("sample_documents", "seed")  # by what is fitted


def model_at(config: Config) -> Directory | None:
    """Where a model lies that was fitted before; None where one is to be fitted, or is of another kind."""
    settings = config.embed
    if settings.model != FITTED:
        given = Directory(settings.model)
        is_place = "://" in settings.model or Path(settings.model).is_dir()
        return given if is_place and given.exists(fitted.NOTE) else None
    return _aside(config, MODEL)


def words_at(config: Config) -> Directory | None:
    """Where weights of words lie that were counted before; None where they are to be counted, or have no share.

    Raises:
        ModelError: `embed.term_weights` names no such directory.
    """
    settings = config.embed
    if not settings.lexical_weight:
        return None
    if settings.term_weights is not None:
        given = Directory(settings.term_weights)
        if not given.exists(WEIGHTS) or not given.exists(LANGUAGES):
            raise ModelError(f"{given.url}: holds no {WEIGHTS} and {LANGUAGES}; correct embed.term_weights")
        return given
    model = model_at(config)
    if model is not None:
        return model if model.exists(WEIGHTS) else None
    return None if settings.model == FITTED else _aside(config, WORDS)


def fitted_by(config: Config, name: str) -> dict[str, object]:
    """The settings by which MODEL or WORDS is fitted."""
    sampled: dict[str, object] = {"sample_documents": config.embed.sample_documents, "seed": config.seed}
    return sampled | ({"dimensions": config.embed.dimensions} if name == MODEL else {})


def word_parameters(config: Config, given: Directory | None = None) -> dict[str, object]:
    """The settings on which the words' share depends; none where it is zero. `given` holds weights that were counted
    before."""
    settings = config.embed
    if not settings.lexical_weight:
        return {}
    chosen: dict[str, object] = {name: getattr(settings, name) for name in ("lexical_weight", "lexical_dimensions")}
    if given is not None:
        return chosen | {"words": {name: artifacts.digest(given.read_bytes(name)) for name in (WEIGHTS, LANGUAGES)}}
    return chosen | fitted_by(config, WORDS)


def _aside(config: Config, name: str) -> Directory | None:
    """Where it was put aside in the run, if it was fitted by these settings."""
    directory = fitted.aside(Directory(config.output), name)
    if (noted := fitted.note(directory)) is None:
        return None
    lacks = config.embed.lexical_weight and config.embed.term_weights is None and WEIGHTS not in noted["files"]
    return None if noted["fitted_by"] != fitted_by(config, name) or lacks else directory


def settings_of(config: Config) -> Embed:
    """The settings, of a model that was fitted before as of one that is fitted."""
    return config.embed if model_at(config) is None else config.embed.model_copy(update={"model": FITTED})


def put_aside(root: Directory, config: Config, manifest: Manifest) -> str | None:
    """Keeps what was fitted for the vectors of a run, whose manifest is given; returns what it is."""
    parameters, vectors = manifest.parameters, root / VECTORS
    is_model = parameters["model"] == FITTED and "files" not in parameters
    counted = "lexical_weight" in parameters and "words" not in parameters
    if is_model or counted:
        with tempfile.TemporaryDirectory() as scratch:
            path = Path(scratch, "aside")
            path.mkdir()
            if is_model:
                shutil.copytree(vectors.local_copy(MODEL, Path(scratch)), path, dirs_exist_ok=True)
            for name in (LANGUAGES, WEIGHTS) if "lexical_weight" in parameters else ():
                (path / name).write_bytes(vectors.read_bytes(name))
            aside = MODEL if is_model else WORDS
            by = {name: parameters[name] for name in fitted_by(config, aside)}
            fitted.put(root, aside, path, by, manifest.fingerprint)
    if config.embed.model == FITTED:
        return "the fitted model" if model_at(config) is not None else None
    return "the weights of words" if config.embed.term_weights is None and words_at(config) else None


def is_same(config: Config, before: Manifest, now: Mapping[str, Any]) -> bool:
    """Whether vectors were made as they are to be made now: by the same model and the same weights of words.

    Those for which the model or the weights were fitted have other parameters than since these were put aside.
    """
    by = ("words", *SAMPLED, *(("dimensions", "files") if now.get("model") == FITTED else ()))
    old, new = ({name: value for name, value in one.items() if name not in by} for one in (before.parameters, now))
    if old != new:
        return False
    if all(before.parameters.get(name) == now.get(name) for name in by):
        return not set(SAMPLED) & set(now)  # else each was fitted on its own documents
    places = [one for one in (model_at(config), words_at(config)) if one is not None]
    noted = [fitted.note(place) for place in places]
    return bool(noted) and all(one is not None and one["of"] == before.fingerprint for one in noted)


def digest_of_files(model: Directory) -> Mapping[str, str]:
    """The digests of a model that was fitted before, as they were noted."""
    noted = fitted.note(model)
    return {} if noted is None else noted["files"]
