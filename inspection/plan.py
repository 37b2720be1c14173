"""What each stage of a job would take, before there is one: memory and disk as the stages announce them themselves,
from manifests such as the job would write; time by rates that were measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sequitur.pipeline.artifacts import Manifest, Part
from sequitur.pipeline.config import Config
from sequitur.pipeline.names import DOCUMENTS, NEIGHBORS, ORDER, REFINED, SELECTION, SHARDS, SIGNALS, TOKENS, VECTORS
from sequitur.pipeline.stage import Run, Stage, wanted
from sequitur.stages.embed.stage import FITTED
from sequitur.stages.ingest.splits import InputFile

# Seconds a megabyte of text on one core, of technical documents (benchmarks/job.py); ingest by kind is beside it.
SECONDS_PER_MB = {
    "refine": 0.05,
    "annotate": 0.11,
    "select": 0.03,
    "tokenize": 0.37,
    "embed": 0.08,
    "order": 0.06,
    "pack": 0.01,
    "report": 0.23,
}
MODEL_SECONDS_PER_MB = 6.0  # of a given model of the size of all-MiniLM-L6-v2, which reads the beginning of documents
SEARCHED_PER_SECOND = 1e10  # pairs of numbers that an exact search multiplies
SECONDS_PER_SEARCH = 1.5e-3  # of a document in an index
MOST_EXACT = 50_000  # documents that are searched exactly, about
STARTING = 2.0  # seconds of a stage, whatever it has to do
PART_ROWS = 32768
BYTES_PER_TOKEN = {"zh": 1.7, "ja": 1.7, "ko": 1.9, "th": 2.2}  # of UTF-8, with a vocabulary trained on the corpus
USUAL_BYTES_PER_TOKEN = 4.0
FITTED_DIMENSIONS, MODEL_DIMENSIONS = 640, 384
TOKEN_BYTES = 4


@dataclass(frozen=True)
class _Planned(Run):
    """A run whose artifacts are as one would expect them."""

    manifests: Mapping[str, Manifest] = field(default_factory=dict)

    def manifest(self, name: str) -> Manifest:
        return self.manifests[name]


def plan(
    recipe: Sequence[Stage],
    config: Config,
    files: Sequence[InputFile],
    documents: int,
    text_bytes: int,
    tokens: int,
    ingest_seconds: float,
) -> list[dict[str, Any]]:
    """What each stage would take, if no document were dropped.

    Args:
        recipe: the stages.
        config: the settings.
        files: that would be read.
        documents: that would be read.
        text_bytes: of all their text, in UTF-8.
        tokens: of all their text.
        ingest_seconds: of reading them, on one core.

    Returns:
        for each stage `name`, `memory` and `disk` in bytes, and `seconds`, on one machine with one worker process.
    """
    dimensions = FITTED_DIMENSIONS if config.embed.model == FITTED else MODEL_DIMENSIONS
    manifests = _manifests(config, documents, text_bytes, tokens, dimensions)
    stages = wanted(recipe, config)
    run = _Planned(config, parameters={DOCUMENTS: {"files": files}}, manifests=manifests)
    seconds = {name: rate * text_bytes / 1e6 for name, rate in SECONDS_PER_MB.items()}
    seconds["ingest"] = ingest_seconds
    if config.embed.model != FITTED:
        seconds["embed"] = MODEL_SECONDS_PER_MB * text_bytes / 1e6
    exact = documents * documents * dimensions / SEARCHED_PER_SECOND
    seconds["neighbors"] = exact if documents <= MOST_EXACT else SECONDS_PER_SEARCH * documents
    found = []
    for stage in stages:
        estimate = stage.estimate(run)
        found.append(
            {
                "name": stage.name,
                "memory": estimate.in_all(1) + estimate.mapped,
                "disk": estimate.disk,
                "seconds": STARTING + seconds[stage.name],
            }
        )
    return found


def _manifests(config: Config, documents: int, text_bytes: int, tokens: int, dimensions: int) -> dict[str, Manifest]:
    parts = max(1, -(-text_bytes // int(config.ingest.part_bytes)), -(-documents // PART_ROWS))
    sizes = {
        DOCUMENTS: text_bytes + 200 * documents,
        REFINED: text_bytes + 50 * documents,
        SIGNALS: (4 * config.annotate.permutations + 512) * documents,
        SELECTION: 40 * documents,
        TOKENS: TOKEN_BYTES * tokens,
        VECTORS: 2 * dimensions * documents,
        NEIGHBORS: 12 * config.neighbors.k * documents,
        ORDER: 40 * documents,
        SHARDS: TOKEN_BYTES * tokens,
    }
    statistics: dict[str, Any] = {
        "text_bytes": text_bytes,
        "kept": documents,
        "dimensions": dimensions,
        "tokens": tokens,
    }
    return {
        name: Manifest(name, "", {}, {}, tuple(_parts(documents, size, parts)), statistics)
        for name, size in sizes.items()
    }


def _parts(rows: int, size: int, count: int) -> list[Part]:
    edges = [place * rows // count for place in range(count + 1)]
    return [Part(f"{place:05}", edges[place + 1] - edges[place], size // count, "") for place in range(count)]
