"""With a lexical weight, cosines are the model's and the words' in the stated shares, and the model's own come back."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from sequitur.pipeline import builds
from sequitur.pipeline.stage import Run
from sequitur.stages.embed import lexical
from sequitur.stages.embed import stage as embed
from sequitur.stages.embed.declaration import parameters
from sequitur.stages.embed.fitting import word_parameters
from sequitur.stages.shared.columns.stored_vectors import StoredVectors
from sequitur.text_core.signals.language import languages
from sequitur.text_core.signals.stop_words import built_in_stop_words
from sequitur.text_core.units.strings import from_arrow
from sequitur.text_core.vectors.languages import language_numbers, language_shares, with_languages
from sequitur.text_core.vectors.lexical_vectors import lexical_vectors

Execute = Callable[..., Run]
WEIGHT, DIMENSIONS = 0.4, 256
SHARE = {"lexical_weight": WEIGHT, "lexical_dimensions": DIMENSIONS}
NONE = {"lexical_weight": 0.0}


def cosines(vectors: np.ndarray) -> np.ndarray:
    return vectors.astype(np.float32) @ vectors.astype(np.float32).T


@pytest.fixture(scope="module")
def pure(execute: Execute, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Up to the vectors, by the model alone."""
    return execute(tmp_path_factory.mktemp("pure") / "run", "embed", embed=NONE)


@pytest.fixture(scope="module")
def mixed(pure: Run, execute: Execute, tmp_path_factory: pytest.TempPathFactory) -> Run:
    output = shutil.copytree(pure.config.output, tmp_path_factory.mktemp("mixed") / "run")
    return execute(output, "embed", embed=SHARE)


def test_cosines_add_in_the_stated_shares(pure: Run, mixed: Run, rows: Any) -> None:
    documents = zip(rows(mixed), rows(mixed, "selection"), strict=True)
    texts = pa.array([document["text"] for document, verdict in documents if verdict["kept"]], pa.large_string())
    weights, shares = lexical.read(mixed.artifact("vectors"))
    codes = languages(texts)[0].to_pylist()
    assert shares == language_shares(codes)  # of all: the sample is larger
    words = lexical_vectors(from_arrow(texts), weights, DIMENSIONS)
    words = with_languages(words, language_numbers(codes, shares), shares)
    expected = (1 - WEIGHT) * cosines(StoredVectors(pure.artifact("vectors"), own=False).all()) + WEIGHT * cosines(
        words
    )
    np.testing.assert_allclose(cosines(StoredVectors(mixed.artifact("vectors"), own=False).all()), expected, atol=3e-3)
    assert list(embed.verify(mixed)) == []


def test_the_models_own_vectors_come_back(pure: Run, mixed: Run) -> None:
    statistics = mixed.manifest("vectors").statistics
    assert (statistics["dimensions"], statistics["model_dimensions"]) == (48 + DIMENSIONS, 48)
    assert statistics["lexical_weight"] == WEIGHT
    own = StoredVectors(mixed.artifact("vectors"), own=True).all()
    assert own.dtype == np.float16
    np.testing.assert_allclose(
        own.astype(np.float32), StoredVectors(pure.artifact("vectors"), own=False).all().astype(np.float32), atol=1e-3
    )
    assert np.array_equal(
        StoredVectors(pure.artifact("vectors"), own=True).all(),
        StoredVectors(pure.artifact("vectors"), own=False).all(),
    )


