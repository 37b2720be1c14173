"""Which documents stay."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from sequitur.pipeline.sections.section import Preset, Section, Share, one_or_more


class Limit(Section):
    """An own rule: a document is kept where min ≤ signal ≤ max."""

    signal: str = Field(description="Name of a signal.")
    min: float | None = Field(None, description="Least value that is kept.")
    max: float | None = Field(None, description="Largest value that is kept.")
    name: str | None = Field(
        None, pattern=r"^[a-z][a-z0-9_]*$", description="The reason given for a drop; by default made of the signal."
    )


class Language(Section):
    """Keeping documents by language."""

    keep: list[Annotated[str, Field(pattern=r"^[a-z]{2,3}$")]] = Field(
        default_factory=list, description="Codes of the languages that are kept, as in `en`; empty: all."
    )
    min_score: Share = Field(0.5, description="A document is kept only if its language is at least this certain.")


class Urls(Section):
    """Dropping documents by URL."""

    block_domains: Annotated[list[str], BeforeValidator(one_or_more)] = Field(
        default_factory=list, description="Files with a domain a line; their subdomains are blocked too."
    )
    block_substrings: Annotated[list[str], BeforeValidator(one_or_more)] = Field(
        default_factory=list, description="Files with a string a line; a URL that contains one is blocked, in any case."
    )


def _no_rules(value: object) -> object:
    return [] if value == "none" else one_or_more(value)


def _none_or_more(value: object) -> object:
    return [] if value is None else one_or_more(value)


class Subset(Section):
    """Keeping a part of the documents by their vectors."""

    by: Literal["coverage", "targets"] | None = Field(
        None,
        description="coverage keeps documents that represent all (facility location on the neighbours), targets those "
        "nearest to given texts; null keeps all.",
    )
    share: float = Field(0.5, gt=0, le=1, description="Share of the documents that is kept.")
    targets: Annotated[list[str], BeforeValidator(one_or_more)] = Field(
        default_factory=list,
        description="For targets: files (JSONL or text), directories or globs; each record or paragraph is a target.",
    )

    @model_validator(mode="after")
    def _has_targets(self) -> Subset:
        if (self.by == "targets") != bool(self.targets):
            raise ValueError("by: targets and the files in targets go together")
        return self


class Select(Section):
    """Deciding by the stored signals which documents are kept. Every drop is named by its rule."""

    rules: Annotated[list[Preset], BeforeValidator(_no_rules)] = Field(
        default=["gopher_lenient"],
        description="Presets of rules: gopher_lenient, gopher_short, gopher_quality, gopher_repetition, c4, fineweb. "
        "none: no rules.",
    )
    thresholds: dict[str, float | None] = Field(
        default_factory=dict,
        description="Other bounds for single rules of the presets, by rule name; null switches a rule off.",
    )
    limits: list[Limit] = Field(
        default_factory=list, description="Own rules: {signal, min, max}, tried after the presets'."
    )
    language: Language = Language()
    urls: Urls = Urls()
    subset: Subset = Subset()
    decontaminate: Annotated[list[str], BeforeValidator(one_or_more)] = Field(
        default_factory=list,
        description="Evaluation files (JSONL or text), directories or globs; documents that share words with them are "
        "contaminated.",
    )
    decontaminate_words: int = Field(13, ge=2, le=100, description="Successive words that make a contamination.")
    decontaminate_action: Literal["drop", "report"] = Field(
        "drop", description="Whether contaminated documents are dropped or only reported."
    )
    against: Annotated[list[str], BeforeValidator(_none_or_more)] = Field(
        default_factory=list,
        description="Run directory of another corpus, or several; what duplicates a document that one of them keeps is "
        "dropped.",
    )
    against_ids: bool = Field(
        False,
        description="Drop also documents whose id one of them has, as `sequitur extend` does: for runs of one name, in "
        "which an id means one record.",
    )
    exact_duplicates: bool = Field(True, description="Drop documents whose normalised text another one has.")
    fuzzy_duplicates: bool = Field(True, description="Drop documents whose shingles nearly are another one's.")
    jaccard: float = Field(
        0.8,
        ge=0.3,
        le=1,
        description="True Jaccard similarity of shingle sets from which on two documents are one.",
    )
    survivor: str = Field(
        "longest",
        pattern=r"^(longest|newest|source_priority|best:[a-z][a-z0-9_]*)$",
        description="Which of several duplicates stays: longest, newest, source_priority, or best:SIGNAL.",
    )
    source_priority: list[str] = Field(
        default_factory=list, description="For survivor: source_priority: sources, the preferred one first."
    )
    alarm_share: Share = Field(
        0.5,
        description="A warning is given where a step (a rule, a kind of duplicates, …) takes more than this share of a "
        "source or of a language.",
    )
    in_memory_links: int = Field(
        50_000_000, ge=0, description="More links between duplicates than this are joined by Beam jobs, not in memory."
    )
