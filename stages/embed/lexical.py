"""The words' share in the vectors: counted over a sample, stored beside the vectors, mixed with a model's vectors.
A document's language counts as one more word.

    joint = [√(1 − w) · model vector, √w · lexical vector], so that
    cosine of two joint vectors = (1 − w) · the model's cosine + w · the lexical cosine

Where one of the two is zero the joint vector is the other alone, at unit length.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from sequitur.pipeline import artifacts
from sequitur.pipeline.errors import CorruptPart, SequiturError
from sequitur.pipeline.progress import Progress
from sequitur.pipeline.sections import Embed
from sequitur.pipeline.stage import Estimate
from sequitur.pipeline.storage import Directory
from sequitur.stages.embed.fitting import LANGUAGES, WEIGHTS
from sequitur.stages.shared.columns.samples import Sample
from sequitur.stages.shared.columns.stored_vectors import unit
from sequitur.text_core.units.strings import from_arrow
from sequitur.text_core.vectors.languages import language_numbers, language_shares, with_languages
from sequitur.text_core.vectors.lexical_vectors import BUCKETS, document_frequencies, lexical_vectors, term_weights

SAMPLE_BYTES = 64 * 2**20
BLOCK = 4096  # documents whose lexical vectors are float32 at a time


class Counted(NamedTuple):
    """What was counted over the sample."""

    weights: np.ndarray  # float32 [BUCKETS], of terms
    languages: Mapping[str, float]  # by code, the share of each


def fit(
    directory: Directory,
    sample: Callable[[], Sample],
    progress: Progress,
    given: Directory | None = None,
) -> None:
    """Stores the weights of terms: those given, or by a seeded sample; an interrupted run goes on with those that are
    there."""
    if directory.exists(WEIGHTS):
        return
    if given is not None:
        for name in (LANGUAGES, WEIGHTS):
            directory.write_bytes(name, given.read_bytes(name))
        return
    texts, codes = sample()
    progress.step("embed: counting words")
    frequencies = document_frequencies(from_arrow(pa.array(texts, pa.large_string())))
    directory.write_json(LANGUAGES, language_shares(codes))
    with directory.writing(WEIGHTS) as file:
        np.save(file, term_weights(frequencies, len(texts)), allow_pickle=False)


def read(directory: Directory) -> Counted:
    """As `fit` stored it.

    Raises:
        CorruptPart: it is not what was stored.
    """
    return Counted(read_weights(directory), directory.read_json(LANGUAGES))


def read_weights(directory: Directory) -> np.ndarray:
    """float32 [BUCKETS], as `fit` stored them.

    Raises:
        CorruptPart: they are not what was stored.
    """
    try:
        weights: np.ndarray = np.load(io.BytesIO(directory.read_bytes(WEIGHTS)), allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise CorruptPart(f"{directory.path(WEIGHTS)}: damaged; delete {directory.path()} and run again") from error
    return weights


def statistics(settings: Embed, directory: Directory, dimensions: int) -> dict[str, object]:
    """What the manifest says of the words' share in vectors of so many dimensions, the model's and the words'."""
    if not settings.lexical_weight:
        return {"model_dimensions": dimensions, "lexical_weight": 0.0}
    return {
        "model_dimensions": dimensions - settings.lexical_dimensions,
        "lexical_weight": settings.lexical_weight,
        "term_weights": artifacts.digest(read_weights(directory)),
        "languages": directory.read_json(LANGUAGES),
    }


def estimate(settings: Embed, kept: int, text_bytes: int) -> Estimate:
    """What the words' share adds to the vectors of `kept` documents, whose text has so many bytes."""
    if not settings.lexical_weight:
        return Estimate(memory=0, disk=0)
    dimensions = settings.lexical_dimensions
    return Estimate(
        # The sample as text twice, its words at 12 bytes a byte; the counts, the last document of each, the weights.
        memory=14 * min(SAMPLE_BYTES, text_bytes) + 24 * BUCKETS,
        disk=2 * dimensions * kept + 4 * BUCKETS,
        each_worker=4 * BUCKETS + 24 * BLOCK * (dimensions + 1024),
    )


def problems(directory: Directory) -> Iterator[str]:
    """A line for each of the stored figures that is not the one by which the vectors were made."""
    statistics = artifacts.require_manifest(directory).statistics
    if "term_weights" not in statistics:
        return
    counted = {
        WEIGHTS: lambda: artifacts.digest(read_weights(directory)) == statistics["term_weights"],
        LANGUAGES: lambda: directory.read_json(LANGUAGES) == statistics["languages"],
    }
    for name, is_whole in counted.items():
        try:
            if is_whole():
                continue
        except SequiturError:
            pass
        yield f"{directory.path(name)}: not what was counted; delete {directory.path()} and run again"


def joint_vectors(
    own: np.ndarray, text: pa.LargeStringArray, languages: Sequence[str], counted: Counted, settings: Embed
) -> np.ndarray:
    """float16 [n, d + D], unit or zero, from the model's own vectors, float32 [n, d], unit or zero, the n texts, and
    the codes of their languages.

    Memory: the result, and float32 of BLOCK rows.
    """
    dimensions, share = own.shape[1], settings.lexical_weight
    joint = np.empty((len(own), dimensions + settings.lexical_dimensions), dtype=np.float16)
    numbers = language_numbers(languages, counted.languages)
    for begin in range(0, len(own), BLOCK):
        rows = slice(begin, begin + BLOCK)
        words = lexical_vectors(from_arrow(text[rows]), counted.weights, settings.lexical_dimensions)
        lexical = with_languages(words, numbers[rows], counted.languages)
        scaled = [own[rows] * np.float32(np.sqrt(1 - share)), lexical * np.float32(np.sqrt(share))]
        joint[rows] = unit(np.concatenate(scaled, axis=1))
    return joint
