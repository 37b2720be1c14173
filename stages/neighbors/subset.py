"""Keeping a part of the documents by their vectors, `select.subset`: after near-duplicates, before the order."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from itertools import groupby
from pathlib import Path

import numpy as np
import pyarrow as pa

from sequitur.graph_sort import subset
from sequitur.pipeline import artifacts, builds, schemas
from sequitur.pipeline.artifacts import Manifest
from sequitur.pipeline.config import Config
from sequitur.pipeline.errors import ConfigError
from sequitur.pipeline.names import NEIGHBORS, UNSELECTED, VECTORS
from sequitur.pipeline.progress import Progress
from sequitur.pipeline.storage import Directory
from sequitur.stages.neighbors.declaration import TARGETS
from sequitur.stages.neighbors.rounds import Rounds
from sequitur.stages.shared.columns.arrays import problems_beside, read_graph
from sequitur.stages.shared.columns.stored_vectors import StoredVectors, unit
from sequitur.stages.shared.models import encoders
from sequitur.stages.shared.sources import evaluation_files, input_paths
from sequitur.stages.shared.sources.compression import Limits, compression_of

LISTS = "neighbors/_lists"  # of those among whom is chosen


def chosen(root: Directory, rounds: Rounds, config: Config, progress: Progress) -> np.ndarray:
    """Decides which documents stay, and lists the others in `neighbors/unselected`, which may be empty.

    Args:
        root: of the run; its `vectors` are read for targets.
        rounds: with the documents among which is chosen, and their neighbours.
        config: how they are chosen, and how targets are read and encoded.
        progress: where that is told.

    Returns:
        int64 ordinals that stay, ascending.

    Raises:
        ConfigError: the share keeps none, or there is nothing in the targets.
        InputError: a file of targets cannot be read.
        ModelError: the model that encodes them cannot be loaded.
    """
    directory, fingerprint = root / UNSELECTED, builds.current(root / NEIGHBORS).fingerprint
    if not artifacts.is_finished(directory, fingerprint):
        left, score = _left_out(root, rounds, config, progress)
        build = builds.begin(directory, fingerprint)
        batch = pa.record_batch([left, score], schema=schemas.UNSELECTED)
        builds.write_part(build, "part-00000-0000.arrow", batch, compress=False)
        builds.finish(build, {}, {}, {})
    left_out = artifacts.read_columns(directory, ["ordinal"])["ordinal"].to_numpy()
    return np.setdiff1d(rounds.members, left_out, assume_unique=True) if len(left_out) else rounds.members


def _left_out(root: Directory, rounds: Rounds, config: Config, progress: Progress) -> tuple[np.ndarray, np.ndarray]:
    """int64 ordinals that go, ascending, and float32 scores: how near each is to what stays, or to the targets."""
    settings, ordinals = config.select.subset, rounds.members
    if settings.by is None or settings.share == 1:
        return np.empty(0, np.int64), np.empty(0, np.float32)
    count = int(settings.share * len(ordinals))
    if count == 0:
        raise ConfigError(
            f"select.subset.share: {settings.share} of {len(ordinals)} documents keeps none; raise it, or set "
            "select.subset.by to null"
        )
    progress.step(f"neighbors: subset by {settings.by}")
    if settings.by == "coverage":
        _, graph = read_graph(_written(root / LISTS, rounds))
        kept = subset.facility_location(graph, count).ids
        score = subset.coverage(graph, kept)
    else:
        targets = _target_vectors(root / VECTORS, config)
        similarity = subset.similarity_to_targets(StoredVectors(root / VECTORS, own=True)[ordinals], targets)
        kept = subset.nearest_to_targets(similarity, count).ids
        score = similarity.astype(np.float32)
    left = np.setdiff1d(np.arange(len(ordinals)), kept, assume_unique=True)
    return ordinals[left], score[left]


def _written(directory: Directory, rounds: Rounds) -> Directory:
    """The lists of all among whom is chosen, as an artifact."""
    members = {"members": artifacts.digest(rounds.members)}
    fingerprint = artifacts.fingerprint_of(LISTS, 1, members, {NEIGHBORS: rounds.search.build.fingerprint})
    if not artifacts.is_finished(directory, fingerprint):
        build = builds.begin(directory, fingerprint)
        rounds.write(build)
        builds.finish(build, {}, {}, {})
    return directory


def _target_vectors(directory: Directory, config: Config) -> np.ndarray:
    """The targets as the model sees them, float16 [t, d], of unit length.

    A target is a paragraph of a text file, or a record of a JSONL file: its field `ingest.text_field`, or else all its
    strings.
    """
    ingest = config.ingest
    limits = Limits.of(ingest)
    texts: list[str] = []
    for path in evaluation_files.find(config.select.subset.targets, TARGETS):
        found = evaluation_files.read(path, limits, TARGETS, ingest.text_field)
        records = ["\n".join(one.text for one in record) for _, record in groupby(found, lambda one: one.row)]
        if not records:
            raise ConfigError(f"{path}: holds no text; leave it out of {TARGETS}")
        texts += records
    with tempfile.TemporaryDirectory() as scratch:
        encode = encoders.load_stored(config.embed, directory, Path(scratch))
        vectors = unit(encode(pa.array(texts, pa.large_string())))
    if not vectors.any():
        raise ConfigError(f"{TARGETS}: embed.model finds nothing to go by in any of the texts; give others")
    return vectors


def memory_bytes(config: Config, vectors: Manifest) -> int:
    """About what choosing takes in this process."""
    settings = config.select.subset
    if settings.by is None:
        return 0
    if settings.by == "coverage":
        return (50 * config.neighbors.k + 40) * vectors.rows
    paths = evaluation_files.find(settings.targets, TARGETS)
    texts = sum(input_paths.file_size(path) * (16 if compression_of(path) else 4) for path in paths)
    return 4 * vectors.bytes + 2**28 + texts


def verify(root: Directory) -> Iterable[str]:
    """One line for each thing that is wrong with `neighbors/unselected` of a run."""
    yield from problems_beside(root / UNSELECTED, schemas.UNSELECTED, root / NEIGHBORS)
