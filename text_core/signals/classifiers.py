"""Classifiers given by path, each a function of texts to the score of one label.

| path | score |
|---|---|
| .bin, .ftz: a fastText classifier | its probability; 0 where it knows nothing of the text |
| .skops: a scikit-learn classifier, over the vectors of an encoder | `predict_proba` |
| a sentence-transformers directory that ends in a Dense module | its output: 0 to 1 by Softmax or Sigmoid, else raw |

Models are data here. A .skops file is read without pickle and with no type but those that skops or this module trusts;
a directory may name modules of sentence-transformers and activations of torch only.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol
from zipfile import ZipFile

import numpy as np
import numpy.typing as npt

from sequitur.text_core.signals.fasttext_file import read_labels
from sequitur.text_core.signals.model_code import MODULES, named_outside

LABELS = "labels.json"  # in a sentence-transformers directory: the names of the head's outputs, a list
BATCH = 32
_NAMED = 20  # labels in an error
_MOST_UNPACKED = 4 * 2**30  # bytes that a .skops file may unpack to
# Beside what skops trusts: plain Python of scikit-learn. Not its trees and neighbours: those index memory by what a
# file says.
_TRUSTED = (
    "sklearn.calibration._CalibratedClassifier",
    "sklearn.calibration._SigmoidCalibration",
    "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
    "sklearn.neural_network._stochastic_optimizers.SGDOptimizer",
)


class ClassifierError(ValueError):
    """A classifier cannot be loaded, or cannot score. One line: the path, what is wrong, and what to do."""


class Classifier(Protocol):
    def scores(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """The label's score of each text, float32 [n]. Raises ClassifierError."""


def load(
    path: str | Path, encoder: str | None = None, label: str | None = None, device: str | None = "cpu"
) -> Classifier:
    """The classifier at `path`, for `label`; None: the last label.

    `encoder` is the sentence-transformers model, by path or name, that a .skops classifier needs. `device` is torch's,
    None: the best there is; on a CPU torch is set to one thread, since sums must not depend on their number.

    Raises ClassifierError.
    """
    path = Path(path)
    directory = path.is_dir()
    if not directory and not path.is_file():
        raise ClassifierError(f"{path}: no such file or directory; correct the path")
    if encoder is not None and path.suffix != ".skops":
        raise ClassifierError(f"{path}: takes text, not the vectors of an encoder; leave encoder out")
    if directory:
        return _load_head(path, label, device)
    if path.suffix in (".bin", ".ftz"):
        return _load_fasttext(path, label)
    if path.suffix == ".skops":
        return _load_skops(path, encoder, label, device)
    raise ClassifierError(f"{path}: no known kind; give .bin, .ftz, .skops or a sentence-transformers directory")


