"""What neighbors is: its place in the recipe, and what its artifact depends on. The work is in `stage.py`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sequitur.pipeline.config import Config
from sequitur.pipeline.later import done_in
from sequitur.pipeline.names import (
    DOCUMENTS,
    NEIGHBORS,
    SELECTION,
    SEMANTIC_DUPLICATES,
    SIGNALS,
    SUBSET,
    TOKENS,
    UNSELECTED,
    VECTORS,
)
from sequitur.pipeline.stage import TEXT, Stage, as_decided
from sequitur.stages.shared.models import choices
from sequitur.stages.shared.sources import evaluation_files, input_paths

TARGETS = "select.subset.targets"


def parameters(config: Config) -> Mapping[str, Any]:
    settings = config.neighbors.model_dump(mode="json", exclude={"memory"})
    # An index and cells give the same lists.
    settings["method"] = "exact" if config.neighbors.method == "exact" else "cells"
    chosen = {**settings, **subset_parameters(config), "seed": config.seed}
    if config.neighbors.method != "exact":
        return chosen
    device = config.embed.device
    undecided = ["device"] if device == "auto" else []
    return as_decided(config, "neighbors", chosen, undecided, lambda: {"device": choices.searches(device)})


def subset_parameters(config: Config) -> dict[str, Any]:
    """What `neighbors` depends on for the subset, the targets by name and content; empty where all is kept.

    Raises:
        ConfigError: a file of targets is missing, or its name tells another format.
        InputError: it cannot be read.
    """
    settings = config.select.subset
    if settings.by is None:
        return {}
    found: dict[str, Any] = {"by": settings.by, "share": settings.share}
    if settings.targets:
        paths = evaluation_files.find(settings.targets, TARGETS)
        found["targets"] = [[path, input_paths.digest(path)] for path in paths]
        found["text_field"] = config.ingest.text_field
    return {SUBSET: found}


def _confirming(config: Config) -> tuple[str, ...]:
    """What is read to confirm near-duplicates."""
    settings = config.neighbors
    return (*((TEXT,) if settings.words_confirm else ()), *((TOKENS,) if settings.duplicate_jaccard else ()))


STAGE = Stage(
    "neighbors",
    NEIGHBORS,
    7,
    (DOCUMENTS, SIGNALS, SELECTION, VECTORS),  # the first three for alarms
    parameters,
    *done_in("sequitur.stages.neighbors.stage"),
    (SEMANTIC_DUPLICATES, UNSELECTED),
    also=_confirming,
)
