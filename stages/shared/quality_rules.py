"""Which documents `select` drops one by one, by what `signals` tells of each: by URL, language, and rules on signals.

Nothing here needs another document. A document is dropped for the first of these that it fails:

    empty             nothing is left of its text
    blocked_domain    its URL's host, or a domain above it, is on a list
    blocked_url       its URL contains a string of a list
    language          its language is not among those to keep
    language_unclear  it is, with less certainty than asked for
    …                 the rules of the presets, in their order, then the own limits
"""

from __future__ import annotations

import difflib
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sequitur.pipeline import artifacts, own_modules
from sequitur.pipeline.config import Config
from sequitur.pipeline.errors import ConfigError
from sequitur.pipeline.sections import Select
from sequitur.pipeline.text_lists import read_list
from sequitur.text_core.signals.all_signals import signal_names
from sequitur.text_core.signals.rules import PRESETS, Rule, first_failed
from sequitur.text_core.signals.urls import Blocklist, BlocklistError, blocked, read_blocklist

EMPTY, BLOCKED_DOMAIN, BLOCKED_URL = "empty", "blocked_domain", "blocked_url"
LANGUAGE, LANGUAGE_UNCLEAR = "language", "language_unclear"
OWN = (EMPTY, BLOCKED_DOMAIN, BLOCKED_URL, LANGUAGE, LANGUAGE_UNCLEAR)


class Judge(NamedTuple):
    """Everything by which a document is judged alone."""

    rules: tuple[Rule, ...]
    languages: tuple[str, ...]  # empty: all
    min_language_score: float
    blocklist: Blocklist | None

    @property
    def reasons(self) -> list[str]:
        """The reasons for a drop, in the order in which they are tried."""
        return [*OWN, *(rule.name for rule in self.rules)]

    @property
    def columns(self) -> list[str]:
        """The columns of `signals` that are looked at, sorted."""
        language = {"language", "language_score"} if self.languages else set()
        return sorted({"byte_count", *language, *(name for rule in self.rules for name in rule.signals)})

    def verdicts(self, signals: pa.RecordBatch, urls: pa.StringArray) -> np.ndarray:
        """What becomes of the documents of a part: int16 index into `reasons`, −1 for those that pass all."""
        found = np.full(signals.num_rows, -1, dtype=np.int16)

        def drop(failing: np.ndarray, reason: int) -> None:
            found[failing & (found == -1)] = reason

        drop(signals.column("byte_count").to_numpy() == 0, OWN.index(EMPTY))
        if self.blocklist is not None:
            kind = blocked(urls, self.blocklist)
            drop(kind == 1, OWN.index(BLOCKED_DOMAIN))
            drop(kind == 2, OWN.index(BLOCKED_URL))
        if self.languages:
            known = pc.is_in(pc.cast(signals.column("language"), pa.string()), pa.array(self.languages, pa.string()))
            drop(~known.to_numpy(zero_copy_only=False), OWN.index(LANGUAGE))
            score = signals.column("language_score").to_numpy()
            drop(score < np.float32(self.min_language_score), OWN.index(LANGUAGE_UNCLEAR))
        failed = first_failed(
            self.rules,
            {name: signals.column(name).to_numpy() for rule in self.rules for name in rule.signals},
        )
        if self.rules:
            found = np.where((found == -1) & (failed >= 0), failed + np.int16(len(OWN)), found)
        return found


def judge(settings: Select) -> Judge:
    """The judge that a configuration asks for; reads its block lists.

    Raises:
        ConfigError: the settings contradict themselves, or a list cannot be read.
    """
    return Judge(rules_of(settings), tuple(settings.language.keep), settings.language.min_score, _blocklist(settings))


def _blocklist(settings: Select) -> Blocklist | None:
    urls = settings.urls
    if not urls.block_domains and not urls.block_substrings:
        return None
    domains, substrings = _lines(urls.block_domains, "domains"), _lines(urls.block_substrings, "substrings")
    try:
        return read_blocklist(domains, substrings)
    except BlocklistError as error:
        raise ConfigError(f"select.urls.block_domains: {error}") from error


def list_digests(settings: Select) -> dict[str, list[str]]:
    """A digest of the content of each block list, which verdicts depend on.

    Raises:
        ConfigError: a list cannot be read.
    """
    return {
        f"block_{key}": [artifacts.digest("\n".join(_lines([path], key)).encode()) for path in paths]
        for key, paths in (("domains", settings.urls.block_domains), ("substrings", settings.urls.block_substrings))
    }


def _lines(paths: list[str], key: str) -> list[str]:
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
    known = known_signals(config)
    for number, limit in enumerate(config.select.limits):
        if limit.signal not in known:
            near = difflib.get_close_matches(limit.signal, known, n=1)
            hint = f"did you mean {near[0]}?" if near else "docs/signals-and-rules.md lists them"
            raise ConfigError(f"select.limits.{number}: no signal {limit.signal}; {hint}")


def known_signals(config: Config) -> list[str]:
    """The numeric signals that `annotate` computes."""
    listed = ["listed_word_share"] if config.annotate.word_list is not None else []
    own = map(own_modules.name_of, config.annotate.own_signals)
    return [*signal_names(), "language_score", *listed, *config.annotate.models, *own]
