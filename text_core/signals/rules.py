"""Which rule a document fails first: published thresholds applied to stored signals."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt


class MissingSignalError(ValueError):
    """A rule names a signal that was not given."""


class Bounds(NamedTuple):
    """minimum ≤ signal ≤ maximum."""

    signal: str
    minimum: float | None = None
    maximum: float | None = None


class Rule(NamedTuple):
    """Keep a document when minimum ≤ signal ≤ maximum; `name` is the reason given for dropping it.

    The rule is tried only on documents within all bounds of `where`.
    """

    name: str
    signal: str
    minimum: float | None = None
    maximum: float | None = None
    where: tuple[Bounds, ...] = ()

    @property
    def signals(self) -> tuple[str, ...]:
        """The signals that it goes by."""
        return (self.signal, *(bounds.signal for bounds in self.where))

    @classmethod
    def of_stored(cls, fields: Sequence[Any]) -> "Rule":
        """The rule that was stored as JSON, in lists; `where` may be missing."""
        name, signal, minimum, maximum, *where = fields
        return cls(name, signal, minimum, maximum, tuple(Bounds(*bounds) for among in where for bounds in among))


# One bound a rule, so that a reason says what was wrong. Bounds are the published ones, as datatrove 0.10 reads them.

# Rae et al. 2021 (arXiv 2112.11446), A1.1.
GOPHER_QUALITY: tuple[Rule, ...] = (
    # "any document that does not contain between 50 and 100,000 words"
    Rule("gopher_too_few_words", "word_count", minimum=50),
    Rule("gopher_too_many_words", "word_count", maximum=100_000),
    # "or whose mean word length is outside the range of 3 to 10 characters"
    Rule("gopher_words_too_short", "mean_word_length", minimum=3),
    Rule("gopher_words_too_long", "mean_word_length", maximum=10),
    # "a symbol-to-word ratio greater than 0.1 for either the hash symbol or the ellipsis"
    Rule("gopher_too_many_hashes", "hash_to_word_ratio", maximum=0.1),
    Rule("gopher_too_many_ellipses", "ellipsis_to_word_ratio", maximum=0.1),
    # "more than 90% of lines starting with a bullet point, or more than 30% ending with an ellipsis"
    Rule("gopher_too_many_bullet_lines", "bullet_line_ratio", maximum=0.9),
    Rule("gopher_too_many_ellipsis_lines", "ellipsis_line_ratio", maximum=0.3),
    # "80% of words in a document contain at least one alphabetic character"
    Rule("gopher_too_few_alphabetic_words", "alphabetic_word_ratio", minimum=0.8),
    # "at least two of the following English words: the, be, to, of, and, that, have, with"
    Rule("gopher_too_few_stop_words", "stop_word_count", minimum=2),
)

# Where scripts put no spaces between words, a "word" is a letter and a chunk a sentence; where one letter in ten is of
# such a script, their means are already another's.
SPACED = Bounds("spaced_share", minimum=0.9)
NOT_HANGUL = Bounds("hangul_share", maximum=0.1)  # which spaces words, but here each syllable counts as one
KNOWN_STOP_WORDS = Bounds("stop_words_known", minimum=1)

# The same for texts of any kind and language. datatrove counts alphabetic words among its tokenizer's, of which every
# bracket and full stop is one, so that nearly all technical text falls to that rule: here chunks are counted. And
# languages differ in their words: Vietnamese and Hindi write them in 3.3 and 3.6 code points in the mean, English in
# 4.4, Tamil in 6.7, of which 4.1 are letters.
GOPHER_LENIENT: tuple[Rule, ...] = (
    *GOPHER_QUALITY[:2],
    Rule("gopher_words_too_short", "mean_word_length", minimum=2.5, where=(SPACED, NOT_HANGUL)),
    Rule("gopher_words_too_long", "letters_per_word", maximum=10, where=(SPACED, NOT_HANGUL)),
    *GOPHER_QUALITY[4:8],
    Rule("gopher_too_few_stop_words", "stop_word_count", minimum=2, where=(SPACED, NOT_HANGUL, KNOWN_STOP_WORDS)),
    Rule("gopher_too_few_alphabetic_chunks", "alphabetic_chunk_ratio", minimum=0.8, where=(SPACED,)),
)

# For titles, questions, entries of a list: what is asked of running text is not asked of a few words. No paper's; a
# text falls only where it is hardly text at all.
GOPHER_SHORT: tuple[Rule, ...] = (
    Rule("gopher_too_few_words", "word_count", minimum=3),
    Rule("gopher_too_many_words", "word_count", maximum=100_000),
    Rule("gopher_words_too_short", "mean_word_length", minimum=2, where=(SPACED, NOT_HANGUL)),
    Rule("gopher_words_too_long", "letters_per_word", maximum=15, where=(SPACED, NOT_HANGUL)),
    Rule("gopher_too_many_hashes", "hash_to_word_ratio", maximum=0.3),
    Rule("gopher_too_many_ellipses", "ellipsis_to_word_ratio", maximum=0.3),
    Rule("gopher_too_few_alphabetic_chunks", "alphabetic_chunk_ratio", minimum=0.5, where=(SPACED,)),
)

# Rae et al. 2021, Table A1.
GOPHER_REPETITION: tuple[Rule, ...] = (
    Rule("gopher_duplicate_paragraphs", "duplicate_paragraph_fraction", maximum=0.30),
    Rule("gopher_duplicate_paragraph_chars", "duplicate_paragraph_char_fraction", maximum=0.20),
    Rule("gopher_duplicate_lines", "duplicate_line_fraction", maximum=0.30),
    Rule("gopher_duplicate_line_chars", "duplicate_line_char_fraction", maximum=0.20),
    Rule("gopher_top_2_gram", "top_2_gram_char_fraction", maximum=0.20),
    Rule("gopher_top_3_gram", "top_3_gram_char_fraction", maximum=0.18),
    Rule("gopher_top_4_gram", "top_4_gram_char_fraction", maximum=0.16),
    Rule("gopher_duplicate_5_grams", "duplicate_5_gram_char_fraction", maximum=0.15),
    Rule("gopher_duplicate_6_grams", "duplicate_6_gram_char_fraction", maximum=0.14),
    Rule("gopher_duplicate_7_grams", "duplicate_7_gram_char_fraction", maximum=0.13),
    Rule("gopher_duplicate_8_grams", "duplicate_8_gram_char_fraction", maximum=0.12),
    Rule("gopher_duplicate_9_grams", "duplicate_9_gram_char_fraction", maximum=0.11),
    Rule("gopher_duplicate_10_grams", "duplicate_10_gram_char_fraction", maximum=0.10),
)

# Raffel et al. 2020 (arXiv 1910.10683), §2.2; counted in the lines that its line rules keep.
C4: tuple[Rule, ...] = (
    # "removed any page where the phrase “lorem ipsum” appeared"
    Rule("c4_lorem_ipsum", "c4_lorem_ipsum_lines", maximum=0),
    # "removed any pages that contained a curly bracket"
    Rule("c4_curly_bracket", "c4_curly_bracket_lines", maximum=0),
    # "discarded any page with fewer than 5 sentences"
    Rule("c4_too_few_sentences", "c4_sentence_count", minimum=5),
)

# Penedo et al. 2024 (arXiv 2406.17557), §3.6 and appendix; the last two as datatrove has them beside the paper's.
FINEWEB: tuple[Rule, ...] = (
    # "fraction of lines ending with punctuation ≤ 0.12"
    Rule("fineweb_too_few_terminated_lines", "line_punct_ratio", minimum=0.12),
    # "fraction of lines shorter than 30 characters ≥ 0.67"
    Rule("fineweb_too_many_short_lines", "short_line_ratio", maximum=0.67),
    # "fraction of characters in duplicated lines ≥ 0.1" in the paper; 0.01 in the code that made the dataset
    Rule("fineweb_duplicate_line_chars", "char_dup_ratio", maximum=0.01),
    Rule("fineweb_too_many_lines", "newline_to_token_ratio", maximum=0.3),
)

PRESETS: dict[str, tuple[Rule, ...]] = {
    "gopher_lenient": GOPHER_LENIENT,
    "gopher_short": GOPHER_SHORT,
    "gopher_quality": GOPHER_QUALITY,
    "gopher_repetition": GOPHER_REPETITION,
    "c4": C4,
    "fineweb": FINEWEB,
}


def first_failed(rules: Sequence[Rule], signals: Mapping[str, npt.NDArray[Any]]) -> npt.NDArray[np.int16]:
    """The index of the first rule that each of n documents fails, −1 where it passes all: int16[n].

    Bounds are inclusive and compared in the signal's own dtype, so a float32 ratio of 0.1 passes `maximum=0.1`. NaN
    fails every rule on its signal, and is outside the bounds of `where`. Raises MissingSignalError when a signal that a
    rule goes by is absent.
    """
    documents = len(next(iter(signals.values()), ()))
    failed = np.full(documents, -1, dtype=np.int16)
    for index, rule in enumerate(rules):
        for signal in rule.signals:
            if signal not in signals:
                raise MissingSignalError(
                    f"rule {rule.name} needs the signal {signal}; compute it, or drop the rule (there are: "
                    f"{', '.join(sorted(signals))})"
                )
        dropped = ~_within(signals[rule.signal], rule.minimum, rule.maximum)
        for signal, minimum, maximum in rule.where:
            dropped &= _within(signals[signal], minimum, maximum)
        failed[dropped & (failed == -1)] = index
    return failed


def _within(values: npt.NDArray[Any], minimum: float | None, maximum: float | None) -> npt.NDArray[np.bool_]:
    within: npt.NDArray[np.bool_] = ~np.isnan(values)
    if minimum is not None:
        within &= values >= float(minimum)
    if maximum is not None:
        within &= values <= float(maximum)
    return within
