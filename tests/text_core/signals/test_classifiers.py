"""text_core.signals.classifiers and fasttext_file: tiny models trained here, and files that are none."""

import json
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import skops.io
from sentence_transformers import SentenceTransformer
from sentence_transformers.models import Dense
from sklearn.calibration import CalibratedClassifierCV
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier
from torch import nn, tensor

from sequitur.text_core.signals import classifiers
from sequitur.text_core.signals.classifiers import ClassifierError, load
from sequitur.text_core.signals.fasttext_file import FastTextFileError, read_labels

LABELS = ("bad", "good")
WORDS = ("dull", "dire", "fine", "fair", "the")
LINES = ("dull the dire", "dire the", "fine the fair", "fair fine fine", "the dull dull", "fine")
GOOD = np.array([0, 0, 1, 1, 0, 1])


def fasttext_bytes(output: np.ndarray, quantised: bool = False, **changed: int) -> bytes:
    """A fastText classifier whose words have unit vectors: the softmax of `output` [labels, words] · word shares."""
    dim = len(WORDS)
    settings = dict.fromkeys(("ws", "epoch", "min_count", "neg"), 1)
    settings = {
        "dim": dim,
        **settings,
        "ngrams": 1,
        "loss": 3,
        "model": 3,
        "bucket": 0,
        "minn": 0,
        "maxn": 0,
        "rate": 1,
    }
    header = struct.pack("<14i d", 793712314, 12, *{**settings, **changed}.values(), 0.0)
    names = [*((word, 0) for word in WORDS), *((f"__label__{label}", 1) for label in LABELS)]
    header += struct.pack("<3i2q", len(names), dim, len(LABELS), 10, -1)
    header += b"".join(name.encode() + b"\0" + struct.pack("<qb", 3, kind) for name, kind in names)
    if quantised:  # a codebook whose centroid i is the unit vector i, and no norms
        codes = struct.pack("<2q i", dim, dim, dim) + bytes(range(dim))
        inputs = b"\0" + codes + struct.pack("<4i", dim, 1, dim, dim) + np.eye(256, dim, dtype="<f4").tobytes()
    else:
        inputs = struct.pack("<2q", dim, dim) + np.eye(dim, dtype="<f4").tobytes()
    matrix = struct.pack("<2q", *output.shape) + output.astype("<f4").tobytes()
    return header + bytes([quantised]) + inputs + b"\0" + matrix


def word_shares(lines: tuple[str, ...]) -> np.ndarray:
    return np.array([[line.split().count(word) / len(line.split()) for word in WORDS] for line in lines])


@pytest.fixture(scope="module")
def trained() -> LogisticRegression:
    return LogisticRegression(fit_intercept=False, C=50).fit(word_shares(LINES), GOOD)


@pytest.fixture(scope="module")
def whole(trained: LogisticRegression) -> bytes:
    return fasttext_bytes(np.vstack([np.zeros(len(WORDS)), trained.coef_[0]]))


@pytest.fixture(scope="module")
def topics(corpus) -> tuple[list[str], np.ndarray]:
    """Texts of two topics, and which."""
    names = [name for name, topic in corpus.topic.items() if topic < 2]
    return [corpus.texts[name] for name in names], np.array([corpus.topic[name] for name in names])


@pytest.fixture(scope="module")
def vectors(tiny_model: Path, topics) -> np.ndarray:
    return SentenceTransformer(str(tiny_model), device="cpu").encode(topics[0])


def save_head(encoder: Path, path: Path, activation: nn.Module | None, outputs: int = 2) -> Path:
    model = SentenceTransformer(str(encoder), device="cpu")
    weight = tensor(np.random.default_rng(1).standard_normal((outputs, 48)).astype(np.float32))
    model.append(Dense(48, outputs, activation_function=activation, init_weight=weight))
    model.save(str(path), create_model_card=False)
    return path


