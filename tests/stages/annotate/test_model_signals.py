"""stages.annotate.model_signals: classifiers of a configuration, scored and fingerprinted."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import skops.io
from sentence_transformers import SentenceTransformer
from sklearn.linear_model import LogisticRegression

from sequitur.pipeline.errors import ConfigError, ModelError
from sequitur.pipeline.sections import Model
from sequitur.stages.annotate import model_signals


@pytest.fixture
def model(tmp_path: Path, tiny_model: Path) -> Model:
    encoder = SentenceTransformer(str(tiny_model), device="cpu")
    vectors = np.random.default_rng(2).standard_normal((40, encoder.get_sentence_embedding_dimension()))
    skops.io.dump(LogisticRegression().fit(vectors, np.arange(40) % 2), tmp_path / "topic.skops")
    return Model(path=str(tmp_path / "topic.skops"), encoder=str(tiny_model), max_characters=200)


def test_only_the_start_is_scored(model, corpus):
    texts = list(corpus.texts.values())[:20]
    loaded = model_signals.load({"topic": model}, "cpu")
    (scores,) = model_signals.columns(loaded, {"topic": model}, pa.array(texts, pa.large_string())).values()
    (starts,) = model_signals.columns(
        loaded, {"topic": model}, pa.array([text[:200] for text in texts], pa.large_string())
    ).values()

    assert scores.type == pa.float32()
    assert scores == starts
    assert len(set(scores.to_pylist())) > 10


def test_errors_name_the_signal(tmp_path, model):
    (tmp_path / "broken.bin").write_bytes(b"no model")
    with pytest.raises(ModelError, match=r"^annotate\.models\.quality: .*broken\.bin: cannot be loaded"):
        model_signals.load({"quality": Model(path=str(tmp_path / "broken.bin"))}, "cpu")
    with pytest.raises(ModelError, match=r"^annotate\.models\.quality: .*none\.bin: no such file"):
        model_signals.parameters({"quality": Model(path=str(tmp_path / "none.bin"))})
    moved = model.model_copy(update={"encoder": str(tmp_path / "none")})
    with pytest.raises(ModelError, match="no such directory; correct encoder"):
        model_signals.parameters({"quality": moved})


def test_the_parameters_go_by_content_not_by_place(tmp_path, model):
    before = model_signals.parameters({"topic": model})
    place = tmp_path / "elsewhere" / "topic.skops"
    place.parent.mkdir()
    place.write_bytes(Path(model.path).read_bytes())
    moved = model.model_copy(update={"path": str(place)})
    assert model_signals.parameters({"topic": moved}) == before

    place.write_bytes(b"other")
    assert model_signals.parameters({"topic": moved}) != before
    assert model_signals.parameters({"topic": model.model_copy(update={"label": "0"})}) != before


def test_memory_counts_model_and_encoder(model):
    files = [Path(model.path), *(file for file in Path(model.encoder).rglob("*") if file.is_file())]
    assert model_signals.memory_bytes({"topic": model}) >= 2 * sum(file.stat().st_size for file in files)
    assert model_signals.memory_bytes({}) == 0


def test_in_the_job_a_score_is_a_signal_that_rules_go_by(execute, rows, tmp_path, model):
    models = {"topic": model.model_dump()}
    limits = [{"signal": "topic", "min": 0.5, "name": "off_topic"}]
    run = execute(tmp_path / "run", "select", annotate={"models": models}, select={"limits": limits})
    scores, verdicts = rows(run, "signals"), rows(run, "selection")
    off_topic = [row["reason"] == "off_topic" for row in verdicts]
    assert 0 < sum(off_topic) < len(off_topic)
    assert all(score["topic"] < 0.5 for score, off in zip(scores, off_topic, strict=True) if off)
    assert all(score["topic"] >= 0.5 for score, row in zip(scores, verdicts, strict=True) if row["kept"])


def test_in_the_job_a_broken_model_is_an_error_of_one_line(execute, tmp_path):
    (tmp_path / "broken.bin").write_bytes(b"no model")
    models = {"quality": {"path": str(tmp_path / "broken.bin")}}
    with pytest.raises(ModelError, match=r"^annotate\.models\.quality: [^\n]*broken\.bin: cannot be loaded[^\n]*$"):
        execute(tmp_path / "run", "annotate", annotate={"models": models})


def test_a_model_may_not_take_the_name_of_a_signal(execute, tmp_path, model):
    with pytest.raises(ConfigError, match="there is a signal word_count already"):
        execute(tmp_path / "run", "annotate", annotate={"models": {"word_count": model.model_dump()}})
