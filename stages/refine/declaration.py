"""What refine is: its place in the recipe, and what its artifact depends on. The work is in `stage.py`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sequitur.pipeline.config import Config
from sequitur.pipeline.errors import ConfigError
from sequitur.pipeline.later import done_in
from sequitur.pipeline.names import CHANGES, DOCUMENTS, REFINED
from sequitur.pipeline.stage import Stage, text_artifact


def parameters(config: Config) -> Mapping[str, Any]:
    """The settings.

    Raises:
        ConfigError: a pattern is none of RE2's, or a country is unknown.
    """
    settings = config.refine
    if any(edit.remove_lines is not None for edit in settings.edits):
        from sequitur.stages.refine.operations import first_steps

        first_steps(settings)
    for region in settings.phone_regions:
        from phonenumbers import SUPPORTED_REGIONS

        if region not in SUPPORTED_REGIONS:
            raise ConfigError(f"refine.phone_regions: {region[:40]!r} is no country of ISO 3166, such as US or DE")
    return settings.model_dump(mode="json")


STAGE = Stage(
    "refine",
    REFINED,
    2,
    (DOCUMENTS,),
    parameters,
    *done_in("sequitur.stages.refine.stage"),
    (CHANGES,),
    wanted=lambda config: text_artifact(config) == REFINED,
    reuses=True,
)
