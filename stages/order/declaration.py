"""What order is: its place in the recipe, and what its artifact depends on. The work is in `stage.py`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sequitur.graph_sort.documents import BY_LIKENESS
from sequitur.pipeline.config import Config
from sequitur.pipeline.errors import ConfigError
from sequitur.pipeline.later import done_in
from sequitur.pipeline.names import NEIGHBORS, ORDER, ROUTER, TOKENS, VECTORS
from sequitur.pipeline.stage import Stage
from sequitur.stages.shared.strategies import digest_of

CLUSTERS = "clusters"  # what families may go by, beside fields


def parameters(config: Config) -> Mapping[str, Any]:
    digest = digest_of(config.order.strategy)
    settings = config.order.model_dump(mode="json") | {"context_length": config.pack.context_length}
    settings |= {"rows_filled": config.pack.policy in BY_LIKENESS}
    settings |= {} if digest is None else {"strategy_digest": digest}
    if config.pack.epochs > 1:  # a later one depends on how earlier ones are cut
        settings |= {"epochs": config.pack.epochs, "policy": config.pack.policy, "packed_in_runs": True}
    return {**settings, **_families(config), "seed": config.seed}


def _families(config: Config) -> dict[str, Any]:
    """What `order` depends on; empty where there are no families.

    Raises:
        ConfigError: both levels are the same.
    """
    settings = config.families
    if len(set(settings.by)) < len(settings.by):
        raise ConfigError(f"families.by: {settings.by[0]} twice; name it once, or another one beside it")
    left_out = set() if CLUSTERS in settings.by else {"k", "balanced"}
    return {"families": settings.model_dump(mode="json", exclude=left_out)} if settings.by else {}


STAGE = Stage(
    "order", ORDER, 5, (TOKENS, VECTORS, NEIGHBORS), parameters, *done_in("sequitur.stages.order.stage"), (ROUTER,)
)
