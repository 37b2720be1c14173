"""annotate: text → `signals`, row by row: the numbers that every later decision about a document goes by.

    input    the text of a part
    output   word, line and repetition statistics, the language, scores of models, signals of the user's own, a content
             hash, and a MinHash signature, in the same order
    dropped  nothing
    cost     one pass over the text on one core per worker; memory about twenty times a part's text

Thresholds are applied to what is stored here, so a new rule costs seconds.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

import apache_beam as beam
import numpy as np
import pyarrow as pa

from sequitur.pipeline import artifacts, builds, own_modules
from sequitur.pipeline.beam import Rows
from sequitur.pipeline.errors import ConfigError
from sequitur.pipeline.names import DOCUMENTS, SIGNALS
from sequitur.pipeline.sections import Annotate
from sequitur.pipeline.stage import Estimate, Run, aligned
from sequitur.pipeline.storage import Directory
from sequitur.pipeline.text_lists import read_list
from sequitur.stages.annotate import model_signals, own_signals
from sequitur.stages.annotate.declaration import OTHERS, STAGE
from sequitur.text_core.duplicates import minhash
from sequitur.text_core.duplicates.content_hash import content_hashes
from sequitur.text_core.signals import listed_words
from sequitur.text_core.signals.all_signals import FAMILY_NAMES, all_signals, signal_names
from sequitur.text_core.signals.language import languages
from sequitur.text_core.signals.listed_words import ListedWords
from sequitur.text_core.signals.stop_words import StopWords, language_places, stop_words
from sequitur.text_core.units.strings import composed, from_arrow
from sequitur.text_core.units.words import word_table

SIZE = "byte_count"  # by which empty documents are found
LANGUAGE_BYTES = 200 * 2**20  # of the model that tells languages, measured
BYTES_PER_SECOND = 10e6  # all signals on one core, measured


@beam.typehints.with_input_types(Rows)
@beam.typehints.with_output_types(Rows)
class ComputeSignals(beam.DoFn):
    """The text of a part → its signals."""

    def __init__(self, settings: Annotate, device: str, families: Collection[str] = FAMILY_NAMES) -> None:
        self._settings, self._device, self._families = settings, device, families

    def setup(self) -> None:
        self._stops = stop_words(self._settings.stop_words)
        self._listed = _word_list(self._settings)
        self._models = model_signals.load(self._settings.models, self._device)
        self._own = own_signals.load(self._settings.own_signals)

    def process(self, rows: Rows) -> Iterator[Rows]:
        name, documents = rows
        text = documents.column("text")
        columns = signals(text, self._settings, self._stops, self._listed, self._families)
        columns |= model_signals.columns(self._models, self._settings.models, text)
        columns |= own_signals.columns(self._own, text, name)
        yield name, pa.record_batch(columns)


def signals(
    text: pa.LargeStringArray,
    settings: Annotate,
    stops: StopWords,
    listed: ListedWords | None,
    families: Collection[str] = FAMILY_NAMES,
) -> dict[str, pa.Array]:
    """All signals of some texts, in NFC, but those of models and of the user's own, one row each."""
    text = composed(text)
    strings = from_arrow(text)
    words = word_table(strings)
    language, score = languages(text)
    places = language_places(stops, language.dictionary.to_pylist())[language.indices.to_numpy()]
    values = all_signals(strings, words, stops, places, families)
    if "gopher" in families:
        # English's words stand in for those of an unknown language only where it could be English.
        values["stop_words_known"][(score == 0) & (values["latin_share"] < 0.5)] = 0
    else:
        values = {SIZE: np.diff(strings.offsets), **values}
    if listed is not None:
        values |= listed_words.listed_word_signals(words, listed)
    columns = {name: pa.array(column) for name, column in values.items()}
    columns |= {"language": language, "language_score": pa.array(score)}
    hashes = pa.py_buffer(np.ascontiguousarray(content_hashes(strings)))
    columns["content_hash"] = pa.FixedSizeBinaryArray.from_buffers(pa.binary(16), len(text), [None, hashes])
    signed = minhash.signatures(words, settings.shingle_words, settings.permutations, minhash.SEED)
    columns["minhash"] = pa.FixedSizeListArray.from_arrays(pa.array(signed.reshape(-1)), settings.permutations)
    return columns


def _word_list(settings: Annotate) -> ListedWords | None:
    """The words of `annotate.word_list`; None where none is configured.

    Raises:
        ConfigError: the list cannot be read, or holds no word.
    """
    if settings.word_list is None:
        return None
    listed = listed_words.read_list(read_list(settings.word_list, "annotate.word_list"))
    if not listed.entries:
        raise ConfigError(f"{settings.word_list}: holds no word; give annotate.word_list a file with one a line")
    return listed


def estimate(run: Run) -> Estimate:
    documents = run.manifest(run.text)
    settings = run.config.annotate
    # Tokens: 34 bytes for one of about four; words 24; shingles as many again; text, its normalised copies.
    each = 24 * int(run.config.ingest.part_bytes) + (4 * settings.permutations + 2048) * 32768
    each += LANGUAGE_BYTES + model_signals.memory_bytes(settings.models)
    return Estimate(memory=0, disk=documents.rows * (4 * settings.permutations + 512), each_worker=each)


def work(run: Run) -> Mapping[str, Any]:
    seconds, build = run.manifest(run.text).statistics["text_bytes"] / BYTES_PER_SECOND, run.build(SIGNALS)
    builds.take_over_same(build, run.root, (STAGE.name, STAGE.version), run.parameters.get(SIGNALS, {}), [run.text])
    run.jobs.map_parts(
        {run.artifact(run.text): ["text"]},
        ComputeSignals(run.config.annotate, _device(run), run.parameters[SIGNALS].get("families", FAMILY_NAMES)),
        build,
        step="annotate: signals",
        seconds=seconds,
    )
    return {"signature_version": minhash.SIGNATURE_VERSION}


def _device(run: Run) -> str:
    """What the models run on, as it was decided."""
    named = run.config.embed.device
    decided: str = run.parameters.get(SIGNALS, {}).get("device", "cpu")
    return decided if named == "auto" else named


def verify(run: Run) -> Iterable[str]:
    signals = run.artifact(SIGNALS)
    yield from aligned(signals, run.artifact(DOCUMENTS))
    yield from _column_problems(signals)


def _column_problems(directory: Directory) -> Iterator[str]:
    """A line for each part that has not the columns which the stored parameters ask for, in the types of the first."""
    manifest = artifacts.require_manifest(directory)
    first: pa.Schema | None = None
    for part in manifest.parts:
        schema = artifacts.part_schema(directory, part)
        if lacking := [name for name in _column_names(manifest.parameters) if name not in schema.names]:
            yield f"{directory.path(part.path)}: lacks {', '.join(lacking)}; delete it and run again"
        elif first is not None and not schema.equals(first):
            yield f"{directory.path(part.path)}: has other columns than the first part; delete it and run again"
        first = first or schema


def _column_names(parameters: Mapping[str, Any]) -> list[str]:
    others = [name for name in OTHERS if name != "listed_word_share" or parameters["word_list"] is not None]
    own = map(own_modules.name_of, parameters.get("own_signals", ()))
    return [SIZE, *signal_names(parameters.get("families", FAMILY_NAMES)), *others, *parameters["models"], *own]
