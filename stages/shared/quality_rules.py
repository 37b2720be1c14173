"""The rules by which `select` judges documents one by one, as the settings say."""

from __future__ import annotations

import difflib

from sequitur.pipeline import artifacts, own_modules
from sequitur.pipeline.config import Config
from sequitur.pipeline.errors import ConfigError
from sequitur.pipeline.sections import Select
from sequitur.pipeline.text_lists import read_list
from sequitur.text_core.signals.rules import PRESETS, Rule

EMPTY, BLOCKED_DOMAIN, BLOCKED_URL = "empty", "blocked_domain", "blocked_url"
LANGUAGE, LANGUAGE_UNCLEAR = "language", "language_unclear"
OWN = (EMPTY, BLOCKED_DOMAIN, BLOCKED_URL, LANGUAGE, LANGUAGE_UNCLEAR)


def list_digests(settings: Select) -> dict[str, list[str]]:
    """A digest of the content of each block list, which verdicts depend on.

    Raises:
        ConfigError: a list cannot be read.
    """
    return {
        f"block_{key}": [artifacts.digest("\n".join(lines_of([path], key)).encode()) for path in paths]
        for key, paths in (("domains", settings.urls.block_domains), ("substrings", settings.urls.block_substrings))
    }


def lines_of(paths: list[str], key: str) -> list[str]:
    """The entries of some block lists, those of `key`: domains or substrings.

    Raises:
        ConfigError: a list cannot be read.
    """
    return [line for path in paths for line in read_list(path, f"select.urls.block_{key}")]


def rules_of(settings: Select) -> tuple[Rule, ...]:
    """The presets' rules with the configured thresholds, then the own limits.

    Raises:
        ConfigError: a threshold is for no rule of the presets, a limit has no bound, or two rules have one name.
    """
    rules = {rule.name: rule for preset in settings.rules for rule in PRESETS[preset]}
    for name, bound in settings.thresholds.items():
        if name not in rules:
            near = difflib.get_close_matches(name, rules, n=1)
            valid = f"did you mean {near[0]}?" if near else f"valid are {', '.join(rules) or 'none: no preset is on'}"
            raise ConfigError(f"select.thresholds.{name}: no such rule; {valid}")
        if bound is None:
            del rules[name]
        elif rules[name].minimum is not None:
            rules[name] = rules[name]._replace(minimum=bound)
        else:
            rules[name] = rules[name]._replace(maximum=bound)
    for number, limit in enumerate(settings.limits):
        name = limit.name or f"limit_{limit.signal}"
        if limit.min is None and limit.max is None:
            raise ConfigError(f"select.limits.{number}: bounds {limit.signal} neither way; give min or max")
        if name in rules or name in OWN:
            raise ConfigError(f"select.limits.{number}: there is a rule {name} already; give it another name")
        rules[name] = Rule(name, limit.signal, limit.min, limit.max)
    return tuple(rules.values())


def check_limits(config: Config) -> None:
    """Refuses limits by signals that there are not.

    Raises:
        ConfigError: an own limit is by a signal that is not computed.
    """
    if not config.select.limits:
        return
    known = known_signals(config)
    for number, limit in enumerate(config.select.limits):
        if limit.signal not in known:
            near = difflib.get_close_matches(limit.signal, known, n=1)
            hint = f"did you mean {near[0]}?" if near else "docs/signals-and-rules.md lists them"
            raise ConfigError(f"select.limits.{number}: no signal {limit.signal}; {hint}")


def known_signals(config: Config) -> list[str]:
    """The numeric signals that `annotate` computes."""
    from sequitur.text_core.signals.all_signals import signal_names  # and with it numba

    listed = ["listed_word_share"] if config.annotate.word_list is not None else []
    own = map(own_modules.name_of, config.annotate.own_signals)
    return [*signal_names(), "language_score", *listed, *config.annotate.models, *own]
