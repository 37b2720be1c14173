"""A saved model is an ordinary one; what is not as it is saved is refused by name before a kernel sees it."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file
from sentence_transformers import SentenceTransformer
from sentence_transformers.models import Normalize, StaticEmbedding

from sequitur.text_core.vectors.saved_word_vectors import (
    ForeignModelError,
    read_sentence_transformer,
    save_sentence_transformer,
)
from sequitur.text_core.vectors.word_vectors import WordVectors

TOKENS = ["[UNK]", "whale", "##oven", 'quo"te\n', "é", "人"]
ROWS = np.vstack([np.zeros(3), np.random.default_rng(0).standard_normal((len(TOKENS) - 1, 3))]).astype(np.float32)


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    save_sentence_transformer(WordVectors(TOKENS, ROWS), tmp_path / "model")
    return tmp_path / "model"


def test_what_is_saved_is_read(saved: Path) -> None:
    tokens, rows = read_sentence_transformer(saved)
    assert tokens == TOKENS
    assert np.array_equal(rows, ROWS)
    assert rows.dtype == np.float32


def test_sentence_transformers_reads_what_is_saved_and_what_it_saves_is_read(saved: Path, tmp_path: Path) -> None:
    model = SentenceTransformer(str(saved), device="cpu")
    assert [type(module) for module in model] == [StaticEmbedding, Normalize]
    np.testing.assert_allclose(model.encode("Whale"), ROWS[1] / np.linalg.norm(ROWS[1]), atol=1e-6)
    assert model.similarity_fn_name == "cosine"
    model.save(str(tmp_path / "again"), create_model_card=False)
    assert read_sentence_transformer(tmp_path / "again").tokens == TOKENS


def test_neither_torch_nor_sentence_transformers_is_imported(saved: Path) -> None:
    script = (
        "import sys, pyarrow as pa\n"
        "from sequitur.text_core.vectors import saved_word_vectors as saved\n"
        "from sequitur.text_core.vectors.word_means import vocabulary_of, word_means\n"
        "from sequitur.text_core.vectors.word_vectors import fit_word_vectors\n"
        f"words = saved.read_sentence_transformer({str(saved)!r})\n"
        "text = pa.array(['e\\u0301 whale'], pa.large_string())\n"
        "assert word_means(text, vocabulary_of(words.tokens), words.vectors).any()\n"
        f"saved.save_sentence_transformer(fit_word_vectors(['one two two', 'one three three']), {str(saved)!r})\n"
        "print({'torch', 'transformers', 'sentence_transformers', 'sklearn'} & set(sys.modules))"
    )
    assert subprocess.check_output([sys.executable, "-c", script], text=True).strip() == "set()"


def tokenizer_with(change: Callable[[Any], Any]) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        file = path / "tokenizer.json"
        content = json.loads(file.read_text())
        change(content)
        file.write_text(json.dumps(content))

    return damage


def weights(**tensors: np.ndarray) -> Callable[[Path], None]:
    return lambda path: save_file(
        {name.replace("_", "."): rows for name, rows in tensors.items()}, path / "model.safetensors"
    )


def cut(name: str) -> Callable[[Path], None]:
    return lambda path: (path / name).write_bytes((path / name).read_bytes()[:40]) and None


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (cut("model.safetensors"), "damaged"),
        (cut("tokenizer.json"), "damaged"),
        (cut("modules.json"), "damaged"),
        (weights(other=ROWS), "damaged, or without embedding.weight"),
        (weights(embedding_weight=ROWS[:-1]), "not float32 with a row for each of 6 tokens"),
        (weights(embedding_weight=ROWS.astype(np.float64)), "not float32"),
        (weights(embedding_weight=ROWS[:, 0].copy()), "not float32"),
        (weights(embedding_weight=np.zeros((len(TOKENS), 0), np.float32)), "not float32"),
        (weights(embedding_weight=ROWS + np.float32(1)), r"the row of \[UNK\] is not zero"),
        (tokenizer_with(lambda content: content["model"]["vocab"].update(whale=10**9)), "the rows of the tokens"),
        (tokenizer_with(lambda content: content["model"]["vocab"].update(whale=-1)), "the rows of the tokens"),
        (tokenizer_with(lambda content: content["model"]["vocab"].update(whale=2)), "the rows of the tokens"),
        (tokenizer_with(lambda content: content["model"]["vocab"].update(whale=1.0)), "no tokens with the number"),
        (tokenizer_with(lambda content: content["model"].update(vocab=[])), "no tokens with the number"),
        (tokenizer_with(lambda content: content["model"].update(vocab={})), "the rows of the tokens"),
        (tokenizer_with(lambda content: content.update(model=None)), "not a tokenizer"),
        (
            tokenizer_with(lambda content: content["model"].update(max_input_chars_per_word=10**9)),
            "not the tokenizer of",
        ),
        (tokenizer_with(lambda content: content.update(normalizer=None)), "not the tokenizer of"),
        (
            tokenizer_with(lambda content: content.update(added_tokens=[{"id": 9, "content": "x"}])),
            "not the tokenizer of",
        ),
        (
            tokenizer_with(lambda content: content["model"]["vocab"].update({"\ud800": len(TOKENS)})),
            "tokens that are no text",
        ),
        (lambda path: (path / "tokenizer.json").write_text("[" * 100_000) and None, "damaged"),
        (lambda path: (path / "modules.json").write_text("[1, {}]") and None, "StaticEmbedding and Normalize"),
        (lambda path: (path / "modules.json").write_text('[{"type": "os.system"}]') and None, "StaticEmbedding and"),
    ],
)
def test_a_directory_of_another_kind_is_refused(saved: Path, damage: Callable[[Path], None], told: str) -> None:
    damage(saved)
    with pytest.raises(ForeignModelError, match=told) as caught:
        read_sentence_transformer(saved)
    assert str(saved) in str(caught.value)


def test_a_file_that_is_missing_is_an_error_of_the_system(saved: Path) -> None:
    shutil.rmtree(saved)
    with pytest.raises(FileNotFoundError):
        read_sentence_transformer(saved)
