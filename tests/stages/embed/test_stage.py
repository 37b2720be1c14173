"""Every kept document has a vector of unit length, or none at all, which is counted."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from sequitur.pipeline import builds
from sequitur.pipeline.errors import ModelError
from sequitur.pipeline.sections import Embed
from sequitur.pipeline.stage import Run
from sequitur.pipeline.storage import Directory
from sequitur.stages.embed import declaration
from sequitur.stages.embed import stage as embed
from sequitur.stages.shared.columns.stored_vectors import StoredVectors
from sequitur.stages.shared.models import choices, encoders
from sequitur.stages.shared.models import fitted as aside

Execute = Callable[..., Run]


def test_vectors_have_unit_length_and_follow_the_topics(finished: Run, rows: Any, corpus: Any) -> None:
    vectors = StoredVectors(finished.artifact("vectors"), own=False).all().astype(np.float32)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=2e-3)
    statistics = finished.manifest("vectors").statistics
    assert (statistics["model_dimensions"], statistics["without_vector"]) == (48, 0)
    documents = zip(rows(finished), rows(finished, "selection"), strict=True)
    topic = np.array([corpus.topic.get(row["record_id"], -1) for row, verdict in documents if verdict["kept"]])
    cosines = vectors @ vectors.T
    of_one_topic = (topic[:, None] == topic) & (topic >= 0) & ~np.eye(len(topic), dtype=bool)
    assert cosines[of_one_topic].mean() > cosines[topic[:, None] != topic].mean() + 0.1
    assert list(embed.verify(finished)) == []


def test_unit_vectors_of_numbers_that_are_none() -> None:
    rows = np.array([[3, 4], [0, 0], [np.nan, 1], [np.inf, 1], [1e-30, 0], [-3e38, 0]], dtype=np.float32)
    expected = [[0.6, 0.8], [0, 0], [0, 0], [0, 0], [1, 0], [-1, 0]]
    np.testing.assert_allclose(embed.unit(rows), expected, atol=1e-3)
    assert embed.unit(rows).dtype == np.float16


def test_documents_that_the_model_does_not_know_are_counted(execute: Execute, corpus: Any, tmp_path: Path) -> None:
    texts = ["!!! ???", "Not a known word among these.", f"Here is {corpus.words[0]}."]
    path = tmp_path / "texts.jsonl"
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    run = execute(tmp_path / "run", "embed", ingest={"inputs": [str(path)]}, select={"rules": "none"})
    assert run.manifest("vectors").statistics["without_vector"] == 2
    assert StoredVectors(run.artifact("vectors"), own=False).all().any(axis=1).tolist() == [False, False, True]


@pytest.fixture(scope="module")
def fitted(execute: Execute, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Up to the vectors, with the default model."""
    return execute(tmp_path_factory.mktemp("fitted") / "run", "embed", embed={"model": "fitted"})


def test_the_fitted_model_is_an_ordinary_one(fitted: Run, rows: Any) -> None:
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(fitted.artifact("vectors").path("model"), device="cpu")
    documents = zip(rows(fitted), rows(fitted, "selection"), strict=True)
    texts = [document["text"] for document, verdict in documents if verdict["kept"]]
    np.testing.assert_allclose(
        model.encode(texts), StoredVectors(fitted.artifact("vectors"), own=False).all(), atol=1e-3
    )
    assert fitted.manifest("vectors").statistics["without_vector"] == 0
    assert list(embed.verify(fitted)) == []


def test_the_fitted_model_has_as_many_dimensions_as_are_asked_for(execute: Execute, tmp_path: Path) -> None:
    asked = {"model": "fitted", "dimensions": 16, "lexical_weight": 0.5, "lexical_dimensions": 32}
    run = execute(tmp_path / "run", "embed", embed=asked)
    statistics = run.manifest("vectors").statistics
    assert (statistics["dimensions"], statistics["model_dimensions"]) == (48, 16)
    wider = run.config.model_copy(update={"embed": run.config.embed.model_copy(update={"dimensions": 17})})
    assert declaration.put_aside(run.root, run.config) == "the fitted model"
    assert "files" in declaration.parameters(run.config)
    assert "files" not in declaration.parameters(wider)


def test_the_fitted_model_loads_neither_torch_nor_sentence_transformers(fitted: Run, tmp_path: Path) -> None:
    script = (
        "import sys, pathlib, pyarrow as pa\n"
        "from sequitur.pipeline.sections import Embed\n"
        "from sequitur.pipeline.storage import Directory\n"
        "from sequitur.stages.embed import stage\n"
        "from sequitur.stages.shared.models import encoders\n"
        f"directory = Directory({fitted.artifact('vectors').path()!r})\n"
        f"encode = encoders.load_stored(Embed(), directory, pathlib.Path({str(tmp_path)!r}))\n"
        "assert encode(pa.array(['e\\u0301', ''], pa.large_string())).shape[0] == 2\n"
        "print({'torch', 'transformers', 'sentence_transformers', 'sklearn'} & set(sys.modules))"
    )
    assert subprocess.check_output([sys.executable, "-c", script], text=True).strip() == "set()"


