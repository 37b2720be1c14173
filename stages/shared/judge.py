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

from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sequitur.pipeline.errors import ConfigError
from sequitur.pipeline.sections import Select
from sequitur.stages.shared.quality_rules import (
    BLOCKED_DOMAIN,
    BLOCKED_URL,
    EMPTY,
    LANGUAGE,
    LANGUAGE_UNCLEAR,
    OWN,
    lines_of,
    rules_of,
)
from sequitur.text_core.signals.rules import Rule, first_failed
from sequitur.text_core.signals.urls import Blocklist, BlocklistError, blocked, read_blocklist


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


def judge_of(settings: Select) -> Judge:
    """The judge that a configuration asks for; reads its block lists.

    Raises:
        ConfigError: the settings contradict themselves, or a list cannot be read.
    """
    return Judge(rules_of(settings), tuple(settings.language.keep), settings.language.min_score, _blocklist(settings))


def _blocklist(settings: Select) -> Blocklist | None:
    urls = settings.urls
    if not urls.block_domains and not urls.block_substrings:
        return None
    domains, substrings = lines_of(urls.block_domains, "domains"), lines_of(urls.block_substrings, "substrings")
    try:
        return read_blocklist(domains, substrings)
    except BlocklistError as error:
        raise ConfigError(f"select.urls.block_domains: {error}") from error
