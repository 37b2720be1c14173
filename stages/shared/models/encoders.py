"""Sentence-transformers models: what computes one, how it is loaded, and how it is run over texts of all lengths.

A fitted one is a mean of rows of words, which `text_core` computes: torch is not even imported for it. A given one that
another run fitted is computed so, too, and gives the vectors of that run to the bit.

A transformer's time goes by the tokens of a batch, padding included, and by whether a batch stays in the processor's
cache. So texts are tokenised once, sorted by length, and given to the model by a budget of tokens, not of texts. The
batches depend on nothing but the texts of a call and the settings; a vector depends on its batch-mates by rounding.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sequitur.pipeline.errors import ModelError
from sequitur.pipeline.sections import Embed
from sequitur.pipeline.storage import Directory
from sequitur.stages.shared.columns.stored_vectors import normalized
from sequitur.stages.shared.models.choices import FITTED, MODEL, Choice, choose, decided, device_of, settled
from sequitur.stages.shared.models.encoder_input import (
    CPU_TOKENS,
    GPU_TOKENS,
    PROBES,
    UNLIMITED,
    Reader,
    batches,
    chunks,
    features,
    reader_of,
)
from sequitur.text_core.signals.model_code import named_outside
from sequitur.text_core.vectors.saved_word_vectors import ForeignModelError, read_sentence_transformer
from sequitur.text_core.vectors.word_means import vocabulary_of, word_means
from sequitur.text_core.vectors.word_vectors import WordVectors

CHOICE = "encoder.json"


@dataclass(frozen=True)
class Encoder:
    """A loaded model; `reader` is None for a model that is no transformer, or reads in a way of its own."""

    model: Any
    settings: Embed
    dimensions: int
    reader: Reader | None = None

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """One vector of each text, float32 [n, d], of a length of the model's own.

        Raises:
            ModelError: the device has too little memory, or the model fails.
        """
        if not texts:
            return np.empty((0, self.dimensions), dtype=np.float32)
        settings = self.settings
        with _computing(settings):
            if self.reader is not None:
                return _encode(self.model, self.reader, texts, settings)
            return _own_encode(self.model, [text[: settings.max_characters] for text in texts], settings)


@contextmanager
def _computing(settings: Embed) -> Iterator[None]:
    """Makes a ModelError of what a model raises: it is files and code of others, which raise what they like."""
    try:
        yield
    except ModelError:
        raise
    except Exception as error:
        if type(error).__name__ == "OutOfMemoryError":  # of torch, by whatever device
            raise ModelError(
                f"embed.model {settings.model}: {device_of(settings)} has too little memory for a batch; set "
                "embed.batch_size, to 1 if need be"
            ) from error
        raise ModelError(
            f"embed.model {settings.model}: fails on a text ({_reason(error)}); fetch it again, or name another model"
        ) from error


def prepare(settings: Embed, directory: Path, decision: Choice) -> Choice:
    """Says what computes `embed.model`, exports it where that is needed, and writes both into a directory.

    Args:
        settings: of the model.
        directory: to write into.
        decision: what was decided where they are `auto`, on this machine or on the one where the run began.

    Raises:
        ModelError: it cannot be loaded, or not computed as the settings say.
    """
    import torch

    threads = torch.get_num_threads()
    try:
        return _prepare(settled(settings, decision), directory, decision)
    finally:
        torch.set_num_threads(threads)


def _prepare(settings: Embed, directory: Path, decision: Choice) -> Choice:
    model = load_model(settings, settings.model)
    choice = choose(settings, is_transformer(model), decision)
    if choice.backend == "openvino":
        try:
            _export(model, choice.precision, directory, settings)
        except Exception as error:  # tracing a network of others' code raises what it likes
            if settings.backend != "auto" or choice.precision == "int8":
                raise ModelError(
                    f"embed.backend openvino: {settings.model} cannot be exported ({_reason(error)}); set "
                    "embed.backend torch, and embed.precision auto"
                ) from error
            choice = choice._replace(backend="torch")
    (directory / CHOICE).write_text(json.dumps(choice._asdict()))
    return choice


def read_choice(directory: Path) -> Choice:
    """What `prepare` decided."""
    return Choice(**json.loads((directory / CHOICE).read_text()))


def _export(model: Any, precision: str, directory: Path, settings: Embed) -> None:
    from sequitur.stages.shared.models import openvino_models

    before = _own_encode(model, PROBES, settings)
    openvino_models.export(model[0], precision, directory)
    openvino_models.replace_network(model[0], precision, directory)
    if not _agree(_own_encode(model, PROBES, settings), before, 0.98):
        raise ValueError("the exported model gives other vectors")


def load_model(settings: Embed, model: str, precision: str = "float32") -> Any:
    """A sentence-transformers model by path or name, on the configured device.

    On a CPU it computes on one thread: workers are processes, and the sums of a matrix product must not depend on how
    many of them there are.

    Raises:
        ModelError: it cannot be loaded, or names code that is not trusted.
    """
    import torch
    from sentence_transformers import SentenceTransformer
    from transformers.utils.logging import disable_progress_bar, set_verbosity_error

    if not settings.trust_remote_code and Path(model).is_dir():
        for file, name in named_outside(Path(model)):
            raise ModelError(
                f"embed.model {model}: {file} names {name[:100]}, which is from outside; if you trust the model's code "
                "set embed.trust_remote_code"
            )
    disable_progress_bar()
    set_verbosity_error()
    device = device_of(settings)
    if device == "cpu":
        torch.set_num_threads(1)
    kwargs = {"model_kwargs": {"dtype": torch.bfloat16}} if precision == "bfloat16" else {}
    try:
        return SentenceTransformer(model, device=device, trust_remote_code=settings.trust_remote_code, **kwargs).eval()
    except Exception as error:  # a model is files and code of others, which raise what they like
        raise ModelError(
            f"embed.model {model}: cannot be loaded on {device} ({_reason(error)}); give the directory of a "
            "sentence-transformers model, or its name where the hub can be reached"
        ) from error


def load_stored(settings: Embed, directory: Directory, scratch: Path) -> Callable[[pa.LargeStringArray], np.ndarray]:
    """The model whose vectors lie in `directory`, as `prepare`, or the fitting, left it there; see `load`.

    Returns:
        what gives one vector of each of n texts, float32 [n, d].

    Raises:
        ModelError: it cannot be loaded.
    """
    stored = directory.local_copy(MODEL, scratch)
    if settings.model == FITTED:
        try:
            words = read_sentence_transformer(stored)
        except (ForeignModelError, OSError) as error:
            raise ModelError(f"{error}; delete {directory.path()} and run again") from error
        return _means(words)
    try:
        means = _means(read_sentence_transformer(settings.model))
    except (ForeignModelError, OSError):
        encoder = load(settings, settings.model, stored)
        return lambda text: encoder.encode(text.to_pylist())
    return lambda text: means(pc.utf8_slice_codeunits(text, 0, settings.max_characters))


def _means(words: WordVectors) -> Callable[[pa.LargeStringArray], np.ndarray]:
    return partial(word_means, vocabulary=vocabulary_of(words.tokens), rows=words.vectors)


def load(settings: Embed, model: str, exported: Path | None = None) -> Encoder:
    """A model made ready to run, as `prepare` decided in the directory `exported`; without one, by torch in float32.

    Raises:
        ModelError: it cannot be loaded, or gives no finite numbers.
    """
    choice = decided(settings)._replace(backend="torch", precision="float32")
    if exported is not None:
        choice = read_choice(exported)
        settings = settled(settings, choice)
    by_openvino = exported is not None and choice.backend == "openvino"
    loaded = load_model(settings, model, "float32" if by_openvino else choice.precision)
    if exported is not None and by_openvino:
        try:
            from sequitur.stages.shared.models import openvino_models

            openvino_models.replace_network(loaded[0], choice.precision, exported)
        except Exception as error:
            raise ModelError(
                f"{exported}: cannot be loaded by OpenVINO ({_reason(error)}); pip install openvino nncf "
                "as where the run began, or set embed.backend torch, which makes all vectors anew"
            ) from error
    with _computing(settings):
        own = _own_encode(loaded, PROBES, settings)
        if not np.isfinite(own).all():
            raise ModelError(
                f"embed.model {model}: its vectors are not finite numbers in {choice.precision}; set embed.precision "
                "float32, or name another model"
            )
        reader = reader_of(loaded) if is_transformer(loaded) else None
        # Chat templates, lower-casing, pooling without the prompt: a model that reads otherwise reads by itself.
        if reader is not None and not _agree(_encode(loaded, reader, PROBES, settings), own, 0.999):
            reader = None
    if reader is None and settings.long_documents != "truncate" and (loaded.max_seq_length or UNLIMITED) < UNLIMITED:
        raise ModelError(
            f"embed.long_documents {settings.long_documents}: {model} reads in a way of its own; set it to truncate"
        )
    return Encoder(loaded, settings, own.shape[1], reader)


def _agree(some: np.ndarray, others: np.ndarray, cosine: float) -> bool:
    return bool((np.sum(normalized(some) * normalized(others), axis=1) >= cosine).all())


def is_transformer(model: Any) -> bool:
    from sentence_transformers.models import Transformer

    return isinstance(model[0], Transformer)


def _own_encode(model: Any, texts: list[str], settings: Embed) -> np.ndarray:
    batch_size = settings.batch_size or 32
    return np.asarray(model.encode(texts, batch_size=batch_size, show_progress_bar=False), dtype=np.float32)


def _encode(model: Any, reader: Reader, texts: Sequence[str], settings: Embed) -> np.ndarray:
    """The sum over a text's chunks of their unit vectors, weighted by their tokens, at unit length. float32 [n, d]"""
    import torch

    rows, cut = chunks(reader, texts, settings)
    lengths = np.array([len(chunk) for chunk in cut])
    budget = CPU_TOKENS if device_of(settings) == "cpu" else GPU_TOKENS
    around = len(reader.first) + len(reader.last)
    sums: np.ndarray | None = None
    for batch in batches(lengths + around, budget, settings.batch_size):
        given = features(reader, [cut[at] for at in batch])
        with torch.inference_mode():
            out = model({name: torch.from_numpy(ids).to(model.device) for name, ids in given.items()})
        vectors = normalized(out["sentence_embedding"].float().cpu().numpy()[:, : model.truncate_dim])
        if sums is None:
            sums = np.zeros((len(texts), vectors.shape[1]))
        np.add.at(sums, rows[batch], vectors * np.maximum(lengths[batch], 1)[:, None])
    return np.zeros((0, 0), np.float32) if sums is None else normalized(sums).astype(np.float32)


def _reason(error: Exception) -> str:
    said = str(error).strip()
    return said.splitlines()[0][:200] if said else type(error).__name__