class TestFastText:
    @pytest.mark.parametrize("ending", [".bin", ".ftz"])
    def test_scores_are_those_of_the_trained_model(self, tmp_path, trained, ending):
        path = tmp_path / f"quality{ending}"
        output = np.vstack([np.zeros(len(WORDS)), trained.coef_[0]])
        path.write_bytes(fasttext_bytes(output, quantised=ending == ".ftz"))
        expected = trained.predict_proba(word_shares(LINES))

        assert read_labels(path) == list(LABELS)
        for column, label in enumerate(LABELS):
            scores = load(path, label=label).scores(LINES)
            assert scores.dtype == np.float32
            np.testing.assert_allclose(scores, expected[:, column], atol=2e-5)
        assert load(path).scores(LINES).tolist() == load(path, label="good").scores(LINES).tolist()

    def test_a_document_is_one_line(self, tmp_path, whole):
        path = tmp_path / "quality.bin"
        path.write_bytes(whole)
        plain, lines, ended = load(path).scores(["fine dull fair", "fine\ndull\r\n\nfair\n", "fine </s> dull fair"])
        assert plain == lines == ended

    def test_unknown_words_score_0(self, tmp_path, whole):
        path = tmp_path / "quality.bin"
        path.write_bytes(whole)
        assert load(path).scores(["", "unheard of", "\0"]).tolist() == [0, 0, 0]
        assert load(path).scores([]).shape == (0,)

    def test_a_missing_label_names_those_that_exist(self, tmp_path, whole):
        path = tmp_path / "quality.bin"
        path.write_bytes(whole)
        with pytest.raises(ClassifierError, match=r"quality\.bin: no label 'hq'; it has bad, good$"):
            load(path, label="hq")

    def test_every_shorter_and_longer_file_is_refused(self, tmp_path, whole):
        path = tmp_path / "cut.bin"
        for length in range(len(whole)):
            path.write_bytes(whole[:length])
            with pytest.raises(FastTextFileError):
                read_labels(path)
        path.write_bytes(whole + b"\0")
        with pytest.raises(ClassifierError, match="something follows its end"):
            load(path)

    def test_no_damaged_byte_harms_the_process(self, tmp_path, whole):
        """Each byte before the matrices, changed in several ways; in a process of its own, for it might die."""
        (tmp_path / "whole").write_bytes(whole)
        script = """
import sys
from pathlib import Path
from sequitur.text_core.signals.classifiers import ClassifierError, load
whole, path = Path(sys.argv[1]).read_bytes(), Path(sys.argv[1]).with_suffix(".bin")
refused = 0
for at in range(len(whole) - 8 * 4 * 5):
    for value in (0, 1, 0x7F, 0x80, 0xFF):
        path.write_bytes(whole[:at] + bytes([value]) + whole[at + 1:])
        try:
            load(path).scores(["dull the fine words", ""])
        except ClassifierError as error:
            assert "\\n" not in str(error)
            refused += 1
print(refused)
"""
        ended = subprocess.run(
            [sys.executable, "-c", script, str(tmp_path / "whole")], capture_output=True, text=True, check=False
        )
        assert ended.returncode == 0, ended.stderr
        assert int(ended.stdout) > 400

    @pytest.mark.parametrize(
        ("changed", "problem"),
        [
            ({"model": 1}, "no classifier"),
            ({"ngrams": 2}, "no buckets"),
            ({"ngrams": 2, "bucket": 2**20}, "smaller than its dictionary"),
            ({"dim": 6}, "another width"),
        ],
    )
    def test_settings_that_would_read_elsewhere(self, tmp_path, changed, problem):
        path = tmp_path / "quality.bin"
        path.write_bytes(fasttext_bytes(np.zeros((2, len(WORDS))), **changed))
        with pytest.raises(ClassifierError, match=problem):
            load(path)


