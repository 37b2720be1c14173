"""Documents that share words with evaluation texts: found in a map over the text, told in `selection/contamination`.

The n-grams of the evaluation texts are indexed in this process and written once; workers map that file into memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import apache_beam as beam
import numpy as np
import pyarrow as pa

from sequitur.pipeline import artifacts, builds, schemas
from sequitur.pipeline.artifacts import Part
from sequitur.pipeline.beam import Rows
from sequitur.pipeline.config import Config
from sequitur.pipeline.errors import ConfigError
from sequitur.pipeline.jobs import Jobs
from sequitur.pipeline.names import CONTAMINATED, CONTAMINATION, DOCUMENTS, SELECTION
from sequitur.pipeline.progress import Progress
from sequitur.pipeline.sections import Select
from sequitur.pipeline.storage import Directory
from sequitur.stages.select.declaration import evaluation_parameters
from sequitur.stages.shared.sources import evaluation_files, input_paths
from sequitur.stages.shared.sources.compression import Limits, compression_of
from sequitur.stages.shared.sources.evaluation_files import EvaluationText
from sequitur.text_core.duplicates.overlap import NgramIndex, first_overlaps, ngram_index, presence
from sequitur.text_core.units.offsets import offsets_of
from sequitur.text_core.units.strings import composed, from_arrow
from sequitur.text_core.units.words import word_table

# The working parts; gone when `selection` is done.
EVALUATION, FOUND = "selection/_evaluation", "selection/_contaminated"
TEXTS, WORDS, NGRAMS = "texts.arrow", "words.arrow", "ngrams.arrow"
BYTES_PER_SECOND = 40e6  # of text whose words are found and looked up on one core, measured
NGRAM_CHARACTERS = 1000  # of a matching n-gram that are told: 13 words can stand far apart


class Contamination(NamedTuple):
    """The c contaminated documents, in the order of their rows, and the first n-gram that each shares."""

    row: np.ndarray  # int64 [c], in all parts of `documents` together
    text: np.ndarray  # int64 [c], the evaluation text
    ngram: list[str]  # as it stands in the document


def memory_bytes(settings: Select) -> int:
    """About what indexing the evaluation files takes in this process, by their sizes."""
    paths = evaluation_files.find(settings.decontaminate)
    # 30 bytes for a byte of text are the index while it is made; packed text unpacks to about 4 times its size.
    return sum(input_paths.file_size(path) * (120 if compression_of(path) else 30) for path in paths)


def find(jobs: Jobs, root: Directory, text: Directory, config: Config) -> tuple[Contamination, dict[str, Any]]:
    """The documents that share `select.decontaminate_words` successive words with an evaluation text; and counts.

    Reads all text unless the parts are there already. Without evaluation files there are none, and no counts.

    Args:
        jobs: what runs the job.
        root: of the run, with `selection` being built.
        text: the artifact with the text.
        config: its section `select`, and the limits of `ingest` for a record.

    Raises:
        ConfigError: no text of an evaluation file has that many words.
        InputError: an evaluation file cannot be read.
    """
    if not config.select.decontaminate:
        return Contamination(np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64), []), {}
    _index(config, root / EVALUATION, jobs.progress)
    evaluation, documents = (artifacts.require_manifest(one) for one in (root / EVALUATION, text))
    directory = root / FOUND
    parents = {documents.artifact: documents.fingerprint, EVALUATION: evaluation.fingerprint}
    fingerprint = artifacts.fingerprint_of(FOUND, 1, {}, parents)
    if not artifacts.is_finished(directory, fingerprint):
        build = builds.begin(directory, fingerprint)
        jobs.map_parts(
            {text: ["text"]},
            FindOverlaps(root / EVALUATION, config.select.decontaminate_words),
            build,
            compress=True,
            step="select: contamination",
            seconds=documents.statistics["text_bytes"] / BYTES_PER_SECOND,
        )
        builds.finish(build, {}, parents, {})
    found = _read(directory, documents.parts)
    return found, {CONTAMINATED: len(found.row), **evaluation.statistics}


def write(root: Directory, found: Contamination, dropped: np.ndarray) -> None:
    """Writes `selection/contamination`, which has no rows where nothing was found.

    Args:
        root: of the run, with finished `documents` and `selection` being built.
        found: what `find` returned.
        dropped: bool [c], whether each document was dropped for its contamination.
    """
    build = builds.begin(root / CONTAMINATION, builds.current(root / SELECTION).fingerprint)
    documents, records = _ids_and_sources(root / DOCUMENTS, found.row), _records(root / EVALUATION, found.text)
    columns = [*documents, pa.array(found.ngram, pa.large_string()), *records]
    batch = pa.record_batch([*columns, pa.array(dropped, pa.bool_())], schema=schemas.CONTAMINATION)
    builds.write_part(build, "part-00000-0000.arrow", batch, compress=True)
    builds.finish(build, {}, {}, {})


def remove_working_parts(root: Directory) -> None:
    for directory in (EVALUATION, FOUND):
        root.remove(directory)


def _index(config: Config, directory: Directory, progress: Progress) -> None:
    """Writes the evaluation texts, their words and n-grams."""
    settings, size = config.select, config.select.decontaminate_words
    content = {key: value for key, value in evaluation_parameters(config).items() if key != "decontaminate_action"}
    fingerprint = artifacts.fingerprint_of(EVALUATION, 1, content, {})
    if artifacts.is_finished(directory, fingerprint):
        return
    progress.step("select: evaluation files")
    limits = Limits.of(config.ingest)
    paths = evaluation_files.find(settings.decontaminate)
    texts = [text for path in paths for text in evaluation_files.read(path, limits)]
    column = composed(pa.array([text.text for text in texts], pa.large_string()))
    index = ngram_index(from_arrow(column), size)
    long_enough = np.diff(index.text_offsets) >= size
    _check(paths, texts, long_enough, size)
    short = len(texts) - int(long_enough.sum())
    progress.say(
        f"{'':<10} {len(index.hash):,} runs of {size} words in {len(texts):,} evaluation texts, of which {short:,} are "
        "shorter and not looked for"
    )
    build = builds.begin(directory, fingerprint)
    about = {
        "text": column,
        "file": pa.array([text.file for text in texts], pa.string()).dictionary_encode(),
        "row": pa.array([text.row for text in texts], pa.int64()),
        "record_id": pa.array([text.record_id for text in texts], pa.string()),
        "words": np.diff(index.text_offsets),
    }
    parts = {
        TEXTS: about,
        WORDS: {"start": index.start, "end": index.end},
        NGRAMS: {"hash": index.hash, "word": index.word},
    }
    for name, columns in parts.items():
        builds.write_part(build, name, pa.record_batch(columns), compress=False)
    builds.finish(build, {}, {}, {"evaluation_texts": len(texts), "evaluation_texts_too_short": short})


def _check(paths: list[str], texts: list[EvaluationText], long_enough: np.ndarray, size: int) -> None:
    """Refuses evaluation files in which nothing could be found.

    Raises:
        ConfigError: no text of a file is long enough to be found.
    """
    held = {text.file for text in texts}
    usable = {texts[index].file for index in np.flatnonzero(long_enough)}
    for path in paths:
        if path not in usable:
            what = f"no text in it has {size} words, select.decontaminate_words" if path in held else "holds no text"
            raise ConfigError(f"{path}: {what}; leave it out of select.decontaminate, or lower that number")


@beam.typehints.with_input_types(Rows)
@beam.typehints.with_output_types(Rows)
class FindOverlaps(beam.DoFn):
    """Text of a part → its contaminated rows, each with the evaluation text and the n-gram as it stands there."""

    def __init__(self, evaluation: Directory, size: int) -> None:
        self._evaluation, self._size = evaluation, size

    def setup(self) -> None:
        parts = {part.name: part for part in artifacts.require_manifest(self._evaluation).parts}
        texts, words, ngrams = (artifacts.map_part(self._evaluation, parts[name]) for name in (TEXTS, WORDS, NGRAMS))
        self._index = NgramIndex(
            size=self._size,
            hash=ngrams.column("hash").to_numpy(),
            word=ngrams.column("word").to_numpy(),
            start=words.column("start").to_numpy(),
            end=words.column("end").to_numpy(),
            text_offsets=offsets_of(texts.column("words").to_numpy()),
            data=from_arrow(texts.column("text")).data,
        )
        self._presence = presence(self._index.hash)

    def process(self, rows: Rows) -> Iterator[Rows]:
        name, batch = rows
        documents = from_arrow(composed(batch.column("text")))
        words = word_table(documents)
        found = first_overlaps(documents, words, self._index, self._presence)
        here = np.flatnonzero(found.word >= 0)
        starts, ends = words.start[found.word[here]], words.end[found.word[here] + self._size - 1]
        ngrams = [
            documents.data[start : min(end, start + 4 * NGRAM_CHARACTERS)].tobytes().decode(errors="ignore")
            for start, end in zip(starts, ends, strict=True)
        ]
        columns = {
            "row": here,
            "text": found.text[here],
            "ngram": pa.array([ngram[:NGRAM_CHARACTERS] for ngram in ngrams], pa.large_string()),
        }
        yield name, pa.record_batch(columns)


def _read(directory: Directory, documents: Sequence[Part]) -> Contamination:
    rows, texts, ngrams = [np.empty(0, np.int64)], [np.empty(0, np.int64)], []
    start = 0
    for part, document_part in zip(artifacts.require_manifest(directory).parts, documents, strict=True):
        batch = artifacts.read_part(directory, part)
        rows.append(batch.column("row").to_numpy() + start)
        texts.append(batch.column("text").to_numpy())
        ngrams += batch.column("ngram").to_pylist()
        start += document_part.rows
    return Contamination(np.concatenate(rows), np.concatenate(texts), ngrams)


def _ids_and_sources(directory: Directory, rows: np.ndarray) -> list[pa.Array]:
    """`doc_id` and `source` of some documents, given in order."""
    ids, sources = [pa.array([], schemas.ID)], [pa.array([], pa.string())]
    start = 0
    for part in artifacts.require_manifest(directory).parts:
        here = rows[slice(*np.searchsorted(rows, [start, start + part.rows]))] - start
        if len(here):
            batch = artifacts.read_part(directory, part, ["doc_id", "source"])
            ids.append(batch.column("doc_id").take(pa.array(here)))
            sources.append(batch.column("source").take(pa.array(here)).cast(pa.string()))
        start += part.rows
    return [pa.concat_arrays(ids), pa.concat_arrays(sources).dictionary_encode().cast(schemas.NAME)]


def _records(evaluation: Directory, texts: np.ndarray) -> list[pa.Array]:
    """File, row and id of the records of some evaluation texts."""
    if not len(texts):
        return [pa.array([], field.type) for field in schemas.CONTAMINATION if field.name.startswith("evaluation_")]
    part = next(part for part in artifacts.require_manifest(evaluation).parts if part.name == TEXTS)
    batch = artifacts.read_part(evaluation, part, ["file", "row", "record_id"])
    return [batch.column(name).take(pa.array(texts)) for name in ("file", "row", "record_id")]
