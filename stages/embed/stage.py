"""embed: kept text → `vectors`: each document as a unit vector.

    input    the text, the languages among `signals`, and `selection`
    output   one row per kept document, in ordinal order: a float16 vector of unit length; beside them the fitted model,
             or what computes a given one
    dropped  nothing; a document in which the model finds nothing to go by has the zero vector, and is counted;
             so does one whose vector is not of finite numbers
    cost     the model's: some ten thousand documents a second and core fitted, about a hundred with a small transformer

The default model is fitted on this corpus and saved as a sentence-transformers directory. Here its vectors are computed
without that library, from the text's Arrow buffers (`text_core/vectors/word_means.py`).

What computes a given model, and in which numbers, is decided once for a run, and what is exported for it stored (see
`stages/shared/models/encoders.py`): workers and a run that goes on later compute as the first did.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import apache_beam as beam
import numpy as np
import pyarrow as pa

from sequitur.pipeline import artifacts, builds, former, schemas
from sequitur.pipeline.beam import Rows
from sequitur.pipeline.builds import Build
from sequitur.pipeline.config import Config
from sequitur.pipeline.errors import ModelError
from sequitur.pipeline.names import SELECTION, SIGNALS, VECTORS
from sequitur.pipeline.sections import Embed
from sequitur.pipeline.stage import Estimate, Run, every_ordinal
from sequitur.pipeline.storage import Directory
from sequitur.stages.embed import fitting, lexical
from sequitur.stages.embed.declaration import STAGE
from sequitur.stages.embed.fitting import LANGUAGES, WEIGHTS
from sequitur.stages.embed.lexical import SAMPLE_BYTES
from sequitur.stages.shared.columns import kept_rows
from sequitur.stages.shared.columns.kept_rows import Before, KeptRows
from sequitur.stages.shared.columns.samples import Sample, sample_texts
from sequitur.stages.shared.columns.stored_vectors import unit
from sequitur.stages.shared.models import encoders, fitted
from sequitur.stages.shared.models.choices import FITTED, MODEL, Choice
from sequitur.stages.shared.models.model_files import digests
from sequitur.text_core.vectors import saved_word_vectors, word_vectors
from sequitur.text_core.vectors.languages import language_numbers, language_shares
from sequitur.text_core.vectors.saved_word_vectors import ForeignModelError, read_sentence_transformer

FILES = "_model.json"  # digests of the files in `model`; written when all of them are there
NOT_FINITE = "_not_finite"  # for each part that has some: how many vectors were not finite
FITTED_PER_SECOND = 6000  # documents on one core, measured
MODEL_PER_SECOND = 30  # documents through a small transformer on one core, measured


@beam.typehints.with_input_types(Rows)
@beam.typehints.with_output_types(Rows)
class EmbedText(beam.DoFn):
    """Text, `kept`, `ordinal` and `language` of a part → the vectors of its kept documents."""

    def __init__(self, settings: Embed, build: Build) -> None:
        self._settings, self._directory, self._notes = settings, build.directory, build.files / NOT_FINITE

    def setup(self) -> None:
        self._scratch = tempfile.TemporaryDirectory()
        self._encode = encoders.load_stored(self._settings, self._directory, Path(self._scratch.name))
        self._words = lexical.read(self._directory) if self._settings.lexical_weight else None

    def teardown(self) -> None:
        self._scratch.cleanup()

    def process(self, rows: Rows) -> Iterator[Rows]:
        name, batch = rows
        batch = batch.filter(batch.column("kept"))
        vectors = self._encode(batch.column("text"))
        if not_finite := int((~np.isfinite(vectors).all(axis=1)).sum()):
            self._notes.write_json(f"{name}.json", not_finite)
        vectors = unit(vectors)
        if self._words is not None:
            languages = batch.column("language").to_pylist()
            vectors = lexical.joint_vectors(vectors, batch.column("text"), languages, self._words, self._settings)
        dimensions = vectors.shape[1]
        column = pa.FixedSizeListArray.from_arrays(pa.array(vectors.reshape(-1)), dimensions)
        yield name, pa.record_batch([batch.column("ordinal"), column], schema=schemas.vectors(dimensions))


def work(run: Run) -> Mapping[str, Any]:
    settings, directory, build = fitting.settings_of(run.config), run.artifact(VECTORS), run.build(VECTORS)
    model = fitting.model_at(run.config)
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    text, signals, selection = run.artifact(run.text), run.artifact(SIGNALS), run.artifact(SELECTION)
    told = run.progress.counted("embed: sampling")
    seed, documents = run.seed("embed"), settings.sample_documents
    sample = cache(lambda: sample_texts(text, selection, seed, SAMPLE_BYTES, documents, told, signals))
    if not directory.exists(FILES):
        if model is not None:
            with tempfile.TemporaryDirectory() as scratch:
                unpacked(model, Path(scratch) / MODEL)
                _store(Path(scratch) / MODEL, directory)
        elif settings.model == FITTED:
            run.progress.step("embed: fitting")
            _fit(directory, sample(), settings.dimensions, seed % 2**32)
        else:
            run.progress.step("embed: preparing the model")
            _prepare(settings, directory, _decision(run.parameters[VECTORS]))
    if settings.lexical_weight:
        lexical.fit(directory, sample, run.progress, fitting.words_at(run.config))
    del sample  # and with it the texts
    kept = run.manifest(SELECTION).statistics["kept"]
    seconds = kept / (FITTED_PER_SECOND if settings.model == FITTED else MODEL_PER_SECOND)
    language = {signals: ["language"]} if settings.lexical_weight else {}
    columns = {text: ["text"], selection: ["kept", "ordinal"], **language}
    before = _before(run.config, run.root, build, run.text, run.parameters.get(VECTORS, {}))
    whole = settings.model != FITTED
    encode = KeptRows(EmbedText(settings, build), build, text, selection, before, beside=language, whole=whole)
    run.jobs.map_parts(columns, encode, build, step="embed: encoding", seconds=seconds, documents=kept, by_name=True)
    empty, dimensions = 0, 0
    for part in builds.written_parts(build):
        rows = schemas.list_matrix(artifacts.read_part(directory, part, ["vector"]).column("vector"))
        if dimensions not in (0, rows.shape[1]):
            raise ModelError(
                f"{directory.path(part.path)}: has vectors of {rows.shape[1]} dimensions, the parts before it of "
                f"{dimensions}: the model has changed; delete {directory.path()} and run again"
            )
        empty += int((~rows.any(axis=1)).sum())
        dimensions = rows.shape[1]
    notes = build.files / NOT_FINITE
    not_finite = sum(map(int, notes.read_json_of(notes.names())))
    if 0 < kept == not_finite:
        raise ModelError(
            f"embed.model {settings.model}: no vector is of finite numbers; delete {directory.path()}, and set "
            "embed.precision float32 or name another model"
        )
    counted = {"dimensions": dimensions, "without_vector": empty, "not_finite": not_finite}
    return {**counted, **_choice(settings, directory), **lexical.statistics(settings, directory, dimensions)}


def _before(
    config: Config, root: Directory, build: Build, text: str, parameters: Mapping[str, Any]
) -> dict[str, Before]:
    """What was made before by the same model of equal parts of the text; nothing where it gave vectors that are not
    finite, for which of them is not known."""
    found: dict[str, Before] = {}
    for manifest in former.manifests(build.directory):
        alike = former.is_alike(manifest, STAGE.name, STAGE.version, manifest.parameters)
        alike = alike and fitting.is_same(config, manifest, parameters)
        if alike and not manifest.statistics["not_finite"]:
            found |= kept_rows.before(root, build, manifest, text)
    return found


def unpacked(model: Directory, into: Path) -> None:
    """Copies a model that was fitted before, without what was put aside with it.

    Raises:
        CorruptPart: it is not what was put aside.
        ModelError: what was put aside is no fitted model.
    """
    with fitted.fetched(model) as path:
        shutil.copytree(path, into, ignore=shutil.ignore_patterns(fitted.NOTE, WEIGHTS, LANGUAGES))
    try:
        read_sentence_transformer(into)
    except (ForeignModelError, OSError) as error:
        raise ModelError(f"{model.path()}: no fitted model ({error}); give one that a run put aside") from error


def _choice(settings: Embed, directory: Directory) -> Mapping[str, str]:
    """What computed the model: `backend`, `precision` and `device`."""
    if settings.model == FITTED:
        return {}
    with tempfile.TemporaryDirectory() as scratch:
        return encoders.read_choice(directory.local_copy(MODEL, Path(scratch)))._asdict()


def _fit(directory: Directory, sample: Sample, dimensions: int, seed: int) -> None:
    try:
        languages = language_numbers(sample.languages, language_shares(sample.languages))
        vectors = word_vectors.fit_word_vectors(sample.texts, dimensions, seed, languages)
    except word_vectors.NoWordsError as error:
        raise ModelError(f"embed.model {FITTED}: {error}, or name another model") from error
    with tempfile.TemporaryDirectory() as scratch:
        saved_word_vectors.save_sentence_transformer(vectors, Path(scratch) / MODEL)
        _store(Path(scratch) / MODEL, directory)


def _decision(parameters: Mapping[str, Any]) -> Choice:
    return Choice(parameters["backend"], parameters["precision"], parameters["device"])


def _prepare(settings: Embed, directory: Directory, decision: Choice) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        (Path(scratch) / MODEL).mkdir()
        encoders.prepare(settings, Path(scratch) / MODEL, decision)
        _store(Path(scratch) / MODEL, directory)


def _store(model: Path, directory: Directory) -> None:
    directory.put_directory(model, MODEL)
    directory.write_json(FILES, digests(model))


def estimate(run: Run) -> Estimate:
    settings, kept = fitting.settings_of(run.config), run.manifest(SELECTION).statistics["kept"]
    text_bytes = run.manifest(run.text).statistics["text_bytes"]
    # The dimensions are known only once the model is loaded; 1,024 is the most that usual models have.
    share = lexical.estimate(settings, kept, text_bytes)
    disk = 2 * 1024 * kept + share.disk
    memory, model = share.memory, 2**30
    if settings.model == FITTED:
        model = 2**29  # its rows, twice while they are read
        sampled = min(kept, settings.sample_documents)
        characters = min(SAMPLE_BYTES, text_bytes)
        memory = max(memory, characters + word_vectors.fit_memory_bytes(sampled, characters, settings.dimensions))
    each_worker = 12 * int(run.config.ingest.part_bytes) + model + share.each_worker
    return Estimate(memory=memory, disk=disk, each_worker=each_worker)


def verify(run: Run) -> Iterable[str]:
    dimensions = run.manifest(VECTORS).statistics["dimensions"]
    yield from artifacts.schema_problems(run.artifact(VECTORS), schemas.vectors(dimensions))
    yield from every_ordinal(run.artifact(VECTORS), run.artifact(SELECTION))
    directory = run.artifact(VECTORS)
    yield from lexical.problems(directory)
    if directory.exists(FILES):
        with tempfile.TemporaryDirectory() as scratch:
            if directory.read_json(FILES) != digests(directory.local_copy(MODEL, Path(scratch))):
                yield f"{directory.path(MODEL)}: not the model that was stored; delete {directory.path()} and run again"