class TestOverVectors:
    def test_scores_are_the_probabilities(self, tmp_path, tiny_model, topics, vectors):
        model = LogisticRegression().fit(vectors, np.array(["law", "art"])[topics[1]])
        skops.io.dump(model, tmp_path / "topic.skops")
        expected = model.predict_proba(vectors)

        art, last = (load(tmp_path / "topic.skops", str(tiny_model), label) for label in ("art", None))
        np.testing.assert_allclose(art.scores(topics[0]), expected[:, 0], atol=1e-6)
        np.testing.assert_allclose(last.scores(topics[0]), expected[:, 1], atol=1e-6)
        assert ((last.scores(topics[0]) > 0.5) == (expected[:, 1] > 0.5)).all()
        assert art.scores([]).shape == (0,)

    def test_a_calibrated_pipeline_is_trusted(self, tmp_path, tiny_model, topics, vectors):
        model = make_pipeline(StandardScaler(), CalibratedClassifierCV(LinearSVC())).fit(vectors, topics[1])
        skops.io.dump(model, tmp_path / "topic.skops")
        scores = load(tmp_path / "topic.skops", str(tiny_model), "1").scores(topics[0])
        np.testing.assert_allclose(scores, model.predict_proba(vectors)[:, 1], atol=1e-6)

    def test_what_cannot_be_used_is_named(self, tmp_path, tiny_model, topics, vectors):
        path = tmp_path / "topic.skops"
        skops.io.dump(DecisionTreeClassifier().fit(vectors, topics[1]), path)
        with pytest.raises(ClassifierError, match=r"not trusted \(sklearn\.tree\._tree\.Tree\)"):
            load(path, str(tiny_model))
        skops.io.dump(LinearSVC().fit(vectors, topics[1]), path)
        with pytest.raises(ClassifierError, match="LinearSVC has no predict_proba"):
            load(path, str(tiny_model))
        skops.io.dump(LogisticRegression().fit(vectors[:, :7], topics[1]), path)
        with pytest.raises(ClassifierError, match=r"48 features.*the encoder must be the one"):
            load(path, str(tiny_model))
        with pytest.raises(ClassifierError, match="name its encoder"):
            load(path)
        with pytest.raises(ClassifierError, match=r"no label 'x'; it has 0, 1$"):
            load(path, str(tiny_model), "x")

    def test_no_code_of_the_file_is_run(self, tmp_path, tiny_model):
        skops.io.dump(nn.Identity.__init__, tmp_path / "function.skops")
        with pytest.raises(ClassifierError, match="not trusted"):
            load(tmp_path / "function.skops", str(tiny_model))

    def test_without_skops_the_command_is_named(self, tmp_path, monkeypatch):
        (tmp_path / "topic.skops").write_bytes(b"PK")
        monkeypatch.setitem(sys.modules, "skops", None)
        monkeypatch.setitem(sys.modules, "skops.io", None)
        with pytest.raises(ClassifierError, match=r"needs skops; pip install skops"):
            load(tmp_path / "topic.skops", "encoder")


