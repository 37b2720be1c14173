"""Languages of a sample: shares that add up, and a language's part in the cosine of two documents."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sequitur.text_core.units.strings import from_arrow
from sequitur.text_core.vectors.languages import (
    LANGUAGE_SHARE,
    LEAST_TEXTS,
    language_numbers,
    language_shares,
    with_languages,
)
from sequitur.text_core.vectors.lexical_vectors import BUCKETS, lexical_vectors

SHARES = {"en": 0.9, "uk": 0.06, "th": 0.04}


def _vectors(texts: list[str]) -> np.ndarray:
    return lexical_vectors(from_arrow(pa.array(texts, pa.large_string())), np.ones(BUCKETS, np.float32), 1024)


@given(st.lists(st.sampled_from(["en", "uk", "th", "und"]), max_size=80))
def test_shares_fall_and_add_up_and_few_texts_count_with_the_first(codes: list[str]) -> None:
    shares = language_shares(codes)
    assert list(shares.values())[1:] == sorted(list(shares.values())[1:], reverse=True)
    assert sum(shares.values()) == pytest.approx(1 if codes else 0)
    for place, (code, share) in enumerate(shares.items()):
        assert codes.count(code) == max(map(codes.count, set(codes))) if not place else codes.count(code) >= LEAST_TEXTS
        others = [other for other in codes if not place and other not in shares]
        assert share == pytest.approx((codes.count(code) + len(others)) / len(codes))
    numbers = language_numbers(codes, shares)
    assert [list(shares)[number] for number in numbers] == [
        code if code in shares else next(iter(shares)) for code in codes
    ]


def test_cosines_are_those_of_the_words_and_of_the_language_in_the_stated_shares() -> None:
    words = _vectors(["git rebase keeps history", "git rebase moves commits", "an oven and a recipe"])
    of_words = words[0] @ words[1]
    for languages, alike in (([1, 1, 1], True), ([1, 2, 1], False)):
        found = with_languages(words, np.array(languages), SHARES)
        np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)
        shares = [LANGUAGE_SHARE * (1 - list(SHARES.values())[each]) for each in languages[:2]]
        expected = np.sqrt((1 - shares[0]) * (1 - shares[1])) * of_words + alike * shares[0]
        assert found[0] @ found[1] == pytest.approx(expected, abs=0.07)  # the noise of the projection


def test_one_language_changes_nothing_and_nothing_stays_nothing() -> None:
    words = _vectors(["one two three", "", "…"])
    np.testing.assert_allclose(with_languages(words, np.zeros(3, np.int64), {"en": 1.0}), words, atol=1e-6)
    assert not with_languages(words, np.full(3, 2), SHARES)[1:].any()
    assert with_languages(words[:0], np.zeros(0, np.int64), {}).shape == (0, 1024)
