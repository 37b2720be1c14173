"""Which rule a document fails first: published thresholds applied to stored signals."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt


class MissingSignalError(ValueError):
    """A rule names a signal that was not given."""


class Rule(NamedTuple):
    """Keep a document when minimum ≤ signal ≤ maximum; `name` is the reason given for dropping it."""

    name: str
    signal: str
    minimum: float | None = None
    maximum: float | None = None


# Rae et al. 2021 (arXiv 2112.11446), A1.1; one bound a rule, so that a reason says what was wrong.
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


def first_failed(rules: Sequence[Rule], signals: Mapping[str, npt.NDArray[Any]]) -> npt.NDArray[np.int16]:
    """The index of the first rule that each of n documents fails, −1 where it passes all: int16[n].

    Bounds are inclusive and compared in the signal's own dtype, so a float32 ratio of 0.1 passes `maximum=0.1`.
    NaN fails every rule on its signal. Raises MissingSignalError when a rule's signal is absent.
    """
    documents = len(next(iter(signals.values()), ()))
    failed = np.full(documents, -1, dtype=np.int16)
    for index, rule in enumerate(rules):
        if rule.signal not in signals:
            raise MissingSignalError(
                f"rule {rule.name} needs the signal {rule.signal}; compute it, or drop the rule (there are: "
                f"{', '.join(sorted(signals))})"
            )
        values = signals[rule.signal]
        passed = ~np.isnan(values)
        if rule.minimum is not None:
            passed &= values >= float(rule.minimum)
        if rule.maximum is not None:
            passed &= values <= float(rule.maximum)
        failed[~passed & (failed == -1)] = index
    return failed