def test_a_document_without_one_of_both_has_the_other_alone(execute: Execute, corpus: Any, tmp_path: Path) -> None:
    texts = ["!!! ???", "Not a known word among these.", f"Here is {corpus.words[0]}."]
    path = tmp_path / "texts.jsonl"
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    sections = {"ingest": {"inputs": [str(path)]}, "select": {"rules": "none"}, "embed": SHARE}
    run = execute(tmp_path / "run", "embed", **sections)
    lengths = np.linalg.norm(StoredVectors(run.artifact("vectors"), own=False).all().astype(np.float32), axis=1)
    np.testing.assert_allclose(lengths, [0, 1, 1], atol=1e-3)
    assert StoredVectors(run.artifact("vectors"), own=True).all().any(axis=1).tolist() == [False, False, True]
    assert run.manifest("vectors").statistics["without_vector"] == 1

    own = np.array([[1, 0], [0, 0]], np.float16)
    blank = pa.array(["", "!"], pa.large_string())
    joint = lexical.joint_vectors(own, blank, ["und", "en"], lexical.read(run.artifact("vectors")), run.config.embed)
    assert np.array_equal(joint[:, :2], own)
    assert not joint[:, 2:].any()


def test_an_interrupted_run_goes_on_with_the_weights_that_it_counted(mixed: Run) -> None:
    directory, manifest = mixed.artifact("vectors"), mixed.manifest("vectors")
    path = Path(directory.path(lexical.WEIGHTS))
    content = path.read_bytes()
    marked = lexical.read_weights(directory) + np.float32(1)
    try:
        builds.begin(directory, manifest.fingerprint)
        np.save(path, marked, allow_pickle=False)
        lexical.fit(directory, list, mixed.progress)
        assert np.array_equal(lexical.read_weights(directory), marked)
    finally:
        path.write_bytes(content)
        builds.finish(builds.current(directory), manifest.parameters, manifest.parents, manifest.statistics)
    assert list(embed.verify(mixed)) == []


@pytest.mark.parametrize("name", [lexical.WEIGHTS, lexical.LANGUAGES])
@pytest.mark.parametrize("damage", ["another", "cut", "missing"])
def test_damage_to_what_was_counted_is_noticed(mixed: Run, name: str, damage: str) -> None:
    path = Path(mixed.artifact("vectors").path(name))
    content = path.read_bytes()
    try:
        if damage == "missing":
            path.unlink()
        else:
            path.write_bytes(
                content[:-1] + bytes([content[-1] ^ 1]) if damage == "another" else content[: len(content) // 2]
            )
        assert [problem.split(":")[0] for problem in embed.verify(mixed)] == [str(path)]
    finally:
        path.write_bytes(content)


def test_another_share_is_another_artifact_and_none_is_no_parameter(pure: Run, mixed: Run) -> None:
    assert parameters(pure.config).items() < parameters(mixed.config).items()
    assert word_parameters(pure.config) == {}
    assert embed.estimate(mixed).disk > embed.estimate(pure).disk


def test_texts_of_a_rare_language_are_nearest_to_their_own_about_the_subject(execute: Execute, tmp_path: Path) -> None:
    """The subject is a name, which texts of the main language hold, too."""
    draw, stop_words = np.random.default_rng(0), built_in_stop_words()
    languages = np.repeat(["en", "uk"], [600, 18])
    names = np.array([f"Name{number % 6}" for number in range(len(languages))])

    def text(language: str, name: str) -> str:
        return " ".join([name, *draw.choice(sorted(stop_words[language]), 12), name])

    path = tmp_path / "texts.jsonl"
    lines = [json.dumps({"text": text(*about)}) + "\n" for about in zip(languages, names, strict=True)]
    path.write_text("".join(lines))
    sections = {"ingest": {"inputs": [str(path)]}, "select": {"rules": "none"}, "embed": {"model": "fitted"} | SHARE}
    run = execute(tmp_path / "run", "embed", **sections)
    assert list(lexical.read(run.artifact("vectors")).languages) == ["en", "uk"]
    alike = cosines(StoredVectors(run.artifact("vectors"), own=False).all())
    np.fill_diagonal(alike, -1)
    rare = languages == "uk"
    nearest = alike[rare].argmax(axis=1)
    assert (languages[nearest] == "uk").mean() > 0.9
    assert (names[nearest] == names[rare]).mean() > 0.9
