"""Against TF-IDF over Python's sets: the projection may only add the noise that theory says."""

from collections import Counter
from itertools import pairwise
from math import log, sqrt

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sequitur.text_core.units.strings import from_arrow
from sequitur.text_core.vectors import lexical_vectors as lexical

DIMENSIONS = 2048


def texts_of_words(documents: int = 60, seed: int = 5) -> list[str]:
    """Documents of 5 to 200 words, the frequent ones common to all, neighbours alike: each copies some of the last."""
    rng = np.random.default_rng(seed)
    last: list[str] = []
    texts = []
    for _ in range(documents):
        words = [f"w{number}" for number in rng.zipf(1.3, rng.integers(5, 200)) % 5000]
        last = last[: rng.integers(len(last) + 1)] + words
        texts.append(" ".join(last))
    return texts


def vectors_of(texts: list[str], dimensions: int = DIMENSIONS) -> np.ndarray:
    strings = from_arrow(pa.array(texts, pa.large_string()))
    weights = lexical.term_weights(lexical.document_frequencies(strings), len(texts))
    return lexical.lexical_vectors(strings, weights, dimensions)


def exact_cosines(texts: list[str]) -> np.ndarray:
    """By dicts: weights of each document's words and pairs, and their cosines."""
    terms = [{(word,) for word in text.split()} | set(pairwise(text.split())) for text in texts]
    frequency = Counter(term for own in terms for term in own)
    weight = {
        term: sqrt(log((len(texts) + 1) / count)) * (1 if len(term) == 1 else lexical.PAIR_SHARE)
        for term, count in frequency.items()
    }
    length = [sqrt(sum(weight[term] ** 2 for term in own)) for own in terms]
    dots = [[sum(weight[term] ** 2 for term in a & b) for b in terms] for a in terms]
    return np.array(dots) / np.outer(length, length)


@pytest.fixture(scope="module")
def texts() -> list[str]:
    return texts_of_words()


def test_cosines_are_those_of_tfidf_within_the_noise_of_the_projection(texts):
    vectors = vectors_of(texts).astype(np.float64)
    pairs = np.triu_indices(len(texts), 1)
    exact = exact_cosines(texts)[pairs]
    error = (vectors @ vectors.T)[pairs] - exact
    assert exact.max() > 0.5 > 0.1 > exact.min()
    assert abs(error.mean()) < 0.5 / sqrt(DIMENSIONS)  # one projection for all pairs: their errors go together
    assert sqrt((error**2).mean()) < 1.2 / sqrt(DIMENSIONS)
    assert abs(error).max() < 5 / sqrt(DIMENSIONS)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-6)


def test_fewer_dimensions_make_more_noise(texts):
    exact = exact_cosines(texts)
    rows = vectors_of(texts, 256)
    error = rows @ rows.T - exact
    assert 0.7 / 16 < sqrt((error[~np.eye(len(texts), dtype=bool)] ** 2).mean()) < 1.2 / 16


def test_frequencies_count_documents_and_parts_add_up(texts):
    frequencies = lexical.document_frequencies(from_arrow(pa.array([*texts, "once once once"], pa.large_string())))
    terms = [set(text.split()) | set(pairwise(text.split())) for text in [*texts, "once once once"]]
    assert frequencies.sum() == pytest.approx(sum(map(len, terms)), rel=0.01)  # less where two terms share a bucket
    parts = [pa.array(part, pa.large_string()) for part in (texts[:20], texts[20:], ["once once once"])]
    assert np.array_equal(frequencies, sum(lexical.document_frequencies(from_arrow(part)) for part in parts))


def test_repetition_case_and_punctuation_change_nothing():
    rows = vectors_of(
        ["The cat sat", "the CAT, sat!", "cat sat. The cat sat. The cat", "naïve Привет 数据", "NAÏVE привет数据"]
    )
    assert np.array_equal(rows[0], rows[1])
    assert rows[0] @ rows[2] > 0.9
    np.testing.assert_allclose(rows[3], rows[4], atol=1e-6)
    assert abs(rows[0] @ rows[3]) < 0.2


def test_texts_without_words_are_zero_and_one_word_is_not():
    rows = vectors_of(["", " .,;", "word", "other words"])
    assert rows.any(axis=1).tolist() == [False, False, True, True]
    assert vectors_of([]).shape == (0, DIMENSIONS)
    assert not vectors_of(["", ""]).any()


def test_words_that_every_document_holds_weigh_least():
    common, rare = lexical.term_weights(np.array([9, 1]), 9)
    assert 0 < common < rare
    assert lexical.term_weights(np.array([0, 1]), 9)[0] == rare  # unseen is as good as seen once


@settings(max_examples=30)
@given(st.lists(st.text(max_size=30), max_size=6), st.data())
def test_a_row_depends_on_its_own_text_alone(texts, data):
    begin = data.draw(st.integers(0, len(texts)))
    array = pa.array(texts, pa.large_string())
    weights = lexical.term_weights(np.zeros(lexical.BUCKETS, np.int64), 1)
    whole = lexical.lexical_vectors(from_arrow(array), weights, 64)
    assert np.array_equal(lexical.lexical_vectors(from_arrow(array[begin:]), weights, 64), whole[begin:])
    assert np.array_equal(lexical.lexical_vectors(from_arrow(array.cast(pa.string())), weights, 64), whole)


def test_a_document_is_read_up_to_a_number_of_words(monkeypatch):
    words = [f"w{number}" for number in range(lexical.MAX_WORDS + 10)]
    rows = vectors_of([" ".join(words), " ".join(words[: lexical.MAX_WORDS]), " ".join(words[:-20])], 64)
    assert np.array_equal(rows[0], rows[1])
    assert not np.array_equal(rows[0], rows[2])


def test_bits_that_stored_vectors_rely_on():
    """Vectors of one run are compared across workers and resumptions, which must hash alike."""
    weights = np.ones(lexical.BUCKETS, np.float32)
    (row,) = lexical.lexical_vectors(from_arrow(pa.array(["colourless green ideas"])), weights, 16)
    pinned = [0, 7, -16, 30, 0, 7, 46, -68, 30, -23, 7, 7, 0, 0, -23, 7]
    assert (row * 100).round().astype(int).tolist() == pinned


def test_wrong_weights_and_dimensions_are_refused():
    strings = from_arrow(pa.array(["a"]))
    with pytest.raises(ValueError, match="make them by term_weights"):
        lexical.lexical_vectors(strings, np.ones(5, np.float32), 16)
    with pytest.raises(ValueError, match="at least 1"):
        lexical.lexical_vectors(strings, np.ones(lexical.BUCKETS, np.float32), 0)
