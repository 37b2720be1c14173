"""What annotate is: its place in the recipe, and what its artifact depends on. The work is in `stage.py`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sequitur.pipeline import artifacts
from sequitur.pipeline.config import Config
from sequitur.pipeline.errors import ConfigError
from sequitur.pipeline.later import done_in
from sequitur.pipeline.names import SIGNALS
from sequitur.pipeline.stage import TEXT, Stage, as_decided
from sequitur.pipeline.text_lists import read_list
from sequitur.stages.annotate import model_signals, own_signals
from sequitur.stages.shared.models import choices
from sequitur.stages.shared.quality_rules import rules_of

ALWAYS = ("unique_word_share", "compression_ratio")  # which `select` and the report look at
OTHERS = ("listed_word_share", "language", "language_score", "content_hash", "minhash")


def parameters(config: Config) -> Mapping[str, Any]:
    settings = config.annotate
    ours = _names() if settings.models or settings.own_signals else set()
    for name in settings.models:
        if name in ours:
            raise ConfigError(f"annotate.models.{name}: there is a signal {name} already; choose another name")
    own = own_signals.parameters(settings.own_signals, {*ours, *settings.models})
    if settings.stop_words:
        _check_stop_words(settings.stop_words)
    lines = None if settings.word_list is None else read_list(settings.word_list, "annotate.word_list")
    chosen = {
        **settings.model_dump(mode="json", exclude={"signals", "models", "word_list", "own_signals"}),
        **({} if settings.signals == "all" else {"families": needed_families(config)}),
        "word_list": None if lines is None else artifacts.digest("\n".join(lines).encode()),
        "models": model_signals.parameters(settings.models),
        **({"own_signals": own} if own else {}),
    }
    if not settings.models:
        return chosen
    device = config.embed.device
    if device != "auto":
        return {**chosen, "device": choices.kind_of(device)}
    return as_decided(config, "annotate", chosen, ["device"], lambda: {"device": choices.device_named(device)})


def needed_families(config: Config) -> list[str]:
    """The families of signals that the run's settings ask for: rules, limits, who of duplicates survives, the order."""
    from sequitur.text_core.signals.all_signals import families_of

    asked = {name for rule in rules_of(config.select) for name in rule.signals}
    asked |= {*ALWAYS, config.select.survivor.removeprefix("best:"), config.order.signal}
    return families_of(asked)


def _names() -> set[str]:
    """Of the signals that are ours."""
    from sequitur.text_core.signals.all_signals import signal_names

    return {*signal_names(), *OTHERS}


def _check_stop_words(own: Mapping[str, Sequence[str]]) -> None:
    from sequitur.text_core.signals.stop_words import stop_words

    try:
        stop_words(own)
    except ValueError as error:
        raise ConfigError(f"annotate.stop_words: {error}; correct the list") from error


STAGE = Stage("annotate", SIGNALS, 4, (TEXT,), parameters, *done_in("sequitur.stages.annotate.stage"), reuses=True)
