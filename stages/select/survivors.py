"""Which of several duplicates stays: `select.survivor`, as one order over all documents."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import DTypeLike

from sequitur.pipeline import artifacts, scratch
from sequitur.pipeline.errors import ConfigError
from sequitur.pipeline.names import DOCUMENTS, SIGNALS
from sequitur.pipeline.sections import Select
from sequitur.pipeline.storage import Directory
from sequitur.stages.select.verdicts import Documents

if TYPE_CHECKING:  # what begins a run loads no numba
    from sequitur.graph_sort.graph import Empty


def check(settings: Select) -> None:
    """Refuses `survivor: source_priority` without sources.

    Raises:
        ConfigError: sources are to decide, and none is listed.
    """
    if settings.survivor == "source_priority" and not settings.source_priority:
        raise ConfigError("select.source_priority: is empty; list the sources, the preferred one first")


def ranks(root: Directory, settings: Select, documents: Documents, say: Callable[[str], None]) -> np.ndarray:
    """The place of each document in the order of preference, int64 [documents], 0 the most preferred; mapped.

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
    policy, empty = settings.survivor, scratch.beside(root)
    first: tuple[np.ndarray, ...] = ()
    if policy == "newest":
        first = _newest(root / DOCUMENTS, empty, say)
    elif policy == "source_priority":
        first = (_place_of_source(root / DOCUMENTS, empty, settings.source_priority),)
    elif policy.startswith("best:"):
        first = _highest(root / SIGNALS, empty, policy.removeprefix("best:"))
    count = len(documents.length)
    halves = documents.doc_id[:count].view(">u8").reshape(-1, 2)
    shortness = np.negative(documents.length, out=empty(count, np.int64))
    order = np.lexsort((halves[:, 1], halves[:, 0], shortness, *reversed(first)))
    rank = empty(count, np.int64)
    rank[order] = np.arange(count)
    return rank


def _newest(directory: Directory, empty: Empty, say: Callable[[str], None]) -> tuple[np.ndarray, np.ndarray]:
    unknown = _column(directory, "timestamp", empty, np.bool_, lambda times: times.is_null().to_numpy(False))
    if (share := np.count_nonzero(unknown) / max(len(unknown), 1)) > 0.5:
        say(
            f"warning: select.survivor: newest: {share:.1%} of the documents have no time, and of duplicates without "
            "one the longest stays; see ingest.timestamp_field"
        )
    return unknown, _column(
        directory, "timestamp", empty, np.int64, lambda times: -times.cast(pa.int64()).fill_null(0).to_numpy()
    )


def _place_of_source(directory: Directory, empty: Empty, listed: Sequence[str]) -> np.ndarray:
    names = pa.array(listed, pa.string())

    def places(sources: pa.Array) -> np.ndarray:
        return pc.fill_null(pc.index_in(sources.cast(pa.string()), names), len(listed)).to_numpy()

    return _column(directory, "source", empty, np.int32, places)


def _highest(directory: Directory, empty: Empty, signal: str) -> tuple[np.ndarray]:
    part = artifacts.require_manifest(directory).parts[0]
    schema = artifacts.read_part(directory, part).schema
    numbers = [field.name for field in schema if pa.types.is_integer(field.type) or pa.types.is_floating(field.type)]
    if signal not in numbers:
        raise ConfigError(f"select.survivor: best:{signal}: no such signal; valid are {', '.join(numbers)}")

    def falling(values: pa.Array) -> np.ndarray:  # NaN sorts last as it is
        return -values.cast(pa.float64()).fill_null(np.nan).to_numpy()

    return (_column(directory, signal, empty, np.float64, falling),)


def _column(
    directory: Directory, name: str, empty: Empty, dtype: DTypeLike, key: Callable[[pa.Array], np.ndarray]
) -> np.ndarray:
    """What `key` makes of a column, part by part, in an array from `empty`."""
    parts, filled = artifacts.require_manifest(directory).parts, 0
    whole = empty(sum(part.rows for part in parts), dtype)
    for part in parts:
        column = artifacts.read_part(directory, part, [name]).column(0)
        whole[filled : filled + part.rows] = key(column)
        filled += part.rows
    return whole
