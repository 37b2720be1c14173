# ruff: noqa: RUF001 (characters that look alike are what is tested)
"""Vectors over Arrow buffers are those that sentence-transformers computes of the same directory."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sentence_transformers import SentenceTransformer

from sequitur.text_core.vectors.saved_word_vectors import read_sentence_transformer, save_sentence_transformer
from sequitur.text_core.vectors.word_means import MAX_CHARACTERS, vocabulary_of, word_means
from sequitur.text_core.vectors.word_vectors import WordVectors, fit_word_vectors

TEXTS = [
    "The whale, an oven and read_csv2: whaleoven, ovenwhales; 1234 whale1234.",
    "Der Straßenbahnführer grüßt die Überseedampfschifffahrt und fährt über die Straße",
    "Ünïcödé ﬁne ½ ２０２４ İstanbul ẞ ΣΊΣΥΦΟΣ σίσυφος ㎏ ﷺ … ™",
    "人工智能是计算机科学的一个分支，人工智能。日本語のテキスト カ\u3099ガ",
    "ภาษาไทยกำลังน้ำ ພາສາລາວ ភាសាខ្មែរ မြန်မာဘာသာ",
    "हिन्दी क़लम क\u093cलम বাংলা য় தமிழ் हिन्दीकलम",
    "العربيّة مُحَمَّد שָׁלוֹם Привет, мир и война и миръ",
    "한국어 \u1112\u1161\u11ab국어 가\u11a8 Tiếng Việt tie\u0302\u0301ng vie\u0323\u0302t",
    "👩\u200d🔬 emoji ❤\ufe0f whale",
]


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("words") / "model"
    save_sentence_transformer(fit_word_vectors([*TEXTS, *TEXTS[::2], "whale oven"], dimensions=8), path)
    return path


@pytest.fixture(scope="module")
def library(saved: Path) -> SentenceTransformer:
    return SentenceTransformer(str(saved), device="cpu")


@pytest.fixture(scope="module")
def words(saved: Path) -> WordVectors:
    return read_sentence_transformer(saved)


def means(words: WordVectors, texts: list[str]) -> np.ndarray:
    return word_means(pa.array(texts, pa.large_string()), vocabulary_of(words.tokens), words.vectors)


def test_vectors_are_those_of_the_library(library, words):
    hard = [
        *TEXTS,
        " ".join(TEXTS),
        "",
        "?",
        "w" * MAX_CHARACTERS,
        "whale" * (MAX_CHARACTERS // 5),
        "whale" * (MAX_CHARACTERS // 5) + "s",
        "whaleЖ oven",
        "##whale [UNK] ## #",
        "oven " * 100,
    ]
    found = means(words, hard)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, library.encode(hard), atol=1e-6)
    nothing = ["", "?", "w" * MAX_CHARACTERS, "whale" * (MAX_CHARACTERS // 5) + "s"]
    assert [text for text, vector in zip(hard, found, strict=True) if not vector.any()] == nothing


PIECES = st.sampled_from(
    ["whale", "oven", "Oven", "ing", "_", "straße", "人", "ﬁ", "½", "e\u0301", "\u0301", " ", "#", "क़"]
)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.lists(st.one_of(PIECES, st.text(max_size=4)), max_size=20).map("".join), max_size=5))
def test_vectors_of_any_texts_are_those_of_the_library(library, words, texts):
    expected = library.encode(texts) if texts else np.empty((0, words.vectors.shape[1]))
    np.testing.assert_allclose(means(words, texts), expected, atol=1e-6)


def test_a_vector_does_not_depend_on_what_stands_beside_it(words):
    vocabulary = vocabulary_of(words.tokens)
    together = pa.array([*TEXTS, None, *TEXTS], pa.large_string())
    found = word_means(together, vocabulary, words.vectors)
    alone = [
        word_means(together[at : at + 1], vocabulary_of(words.tokens), words.vectors)[0] for at in range(len(found))
    ]
    assert np.array_equal(found, np.stack(alone))
    assert np.array_equal(word_means(together[3:], vocabulary, words.vectors), found[3:])
    assert not found[len(TEXTS)].any()


def test_a_word_is_the_longest_tokens_of_which_it_is_made():
    tokens = [
        "[UNK]",
        "a",
        "ab",
        "##b",
        "##bc",
        "##c",
        "##",
        "",
        "##cd",
        "xyz",
        "wxyz",
        "vwxyz",
        "##klm",
        "##jklm",
        "##ijklm",
    ]
    rows = np.zeros((len(tokens), len(tokens)), dtype=np.float32)
    np.fill_diagonal(rows[1:, 1:], 1)
    split = {
        "abc": ["ab", "##c"],
        "abbc": ["ab", "##bc"],
        "abcd": ["ab", "##cd"],
        "cab": [],
        "abd": [],
        "a b": ["a"],
        "xyzklm": ["xyz", "##klm"],
        "wxyzjklm": ["wxyz", "##jklm"],
        "vwxyzijklm": ["vwxyz", "##ijklm"],
        "wxyzijkl": [],
        "abijklmc": ["ab", "##c", "##ijklm"],
    }
    found = word_means(pa.array(list(split), pa.large_string()), vocabulary_of(tokens), rows)
    assert [[tokens[row] for row in np.flatnonzero(vector)] for vector in found] == list(split.values())


def test_each_token_has_a_row(words):
    with pytest.raises(ValueError, match="give each its row"):
        word_means(pa.array(["whale"], pa.large_string()), vocabulary_of(words.tokens), words.vectors[:-1])
