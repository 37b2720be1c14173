"""Which of several duplicates stays: `select.survivor`, as one order over all documents."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sequitur.pipeline import artifacts
from sequitur.pipeline.errors import ConfigError
from sequitur.pipeline.names import DOCUMENTS, SIGNALS
from sequitur.pipeline.sections import Select
from sequitur.pipeline.storage import Directory
from sequitur.stages.select.verdicts import Documents


def check(settings: Select) -> None:
    """Refuses `survivor: source_priority` without sources.

    Raises:
        ConfigError: sources are to decide, and none is listed.
    """
    if settings.survivor == "source_priority" and not settings.source_priority:
        raise ConfigError("select.source_priority: is empty; list the sources, the preferred one first")


def ranks(root: Directory, settings: Select, documents: Documents, say: Callable[[str], None]) -> np.ndarray:
    """The place of each document in the order of preference, int64 [documents], 0 the most preferred.

    By `select.survivor`: newest: the latest timestamp, documents without one last; source_priority: the place of the
    source in the list, others last; best:SIGNAL: the highest value, NaN last; longest: nothing more. Then the length in
    bytes, longest first; then `doc_id`, lowest first.

    Args:
        root: of the run, with finished `documents` and `signals`.
        settings: which say the order.
        documents: of this run, and what may follow them of another's.
        say: warns, where `newest` can tell little.

    Raises:
        ConfigError: SIGNAL is not a number or not there.
    """
    policy = settings.survivor
    first: tuple[np.ndarray, ...] = ()
    if policy == "newest":
        first = _newest(root / DOCUMENTS, say)
    elif policy == "source_priority":
        first = (_place_of_source(root / DOCUMENTS, settings.source_priority),)
    elif policy.startswith("best:"):
        first = _highest(root / SIGNALS, policy.removeprefix("best:"))
    count = len(documents.length)
    halves = documents.doc_id[:count].view(">u8").reshape(-1, 2)
    rank = np.empty(count, dtype=np.int64)
    rank[np.lexsort((halves[:, 1], halves[:, 0], -documents.length, *reversed(first)))] = np.arange(count)
    return rank


def _newest(directory: Directory, say: Callable[[str], None]) -> tuple[np.ndarray, np.ndarray]:
    times = _column(directory, "timestamp").cast(pa.int64())
    if (unknown := times.null_count / max(len(times), 1)) > 0.5:
        say(
            f"warning: select.survivor: newest: {unknown:.1%} of the documents have no time, and of duplicates without "
            "one the longest stays; see ingest.timestamp_field"
        )
    return times.is_null().to_numpy(), -times.fill_null(0).to_numpy()


def _place_of_source(directory: Directory, listed: Sequence[str]) -> np.ndarray:
    places = [
        pc.fill_null(pc.index_in(chunk.cast(pa.string()), pa.array(listed, pa.string())), len(listed))
        for chunk in _column(directory, "source").chunks
    ]
    return np.concatenate([place.to_numpy() for place in places])


def _highest(directory: Directory, signal: str) -> tuple[np.ndarray, np.ndarray]:
    part = artifacts.require_manifest(directory).parts[0]
    schema = artifacts.read_part(directory, part).schema
    numbers = [field.name for field in schema if pa.types.is_integer(field.type) or pa.types.is_floating(field.type)]
    if signal not in numbers:
        raise ConfigError(f"select.survivor: best:{signal}: no such signal; valid are {', '.join(numbers)}")
    values = _column(directory, signal).cast(pa.float64()).fill_null(np.nan).to_numpy()
    return np.isnan(values), -np.nan_to_num(values, nan=0, posinf=np.inf, neginf=-np.inf)


def _column(directory: Directory, name: str) -> pa.ChunkedArray:
    parts = artifacts.require_manifest(directory).parts
    return pa.chunked_array([artifacts.read_part(directory, part, [name]).column(0) for part in parts])
