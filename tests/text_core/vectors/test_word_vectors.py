"""Word vectors: the saved model against arithmetic in plain Python, and topics against each other."""

from pathlib import Path

import numpy as np
import pytest
from sentence_transformers import SentenceTransformer

from sequitur.text_core.vectors.saved_word_vectors import save_sentence_transformer
from sequitur.text_core.vectors.word_vectors import NoWordsError, fit_memory_bytes, fit_word_vectors

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


def _of_a_rare_language(seed: int) -> tuple[list[str], np.ndarray, np.ndarray]:
    """1,200 texts of a main language, in 30 topics, and 24 of another, in 4: texts, languages, topics (from 100 on).

    A text has 30 of the 60 function words of its language, and one of the 2 words of its topic.
    """
    rng = np.random.default_rng(seed)
    languages = np.repeat([0, 1], [1200, 24])
    topics = np.concatenate([np.arange(1200) % 30, 100 + np.arange(24) % 4])
    texts = []
    for language, topic in zip(languages, topics, strict=True):
        common = [f"f{language}x{word}" for word in rng.permutation(60)[:30]]
        texts.append(" ".join([*common, f"t{topic}x{rng.integers(2)}"]))
    return texts, languages, topics


def _judged(texts: list[str], topics: np.ndarray, rare: np.ndarray, languages: np.ndarray | None) -> list[float]:
    """Mean cosine of the rare language to its mean; share of its texts, and of the others, whose nearest text of the
    same language has their topic."""
    word_vectors = fit_word_vectors(texts, dimensions=48, languages=languages)
    rows = dict(zip(word_vectors.tokens, word_vectors.vectors, strict=True))
    vectors = np.array([sum(rows[word] for word in text.split() if word in rows) for text in texts])
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    mean = vectors[rare].mean(axis=0)
    found = [float((vectors[rare] @ mean).mean() / np.linalg.norm(mean))]
    for some in (rare, ~rare):
        cosines = vectors[some] @ vectors[some].T
        np.fill_diagonal(cosines, -1)
        found.append(float((topics[some][cosines.argmax(axis=1)] == topics[some]).mean()))
    return found


def test_texts_of_a_rare_language_are_told_apart_by_topic() -> None:
    before, after = [], []
    for seed in range(4):
        texts, languages, topics = _of_a_rare_language(seed)
        rare = languages == 1
        before.append(_judged(texts, topics, rare, None))
        after.append(_judged(texts, topics, rare, languages))
    (collapsed, guessed, others), (spread, told, as_many) = np.mean(before, axis=0), np.mean(after, axis=0)
    assert guessed < 0.5 < 0.8 < told  # 0.22 is chance
    assert collapsed > spread
    assert as_many >= others - 0.01


def test_words_of_a_language_weigh_by_its_texts() -> None:
    texts = ["the whale", "the harbour", "the oven", "le whale", "le four", "le oven le"] * 5
    languages = np.array([0, 0, 0, 1, 1, 1] * 5)
    word_vectors = fit_word_vectors(texts, dimensions=4, languages=languages)
    lengths = dict(zip(word_vectors.tokens, np.linalg.norm(word_vectors.vectors, axis=1), strict=True))
    assert lengths["the"] == pytest.approx(np.log(16 / 15), rel=1e-4)
    assert lengths["le"] == pytest.approx(np.log(16 / 15), rel=1e-4)
    assert lengths["four"] == pytest.approx(np.log(16 / 5), rel=1e-4)
    assert lengths["whale"] == pytest.approx(np.log(16 / 5), rel=1e-4)  # 5 texts of 15 in both


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