class TestHead:
    def test_softmax_scores_are_the_head_s_output(self, tmp_path, tiny_model, topics):
        path = save_head(tiny_model, tmp_path / "head", nn.Softmax(dim=-1), outputs=3)
        columns = [load(path, label=label).scores(topics[0]) for label in ("0", "1", "2")]
        np.testing.assert_allclose(np.sum(columns, axis=0), 1, atol=1e-6)
        model = SentenceTransformer(str(path), device="cpu")
        model[-1].activation_function.dim = -1
        expected = model.encode(topics[0])
        np.testing.assert_allclose(np.transpose(columns), expected, atol=1e-6)
        assert load(path).scores(topics[0]).tolist() == columns[2].tolist()

    def test_labels_may_be_named(self, tmp_path, tiny_model, topics):
        path = save_head(tiny_model, tmp_path / "head", nn.Sigmoid())
        (path / classifiers.LABELS).write_text(json.dumps(["law", "art"]))
        law = load(path, label="law").scores(topics[0])
        assert law.tolist() != load(path, label="art").scores(topics[0]).tolist()
        with pytest.raises(ClassifierError, match=r"it has law, art$"):
            load(path, label="0")
        (path / classifiers.LABELS).write_text('["law"]')
        with pytest.raises(ClassifierError, match="not a list of 2 names"):
            load(path)

    def test_an_encoder_is_no_classifier(self, tiny_model):
        with pytest.raises(ClassifierError, match="its last module is StaticEmbedding"):
            load(tiny_model)

    def test_no_code_of_the_directory_is_run(self, tmp_path, tiny_model):
        path = save_head(tiny_model, tmp_path / "head", nn.Sigmoid())
        (path / "mine.py").write_text("raise SystemExit('run')")
        modules = json.loads((path / "modules.json").read_text())
        modules[0]["type"] = "mine.Mine"
        (path / "modules.json").write_text(json.dumps(modules))
        with pytest.raises(ClassifierError, match=r"mine\.Mine would be code of its own"):
            load(path)
        path = save_head(tiny_model, tmp_path / "other", nn.Sigmoid())
        config = next(path.glob("*Dense/config.json"))
        config.write_text(config.read_text().replace("torch.nn", "mine.nn"))
        with pytest.raises(ClassifierError, match="would be code of its own"):
            load(path)

    def test_scores_that_are_no_numbers_are_refused(self, tmp_path, tiny_model, topics):
        path = save_head(tiny_model, tmp_path / "head", None)
        model = SentenceTransformer(str(path), device="cpu")
        model[-1].linear.weight.data[:] = float("nan")
        model.save(str(path), create_model_card=False)
        with pytest.raises(ClassifierError, match="no finite numbers"):
            load(path).scores(topics[0])


@pytest.mark.parametrize("name", ["m.bin", "m.ftz", "m.skops"])
@pytest.mark.parametrize("content", [b"", b"garbage " * 100, b"PK\x03\x04" + b"\xff" * 100])
def test_a_file_that_is_no_model(tmp_path, tiny_model, name, content):
    (tmp_path / name).write_bytes(content)
    encoder = str(tiny_model) if name.endswith("skops") else None
    with pytest.raises(ClassifierError, match=rf"{name}: cannot be loaded \(.*\); give a ") as raised:
        load(tmp_path / name, encoder)
    assert "\n" not in str(raised.value)


def test_a_truncated_skops_file_and_directory(tmp_path, tiny_model, vectors, topics):
    skops.io.dump(LogisticRegression().fit(vectors, topics[1]), tmp_path / "whole.skops")
    whole = (tmp_path / "whole.skops").read_bytes()
    (tmp_path / "cut.skops").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ClassifierError, match=r"cut\.skops: cannot be loaded"):
        load(tmp_path / "cut.skops", str(tiny_model))
    path = save_head(tiny_model, tmp_path / "head", nn.Sigmoid())
    weights = next(path.glob("*Dense/model.safetensors"))
    weights.write_bytes(weights.read_bytes()[:50])
    with pytest.raises(ClassifierError, match="cannot be loaded"):
        load(path)
    shutil.rmtree(path)
    path.mkdir()
    with pytest.raises(ClassifierError, match=r"modules\.json: cannot be loaded"):
        load(path)


def test_other_paths_are_refused(tmp_path):
    (tmp_path / "model.pkl").write_bytes(b"\x80\x04.")
    with pytest.raises(ClassifierError, match=r"model\.pkl: no known kind"):
        load(tmp_path / "model.pkl")
    with pytest.raises(ClassifierError, match=r"none\.bin: no such file"):
        load(tmp_path / "none.bin")
    (tmp_path / "model.bin").write_bytes(b"")
    with pytest.raises(ClassifierError, match="leave encoder out"):
        load(tmp_path / "model.bin", "encoder")
