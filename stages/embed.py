"""embed: kept text → `vectors`: each document as a unit vector.

    input    `documents` and `selection`
    output   one row per kept document, in ordinal order: a float16 vector of unit length; the fitted model beside them
    dropped  nothing; a document in which the model finds nothing to go by has the zero vector, and is counted
    cost     the model's: some ten thousand documents a second and core fitted, about a hundred with a small transformer

The default model is fitted on this corpus and saved as a sentence-transformers directory. It is loaded as any other
model is, by `SentenceTransformer(path or name)`.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import apache_beam as beam
import numpy as np
import pyarrow as pa

from pipeline import artifacts, schemas
from pipeline.beam import Rows
from pipeline.errors import ModelError
from pipeline.sections import Embed
from pipeline.stage import TEXT, Estimate, Run, Stage, every_ordinal
from pipeline.storage import Directory
from stages.model_files import digests
from stages.samples import sample_texts
from text_core import word_vectors

FITTED = "fitted"
MODEL = "model"
FILES = "_model.json"  # digests of the fitted model's files; written when all of them are there
SAMPLE_BYTES = 64 * 2**20
FITTED_PER_SECOND = 3000  # documents on one core, measured
MODEL_PER_SECOND = 30  # documents through a small transformer on one core, measured


def load(settings: Embed, model: str) -> Any:
    """A sentence-transformers model by path or name, on the configured device.

    On a CPU it computes on one thread: workers are processes, and the sums of a matrix product must not depend on how
    many of them there are.

    Raises:
        ModelError: it cannot be loaded.
    """
    import torch
    from sentence_transformers import SentenceTransformer
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()

    device = settings.device
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cpu":
        torch.set_num_threads(1)
    try:
        return SentenceTransformer(model, device=device, trust_remote_code=settings.trust_remote_code)
    except Exception as error:  # a model is files and code of others, which raise what they like
        reason = str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__
        raise ModelError(
            f"embed.model {model}: cannot be loaded on {device} ({reason}); give the directory of a "
            "sentence-transformers model, or its name where the hub can be reached"
        ) from error


def unit(vectors: np.ndarray) -> np.ndarray:
    """float32 [n, d] → float16 of unit length; what is all zero or not finite becomes zero."""
    vectors = np.where(np.isfinite(vectors).all(axis=1, keepdims=True), vectors, 0).astype(np.float32)
    length = np.linalg.norm(vectors.astype(np.float64), axis=1, keepdims=True)
    return (vectors / np.where(length > 0, length, 1)).astype(np.float16)


@beam.typehints.with_input_types(Rows)
@beam.typehints.with_output_types(Rows)
class EmbedText(beam.DoFn):
    """Text, `kept` and `ordinal` of a part → the vectors of its kept documents."""

    def __init__(self, settings: Embed, directory: Directory) -> None:
        self._settings, self._directory = settings, directory

    def setup(self) -> None:
        self._scratch = tempfile.TemporaryDirectory()
        model = self._settings.model
        if model == FITTED:
            model = str(self._directory.local_copy(MODEL, Path(self._scratch.name)))
        self._model = load(self._settings, model)

    def _encode(self, texts: list[str]) -> np.ndarray:
        batch_size = self._settings.batch_size or 32
        return np.asarray(self._model.encode(texts, batch_size=batch_size, show_progress_bar=False))

    def teardown(self) -> None:
        self._scratch.cleanup()

    def process(self, rows: Rows) -> Iterator[Rows]:
        name, batch = rows
        batch = batch.filter(batch.column("kept"))
        limit = None if self._settings.model == FITTED else self._settings.max_characters
        texts = [text[:limit] for text in batch.column("text").to_pylist()]
        vectors = self._encode([*texts, ""])[:-1]  # a part may have no kept document, and its schema needs d
        dimensions = vectors.shape[1]
        column = pa.FixedSizeListArray.from_arrays(pa.array(unit(vectors).reshape(-1)), dimensions)
        yield name, pa.record_batch([batch.column("ordinal"), column], schema=schemas.vectors(dimensions))


def work(run: Run) -> Mapping[str, Any]:
    settings, directory = run.config.embed, run.artifact("vectors")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    if settings.model == FITTED and not directory.exists(FILES):
        _fit(run, directory)
    seconds = run.manifest("selection").statistics["kept"] / (
        FITTED_PER_SECOND if settings.model == FITTED else MODEL_PER_SECOND
    )
    columns = {run.text: ["text"], "selection": ["kept", "ordinal"]}
    run.map_parts(columns, EmbedText(settings, directory), "vectors", step="embed: encoding", seconds=seconds)
    empty, dimensions = 0, 0
    for part in artifacts.written_parts(directory):
        rows = schemas.list_matrix(artifacts.read_part(directory, part, ["vector"]).column("vector"))
        empty += int((~rows.any(axis=1)).sum())
        dimensions = rows.shape[1]
    return {"dimensions": dimensions, "without_vector": empty}


def _fit(run: Run, directory: Directory) -> None:
    texts = sample_texts(run, "embed", SAMPLE_BYTES, run.config.embed.sample_documents)
    run.progress.step("embed: fitting")
    try:
        vectors = word_vectors.fit_word_vectors(texts, seed=run.seed("embed") % 2**32)
    except word_vectors.NoWordsError as error:
        raise ModelError(f"embed.model {FITTED}: {error}, or name another model") from error
    with tempfile.TemporaryDirectory() as scratch:
        word_vectors.save_sentence_transformer(vectors, Path(scratch) / MODEL)
        directory.put_directory(Path(scratch) / MODEL, MODEL)
        directory.write_json(FILES, digests(Path(scratch) / MODEL))


def parameters(run: Run) -> Mapping[str, Any]:
    settings = run.config.embed
    if settings.model == FITTED:
        return {"model": FITTED, "sample_documents": settings.sample_documents, "seed": run.config.seed}
    chosen = {"model": settings.model, "max_characters": settings.max_characters}
    path = Path(settings.model)
    if path.is_dir():
        chosen |= {"model": path.name, "files": digests(path)}
    elif path.is_absolute() or settings.model.startswith("."):
        raise ModelError(f"{path}: no such directory; correct embed.model")
    return chosen


def estimate(run: Run) -> Estimate:
    selection, text = run.manifest("selection"), run.manifest(run.text)
    # The dimensions are known only once the model is loaded; 1,024 is the most that usual models have.
    disk = 2 * 1024 * selection.statistics["kept"]
    fitting = 0
    if run.config.embed.model == FITTED:
        sampled = min(selection.statistics["kept"], run.config.embed.sample_documents)
        characters = min(SAMPLE_BYTES, text.statistics["text_bytes"])
        fitting = characters + word_vectors.fit_memory_bytes(sampled, characters)
    return Estimate(memory=fitting, disk=disk, each_worker=12 * int(run.config.ingest.part_bytes) + 2**30)


def verify(run: Run) -> Iterable[str]:
    dimensions = run.manifest("vectors").statistics["dimensions"]
    yield from artifacts.schema_problems(run.artifact("vectors"), schemas.vectors(dimensions))
    yield from every_ordinal(run, "vectors")
    directory = run.artifact("vectors")
    if directory.exists(FILES):
        with tempfile.TemporaryDirectory() as scratch:
            if directory.read_json(FILES) != digests(directory.local_copy(MODEL, Path(scratch))):
                yield f"{directory.path(MODEL)}: not the model that was fitted; delete {directory.path()} and run again"


STAGE = Stage("embed", "vectors", 1, (TEXT, "selection"), parameters, estimate, work, verify)
