"""What report is: its place in the recipe, and what its artifact depends on. The work is in `stage.py`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sequitur.pipeline.config import Config
from sequitur.pipeline.later import done_in
from sequitur.pipeline.names import DOCUMENTS, NEIGHBORS, ORDER, REPORT, SELECTION, SHARDS, SIGNALS, TOKENS, VECTORS
from sequitur.pipeline.stage import TEXT, Stage


def parameters(config: Config) -> Mapping[str, Any]:
    return {"seed": config.seed}


STAGE = Stage(
    "report",
    REPORT,
    9,
    (DOCUMENTS, TEXT, SIGNALS, SELECTION, TOKENS, VECTORS, NEIGHBORS, ORDER, SHARDS),
    parameters,
    *done_in("sequitur.stages.report.stage"),
    in_place=True,
)