def test_a_given_model_that_another_run_fitted_gives_its_vectors_to_the_bit(fitted: Run, tmp_path: Path) -> None:
    directory, text = fitted.artifact("vectors"), pa.array(["Some words e\u0301 of a text."] * 3, pa.large_string())
    given = Embed(model=directory.path("model"), device="cpu", max_characters=9)
    encoders.prepare(given, tmp_path, choices.decided(given))
    (tmp_path / "run").mkdir()
    shutil.copytree(tmp_path, tmp_path / "run" / "model", ignore=shutil.ignore_patterns("run"))
    own = encoders.load_stored(Embed(), directory, tmp_path)
    found = encoders.load_stored(given, Directory(str(tmp_path / "run")), tmp_path)(text)
    assert np.array_equal(found, own(pa.array(["Some word"] * 3, pa.large_string())))


def test_a_given_model_that_is_no_fitted_one_is_refused_whatever_its_digests(fitted: Run, tmp_path: Path) -> None:
    root, model = (
        Directory(str(tmp_path)),
        Path(shutil.copytree(fitted.artifact("vectors").path("model"), tmp_path / "a")),
    )
    aside.put(root, "model", model, {}, "")
    embed.unpacked(aside.aside(root, "model"), tmp_path / "whole")
    assert (tmp_path / "whole" / "model.safetensors").read_bytes() == (model / "model.safetensors").read_bytes()
    content = json.loads((model / "tokenizer.json").read_text())
    content["model"]["vocab"]["[UNK]"] = 2**40
    (model / "tokenizer.json").write_text(json.dumps(content))
    aside.put(root, "model", model, {}, "")
    with pytest.raises(ModelError, match=r"no fitted model .*give one that a run put aside"):
        embed.unpacked(aside.aside(root, "model"), tmp_path / "made")


def test_a_fit_that_was_interrupted_is_done_again(fitted: Run) -> None:
    directory = fitted.artifact("vectors")
    before = {part.name: part.checksum for part in fitted.manifest("vectors").parts}
    weights = Path(directory.path("model")) / "model.safetensors"
    manifest, content = fitted.manifest("vectors"), weights.read_bytes()
    builds.begin(directory, manifest.fingerprint)
    directory.remove(embed.FILES)  # as if it had died while the model was being copied
    weights.write_bytes(content[:100])
    statistics = embed.work(fitted)
    assert weights.read_bytes() == content
    after = builds.finish(builds.current(directory), manifest.parameters, manifest.parents, statistics)
    assert {part.name: part.checksum for part in after.parts} == before


def test_a_damaged_model_is_noticed(fitted: Run) -> None:
    weights = Path(fitted.artifact("vectors").path("model")) / "model.safetensors"
    content = weights.read_bytes()
    weights.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    try:
        assert [problem.split(":")[0] for problem in embed.verify(fitted)] == [str(weights.parent)]
    finally:
        weights.write_bytes(content)


def test_a_missing_model_is_named_before_anything_runs(execute: Execute, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"nothing: no such directory; correct embed\.model"):
        execute(tmp_path / "run", embed={"model": str(tmp_path / "nothing")})
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("damage", ["weights", "modules"])
def test_a_broken_model_is_one_line(execute: Execute, tiny_model: Path, tmp_path: Path, damage: str) -> None:
    broken = shutil.copytree(tiny_model, tmp_path / "broken")
    (file,) = broken.rglob({"weights": "model.safetensors", "modules": "modules.json"}[damage])
    file.write_bytes(b"\0" * 50)
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "Some words."}\n')
    with pytest.raises(ModelError, match=r"embed\.model .*broken: cannot be loaded on cpu \(") as caught:
        execute(
            tmp_path / "run",
            "embed",
            ingest={"inputs": [str(path)]},
            select={"rules": "none"},
            tokenize={"tokenizer": "bytes"},
            embed={"model": str(broken)},
        )
    assert "\n" not in str(caught.value)


def test_another_model_under_the_same_name_is_another_artifact(settings: Any, tiny_model: Path, tmp_path: Path) -> None:
    from sequitur.pipeline.config import validate

    def parameters(path: Path) -> Any:
        return declaration.parameters(validate(settings(tmp_path / "run", embed={"model": str(path)}), "settings"))

    copy = shutil.copytree(tiny_model, tmp_path / tiny_model.name)
    assert parameters(copy) == parameters(tiny_model)
    (copy / "modules.json").write_text("[]")
    assert parameters(copy) != parameters(tiny_model)
