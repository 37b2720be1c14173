"""Word vectors: the saved model against arithmetic in plain Python, and topics against each other."""

from pathlib import Path

import numpy as np
import pytest
from sentence_transformers import SentenceTransformer

from sequitur.text_core.vectors.word_vectors import (
    NoWordsError,
    fit_memory_bytes,
    fit_word_vectors,
    save_sentence_transformer,
)

TOPICS = {
    "sea": "whale harbour sailor tide anchor lighthouse",
    "kitchen": "flour butter oven recipe simmer onion",
    "sky": "comet telescope orbit galaxy nebula eclipse",
}


def _texts(topic: str, count: int, seed: int) -> list[str]:
    """Three words of a topic among three words that every topic uses."""
    rng = np.random.default_rng(seed)
    own, common = TOPICS[topic].split(), ["the", "and", "of", "with", "from", "into"]
    return [" ".join([*rng.choice(own, 3), *rng.choice(common, 3)]) for _ in range(count)]


@pytest.fixture(scope="module")
def texts() -> list[str]:
    return _texts("sea", 120, 1) + _texts("kitchen", 120, 2) + _texts("sky", 8, 3)


@pytest.fixture(scope="module")
def model(texts: list[str], tmp_path_factory: pytest.TempPathFactory) -> SentenceTransformer:
    directory = tmp_path_factory.mktemp("model")
    save_sentence_transformer(fit_word_vectors(texts, dimensions=8), directory)
    return SentenceTransformer(str(directory), device="cpu")


def test_saved_model_is_the_normalised_mean_of_word_rows(texts: list[str], model: SentenceTransformer) -> None:
    word_vectors = fit_word_vectors(texts, dimensions=8)
    token_to_row = {token: row for row, token in enumerate(word_vectors.tokens)}
    mean = np.mean([word_vectors.vectors[token_to_row[word]] for word in ["whale", "oven", "oven"]], axis=0)
    np.testing.assert_allclose(model.encode("Whale, OVEN — oven!"), mean / np.linalg.norm(mean), rtol=1e-5, atol=1e-6)


def test_nearest_neighbors_share_the_topic_even_of_a_minority(texts: list[str], model: SentenceTransformer) -> None:
    vectors = model.encode(texts)
    cosines = vectors @ vectors.T
    np.fill_diagonal(cosines, -1)
    topic = np.repeat([0, 1, 2], [120, 120, 8])
    same = topic[cosines.argmax(axis=1)] == topic
    assert [same[topic == each].mean() for each in range(3)] == [1.0, 1.0, 1.0]


def test_rows_have_the_length_of_their_inverse_document_frequency(texts: list[str]) -> None:
    word_vectors = fit_word_vectors(texts, dimensions=8)
    assert word_vectors.vectors.dtype == np.float32
    assert word_vectors.vectors.shape == (len(word_vectors.tokens), 8)
    for word in ["whale", "the", "eclipse"]:
        texts_with_word = sum(word in text.split() for text in texts)
        length = np.linalg.norm(word_vectors.vectors[word_vectors.tokens.index(word)])
        assert length == pytest.approx(np.log((len(texts) + 1) / texts_with_word), rel=1e-4)


def test_the_same_texts_and_seed_give_the_same_bytes(texts: list[str], tmp_path: Path) -> None:
    for name in ["first", "second"]:
        save_sentence_transformer(fit_word_vectors(texts, dimensions=8), tmp_path / name)
    first = {p.relative_to(tmp_path / "first"): p.read_bytes() for p in (tmp_path / "first").rglob("*.*")}
    second = {p.relative_to(tmp_path / "second"): p.read_bytes() for p in (tmp_path / "second").rglob("*.*")}
    assert first == second
    assert {"model.safetensors", "tokenizer.json", "modules.json"} <= {path.name for path in first}


def test_an_unknown_word_is_read_as_the_known_words_in_it(model: SentenceTransformer) -> None:
    unknown, parts = model.encode(["whalerecipe", "whale recipe"])
    np.testing.assert_allclose(unknown, parts, rtol=1e-5, atol=1e-6)


def test_a_document_without_known_words_is_zero(model: SentenceTransformer) -> None:
    assert not model.encode(["", " \n", "…!?", "Ж", "4" * 10_000]).any()


def test_scripts_without_spaces_are_read_by_character() -> None:
    word_vectors = fit_word_vectors(["鲸鱼在海里", "海里有鲸鱼", "火车"])
    assert {"鲸", "鱼", "海", "里"} <= set(word_vectors.tokens)


def test_fewer_texts_than_dimensions_give_fewer_dimensions() -> None:
    assert fit_word_vectors(["one two two", "one three three"]).vectors.shape[1] == 2


@pytest.mark.parametrize("texts", [[], ["", "?"], ["each word once"]])
def test_a_sample_without_repeated_words_is_refused(texts: list[str]) -> None:
    with pytest.raises(NoWordsError, match="no word occurs twice"):
        fit_word_vectors(texts)


def test_memory_estimate_grows_with_the_sample_and_stops_at_what_is_read() -> None:
    assert fit_memory_bytes(1_000, 1_000_000) < fit_memory_bytes(10_000, 10_000_000)
    assert fit_memory_bytes(1_000, 10**9) == fit_memory_bytes(1_000, 10**10)
