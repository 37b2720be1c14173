"""A seeded sample of the kept documents' text, to train a tokenizer or to fit a model on.

It is drawn evenly from parts spread over the whole corpus, so that sources that lie together are all seen, and takes
memory for the sample alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from sequitur.pipeline import artifacts
from sequitur.pipeline.storage import Directory

MAX_PARTS = 256
MAX_DOCUMENT = 2**16  # characters of one document: a single long one is no sample


class Sample(NamedTuple):
    """Some kept documents."""

    texts: list[str]
    languages: list[str]  # code of each; none where they were not asked for


def sample_texts(
    documents: Directory,
    selection: Directory,
    seed: int,
    max_bytes: int,
    max_documents: int | None = None,
    told: Callable[[int, int], object] = lambda done, total: None,
    signals: Directory | None = None,
    *,
    max_parts: int = MAX_PARTS,
) -> Sample:
    """Texts of kept documents, about so many characters and documents, in an order that the seed decides.

    Memory: `max_bytes`, and the text of one part.

    Args:
        documents: the artifact with the text.
        selection: of its rows.
        seed: decides what is taken.
        max_bytes: characters, about.
        max_documents: about; None for any number.
        told: called with the number of parts that were read, and of all that will be.
        signals: the artifact with their languages, if these are asked for.
        max_parts: of how many parts they are.
    """
    parts = list(
        zip(artifacts.require_manifest(documents).parts, artifacts.require_manifest(selection).parts, strict=True)
    )
    parts = [pair for pair in parts if pair[0].rows]
    parts_of_signals = (
        {} if signals is None else {part.name: part for part in artifacts.require_manifest(signals).parts}
    )
    generator = np.random.Generator(np.random.PCG64(seed))
    chosen = generator.permutation(len(parts))[:max_parts]
    # Each part gives by its share of the rows, so that large parts do not count less than small ones.
    rows = sum(parts[index][0].rows for index in chosen)
    found = Sample([], [])
    for done, index in enumerate(chosen):
        document_part, selection_part = parts[index]
        share = document_part.rows / rows
        told(done, len(chosen))
        kept = artifacts.read_part(selection, selection_part, ["kept"]).column("kept")
        text = artifacts.read_part(documents, document_part, ["text"]).column("text").filter(kept)
        most = None if max_documents is None else max_documents * share
        texts, chosen_rows = _some(text, generator, max_bytes * share, most)
        found.texts.extend(texts)
        if signals is not None:
            part = parts_of_signals[document_part.name]
            language = artifacts.read_part(signals, part, ["language"]).column("language").filter(kept)
            found.languages.extend(language.take(pa.array(chosen_rows, pa.int64())).to_pylist())
    return found


def _some(
    text: pa.Array, generator: np.random.Generator, max_characters: float, max_count: float | None
) -> tuple[list[str], list[int]]:
    """Some texts, and their rows."""
    some: list[str] = []
    rows: list[int] = []
    for row in generator.permutation(len(text)).tolist():
        if max_characters <= 0 or (max_count is not None and len(some) >= max_count):
            break
        some.append(text[row].as_py()[:MAX_DOCUMENT])
        rows.append(row)
        max_characters -= len(some[-1])
    return some, rows
