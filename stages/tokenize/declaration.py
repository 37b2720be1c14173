"""What tokenize is: its place in the recipe, and what its artifact depends on. The work is in `stage.py`."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sequitur.pipeline import artifacts
from sequitur.pipeline.config import Config
from sequitur.pipeline.errors import ModelError
from sequitur.pipeline.later import done_in
from sequitur.pipeline.names import SELECTION, TOKENS
from sequitur.pipeline.sections import Tokenize
from sequitur.pipeline.stage import TEXT, Stage
from sequitur.pipeline.storage import Directory
from sequitur.stages.shared.models import fitted

TOKENIZER = "tokenizer.json"
END_OF_DOCUMENT = "<|endoftext|>"
ASIDE = "tokenizer"  # where it lies once a run was updated
BYTES, TRAIN = "bytes", "train"


def settings_of(config: Config) -> Tokenize:
    """The settings; where a run was updated they name the tokenizer that was put aside, if it was trained by them."""
    settings, aside = config.tokenize, fitted.aside(Directory(config.output), ASIDE)
    if (
        settings.tokenizer != TRAIN
        or (noted := fitted.note(aside)) is None
        or noted["fitted_by"] != _trained_by(config)
    ):
        return settings
    return settings.model_copy(update={"tokenizer": f"{aside.url}/{TOKENIZER}", "end_of_document": None})


def _trained_by(config: Config) -> dict[str, Any]:
    settings = config.tokenize
    return {"vocabulary": settings.vocabulary, "sample_bytes": int(settings.sample_bytes), "seed": config.seed}


def put_aside(root: Directory, config: Config) -> str | None:
    """Keeps the tokenizer that was trained on the documents before."""
    manifest = artifacts.read_manifest(root / TOKENS)
    if manifest is not None and manifest.parameters["tokenizer"] == TRAIN:
        with tempfile.TemporaryDirectory() as scratch:
            Path(scratch, TOKENIZER).write_bytes((root / TOKENS).read_bytes(TOKENIZER))
            by = {name: manifest.parameters[name] for name in _trained_by(config)}
            fitted.put(root, ASIDE, Path(scratch), by, manifest.fingerprint)
    return "the trained tokenizer" if settings_of(config) != config.tokenize else None


def file_named(name: str) -> tuple[str, bytes] | None:
    """The name and the content of the file that a setting names; None where it is none, but a name on the hub.

    Raises:
        ModelError: it is the path of a tokenizer.json that is not there.
    """
    place = Directory(name) / TOKENIZER if Path(name).is_dir() else Directory(name)
    above, _, last = place.url.rpartition("/")
    found = Directory(above or ("/" if place.url.startswith("/") else ".")).content(last)
    if found is None and last.endswith(".json"):
        raise ModelError(f"{place.url}: no such file; correct tokenize.tokenizer")
    return None if found is None else (last, found)


def parameters(config: Config) -> Mapping[str, Any]:
    settings = settings_of(config)
    chosen: dict[str, Any] = {"tokenizer": settings.tokenizer}
    if settings.tokenizer == TRAIN:
        chosen |= _trained_by(config)
    elif settings.tokenizer != BYTES:
        chosen["end_of_document"] = settings.end_of_document
        if (found := file_named(settings.tokenizer)) is not None:
            chosen |= {"tokenizer": found[0], "sha256": hashlib.sha256(found[1]).hexdigest()}
    if settings.repeated_spans != "ignore":
        chosen |= {"repeated_spans": settings.repeated_spans, "span_tokens": settings.span_tokens}
    return chosen


STAGE = Stage(
    "tokenize",
    TOKENS,
    2,
    (TEXT, SELECTION),
    parameters,
    *done_in("sequitur.stages.tokenize.stage"),
    put_aside=put_aside,
    reuses=True,
)
