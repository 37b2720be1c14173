"""What each stage of a job would take, before there is one: memory and disk as the stages announce them themselves,
from manifests such as the job would write; time by rates that were measured."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from sequitur.graph_sort import spherical_kmeans
from sequitur.graph_sort.cells import TRAINING_POINTS
from sequitur.pipeline.artifacts import Manifest, Part
from sequitur.pipeline.config import Config
from sequitur.pipeline.names import DOCUMENTS, NEIGHBORS, ORDER, REFINED, SELECTION, SHARDS, SIGNALS, TOKENS, VECTORS
from sequitur.pipeline.runner import Runner
from sequitur.pipeline.stage import Estimate, Run, Stage, wanted
from sequitur.stages.embed.stage import FITTED
from sequitur.stages.ingest.splits import InputFile
from sequitur.stages.neighbors.cell_assignment import ALL_PAIRS, MOST_CELLS, MULTIPLICATIONS_PER_SECOND, cells_for
from sequitur.stages.order.documents import on_workers


class Rate(NamedTuple):
    """What a stage takes of one core, in seconds."""

    mb: float  # a megabyte of text, which workers divide among them
    driver: float = 0.0  # a document, in the one process that decides
    threads: float = 0.0  # a document, which that process divides among its cores
    cells: float = 0.0  # a document, in cells, which go to the workers where jobs run elsewhere, else on those threads


# Processor seconds of technical documents of 5,000 bytes (benchmarks/job.py); `ingest` of JSONL, and by kind of file
# beside it. What the driver does alone was measured of a million made-up documents; of `order` and `pack` it is what a
# second core does not halve (benchmarks/two_cores.py).
RATES = {
    "ingest": Rate(0.04),
    "refine": Rate(0.05),
    "annotate": Rate(0.09),
    "select": Rate(0.02, 5e-6),
    "tokenize": Rate(0.04),
    "embed": Rate(0.07),
    "neighbors": Rate(0.15, 1e-5),
    "order": Rate(0.0, 5e-6, 2e-5, 2e-4),
    "pack": Rate(0.02, 4e-6),
    "report": Rate(0.002, 1e-5),
}
MODEL_SECONDS_PER_MB = 6.0  # of a given model of the size of all-MiniLM-L6-v2, which reads the beginning of documents
SEARCH_SECONDS = 7.6e-4  # of a document among a million, of one core
STARTING = 2.0  # seconds of a stage, whatever it has to do
PART_ROWS = 32768
BYTES_PER_TOKEN = {"zh": 1.7, "ja": 1.7, "ko": 1.9, "th": 2.2}  # of UTF-8, with a vocabulary trained on the corpus
USUAL_BYTES_PER_TOKEN = 4.0
MODEL_DIMENSIONS = 384  # of a given model
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
    found = []
    for stage, estimate, _ in planned(recipe, config, documents, text_bytes, tokens, Runner(), files):
        seconds = sum(seconds_of(stage.name, config, documents, text_bytes, Runner()))
        found.append(
            {
                "name": stage.name,
                "memory": estimate.in_all(1) + estimate.mapped,
                "disk": estimate.disk,
                "seconds": STARTING + ingest_seconds if stage.name == "ingest" else seconds,
            }
        )
    return found


def planned(
    recipe: Sequence[Stage],
    config: Config,
    documents: int,
    text_bytes: int,
    tokens: int,
    runner: Runner,
    files: Sequence[InputFile] = (),
) -> Iterator[tuple[Stage, Estimate, int]]:
    """The stages that the settings ask for, what each would announce, and of how many parts its work would be."""
    manifests = _manifests(config, documents, text_bytes, tokens, _dimensions(config))
    run = _Planned(config, runner, parameters={DOCUMENTS: {"files": files}}, manifests=manifests)
    for stage in wanted(recipe, config):
        of_files = stage.name == "ingest" and not files  # which are not known
        estimate = Estimate(0, text_bytes, 12 * int(config.ingest.part_bytes)) if of_files else stage.estimate(run)
        yield stage, estimate, max(estimate.elements, len(manifests[DOCUMENTS].parts))


def seconds_of(
    stage: str, config: Config, documents: int, text_bytes: int, runner: Runner
) -> tuple[float, float, float]:
    """What a stage takes of a core, in seconds: where its work can be divided among workers, where one process does it
    alone, and where that divides it among its cores."""
    rate = RATES[stage]
    of_workers, on_threads = rate.mb * text_bytes / 1e6, rate.threads * documents
    if on_workers(runner, documents):
        of_workers += rate.cells * documents
    else:
        on_threads += rate.cells * documents
    if stage == "embed" and config.embed.model != FITTED:
        of_workers = MODEL_SECONDS_PER_MB * text_bytes / 1e6
    if stage == "neighbors":
        of_workers += _searching(documents, _dimensions(config))
        on_threads += _making_cells(documents, _dimensions(config))
    return of_workers, STARTING + rate.driver * documents, on_threads


def _searching(documents: int, dimensions: int) -> float:
    """All pairs where they are few; else by cells, whose number grows with n^¾ up to MOST_CELLS: searching as measured
    of 145,064 and of a million documents, then as far as the cells themselves grow; and finding the cells of each."""
    if documents * documents * dimensions <= ALL_PAIRS:
        return documents * documents * dimensions / MULTIPLICATIONS_PER_SECOND
    most = (9 * MOST_CELLS) ** (4 / 3)  # documents
    searching = SEARCH_SECONDS * (min(documents, most) / 1e6) ** 0.5 * max(documents / most, 1.0)
    return documents * (searching + cells_for(documents, dimensions) * dimensions / MULTIPLICATIONS_PER_SECOND)


def _making_cells(documents: int, dimensions: int) -> float:
    cells = cells_for(documents, dimensions)
    compared = TRAINING_POINTS * cells * cells * spherical_kmeans.iterations_for(cells) if cells > 1 else 0
    return compared * dimensions / MULTIPLICATIONS_PER_SECOND


def _dimensions(config: Config) -> int:
    settings = config.embed
    own = settings.dimensions if settings.model == FITTED else MODEL_DIMENSIONS
    return own + (settings.lexical_dimensions if settings.lexical_weight else 0)


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
    # Two objects for all parts, of which there may be millions.
    rows, more = divmod(documents, parts)
    return {
        name: Manifest(
            name,
            "",
            {},
            {},
            (Part("", rows + 1, size // parts, ""),) * more + (Part("", rows, size // parts, ""),) * (parts - more),
            statistics,
        )
        for name, size in sizes.items()
    }
