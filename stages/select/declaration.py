"""What select is: its place in the recipe, and what its artifact depends on. The work is in `stage.py`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sequitur.pipeline.config import Config
from sequitur.pipeline.later import done_in
from sequitur.pipeline.names import CONTAMINATION, DOCUMENTS, SELECTION, SIGNALS
from sequitur.pipeline.stage import TEXT, Stage
from sequitur.stages.select import against, survivors
from sequitur.stages.shared import quality_rules
from sequitur.stages.shared.sources import evaluation_files, input_paths

# The settings by which duplicates are found and dropped.
DUPLICATES = {"exact_duplicates", "fuzzy_duplicates", "jaccard", "survivor", "source_priority", "alarm_share"}


def parameters(config: Config) -> Mapping[str, Any]:
    settings = config.select
    survivors.check(settings)
    quality_rules.check_limits(config)
    return {
        "rules": [list(rule) for rule in quality_rules.rules_of(settings)],
        "language": settings.language.model_dump(mode="json"),
        "urls": quality_rules.list_digests(settings),
        **settings.model_dump(mode="json", include=DUPLICATES),
        **against.parameters(config),
        **evaluation_parameters(config),
    }


def evaluation_parameters(config: Config) -> Mapping[str, Any]:
    """What `selection` depends on: the evaluation files by name and content, and how they are compared.

    Raises:
        ConfigError: there is no such file, or its name tells another format.
        InputError: it cannot be read.
    """
    settings = config.select
    if not settings.decontaminate:
        return {}
    files = [[path, input_paths.digest(path)] for path in evaluation_files.find(settings.decontaminate)]
    action, words = settings.decontaminate_action, settings.decontaminate_words
    return {"decontaminate": files, "decontaminate_words": words, "decontaminate_action": action}


STAGE = Stage(
    "select",
    SELECTION,
    3,
    (DOCUMENTS, TEXT, SIGNALS),
    parameters,
    *done_in("sequitur.stages.select.stage"),
    (CONTAMINATION,),
    reuses=True,
    lasting=True,  # which documents were kept tells what the rows of tokens and vectors were made of
)