class FastText(NamedTuple):
    path: Path
    model: Any
    labels: int
    label: str  # with __label__

    def scores(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        result = np.zeros(len(texts), dtype=np.float32)
        for row, text in enumerate(texts):
            # The library reads a line, and stops at its token for an end of line.
            line = text.replace("\n", " ").replace("</s>", " ") + "\n"
            try:
                found = self.model.f.predict(line, self.labels, 0.0, "strict")
            except (RuntimeError, ValueError) as error:
                raise ClassifierError(f"{self.path}: {_reason(error)}; the model is damaged") from error
            result[row] = next((score for score, label in found if label == self.label), 0.0)
        return np.clip(result, 0, 1)  # its softmax adds 1e-5


class Head(NamedTuple):
    path: Path
    model: Any
    column: int

    def scores(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        return _finite(self.path, _encode(self.path, self.model, texts)[:, self.column])


class OverVectors(NamedTuple):
    path: Path
    model: Any
    encoder: Any
    column: int

    def scores(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        if not texts:
            return np.zeros(0, dtype=np.float32)
        vectors = _encode(self.path, self.encoder, texts)
        try:
            probabilities = np.asarray(self.model.predict_proba(vectors), dtype=np.float32)
            return _finite(self.path, probabilities[:, self.column])
        except ClassifierError:
            raise
        except Exception as error:  # the file may say anything of the classifier's insides
            raise ClassifierError(
                f"{self.path}: cannot score ({_reason(error)}); the encoder must be the one that it was trained with, "
                "and scikit-learn of about the same version"
            ) from error


def _load_fasttext(path: Path, label: str | None) -> Classifier:
    import fasttext

    try:
        labels = read_labels(path)
        model = fasttext.load_model(str(path))
    except (ValueError, RuntimeError, MemoryError, OSError) as error:  # FastTextFileError among them
        raise _unloaded(path, error, "a fastText classifier") from error
    chosen = labels[_column(path, labels, label)]
    return FastText(path, model, len(labels), f"__label__{chosen}")


def _load_head(path: Path, label: str | None, device: str | None) -> Classifier:
    model = load_encoder(str(path), device)
    head = model[-1]
    if type(head).__name__ != "Dense":
        raise ClassifierError(f"{path}: its last module is {type(head).__name__}; a classifier ends in Dense")
    names = [str(column) for column in range(head.out_features)]
    if (path / LABELS).exists():
        try:
            names = json.loads((path / LABELS).read_bytes())
        except ValueError as error:
            raise _unloaded(path / LABELS, error, "a JSON list of label names") from error
        if not isinstance(names, list) or len(names) != head.out_features:
            raise ClassifierError(f"{path / LABELS}: not a list of {head.out_features} names, one for each output")
    if getattr(head.activation_function, "dim", 0) is None:  # Softmax, as it comes from a configuration
        head.activation_function.dim = -1
    return Head(path, model, _column(path, [str(name) for name in names], label))


def _load_skops(path: Path, encoder: str | None, label: str | None, device: str | None) -> Classifier:
    try:
        import skops.io
    except ImportError as error:
        raise ClassifierError(f"{path}: needs skops; pip install skops") from error
    if encoder is None:
        raise ClassifierError(f"{path}: a scikit-learn classifier takes vectors; name its encoder")
    try:
        with ZipFile(path) as members:
            unpacked = sum(member.file_size for member in members.infolist())
        if unpacked > _MOST_UNPACKED:
            raise ClassifierError(f"{path}: unpacks to {unpacked:,} bytes; the most is {_MOST_UNPACKED:,}")
        foreign = sorted(set(skops.io.get_untrusted_types(file=path)) - set(_TRUSTED))
        if foreign:
            raise ClassifierError(
                f"{path}: holds types that are not trusted ({', '.join(foreign[:3])}); use a linear, naive Bayes or "
                "MLP classifier of scikit-learn"
            )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # another version of scikit-learn, on several lines
            model = skops.io.load(path, trusted=list(_TRUSTED))
    except ClassifierError:
        raise
    except Exception as error:  # zipfile, json and skops raise what they like at bytes that are not theirs
        raise _unloaded(path, error, "a scikit-learn classifier, stored by skops.io.dump") from error
    if not hasattr(model, "predict_proba") or not hasattr(model, "classes_"):
        raise ClassifierError(
            f"{path}: {type(model).__name__} has no predict_proba; wrap it in CalibratedClassifierCV, and fit it"
        )
    labels = [str(name) for name in model.classes_]
    loaded = OverVectors(path, model, load_encoder(encoder, device), _column(path, labels, label))
    loaded.scores([""])  # do the dimensions agree?
    return loaded


def load_encoder(model: str, device: str | None) -> Any:
    """A sentence-transformers model by path or name; one that brings code is refused. Raises ClassifierError."""
    import torch
    from sentence_transformers import SentenceTransformer

    if Path(model).is_dir():
        _refuse_code(Path(model))
    try:
        loaded = SentenceTransformer(model, device=device, trust_remote_code=False)
    except Exception as error:  # a model is files of others, and their readers raise what they like
        raise _unloaded(model, error, "a sentence-transformers model") from error
    if loaded.device.type == "cpu":
        torch.set_num_threads(1)
    return loaded


def _refuse_code(directory: Path) -> None:
    # Of an activation that is not of torch sentence-transformers takes Tanh.
    for _, name in named_outside(directory):
        raise ClassifierError(
            f"{directory}: {name[:100]} would be code of its own; only sentence_transformers.* is used"
        )
    modules = directory / MODULES
    try:
        for module in json.loads(modules.read_bytes()):
            config = directory / module["path"] / "config.json"
            settings = json.loads(config.read_bytes()) if config.exists() else {}
            name = settings.get("activation_function", "torch.")
            if not name.startswith("torch."):
                raise ClassifierError(f"{directory}: {name} would be code of its own; only torch.* is used")
    except ClassifierError:
        raise
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise _unloaded(modules, error, "a sentence-transformers directory's list of modules") from error


def _encode(path: Path, model: Any, texts: Sequence[str]) -> npt.NDArray[np.float32]:
    try:
        vectors = model.encode([*texts, ""], batch_size=BATCH, show_progress_bar=False)[:-1]  # never none
    except Exception as error:
        raise ClassifierError(f"{path}: cannot encode ({_reason(error)}); the model is damaged") from error
    return np.asarray(vectors, dtype=np.float32)


def _column(path: Path, labels: list[str], label: str | None) -> int:
    if label is None:
        return len(labels) - 1
    if label not in labels:
        more = f", … ({len(labels)} in all)" if len(labels) > _NAMED else ""
        raise ClassifierError(f"{path}: no label {label!r}; it has {', '.join(labels[:_NAMED])}{more}")
    return labels.index(label)


def _finite(path: Path, scores: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    if not np.isfinite(scores).all():
        raise ClassifierError(f"{path}: gives scores that are no finite numbers; the model is damaged")
    return np.ascontiguousarray(scores)


def _unloaded(path: str | Path, error: BaseException, wanted: str) -> ClassifierError:
    return ClassifierError(f"{path}: cannot be loaded ({_reason(error)}); give {wanted}")


def _reason(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:200] if lines else type(error).__name__
